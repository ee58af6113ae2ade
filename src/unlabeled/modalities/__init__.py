"""Which kinds of data there are, and which of them some data is. A new kind is one new folder here."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import zipfile
from pathlib import Path
from typing import Any

from unlabeled.data import npz
from unlabeled.data.collection import describe
from unlabeled.data.frames import is_frame
from unlabeled.errors import DataError, OptionError, nearest
from unlabeled.modalities.audio.decode import ARRAY_NAMES, RATE_NAMES
from unlabeled.modalities.contract import Changed, Modality
from unlabeled.modalities.image.recognise import array_shape
from unlabeled.modalities.image.stack import array_file
from unlabeled.modalities.series.recordings import as_array

__all__ = ["MODALITIES", "Changed", "Modality", "detect", "fit"]


def _found() -> dict[str, type[Modality]]:
    """The modality that each folder's `__init__` offers, by its name."""
    kinds = {}
    for folder in pkgutil.iter_modules(__path__):
        if folder.ispkg:
            offered = vars(importlib.import_module(f"{__name__}.{folder.name}")).values()
            for kind in offered:
                if inspect.isclass(kind) and issubclass(kind, Modality) and not inspect.isabstract(kind):
                    kinds[kind.name] = kind
    return dict(sorted(kinds.items()))


MODALITIES: dict[str, type[Modality]] = _found()

LOOK = 1000
"""items of a list looked at"""


def detect(data: Any, modality: str | None = None) -> type[Modality]:
    """The modality of `data`: the one named, else the only one that recognises it.

    `OptionError`: an unknown name. `DataError`: there is nothing at that path, no modality or several
    recognise the data, or it has three axes, which two kinds of data have.
    """
    if modality is not None:
        if modality not in MODALITIES:
            raise OptionError(f"unknown modality {modality!r}: {nearest(modality, MODALITIES)}")
        return MODALITIES[modality]
    if isinstance(data, str | os.PathLike) and not Path(data).expanduser().exists():
        raise DataError(f"there is no file or folder {str(data)!r} (looked in {Path.cwd()})")
    found = {name: said for name, kind in MODALITIES.items() if (said := kind.recognises(data)) is not None}
    if not found:
        shape = _shape(data)
        if shape is not None and len(shape) == 3:
            raise DataError(
                f"an array of shape {shape} can be read in two ways: name the modality. (sample, height, width) "
                "needs modality='image', (sample, channel, time) needs modality='series'"
            )
        if is_frame(data) or (shape is not None and len(shape) == 2):
            return MODALITIES["table"]  # it is one, though a faulty one: reading it says what is wrong
        raise DataError(_nearly(data) or _unrecognised(data))
    if len(found) > 1:
        said = "; ".join(f"modality={name!r}: {line}" for name, line in found.items())
        raise DataError(f"{describe(data)} can be read in several ways, name one of them: {said}")
    return MODALITIES[next(iter(found))]


def fit(data: Any, labels: Any = None, *, name: str | None = None, **options: Any) -> Modality:
    """The modality of `data` (`name`, else the one that recognises it), fixed by a look at the data.

    `labels`: where it is text and no file, the column of the classes, which is kept out of the inputs.
    `options`: those of the modality's `measure`.
    """
    kind = detect(data, name)
    takes_columns = "label" in inspect.signature(kind.measure).parameters and "label" not in options
    if takes_columns and isinstance(labels, str) and not Path(labels).expanduser().exists():
        options["label"] = labels  # not a file: the name of a column
    return kind.measure(data, **options)


def _shape(data: Any) -> tuple[int, ...] | None:
    path = array_file(data)
    if path is not None:
        try:
            shape = array_shape(path)
            if shape is None and path.suffix.lower() == ".npz":
                held = npz.shapes(path).values()
                return next((s for axes in (3, 2) for s in held if len(s) == axes), None)
            return shape
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(f"{path} is not an array file that can be read ({error})") from error
    shape = getattr(data, "shape", None)
    return tuple(shape) if isinstance(shape, tuple) else None


def _nearly(data: Any) -> str | None:
    """What is wrong with data that one kind would take if it were a little different; None: nothing comes near."""
    if isinstance(data, dict):
        array = next((name for name in ARRAY_NAMES if name in data), None)
        if array is not None and not any(name in data for name in RATE_NAMES):
            return (
                f"a dictionary with {array!r} would be audio, and its sampling rate is missing: give "
                f'{{"{array}": …, "rate": …}}'
            )
    if isinstance(data, list | tuple):
        arrays = [as_array(one) for one in data[:LOOK]]
        shapes = {None if one is None else one.shape for one in arrays}
        shape = shapes.pop() if len(shapes) == 1 else None
        if shape is not None and len(shape) == 1 and shape > (1,):
            return (
                f"a list of {len(data):,} arrays of one length, {shape[0]:,}, can be read in two ways: where each "
                "is a row of a table give numpy.stack(data); where each is a series, modality='series'"
            )
    return None


def _unrecognised(data: Any) -> str:
    accepted = "; ".join(f"{name}: {kind.accepts}" for name, kind in MODALITIES.items())
    if isinstance(data, str | os.PathLike) and Path(data).expanduser().is_dir():
        names = sorted(p.name for p in Path(data).expanduser().iterdir())
        found = ", ".join(names[:5]) + (", …" if len(names) > 5 else "") if names else "it is empty"
        return f"the folder {str(data)!r} holds nothing to learn from ({found}); accepted: {accepted}"
    return f"{describe(data)} is no kind of data that is known here; accepted: {accepted}"
