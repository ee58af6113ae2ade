"""Series in tables: one long table with a row a step, or a folder with one csv file a sample."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from unlabeled.data.frames import MISSING, column, read_frame, told
from unlabeled.errors import DataError, nearest
from unlabeled.modalities.series.recordings import NOTHING, Layout, Recordings

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIXES = (".csv", ".tsv")
SPLITS = frozenset(["train", "test", "val", "valid", "validation", "training", "testing"])
"""folders that hold class folders, not a class"""
NO_CLASS = "unlabeled"
"""a class folder of this name holds series whose class is not known"""


def from_frame(data: Any, layout: Layout, strict: bool = False) -> Recordings:
    """A table with a row a step: rows with one `id` are one recording, in the order of `time`.

    `DataError`: neither `id` nor `window` (nothing says what a sample is), a column that is not there or is
    no number, a step without id or time.
    """
    if layout.id is None and layout.window is None:
        raise DataError(
            f"{told(data)} is a table, and what a sample is cannot be told: say id= (the column or columns "
            "that tell recordings apart; a row is a step), window= (one long recording is cut), or pass an "
            "array (sample, time)"
        )
    table = read_frame(data)
    of_row, keys = _recordings(table, layout.id or [], told(data))
    names = channels(table, layout, told(data))
    times = None if layout.time is None else _times(table, layout.time, told(data))
    order = np.lexsort((np.arange(len(of_row)) if times is None else times, of_row))
    notes = _left_out(table, names, layout)
    if times is not None:
        notes += _time_notes(order, of_row[order], times[order])
    values = numbers(table, names)[order]
    ends = np.cumsum(np.bincount(of_row, minlength=len(keys)))
    parts = [slice(a, b) for a, b in zip([0, *ends[:-1]], ends, strict=True)]
    said = _said(table, layout, strict)
    said = None if said is None else said[order]
    labels = None if said is None else [said[part] for part in parts]
    series = [values[part].T for part in parts]
    what = f"{told(data)} ({len(keys):,} recording{'s' * (len(keys) != 1)})"
    return Recordings(series, keys, what, labels, names, notes=notes)


def _recordings(table: pa.Table, names: Sequence[str], what: str) -> tuple[np.ndarray, list[str]]:
    """Which recording each row is of, by first appearance, and the recordings' keys."""
    codes = np.zeros(table.num_rows, np.int64)
    for name in names:
        values = _column(table, name, "id=")
        if values.null_count:
            raise DataError(f"{what}: {values.null_count:,} rows have no value in the id column {name!r}")
        encoded = values.combine_chunks().dictionary_encode()
        encoded = encoded.chunk(0) if hasattr(encoded, "num_chunks") else encoded
        codes = codes * len(encoded.dictionary) + encoded.indices.to_numpy(zero_copy_only=False)
        codes = np.unique(codes, return_inverse=True)[1]
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    spoken = [table[name].take(np.sort(first)).to_pylist() for name in names]
    keys = ["/".join(map(str, parts)) for parts in zip(*spoken, strict=True)] if names else [""]
    return rank[inverse], keys


def _times(table: pa.Table, name: str, what: str) -> np.ndarray:
    import pyarrow as pa

    values = _column(table, name, "time=")
    kind = values.type
    if not (_is_number(kind) or pa.types.is_temporal(kind)):
        raise DataError(
            f"{what}: the time column {name!r} is {kind}, which has no order in time: parse it first"
        )
    missing = values.null_count
    if pa.types.is_temporal(kind):
        wide = values.cast(pa.int32()) if kind.bit_width == 32 else values
        times = wide.cast(pa.int64()).to_numpy()
    else:
        times = (values if pa.types.is_integer(kind) else values.cast(pa.float64())).to_numpy()
        missing += int(np.isnan(times).sum()) if not missing else 0
    if missing:
        raise DataError(f"{what}: {missing:,} rows have no value in the time column {name!r}: remove them")
    return times


def _time_notes(order: np.ndarray, of_row: np.ndarray, times: np.ndarray) -> list[str]:
    """What sorting found: rows in another order, time stamps that a recording has twice. All are sorted."""
    same = np.diff(of_row) == 0
    notes = []
    if (np.diff(order)[same] < 0).any():
        notes.append("rows were not in the order of time and are sorted")
    twice = int((np.diff(times)[same] == 0).sum())
    if twice:
        notes.append(f"{twice:,} rows repeat the time stamp before them and are kept as steps of their own")
    return notes


def channels(table: pa.Table, layout: Layout, what: str) -> list[str]:
    """The columns that are channels: those asked for, else every one of numbers."""
    others = {*(layout.id or []), layout.time, layout.label}
    if layout.columns is None:
        names = [n for n in table.column_names if n not in others and _is_number(table.schema.field(n).type)]
        if not names:
            held = ", ".join(f"{f.name} ({f.type})" for f in table.schema)
            raise DataError(f"{what} has no column of numbers beside id, time and label: it has {held}")
        return names
    for name in layout.columns:
        kind = _column(table, name, "columns=").type
        if not _is_number(kind):
            raise DataError(f"{what}: column {name!r} is {kind} where numbers are needed")
    return list(layout.columns)


