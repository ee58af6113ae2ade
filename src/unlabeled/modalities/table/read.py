"""Opens a table as a source of rows, prepared as the table was that the preparation was fitted to."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float
from torch import Tensor

from unlabeled.data.frames import column, index_columns
from unlabeled.data.source import Skipped, Source
from unlabeled.errors import DataError, nearest
from unlabeled.modalities.table.columns import NUMERIC, Column, Noticed
from unlabeled.modalities.table.measure import said
from unlabeled.modalities.table.open import array_of, open_table, title


class TableSource(Source):
    """Rows of a table, prepared once and kept in memory."""

    def __init__(
        self,
        data: Any,
        columns: Sequence[Column],
        left_out: dict[str, str],
        scaling: str,
        label: str | None,
        key: str | None,
        *,
        labels: bool,
    ) -> None:
        what = title(data)
        known = {*(c.of for c in columns), *left_out, *(name for name in (label, key) if name is not None)}
        array = array_of(data)
        # what stands beside an array has a name, not a place
        places = {name for name in known if name.isdigit()} or known
        if array is not None and array.ndim == 2 and array.shape[1] != len(places):
            raise DataError(
                f"{what} has {array.shape[1]} columns where {len(places)} are expected: an array's columns are known "
                "by their places"
            )
        table = open_table(data, text=[c.of for c in columns if c.kind == "category" and c.part is None])
        x, noticed = _prepared(table, columns, scaling, what)
        keys = _keys(table, key)
        there = ~np.isnan(x).all(axis=1)
        if not there.any():
            raise DataError(f"in all {len(x):,} rows of {what} every cell is missing: nothing to read")
        self.x = x[there]
        self.index = np.flatnonzero(there)
        self.keys = [keys[i] for i in self.index]
        self.labels = _labels(table, label, self.index) if labels else None
        self.skipped = [Skipped(keys[i], "every cell is missing") for i in np.flatnonzero(~there)]
        known.update(index_columns(table))
        unknown = [name for name in table.column_names if name not in known]
        self.description = _described(self.x, columns, left_out, unknown, noticed, what)
        digest = hashlib.blake2b("\n".join(self.keys).encode("utf-8", "surrogateescape"), digest_size=16)
        digest.update(np.ascontiguousarray(self.x).data)
        digest.update(repr(None if self.labels is None else self.labels.tolist()).encode())
        self.fingerprint = digest.hexdigest()

    def fetch(self, positions: Sequence[int] | np.ndarray) -> Float[Tensor, "n columns"]:
        """(n, columns) float32: scaled numbers, or codes of categories; NaN where missing."""
        return torch.from_numpy(self.x[np.asarray(positions, dtype=np.int64)])


def _prepared(
    table: pa.Table, columns: Sequence[Column], scaling: str, what: str
) -> tuple[np.ndarray, Noticed]:
    """(rows, columns) float32, and what was found that training did not see, which is said in one warning."""
    names = set(table.column_names)
    gone = [c.of for c in columns if c.of not in names]
    if gone:
        more = f" (and {len(set(gone)) - 1} more)" if len(set(gone)) > 1 else ""
        raise DataError(
            f"{what} has no column {gone[0]!r}{more}, which the preparation was fitted to: "
            f"{nearest(gone[0], names)}"
        )
    noticed = Noticed()
    x = np.empty((len(table), len(columns)), np.float32)
    for place, one in enumerate(columns):
        x[:, place] = one.encode(table[one.of], scaling, noticed)
    lines = [
        f"{count:,} cells of {name!r} hold values that training never saw (the first: {example!r})"
        for name, (count, example) in noticed.unseen.items()
    ]
    lines += [f"{count:,} cells of {name!r} are infinite" for name, count in noticed.infinite.items()]
    if lines:
        warnings.warn(f"{what}: {'; '.join(lines)}: they count as missing", stacklevel=5)
    return x, noticed


def _keys(table: pa.Table, key: str | None) -> list[str]:
    if key is None:
        index = index_columns(table)
        if len(index) != 1:
            return [str(i) for i in range(len(table))]
        key = index[0]
    keys = column(table, key, "the key of each row")
    empty = [i for i, value in enumerate(keys) if value is None]
    if empty:
        raise DataError(f"the key column {key!r} is empty in {len(empty):,} rows, first in row {empty[0]}")
    return [str(value) for value in keys]


def _labels(table: pa.Table, label: str | None, index: np.ndarray) -> np.ndarray | None:
    if label is None or label not in table.column_names:
        return None
    held = table[label].to_pylist()
    out = np.empty(len(index), dtype=object)
    out[:] = [held[i] for i in index]
    return out


def _described(
    x: np.ndarray,
    columns: Sequence[Column],
    left_out: dict[str, str],
    unknown: Sequence[str],
    noticed: Noticed,
    what: str,
) -> str:
    counts = {
        "numeric": sum(c.kind in NUMERIC for c in columns),
        "categorical": sum(c.kind == "category" for c in columns),
        "boolean": sum(c.kind == "boolean" for c in columns),
    }
    lines = [
        f"{len(x):,} rows of {what}, {', '.join(f'{n} {kind}' for kind, n in counts.items() if n)} columns",
        f"{np.isnan(x).mean():.2g} of the cells missing",
        said(left_out),
    ]
    if unknown:
        more = ", …" if len(unknown) > 5 else ""
        lines.append(
            f"not used, since training had no such column: {', '.join(map(repr, unknown[:5]))}{more}"
        )
    lines += [f"{n:,} unseen values of {name!r} count as missing" for name, (n, _) in noticed.unseen.items()]
    lines += [f"{n:,} infinite values of {name!r} count as missing" for name, n in noticed.infinite.items()]
    return "; ".join(line for line in lines if line)
