"""Series in one long table, a row a step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from unlabeled.data.frames import column, read_frame, told
from unlabeled.errors import DataError, nearest
from unlabeled.modalities.series.recordings import Layout, Recordings

if TYPE_CHECKING:
    import pyarrow as pa

NAMED = 8
"""columns named in a description at most"""


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
    when = None if layout.time is None else times(table, layout.time, told(data))
    order = np.lexsort((np.arange(len(of_row)) if when is None else when, of_row))
    notes = left_out_note(left_out(table, names, layout))
    if when is not None:
        notes += time_notes(order, of_row[order], when[order])
    values = numbers(table, names)[order]
    ends = np.cumsum(np.bincount(of_row, minlength=len(keys)))
    parts = [slice(a, b) for a, b in zip([0, *ends[:-1]], ends, strict=True)]
    classes = said(table, layout, strict)
    labels = None if classes is None else [classes[order][part] for part in parts]
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


def times(table: pa.Table, name: str, what: str) -> np.ndarray:
    """A column of numbers, dates or times as numbers that rise with time."""
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
        rising = wide.cast(pa.int64()).to_numpy()
    else:
        rising = (values if pa.types.is_integer(kind) else values.cast(pa.float64())).to_numpy()
        missing += int(np.isnan(rising).sum()) if not missing else 0
    if missing:
        raise DataError(f"{what}: {missing:,} rows have no value in the time column {name!r}: remove them")
    return rising


def time_notes(order: np.ndarray, of_row: np.ndarray, times: np.ndarray) -> list[str]:
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


def left_out(table: pa.Table, names: Sequence[str], layout: Layout) -> list[str]:
    """The columns that are neither channels nor id, time or label."""
    used = {*names, *(layout.id or []), layout.time, layout.label}
    return [name for name in table.column_names if name not in used]


def left_out_note(columns: Iterable[str]) -> list[str]:
    """What a description says of them."""
    named = list(columns)
    more = f" and {len(named) - NAMED:,} more" if len(named) > NAMED else ""
    return [f"columns that are not used: {', '.join(named[:NAMED])}{more}"] if named else []


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


def said(table: pa.Table, layout: Layout, strict: bool) -> np.ndarray | None:
    """The column of labels as objects, one a row; None where there is none (refused if `strict`)."""
    if layout.label is None or (layout.label not in table.column_names and not strict):
        return None
    out = np.empty(table.num_rows, dtype=object)
    out[:] = column(table, layout.label, "label=")
    return out
