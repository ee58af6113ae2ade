"""Data of any form as recordings: which reader takes it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from unlabeled.data.collection import ARCHIVES
from unlabeled.data.frames import is_frame
from unlabeled.errors import DataError, OptionError
from unlabeled.modalities.series.archive import SUFFIXES, from_archive
from unlabeled.modalities.series.arrays import from_arrays, is_array
from unlabeled.modalities.series.files import from_files
from unlabeled.modalities.series.recordings import Layout, Recordings, cut, digest
from unlabeled.modalities.series.tables import from_frame

ACCEPTED = (
    "a list of arrays (time,) or (channel, time), a .ts or .arff file, a folder (or an archive, or a list of "
    "paths) of csv files, one a series; and, with modality='series', an array (sample, channel, time) or "
    "(sample, time), an .npy or .npz file, a table with a row a step (id=, time=, window=)"
)
MEANT = {
    "table": ("id", "time", "columns", "label"),
    "csv files": ("time", "columns", "label"),
    "array": ("split", "label"),
    "archive": (),
}
"""which options of the layout say something about which form of data"""


def open_recordings(data: Any, layout: Layout, *, strict: bool = False) -> tuple[Recordings, str]:
    """The recordings of `data`, cut into windows where that was asked for, and its fingerprint.

    `strict`: the column or array of labels must be there; else new data may lack it.

    `DataError`: it is none of the accepted forms, or cannot be read. `OptionError`: an option that says
    nothing about data of this form.
    """
    form = _form(data)
    for name in ("id", "time", "columns", "label", "split"):
        if getattr(layout, name) is not None and name not in MEANT[form]:
            takes = [kind for kind, names in MEANT.items() if name in names]
            raise OptionError(
                f"{name}= is for {' or '.join(takes)} data, and this is {form} data: leave it out"
            )
    if form == "table":
        found = from_frame(data, layout, strict)
    elif form == "csv files":
        found = from_files(data, layout, strict)
    elif form == "archive":
        found = from_archive(Path(data).expanduser())
    else:
        found = from_arrays(data, layout, strict)
    mark = hashlib.blake2b(f"{digest(found)}{layout}".encode(), digest_size=16).hexdigest()
    if layout.window is not None:
        found = cut(found, layout.window, layout.stride or layout.window)
    return found, mark


def _form(data: Any) -> str:
    if isinstance(data, str | os.PathLike):
        path = Path(data).expanduser()
        if not path.exists():
            raise DataError(f"there is no file or folder {str(data)!r} (looked in {Path.cwd()})")
        if path.is_dir():
            return "csv files"
        if path.name.lower().endswith(ARCHIVES):
            return "csv files"
        if path.suffix.lower() in SUFFIXES:
            return "archive"
    if isinstance(data, list | tuple) and data and all(isinstance(p, str | os.PathLike) for p in data):
        return "csv files"
    if is_frame(data):
        return "table"
    if is_array(data):
        return "array"
    raise DataError(
        f"{type(data).__name__} {str(data)[:80]!r} cannot be read as series; accepted: {ACCEPTED}"
    )