def _left_out(table: pa.Table, names: Sequence[str], layout: Layout) -> list[str]:
    others = {*names, *(layout.id or []), layout.time, layout.label}
    left = [n for n in table.column_names if n not in others]
    return [f"left out: {', '.join(left)} (no numbers)"] if left and layout.columns is None else []


def numbers(table: pa.Table, names: Sequence[str]) -> Float[np.ndarray, "steps channels"]:
    """Columns as float32, missing values as NaN."""
    import pyarrow as pa

    return np.stack(
        [table[n].cast(pa.float64(), safe=False).to_numpy().astype(np.float32) for n in names], axis=1
    )


def _is_number(kind: Any) -> bool:
    import pyarrow as pa

    is_kind = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean)
    return any(test(kind) for test in (*is_kind, pa.types.is_null))


def _column(table: pa.Table, name: str, what: str) -> Any:
    if name not in table.column_names:
        raise DataError(f"there is no column {name!r} ({what}): {nearest(name, table.column_names)}")
    return table[name]


def _said(table: pa.Table, layout: Layout, strict: bool) -> np.ndarray | None:
    """The column of labels as objects, one a row; None where there is none (refused if `strict`)."""
    if layout.label is None or (layout.label not in table.column_names and not strict):
        return None
    out = np.empty(table.num_rows, dtype=object)
    out[:] = column(table, layout.label, "label=")
    return out


# one file a sample


def csv_files(folder: Path) -> list[Path]:
    """The csv and tsv files below a folder, hidden ones aside, in the order of their names."""
    found = (p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    return sorted(p for p in found if not any(part.startswith(".") for part in p.relative_to(folder).parts))


def from_folder(folder: Path, layout: Layout, strict: bool = False) -> Recordings:
    """A folder of csv files: a file is a recording, its rows are steps; folders are classes.

    A file that cannot be read or lacks a column has failed. `DataError`: there is no such file.
    """
    paths = csv_files(folder)
    if not paths:
        raise DataError(f"the folder {folder} holds no csv files: one a recording, a row a step, is needed")
    keys = [p.relative_to(folder).as_posix() for p in paths]
    labels = [None] * len(keys) if layout.label is not None else _classes(keys)
    found = Recordings([], keys, f"{len(paths):,} csv files in {folder}", labels, layout.columns)
    series: list[np.ndarray] = []
    for i, path in enumerate(paths):
        try:
            one, names, notes, label = _read_file(path, layout, found.names, strict)
        except DataError as error:
            found.failed[i] = str(error)
            one = NOTHING
        else:
            found.names = names
            found.notes += notes
            if layout.label is not None and labels is not None:
                labels[i] = label
        series.append(one)
    found.series = series
    return found


def _read_file(
    path: Path, layout: Layout, names: list[str] | None, strict: bool
) -> tuple[np.ndarray, list[str], list[str], np.ndarray | None]:
    table = _read_csv(path)
    # what the first file has is what every file must have
    own = Layout(time=layout.time, label=layout.label, columns=names)
    names = channels(table, own, path.name)
    order, notes = np.arange(table.num_rows), []
    if layout.time is not None:
        times = _times(table, layout.time, path.name)
        order = np.argsort(times, kind="stable")
        said = _time_notes(order, np.zeros_like(order), times[order])
        notes = [f"{path.name}: {note}" for note in said]
    labels = _said(table, layout, strict)
    return numbers(table, names)[order].T, names, notes, None if labels is None else labels[order]


def _read_csv(path: Path) -> pa.Table:
    """One csv file; the first line is a header unless all of it is numbers."""
    import pyarrow as pa
    import pyarrow.csv

    try:
        first = first_line(path)
        if not first or not all(map(is_numeric, first)):
            return read_frame(path)
        return pyarrow.csv.read_csv(
            path,
            read_options=pyarrow.csv.ReadOptions(column_names=[str(i) for i in range(len(first))]),
            parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter(path)),
            convert_options=pyarrow.csv.ConvertOptions(null_values=list(MISSING)),
        )
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read as csv ({error})") from error


def first_line(path: Path, place: int = 0) -> list[str]:
    """The cells of a line of a csv file; [] where there is none."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        for i, row in enumerate(csv.reader(file, delimiter=delimiter(path))):
            if i == place:
                return row
    return []


def delimiter(path: Path) -> str:
    return "\t" if path.suffix.lower() == ".tsv" else ","


def is_numeric(cell: str) -> bool:
    """Whether a cell is a number or a word for a missing one."""
    if cell.strip() in MISSING:
        return True
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _classes(keys: Sequence[str]) -> list[Any] | None:
    """The top folder of each key, train, test, … aside; None where no key is in one."""
    parts = [PurePosixPath(key).parts[:-1] for key in keys]
    if all(len(p) > 1 for p in parts) and {p[0] for p in parts} <= SPLITS:
        parts = [p[1:] for p in parts]
    return [p[0] if p and p[0] != NO_CLASS else None for p in parts] if any(parts) else None
