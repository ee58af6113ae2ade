"""Series in csv files: one a recording, in a folder, an archive or a list of paths."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from unlabeled.data.cache import Unreadable
from unlabeled.data.collection import Collection, Kind, open_collection
from unlabeled.data.frames import MISSING, read_frame
from unlabeled.errors import DataError
from unlabeled.modalities.series.recordings import NOTHING, Layout, Recordings
from unlabeled.modalities.series.tables import (
    channels,
    left_out,
    left_out_note,
    numbers,
    said,
    time_notes,
    times,
)

if TYPE_CHECKING:
    import pyarrow as pa

CSV = Kind(
    noun="csv file",
    plural="csv files",
    suffixes=frozenset([".csv", ".tsv"]),
    columns=(),
    accepted="a folder or archive of csv files, or a list of their paths",
)


def from_files(data: Any, layout: Layout, strict: bool = False) -> Recordings:
    """A file is a recording, its rows are steps; class folders are classes, unless `label` names a column.

    The first file that can be read says which channels there are. A file that cannot be read or lacks one has
    failed. `DataError`: there is no csv file.
    """
    files = open_collection(data, CSV, labels=True)
    classes = files.labels if any(label is not None for label in files.labels or []) else None
    labels = classes if layout.label is None else [None] * len(files)
    found = Recordings([], files.keys, files.what, labels, layout.columns)
    series: list[np.ndarray] = []
    unused: dict[str, None] = {}
    for i, key in enumerate(files.keys):
        one = NOTHING
        try:
            table = _read(files, i)
            names = channels(table, Layout(time=layout.time, label=layout.label, columns=found.names), key)
            order = np.arange(table.num_rows)
            if layout.time is not None:
                when = times(table, layout.time, key)
                order = np.argsort(when, kind="stable")
                found.notes += [f"{key}: {note}" for note in time_notes(order, 0 * order, when[order])]
            steps = said(table, layout, strict)
            if labels is not None and steps is not None:
                labels[i] = steps[order]
            one, found.names = numbers(table, names)[order].T, names
            unused.update(dict.fromkeys(left_out(table, names, layout)))
        except (DataError, Unreadable) as error:
            found.failed[i] = str(error)
        series.append(one)
    found.series = series
    found.notes = [*left_out_note(unused), *found.notes]
    return found


def _read(files: Collection, i: int) -> pa.Table:
    """One csv file; its first line is a header unless all of it is numbers."""
    import pyarrow as pa
    import pyarrow.csv

    with files.open(i) as file:
        content = file.read()
    mark = delimiter(files.keys[i])
    first = cells(content.partition(b"\n")[0].decode("utf-8-sig", "replace"), mark)
    names = [str(n) for n in range(len(first))] if all(map(is_numeric, first)) else None
    try:
        table = pyarrow.csv.read_csv(
            io.BytesIO(content),
            read_options=pyarrow.csv.ReadOptions(column_names=names),
            parse_options=pyarrow.csv.ParseOptions(delimiter=mark),
            convert_options=pyarrow.csv.ConvertOptions(null_values=list(MISSING), strings_can_be_null=True),
        )
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read as csv ({error})") from error
    return read_frame(table)


def cells(line: str, mark: str) -> list[str]:
    """The cells of a line of a csv file."""
    return next(csv.reader([line.strip("\r\n")], delimiter=mark), [])


def delimiter(name: str) -> str:
    return "\t" if name.lower().endswith(".tsv") else ","


def is_numeric(cell: str) -> bool:
    """Whether a cell is a number or a word for a missing one."""
    if cell.strip() in MISSING:
        return True
    try:
        float(cell)
    except ValueError:
        return False
    return True
