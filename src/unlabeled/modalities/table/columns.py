"""How one column is prepared: what was fitted to it, as plain values, and what it makes of new cells."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import numpy as np
import pyarrow as pa
from scipy.special import ndtri

from unlabeled.errors import DataError, OptionError, nearest
from unlabeled.modalities.table.values import PARTS, Form, first, form, named, numbers, parsed, part, texts

NUMERIC = ("number", "date", "time", "duration")
KINDS = (*NUMERIC, "category", "boolean")
SCALINGS = ("quantile", "standard")
TRUTH = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0}


@dataclass
class Noticed:
    """What was found in new cells that training did not see, by column: how many, and the first of them."""

    unseen: dict[str, tuple[int, str]] = field(default_factory=dict)
    infinite: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Column:
    """One column of `Batch.x`. `of` is the column of the table it is made from.

    A numeric one (`number`, `date`, `time`, `duration`) has `knots`, equally likely values in ascending order,
    and `mean` and `std`. A `category` or a `boolean` has `values`, the most frequent first, and their `shares` of
    the known cells; `rare` is the share of all values that are not among them, which have one code together,
    the last. `part` is what of a date a category is. `missing`: share of all cells.
    """

    name: str
    kind: str
    of: str = ""
    part: str | None = None
    knots: tuple[float, ...] = ()
    mean: float = 0.0
    std: float = 1.0
    values: tuple[str, ...] = ()
    shares: tuple[float, ...] = ()
    rare: float = 0.0
    missing: float = 0.0

    def __post_init__(self) -> None:
        where = f"column {self.name!r} of a table"
        if self.kind not in KINDS:
            raise OptionError(f"{where} is of kind {self.kind!r}: {nearest(str(self.kind), KINDS)}")
        if not 0 <= self.missing < 1:
            raise OptionError(f"{where}: missing is a share below 1, not {self.missing}")
        if self.kind in NUMERIC:
            knots = np.asarray(self.knots, dtype=np.float64)
            if not len(knots) or not np.isfinite(knots).all() or (np.diff(knots) < 0).any():
                raise OptionError(f"{where} needs knots: finite numbers in ascending order")
            if not (math.isfinite(self.mean) and math.isfinite(self.std) and self.std > 0):
                raise OptionError(f"{where} needs a finite mean and a std above 0")
            return
        if not self.values or len(set(self.values)) < len(self.values):
            raise OptionError(f"{where} needs values, each once")
        if len(self.shares) != len(self.values) or min(self.shares) < 0 or self.rare < 0:
            raise OptionError(
                f"{where} needs a share of at least 0 for each of its {len(self.values)} values"
            )
        if not math.isclose(sum(self.shares) + self.rare, 1, abs_tol=1e-3):
            raise OptionError(f"{where}: shares and rare must sum to 1")
        if self.part is not None and self.part not in PARTS:
            raise OptionError(f"{where}: part is one of {', '.join(PARTS)}, not {self.part!r}")

    @classmethod
    def from_plain(cls, said: Mapping[str, Any]) -> Column:
        """The column that `plain` describes."""
        known = cls.__dataclass_fields__
        for name in said:
            if name not in known:
                raise OptionError(f"a column of a table has no {name!r}: {nearest(str(name), known)}")
        if not {"name", "kind"} <= said.keys():
            raise OptionError(f"a column of a table needs a name and a kind, not {dict(said)!r}")
        lists = {name: tuple(said[name]) for name in ("knots", "values", "shares") if name in said}
        return cls(**{"of": said["name"], **said, **lists})

    def plain(self) -> dict[str, Any]:
        """Plain values that make the same column again."""
        said: dict[str, Any] = {"name": self.name, "kind": self.kind}
        if self.of != self.name:
            said["of"] = self.of
        if self.part is not None:
            said["part"] = self.part
        if self.kind in NUMERIC:
            said |= {"knots": list(self.knots), "mean": self.mean, "std": self.std}
        else:
            said |= {"values": list(self.values), "shares": list(self.shares), "rare": self.rare}
        return said | {"missing": self.missing}

    @property
    def size(self) -> int:
        """How many codes it has; 0 where it is numeric."""
        return 0 if self.kind in NUMERIC else len(self.values) + (self.rare > 0)

    def encode(self, cells: pa.ChunkedArray, scaling: str, noticed: Noticed) -> np.ndarray:
        """(rows,) float32: scaled numbers, or codes; NaN where missing. `DataError`: cells of another kind."""
        if self.part is not None:
            return self._codes_of_part(part(self._numbers(cells, "date"), self.part), noticed)
        if self.kind == "category":
            return self._codes(cells, noticed)
        if self.kind == "boolean":
            return self._truth(cells)
        found = self._numbers(cells, cast(Form, self.kind))
        infinite = np.isinf(found)
        if infinite.any():
            noticed.infinite[self.name] = int(infinite.sum())
            found[infinite] = np.nan
        return self.scale(found, scaling)

    def scale(self, x: np.ndarray, scaling: str) -> np.ndarray:
        """Numbers to float32 around zero; NaN stays.

        "quantile": the normal score of their share among the training values, linear between the knots, as those
        do who compare networks on tables (Gorishniy et al. 2021, arXiv 2106.11959); values beyond the first or
        last knot get its score. "standard": minus mean, over deviation.
        """
        if scaling == "standard":
            return ((x - self.mean) / self.std).astype(np.float32)
        knots, scores = self._scores
        return np.interp(x, knots, scores).astype(np.float32)

    @cached_property
    def _scores(self) -> tuple[np.ndarray, np.ndarray]:
        """Each knot once, and its normal score; a value with several knots has the mean of their shares."""
        distinct, place, counts = np.unique(self.knots, return_inverse=True, return_counts=True)
        shares = np.bincount(place, (np.arange(len(self.knots)) + 0.5) / len(self.knots)) / counts
        return distinct, ndtri(shares)

    def told(self, cells: np.ndarray, scaling: str) -> list[str]:
        """Prepared cells as a person would write them: numbers to four digits, dates as ISO 8601, – for missing.

        Scaling is undone; of a value beyond the first or last knot that knot is all that is left.
        """
        if self.size:
            names = [*self.values, "(rare)"]
            return ["–" if np.isnan(c) else names[int(c)] for c in cells]
        if scaling == "standard":
            numbers = cells.astype(np.float64) * self.std + self.mean
        else:
            knots, scores = self._scores
            numbers = np.interp(cells, scores, knots)
        # prepared cells have seven digits: what is left of a 0 is no number
        numbers = np.where(np.abs(numbers) < 1e-6 * self.std, 0.0, numbers)
        return ["–" if np.isnan(n) else written(float(n), self.kind) for n in numbers]

    def marginal(self, scaling: str) -> tuple[np.ndarray, np.ndarray]:
        """(what cells hold, as in `Batch.x`; how likely each of it is): the values of its own training cells."""
        if self.kind in NUMERIC:
            count = len(self.knots)
            return self.scale(np.asarray(self.knots), scaling), np.full(count, 1 / count)
        shares = np.array([*self.shares, self.rare] if self.rare else self.shares)
        return np.arange(self.size, dtype=np.float32), shares / shares.sum()

    def _numbers(self, cells: pa.ChunkedArray, wanted: Form) -> np.ndarray:
        found = form(cells.type)
        if found == "category":
            cells = cells.cast(cells.type.value_type)
            found = form(cells.type)
        if found == "empty":
            return np.full(len(cells), np.nan)
        if found == wanted or (found, wanted) == ("boolean", "number"):
            return numbers(cells)
        if found == "text" and wanted in ("number", "date"):
            read = parsed(cells, wanted)
            if read is not None:
                return read
        raise self._changed(f"{wanted}s", cells)

    def _truth(self, cells: pa.ChunkedArray) -> np.ndarray:
        found = form(cells.type)
        if found == "empty":
            return np.full(len(cells), np.nan, np.float32)
        if found not in ("boolean", "number", "text", "category"):
            raise self._changed("true and false", cells)
        codes, distinct = texts(cells)
        meant = [TRUTH.get(named(value).lower()) for value in distinct.to_pylist()]
        wrong = [i for i in np.unique(codes[codes >= 0]) if meant[i] is None]
        if wrong:
            raise self._changed("true and false", cells, named(distinct[int(wrong[0])].as_py()))
        # the last for missing cells, whose code is −1
        return np.array([*(np.nan if m is None else m for m in meant), np.nan], np.float32)[codes]

    def _codes(self, cells: pa.ChunkedArray, noticed: Noticed) -> np.ndarray:
        found = form(cells.type)
        if found == "empty":
            return np.full(len(cells), np.nan, np.float32)
        if found == "other":
            raise self._changed(f"categories such as {self.values[0]!r}", cells)
        codes, distinct = texts(cells)
        known = self._places
        if found == "boolean":  # a file of which all cells look like truth values
            known = {value.casefold(): code for value, code in known.items()}
        names = [named(value) for value in distinct.to_pylist()]
        if found == "boolean":
            names = [name.casefold() for name in names]
        places = np.array([*(known.get(name, self._unseen) for name in names), np.nan], np.float32)
        unseen = np.array([*(name not in known for name in names), False])[codes]
        if unseen.any():
            typed = found not in ("text", "category") and not all(map(_numeric, self.values))
            if typed and unseen.sum() == (codes >= 0).sum():
                raise self._changed(f"categories such as {self.values[0]!r}", cells)
            self._notice(noticed, unseen, names[int(codes[unseen][0])])
        return places[codes]

    def _codes_of_part(self, found: np.ndarray, noticed: Noticed) -> np.ndarray:
        out = np.full(len(found), np.nan, np.float32)
        for value in np.unique(found[~np.isnan(found)]):
            here = found == value
            out[here] = self._places.get(named(float(value)), self._unseen)
            if named(float(value)) not in self._places:
                self._notice(noticed, here, named(float(value)))
        return out

    def _notice(self, noticed: Noticed, unseen: np.ndarray, example: str) -> None:
        # of a column that lists only its frequent values, other values are no news
        if not self.rare:
            before = noticed.unseen.get(self.name, (0, example))
            noticed.unseen[self.name] = (before[0] + int(unseen.sum()), before[1])

    @cached_property
    def _places(self) -> dict[str, int]:
        return {value: code for code, value in enumerate(self.values)}

    @property
    def _unseen(self) -> float:
        """What a value gets that is not listed: the code of rare ones, trained on those; else it is missing."""
        return float(len(self.values)) if self.rare else math.nan

    def _changed(self, expected: str, cells: pa.ChunkedArray, example: str | None = None) -> DataError:
        held = repr(example) if example is not None else _example(cells)
        return DataError(
            f"column {self.of!r} held {expected} when the preparation was fitted, and now holds {held} "
            f"({cells.type}): bring it to its old form, or train anew on this data"
        )


def written(number: float, kind: str) -> str:
    """A number as what it stands for: a day, a time of day, a duration in days, or itself."""
    if kind == "date":
        return str(np.datetime64(round(number * 86_400), "s")).removesuffix("T00:00:00")
    if kind == "time":
        hours, minutes = divmod(round(number * 60), 60)
        return f"{hours:02d}:{minutes:02d}"
    plain = f"{number:.0f}" if 1e4 <= abs(number) < 1e9 else f"{number:.4g}"
    return plain + (" days" if kind == "duration" else "")


def _numeric(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True


def _example(cells: pa.ChunkedArray) -> str:
    if form(cells.type) == "other":
        return "something else"
    if form(cells.type) != "text":
        return first(cells)
    _, distinct = texts(cells)
    return first(cells, but=[v for v in distinct.to_pylist() if v and _numeric(v)])
