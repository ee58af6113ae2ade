"""The cells of one Arrow column as numbers or as text, whatever type held them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Form = Literal["number", "boolean", "category", "text", "date", "time", "duration", "empty", "other"]
"""what the type of a column says of its cells; category: text or numbers that the type lists"""

DAY = 86_400_000
"""milliseconds"""
PARTS = ("month", "weekday", "hour")
"""what of a date comes round again: 1 to 12, 1 (Monday) to 7, 0 to 23"""


def form(kind: pa.DataType) -> Form:
    """What a column of this Arrow type holds."""
    types = pa.types
    if types.is_dictionary(kind):
        return "category"
    if types.is_null(kind):
        return "empty"
    if types.is_boolean(kind):
        return "boolean"
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return "number"
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return "text"
    if types.is_date(kind) or types.is_timestamp(kind):
        return "date"
    if types.is_time(kind):
        return "time"
    return "duration" if types.is_duration(kind) else "other"


def numbers(cells: pa.ChunkedArray) -> np.ndarray:
    """(rows,) float64, NaN where missing: numbers and truth values as they are, dates in days since 1970-01-01
    (UTC), times of day in hours, durations in days."""
    kind = cells.type
    held = form(kind)
    if held == "date":
        zone = kind.tz if pa.types.is_timestamp(kind) else None
        return _floats(cells.cast(pa.timestamp("ms", zone), safe=False).cast(pa.int64())) / DAY
    if held == "time":
        return _floats(cells.cast(pa.time64("ns"), safe=False).cast(pa.int64())) / 3.6e12
    if held == "duration":
        return _floats(cells.cast(pa.duration("ms"), safe=False).cast(pa.int64())) / DAY
    return _floats(cells)


def _floats(cells: pa.ChunkedArray) -> np.ndarray:
    found: np.ndarray = cells.cast(pa.float64(), safe=False).to_numpy()
    return found.astype(np.float64)  # a copy that can be written to


def part(days: np.ndarray, name: str) -> np.ndarray:
    """(rows,) float64: month, weekday or hour of dates in days since 1970-01-01, NaN where missing."""
    there = np.isfinite(days)
    known = days[there]
    if name == "month":
        found = known.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12 + 1
    elif name == "weekday":
        found = (np.floor(known).astype(np.int64) + 3) % 7 + 1
    else:
        found = np.floor((known - np.floor(known)) * 24 + 1e-9).astype(np.int64)
    out = np.full(len(days), np.nan)
    out[there] = found
    return out


def texts(cells: pa.ChunkedArray) -> tuple[np.ndarray, pa.Array]:
    """(code of each cell, −1 where missing; the distinct values, of the column's own type).

    Text is without the space around it; what is then empty is missing, and so is NaN.
    """
    kind = cells.type.value_type if form(cells.type) == "category" else cells.type
    if form(kind) == "text":
        kind = pa.large_string()
    cells = cells.cast(kind)
    if form(kind) == "text":
        cells = pc.utf8_trim_whitespace(cells)
    encoded = pc.dictionary_encode(cells.combine_chunks() if cells.num_chunks != 1 else cells.chunk(0))
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    distinct = encoded.dictionary
    if form(kind) == "text":
        codes[codes == pc.index(distinct, "").as_py()] = -1
    elif form(kind) == "number":
        nan = np.flatnonzero(np.isnan(_floats(distinct)))
        codes[np.isin(codes, nan)] = -1
    return codes, distinct


def parsed(cells: pa.ChunkedArray, kind: Form) -> np.ndarray | None:
    """Text read as numbers or ISO 8601 dates: what `numbers` gives, None where some cell is neither that nor
    empty."""
    codes, distinct = texts(cells)
    distinct = pc.if_else(pc.equal(distinct, ""), pa.scalar(None, distinct.type), distinct)
    targets = [pa.timestamp("ms"), pa.timestamp("ms", "UTC")] if kind == "date" else [pa.float64()]
    for target in targets:
        try:
            distinct[:2].cast(target)  # most text is neither: that shows at once
            found = numbers(pa.chunked_array([distinct.cast(target)]))
        except pa.ArrowInvalid:
            continue
        return np.append(found, np.nan)[codes]  # the last for missing cells, whose code is −1
    return None


def named(value: Any) -> str:
    """A category's name: a whole number without a point, whatever type held it."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def first(cells: pa.ChunkedArray, but: Sequence[str] = ()) -> str:
    """The first cell that holds something, for a message."""
    _, distinct = texts(cells)
    found = next((v for v in distinct.to_pylist() if v not in (None, "") and named(v) not in but), None)
    return repr(found if isinstance(found, str) else named(found))
