"""Whether data is time series, told by a look at it."""

from __future__ import annotations

import os
import zipfile
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

import numpy as np

from unlabeled.data.collection import LOOK, walk
from unlabeled.modalities.series.archive import SUFFIXES, arff_kind
from unlabeled.modalities.series.arrays import NAMES
from unlabeled.modalities.series.files import CSV, cells, delimiter, is_numeric
from unlabeled.modalities.series.recordings import as_array

ITEMS = 1000
"""items of a list looked at"""
FILES = 5
"""files of a folder looked into"""
ABOUT = ("readme", "license")
"""names of files beside them that say nothing of what they hold"""
LINES = 100_000
"""lines of the head of a .ts or .arff file"""


def recognise(data: Any) -> str | None:
    """One line saying what `data` is if it is series, else None.

    An array (sample, channel, time) is not enough, images and volumes look the same; nor is a table, whose rows
    may be steps or samples.
    """
    try:
        if isinstance(data, str | os.PathLike):
            return _path(Path(data).expanduser())
        if isinstance(data, list | tuple):
            return _items(data)
        if isinstance(data, np.ndarray) and data.dtype == object and data.ndim == 1:
            return _items(data.tolist())
    except (OSError, ValueError, zipfile.BadZipFile):
        pass
    return None


def _items(data: list[Any] | tuple[Any, ...]) -> str | None:
    arrays = [as_array(item) for item in islice(data, ITEMS)]
    if not arrays or any(a is None for a in arrays):
        return None
    shapes = {a.shape for a in arrays if a is not None}
    said = f"a list of {len(data):,} arrays"
    if all(len(shape) == 1 for shape in shapes) and len(shapes) > 1:
        return f"{said} (time,) of unequal length"
    if all(len(shape) == 2 for shape in shapes):
        channels = {shape[0] for shape in shapes}
        longer = all(shape[1] > shape[0] for shape in shapes)
        if len(channels) == 1 and (len(shapes) > 1 or longer):
            return f"{said} (channel, time), {channels.pop()} channels"
    return None


def _path(path: Path) -> str | None:
    if path.is_dir():
        return _folder(path)
    if not path.is_file():
        return None
    if path.suffix.lower() in SUFFIXES:
        return _archive(path)
    if path.suffix.lower() == ".npz":
        return _ragged(path)
    return None


def _archive(path: Path) -> str | None:
    with path.open(encoding="utf-8", errors="surrogateescape") as file:
        lines = takewhile(lambda line: line.strip().lower() != "@data", islice(file, LINES))
        header = [line.strip() for line in lines if line.lstrip().startswith("@")]
    words = {line.split()[0].lower() for line in header}
    if path.suffix.lower() == ".ts":
        found = words & {"@problemname", "@classlabel", "@targetlabel", "@univariate"}
        return f"the series of {path.name}" if found else None
    return f"the series of {path.name}" if arff_kind(header) else None


def _ragged(path: Path) -> str | None:
    """Series of unequal length: values of all one after the other, and where each begins."""
    with zipfile.ZipFile(path) as archive:
        names = {name.removesuffix(".npy") for name in archive.namelist()}
    stems = {name.removesuffix("_values") for name in names if f"{name.removesuffix('_values')}_ptr" in names}
    known = any(stem == base or stem.startswith(f"{base}_") for stem in stems for base in NAMES)
    return f"series of unequal length in {path.name}" if known else None


def _folder(folder: Path) -> str | None:
    """Only csv files, all with the same columns, numbers under them."""
    names = list(islice(walk(folder), LOOK))
    found = sorted(name for name in names if CSV.named(name))
    others = [name for name in set(names) - set(found) if Path(name).stem.lower() not in ABOUT]
    if len(found) < 2 or others:
        return None
    alike = set()
    for name in found[:FILES]:
        with (folder / name).open(encoding="utf-8-sig", errors="replace") as file:
            first, second = (cells(file.readline(), delimiter(name)) for _ in range(2))
        if not any(cell.strip() and is_numeric(cell) for cell in second):
            return None
        alike.add(len(first) if all(map(is_numeric, first)) else tuple(first))
    return f"{len(found):,} csv files in {folder}, a series each" if len(alike) == 1 else None
