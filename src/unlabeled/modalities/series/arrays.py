"""Series that are arrays already: a stack of them, a list of unequal length, an .npy or .npz file."""

from __future__ import annotations

import os
import zipfile
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unlabeled.data.cache import Mapped
from unlabeled.errors import DataError, nearest
from unlabeled.modalities.series.recordings import (
    NOTHING,
    Layout,
    Recordings,
    Stacked,
    as_array,
    as_channels,
    check_one,
)

NAMES = ("X", "x", "series", "data", "arr_0")
"""what the array of values may be called in an .npz file, alone or with `_train`, `_test`, … behind"""
LABELS = ("y", "Y", "labels", "label", "target", "targets", "classes")
"""the same for the classes"""


def is_array(data: Any) -> bool:
    """Whether `data` is an array, a tensor, a list of them, or an .npy or .npz file."""
    if isinstance(data, str | os.PathLike):
        return Path(data).suffix.lower() in (".npy", ".npz")
    return isinstance(data, np.ndarray | torch.Tensor | list | tuple)


def from_arrays(data: Any, layout: Layout, strict: bool = False) -> Recordings:
    """The recordings of arrays in memory or in a file.

    `DataError`: no numbers, another number of axes, names in an .npz file that say nothing.
    """
    if isinstance(data, str | os.PathLike):
        return _from_file(Path(data).expanduser(), layout, strict)
    if isinstance(data, list | tuple) or (isinstance(data, np.ndarray) and data.dtype == object):
        return _from_list(list(data))
    array = as_array(data)
    if array is None:
        raise DataError(f"an array of type {data.dtype} holds no series: numbers are needed")
    return _stacked(array, "an array", layout)


def _stacked(values: np.ndarray | Mapped, what: str, layout: Layout) -> Recordings:
    array = values.array if isinstance(values, Mapped) else values
    if array.dtype.kind not in "buif":
        raise DataError(f"{what} holds {array.dtype}, not numbers")
    if array.ndim == 1 and layout.window is None:
        raise check_one(len(array), what)
    if array.ndim == 1:
        return Recordings([array[None]], [""], what)
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise DataError(
            f"{what} of shape {array.shape} is no stack of series: (sample, channel, time), (sample, time), or "
            "(time,) with window= are"
        )
    return Recordings(Stacked(values), [str(i) for i in range(len(array))], f"{what} {array.shape}")


def _from_list(items: Sequence[Any]) -> Recordings:
    if not items:
        raise DataError("the list of series is empty")
    series, failed = [], {}
    for i, item in enumerate(items):
        one = as_array(item)
        if one is None:
            failed[i] = f"is {type(item).__name__}, not an array of numbers"
        elif one.ndim not in (1, 2):
            failed[i] = f"has {one.ndim} axes: (time,) or (channel, time) is needed"
        series.append(NOTHING if i in failed or one is None else as_channels(one))
    if len(failed) == len(items):
        raise DataError(f"none of the {len(items):,} items is a series: the first {failed[0]}")
    good = [one for i, one in enumerate(series) if i not in failed]
    if len({len(one) for one in good}) > 1 and len({one.shape[1] for one in good}) == 1:
        shapes = ", ".join(str(shape) for shape in list(dict.fromkeys(one.shape for one in good))[:3])
        raise DataError(
            f"the arrays of shape {shapes} … look like (time, channel): give (channel, time), as in "
            "[a.T for a in data]"
        )
    return Recordings(series, [str(i) for i in range(len(items))], "a list of arrays", failed=failed)


# files


def _from_file(path: Path, layout: Layout, strict: bool) -> Recordings:
    if not path.is_file():
        raise DataError(f"there is no file {str(path)!r} (looked in {Path.cwd()})")
    try:
        if path.suffix.lower() == ".npy":
            return _stacked(Mapped(path.absolute()), path.name, layout)
        with np.load(path, allow_pickle=False) as archive:
            return _from_npz(archive, path, layout, strict)
    except DataError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is not an array file that can be read ({error})") from error


