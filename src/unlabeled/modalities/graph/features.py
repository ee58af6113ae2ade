"""Node features: from what was given of the nodes to one row of numbers each, fitted once and kept as plain values.

Four kinds: `given` (a matrix), `table` (attributes by name: numbers as they are, categories one-hot), `tags`
(one category a node, one-hot) and `degree` (the number of edges, one-hot up to a cap) where nothing is given.
Where a node is nothing but one category its number is also its code, which masked methods predict.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int

from unlabeled.errors import DataError, OptionError, nearest
from unlabeled.modalities.graph.find import Found
from unlabeled.modalities.graph.structure import NAMED

KINDS = ("given", "table", "tags", "degree")
SCALINGS = ("rows", "standard", "none")
DEGREES = 64
"""cap of degree features, where the data has larger degrees"""
CATEGORIES = 100
"""an attribute with more different texts than this is left out"""
SPARSE = 0.75
"""share of zeros from which non-negative features are a bag of words"""
MEMORY = 4 * 2**30
"""bytes a dense matrix of features may need"""


@dataclass
class Made:
    """The features of some nodes."""

    x: Float[np.ndarray, "nodes features"]
    codes: Int[np.ndarray, " nodes"] | None
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Features:
    """How node features are made. `scaling`: rows sum to 1 ("rows"), columns have mean 0 and deviation 1
    ("standard", by `mean` and `std`), or as they are ("none")."""

    kind: Literal["given", "table", "tags", "degree"]
    width: int
    scaling: Literal["rows", "standard", "none"] = "none"
    mean: list[float] | None = None
    std: list[float] | None = None
    columns: list[dict[str, Any]] | None = None
    """of a table: {"name", "fill"} a column of numbers (fill: where a value is missing), {"name", "categories"}
    a column of categories"""
    tags: list[Any] | None = None
    coded: bool = False
    """whether a node is nothing but one category"""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise OptionError(
                f"features of kind {self.kind!r} are not known: {nearest(str(self.kind), KINDS)}"
            )
        check_scaling(self.scaling)
        if self.width < 1:
            raise OptionError(f"graphs need at least one feature a node, not {self.width}")
        for name in ("mean", "std"):
            values = getattr(self, name)
            if (values is None) != (self.scaling != "standard"):
                raise OptionError(f"{name} belongs to scaling 'standard': this is {self.scaling!r}")
            if values is not None and len(values) != self.width:
                raise OptionError(f"{name} has {len(values)} numbers for {self.width} features")
        if self.std is not None and not all(value > 0 for value in self.std):
            raise OptionError("std must be above 0 for every feature")

    def config(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def said(self) -> str:
        """For a person."""
        scaled = {"rows": ", rows sum to 1", "standard": ", standardised", "none": ""}[self.scaling]
        what = {
            "given": f"{self.width:,} features a node",
            "table": f"{self.width:,} features a node from {len(self.columns or [])} attributes",
            "tags": f"{self.width:,} node tags, one-hot",
            "degree": f"the degree as features, one-hot from 0 to {self.width - 1} and above",
        }[self.kind]
        return what + scaled

    def apply(self, found: Found, degrees: Int[np.ndarray, " nodes"]) -> Made:
        """The features of the nodes of `found`. `DataError`: they are not those that this was fitted to."""
        if self.kind == "degree":
            made = _one_hot(np.minimum(degrees, self.width - 1), self.width)
            if any(given is not None for given in (found.features, found.tags, found.table)):
                made.notes.append("what is given of nodes tells none from another and is not used")
            return made
        if self.kind == "tags":
            return self._from_tags(found)
        if self.kind == "table":
            made = _from_columns(found, self.columns or [])
            if self.coded:
                made.codes = np.where(made.x.any(axis=1), made.x.argmax(axis=1), -1)
        else:
            made = self._from_matrix(found)
        made.x = self._scaled(made.x)
        return made

    def _from_matrix(self, found: Found) -> Made:
        if found.features is None:
            raise DataError(
                f"{found.what} gives no features of nodes, where {self.width:,} a node are expected"
            )
        if found.features.shape[1] != self.width:
            raise DataError(
                f"{found.what} has {found.features.shape[1]:,} features a node, where {self.width:,} are "
                "expected: give graphs with the features that were learned from"
            )
        made = Made(dense(found.features, found.what), None)
        if self.coded:
            there = _is_one_hot(made.x)
            made.codes = np.where(there, made.x.argmax(axis=1), -1)
            if not there.all():
                made.notes.append(f"{(~there).sum():,} nodes have no single tag")
        return made

    def _from_tags(self, found: Found) -> Made:
        if found.tags is None:
            raise DataError(f"{found.what} has no tags of nodes, where {self.width:,} are known")
        number = {tag: i for i, tag in enumerate(self.tags or [])}
        codes = np.array([number.get(tag, -1) for tag in found.tags.tolist()], np.int64)
        made = _one_hot(codes, self.width)
        if (codes < 0).any():
            new = sorted({str(tag) for tag in found.tags[codes < 0].tolist()})
            made.notes.append(
                f"{(codes < 0).sum():,} nodes have a tag that was not learned from ({', '.join(new[:NAMED])})"
            )
        return made

    def _scaled(self, x: Float[np.ndarray, "nodes features"]) -> Float[np.ndarray, "nodes features"]:
        if self.scaling == "rows":
            total = np.abs(x).sum(axis=1, keepdims=True)
            return x / np.where(total > 0, total, 1)
        if self.scaling == "standard":
            return (x - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)
        return x


def fit(
    found: Found, degrees: Int[np.ndarray, " nodes"], *, scaling: str | None = None, cap: int | None = None
) -> Features:
    """How the features of these graphs are made. `scaling`: None chooses; `cap`: of degree features."""
    check_scaling(scaling)
    if cap is not None and (isinstance(cap, bool) or not isinstance(cap, int) or cap < 1):
        raise OptionError(f"degrees must be a whole number of at least 1, not {cap!r}")
    if found.features is not None and found.features.shape[1]:
        x = dense(found.features, found.what)
        if (x != x[:1]).any():
            return _fit_matrix(x, scaling)
    columns = [] if found.table is None else _fit_columns(found.table)
    if columns:
        return _fit_table(found, columns, scaling)
    if found.tags is not None:
        tags = sorted(set(found.tags.tolist()), key=lambda tag: (isinstance(tag, str), tag))
        if len(tags) > 1:
            return Features("tags", len(tags), tags=tags, coded=True)
    largest = int(degrees.max(initial=0))
    return Features("degree", 1 + (min(max(largest, 1), DEGREES) if cap is None else cap), coded=True)


def check_scaling(scaling: str | None) -> None:
    if scaling is not None and scaling not in SCALINGS:
        raise OptionError(f"scaling must be one of {', '.join(SCALINGS)}, not {scaling!r}")


def dense(features: Any, what: str) -> Float[np.ndarray, "nodes features"]:
    """A matrix of float32, from a dense or sparse one. `DataError`: not numbers, NaN, infinite, too large."""
    rows, width = features.shape
    if features.dtype.kind not in "buif":
        raise DataError(f"the features of {what} are of type {features.dtype}: numbers are needed")
    if rows * width * 4 > MEMORY:
        raise DataError(
            f"the {width:,} features of the {rows:,} nodes of {what} need {rows * width * 4 / 2**30:.1f} GiB as a "
            "dense matrix: reduce them first, for example with sklearn.decomposition.TruncatedSVD"
        )
    x = np.asarray(features.todense() if hasattr(features, "todense") else features, np.float32)
    wrong = np.flatnonzero(~np.isfinite(x).all(axis=1))
    if len(wrong):
        raise DataError(
            f"{len(wrong):,} of the {rows:,} nodes of {what} have features that are missing or not finite "
            f"(nodes {', '.join(map(str, wrong[:NAMED]))}{', …' if len(wrong) > NAMED else ''}): fill them in first"
        )
    return x


def _fit_matrix(x: Float[np.ndarray, "nodes features"], scaling: str | None) -> Features:
    if scaling is None and _is_one_hot(x).all():
        return Features("given", x.shape[1], coded=True)
    if scaling is None:
        words = (
            x.shape[1] > 1 and x.min() >= 0 and bool(((x == 0) | (x == 1)).all() or (x == 0).mean() > SPARSE)
        )
        scaling = "rows" if words else "standard"
    return Features("given", x.shape[1], scaling, **_moments(x, scaling))  # type: ignore[arg-type]


def _moments(x: Float[np.ndarray, "nodes features"], scaling: str) -> dict[str, Any]:
    if scaling != "standard":
        return {}
    mean, std = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
    return {"mean": mean.tolist(), "std": np.where(std > 1e-7 * np.abs(mean), std, 1.0).tolist()}


def _fit_table(found: Found, columns: list[dict[str, Any]], scaling: str | None) -> Features:
    made = _from_columns(found, columns)
    if scaling is None and len(columns) == 1 and "categories" in columns[0]:
        return Features("table", made.x.shape[1], columns=columns, coded=True)
    scaling = "standard" if scaling is None else scaling
    moments = _moments(made.x, scaling)
    if moments:  # one-hot columns stay 0 and 1
        hot = np.concatenate([np.full(len(c.get("categories", "n")), "categories" in c) for c in columns])
        moments = {
            "mean": np.where(hot, 0.0, moments["mean"]).tolist(),
            "std": np.where(hot, 1.0, moments["std"]).tolist(),
        }
    return Features("table", made.x.shape[1], scaling, columns=columns, **moments)  # type: ignore[arg-type]


# attributes by name
def _fit_columns(table: Any) -> list[dict[str, Any]]:
    """What is used of the attributes: numbers that differ, and texts of which there are few."""
    columns: list[dict[str, Any]] = []
    for name in table.column_names:
        values = table[name]
        if _is_number(values.type):
            x = _numbers(values)
            known = x[np.isfinite(x)]
            if len(known) and known.min() < known.max():
                columns.append({"name": name, "fill": float(known.mean())})
        elif _is_text(values.type):
            names = sorted({str(v) for v in values.to_pylist() if v is not None})
            if 1 < len(names) <= min(CATEGORIES, max(2, len(values) // 2)):
                columns.append({"name": name, "categories": names})
    return columns


def _from_columns(found: Found, columns: list[dict[str, Any]]) -> Made:
    notes: list[str] = []
    parts = []
    held = [] if found.table is None else found.table.column_names
    for column in columns:
        name = column["name"]
        if found.table is None or name not in held:
            raise DataError(
                f"the nodes of {found.what} have no attribute {name!r}, which was learned from: "
                f"{nearest(name, held) if held else 'they have none'}"
            )
        values = found.table[name]
        if "categories" in column:  # whatever type they have by now: those that are not known are told
            parts.append(_categories(values, column, notes))
            continue
        if not _is_number(values.type):
            raise DataError(
                f"attribute {name!r} of the nodes of {found.what} was numbers and is now {values.type}: "
                "bring it to the type that was learned from"
            )
        x = _numbers(values)
        missing = ~np.isfinite(x)
        if missing.any():
            notes.append(f"{missing.sum():,} nodes lack {name!r} and get its mean")
        parts.append(np.where(missing, column["fill"], x)[:, None])
    unused = [name for name in held if name not in {column["name"] for column in columns}]
    if unused:
        notes.append(
            f"attributes that are not used (the same everywhere, too many texts, or neither): {', '.join(unused[:8])}"
        )
    return Made(np.concatenate(parts, axis=1).astype(np.float32), None, notes)


def _categories(
    values: Any, column: dict[str, Any], notes: list[str]
) -> Float[np.ndarray, "nodes categories"]:
    number = {name: i for i, name in enumerate(column["categories"])}
    codes = np.array([-1 if v is None else number.get(str(v), -1) for v in values.to_pylist()], np.int64)
    if (codes < 0).any():
        notes.append(
            f"{(codes < 0).sum():,} nodes lack {column['name']!r} or have one that was not learned from"
        )
    return _one_hot(codes, len(number)).x


def _is_number(kind: Any) -> bool:
    import pyarrow.types as types

    return (
        types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_decimal(kind)
    )


def _is_text(kind: Any) -> bool:
    import pyarrow.types as types

    return types.is_string(kind) or types.is_large_string(kind) or types.is_dictionary(kind)


def _numbers(values: Any) -> Float[np.ndarray, " nodes"]:
    return np.array([math.nan if v is None else float(v) for v in values.to_pylist()], np.float64)


# one category a node
def _one_hot(codes: Int[np.ndarray, " nodes"], width: int) -> Made:
    """A row without a known code is zeros."""
    x = np.zeros((len(codes), width), np.float32)
    there = np.flatnonzero(codes >= 0)
    x[there, codes[there]] = 1
    return Made(x, codes.astype(np.int64))


def _is_one_hot(x: Float[np.ndarray, "nodes features"]) -> np.ndarray:
    """(nodes,) bool: a single 1 among zeros, of at least two columns."""
    return ((x == 0) | (x == 1)).all(axis=1) & (x.sum(axis=1) == 1) & (x.shape[1] > 1)
