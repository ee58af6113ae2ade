"""What is fixed when a table is first seen: which columns are used, as what, and what is fitted to each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from unlabeled.data.frames import index_columns, told
from unlabeled.errors import DataError, OptionError, nearest
from unlabeled.modalities.table.columns import SCALINGS, Column
from unlabeled.modalities.table.open import npz_labels, open_table
from unlabeled.modalities.table.values import PARTS, form, named, numbers, parsed, part, texts

ROWS = 500_000
"""rows that are fitted, spread evenly over the table"""
KNOTS = 256
"""of a numeric column, where there are not too many columns"""
ALL_KNOTS = 32_768
"""of all columns together, so that what is saved stays small"""
CATEGORIES = 256
"""values of a column that have a code of their own; further ones share one"""
SELDOM = 10_000
"""a value has its own code where it occurs at least twice, and in one of this many rows"""
SINGLE = 0.5
"""a column is an identifier or free text where more than this share of its cells occurs only once"""
COUNTED = 10
"""rows from which whole numbers that go up by one each row are taken for row numbers"""


@dataclass(frozen=True)
class Asked:
    """What a person said of the columns; names."""

    categorical: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    columns: tuple[str, ...] | None = None
    label: str | None = None
    key: str | None = None

    def check(self, table: pa.Table, what: str) -> None:
        """Refuses columns that are not there, or of which two things were said."""
        known = set(table.column_names)
        for option in ("categorical", "numeric", "ignore", "columns", "label", "key"):
            given = getattr(self, option)
            for name in (given,) if isinstance(given, str) else given or ():
                if name not in known:
                    raise OptionError(f"{option}={name!r}: {what} has no such column; {nearest(name, known)}")
        twice = [name for name in self.categorical if name in self.numeric]
        if twice:
            raise OptionError(f"column {twice[0]!r} is in categorical and in numeric: choose one")
        for name in (self.label, self.key):
            if name is not None and name in (*self.categorical, *self.numeric, *(self.columns or ())):
                raise OptionError(
                    f"column {name!r} is the label or the key, so it is no input: take it out of the columns"
                )


def measure(data: Any, asked: Asked, scaling: str) -> dict[str, Any]:
    """What makes the modality of this table. `DataError`: fewer than two columns are of use."""
    if scaling not in SCALINGS:
        raise OptionError(f"scaling must be 'quantile' or 'standard', not {scaling!r}")
    table = open_table(data, text=asked.categorical)
    classes = npz_labels(data, len(table))
    if classes is not None and asked.label is None:
        asked = replace(asked, label=classes[0])
    asked.check(table, told(data))
    index = index_columns(table)
    if len(table) > ROWS:
        table = table.take(np.linspace(0, len(table) - 1, ROWS).astype(np.int64))
    columns: list[Column] = []
    left_out: dict[str, str] = {}
    names = table.column_names
    for name in names:
        if name in (asked.label, asked.key):
            continue
        if name in asked.ignore or (asked.columns is not None and name not in asked.columns):
            left_out[name] = "as asked"
        elif classes is not None and name == classes[0]:
            left_out[name] = "classes, beside the array"
        elif name in index and name not in (asked.columns or ()):
            left_out[name] = "the index of the frame"
        else:
            found = fit(name, table[name], asked, len(names))
            if isinstance(found, str):
                left_out[name] = found
            else:
                columns += found
    if len(columns) < 2:
        raise DataError(
            f"{told(data)} has {len(columns)} column{'s' * (len(columns) != 1)} to learn from, at least two are "
            f"needed; {said(left_out, most=20)}"
        )
    return {
        "columns": [column.plain() for column in columns],
        "left_out": left_out,
        "scaling": scaling,
        "label": asked.label,
        "key": asked.key,
    }


def said(left_out: dict[str, str], *, most: int = 8) -> str:
    """Which columns are not used, and why; of those that were asked to be left out only how many."""
    asked = sum(why == "as asked" for why in left_out.values())
    told = [f"{name!r} ({why})" for name, why in left_out.items() if why != "as asked"]
    lines = [*told[:most], *([f"{len(told) - most} more"] if len(told) > most else [])]
    lines += [f"{asked} as asked"] if asked else []
    return f"left out: {', '.join(lines)}" if lines else ""


def fit(name: str, cells: pa.ChunkedArray, asked: Asked, among: int) -> list[Column] | str:
    """The columns made of one column of a table of `among` columns, or why there are none."""
    held = form(cells.type)
    if cells.null_count == len(cells):
        return "all its cells are missing"
    if held == "other":
        return f"it holds {cells.type}"
    knots = min(KNOTS, max(32, ALL_KNOTS // among))
    if name in asked.numeric:
        read = parsed(cells, "number") if held == "text" else None
        if read is None and held not in ("number", "boolean"):
            raise OptionError(
                f"column {name!r} is asked to be numeric and holds {cells.type} that is no number"
            )
        return _numeric(name, "number", numbers(cells) if read is None else read, knots)
    if name in asked.categorical:
        return _categories(name, cells, chosen=True)
    if held == "boolean":
        return _truth(name, numbers(cells))
    if held == "number":
        x = numbers(cells)
        counts = pa.types.is_integer(cells.type) and not cells.null_count and not name.isdecimal()
        if counts and len(x) >= COUNTED and (np.diff(x) == 1).all():
            return "it numbers the rows"
        return _numeric(name, "number", x, knots)
    if held in ("date", "time", "duration"):
        return _numeric(name, held, numbers(cells), knots)
    if held == "category":
        return _categories(name, cells)
    read = parsed(cells, "date")
    if read is not None and np.isfinite(read).any():
        return _numeric(name, "date", read, knots)
    found = _categories(name, cells)
    read = parsed(cells, "number") if isinstance(found, str) else None
    return found if read is None else _numeric(name, "number", read, knots)


def _numeric(name: str, kind: str, x: np.ndarray, knots: int) -> list[Column] | str:
    known = np.sort(x[np.isfinite(x)])
    if not len(known):
        return "all its cells are missing"
    missing = 1 - len(known) / len(x)
    if known[0] == known[-1] and not missing:
        return (
            f"it holds {named(float(known[0]))} throughout"
            if kind == "number"
            else f"it is one {kind} throughout"
        )
    count = min(knots, len(known))
    # values that are there, each for an equal share of the cells
    places = np.floor((np.arange(count) + 0.5) / count * len(known)).astype(np.int64)
    std = float(known.std())
    columns = [
        Column(
            name,
            kind,
            of=name,
            knots=tuple(_short(known[places], 12)),
            mean=_short([known.mean()], 9)[0],
            std=_short([std], 9)[0] if std > 0 else 1.0,
            missing=_short([missing], 6)[0],
        )
    ]
    if kind == "date":
        for again in PARTS:
            found = part(np.where(np.isfinite(x), x, np.nan), again)
            values, counts = np.unique(found[~np.isnan(found)], return_counts=True)
            if len(values) > 1:
                names = [named(float(value)) for value in values]
                columns.append(_category(f"{name} ({again})", names, counts, missing, of=name, part=again))
    return columns


def _truth(name: str, x: np.ndarray) -> list[Column] | str:
    known = x[~np.isnan(x)]
    true, missing = float(known.mean()), 1 - len(known) / len(x)
    if true in (0.0, 1.0) and not missing:
        return f"it holds {bool(true)} throughout"
    shares = tuple(_short([1 - true, true], 6))
    return [
        Column(
            name, "boolean", of=name, values=("False", "True"), shares=shares, missing=_short([missing], 6)[0]
        )
    ]


def _categories(name: str, cells: pa.ChunkedArray, *, chosen: bool = False) -> list[Column] | str:
    codes, distinct = texts(cells)
    counts = np.bincount(codes[codes >= 0], minlength=len(distinct))
    known = int(counts.sum())
    if not known:
        return "all its cells are missing"
    missing = 1 - known / len(cells)
    single = int((counts == 1).sum())
    if single > SINGLE * known and not chosen:
        return f"{single:,} of its {known:,} cells hold what no other holds: an identifier or free text"
    least = max(2, math.ceil(known / SELDOM))
    frequent = np.flatnonzero(counts >= least)
    if not len(frequent):
        return f"none of its {len(distinct):,} values occurs {least} times"
    names = [named(distinct[int(i)].as_py()) for i in frequent]
    if len(names) == 1 and counts[frequent[0]] == known and not missing:
        return f"it holds {names[0]!r} throughout"
    return [_category(name, names, counts[frequent], missing, rest=known - int(counts[frequent].sum()))]


def _category(
    name: str,
    names: Sequence[str],
    counts: np.ndarray,
    missing: float,
    *,
    rest: int = 0,
    of: str | None = None,
    part: str | None = None,
) -> Column:
    """`rest`: cells whose value is too seldom to have a code of its own."""
    order = sorted(range(len(names)), key=lambda i: (-counts[i], names[i]))
    kept, others = order[:CATEGORIES], order[CATEGORIES:]
    rest += int(sum(counts[i] for i in others))
    known = int(counts.sum()) + rest - int(sum(counts[i] for i in others))
    return Column(
        name,
        "category",
        of=name if of is None else of,
        part=part,
        values=tuple(names[i] for i in kept),
        shares=tuple(_short([counts[i] / known for i in kept], 6)),
        rare=_short([rest / known], 6)[0],
        missing=_short([missing], 6)[0],
    )


def _short(values: Sequence[float] | np.ndarray, digits: int) -> list[float]:
    return [float(f"{value:.{digits}g}") for value in values]