def _from_npz(archive: Any, path: Path, layout: Layout, strict: bool) -> Recordings:
    held = splits_of(archive.files)
    if not held:
        raise DataError(
            f"which array of {path.name} holds the series cannot be told (it has {', '.join(archive.files)}): "
            f"call it X, or pass the array itself, np.load({str(path)!r})[name]"
        )
    if layout.split is not None and layout.split not in held:
        raise DataError(
            f"{path.name} has no split {layout.split!r}: {nearest(layout.split, [s for s in held if s])}"
        )
    chosen = [layout.split] if layout.split is not None else list(held)
    parts = {split: _part(archive, held[split], path, layout) for split in chosen}
    labels = {split: _labels(archive, split, len(parts[split]), path, layout) for split in chosen}
    if strict and layout.label is not None and all(said is None for said in labels.values()):
        raise DataError(
            f"{path.name} has no array of labels {layout.label!r}: {nearest(layout.label, archive.files)}"
        )
    if len(chosen) == 1:
        found = parts[chosen[0]]
        found.labels = labels[chosen[0]]
        return found
    series = [part.series[i] for part in parts.values() for i in range(len(part))]
    keys = [f"{split}/{key}" for split, part in parts.items() for key in part.keys]
    said = None
    if any(labels[split] is not None for split in chosen):
        said = [one for split in chosen for one in labels[split] or [None] * len(parts[split])]
    counts = " and ".join(f"{len(parts[split]):,} of {split!r}" for split in chosen)
    return Recordings(series, keys, f"{path.name} ({counts})", said)


def splits_of(names: Sequence[str]) -> dict[str, str]:
    """Split → name of its array (of the stem, where it is ragged: `<stem>_values` and `<stem>_ptr`)."""
    stems = [
        n.removesuffix("_values") for n in names if not n.endswith("_values") or n[:-7] + "_ptr" in names
    ]
    for base in NAMES:
        if base in stems:
            return {"": base}
        found = {stem.removeprefix(f"{base}_"): stem for stem in stems if stem.startswith(f"{base}_")}
        found = {split: stem for split, stem in found.items() if not split.endswith("ptr")}
        if found:
            return found
    return {"": names[0]} if len(names) == 1 else {}


def _part(archive: Any, stem: str, path: Path, layout: Layout) -> Recordings:
    if stem in archive.files:
        return _stacked(archive[stem], f"{path.name}[{stem!r}]", layout)
    values, ptr = archive[f"{stem}_values"], archive[f"{stem}_ptr"]
    if ptr.ndim != 1 or values.ndim not in (1, 2) or len(ptr) < 2:
        raise DataError(f"{path.name}: {stem}_values must be (steps, channels) and {stem}_ptr (series + 1,)")
    if values.dtype.kind not in "buif" or ptr.dtype.kind not in "ui":
        raise DataError(f"{path.name}: {stem}_values must be numbers and {stem}_ptr whole numbers")
    if ptr[0] != 0 or ptr[-1] != len(values) or (np.diff(ptr.astype(np.int64)) < 0).any():
        raise DataError(
            f"{path.name}: {stem}_ptr must rise from 0 to the {len(values):,} steps of {stem}_values"
        )
    series = [as_channels(values[a:b].T) for a, b in pairwise(ptr.tolist())]
    return Recordings(series, [str(i) for i in range(len(series))], f"{path.name}[{stem!r}]")


def _labels(archive: Any, split: str, count: int, path: Path, layout: Layout) -> list[Any] | None:
    names = (layout.label,) if layout.label is not None else LABELS
    held = [name for base in names for name in (base, f"{base}_{split}") if name in archive.files]
    fitting = next((name for name in held if archive[name].shape == (count,)), None)
    if held and fitting is None:
        shapes = Counter(str(archive[name].shape) for name in held)
        raise DataError(f"{path.name}: labels of shape {', '.join(shapes)} for {count:,} series ({held[0]})")
    return None if fitting is None else archive[fitting].tolist()
