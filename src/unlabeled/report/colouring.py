"""By what the points of a map are coloured: labels, a column of the data, clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Float

from unlabeled.report.samples import named

CLASSES = 10
"""classes with a colour of their own; the rest share one"""
BINS = 5
"""shades of a column of numbers"""
CLUSTERS = range(2, 11)
"""numbers of clusters that a reader can choose from"""


@dataclass(frozen=True)
class Colouring:
    """A code for every sample, and what it means; −1 has the colour of what has none of its own."""

    title: str
    names: tuple[str, ...]
    codes: tuple[int, ...]
    other: str = ""
    """what −1 means; empty where no sample has it"""
    ordered: bool = False
    """whether codes go from small to large, and so do the shades"""

    @property
    def counts(self) -> list[int]:
        """Samples of each name, and of the others where there are any."""
        found = np.bincount(np.array(self.codes, dtype=int) + 1, minlength=len(self.names) + 1).tolist()
        return found[1:] + ([found[0]] if self.other else [])

    @property
    def entries(self) -> list[tuple[str, str, int, int]]:
        """(name, class of the colour, shape, samples) of a legend."""
        names = [*self.names, self.other] if self.other else list(self.names)
        codes = [*range(len(self.names)), -1]
        return [
            (name, self.css(code), max(code, 0), count)
            for name, code, count in zip(names, codes, self.counts, strict=False)
        ]

    def css(self, code: int) -> str:
        """The class that colours a code: c0 … c9, s0 … s4 for shades, or none."""
        return "none" if code < 0 else f"{'s' if self.ordered else 'c'}{code}"


def by_name(title: str, values: Sequence[str | None]) -> Colouring:
    """The ten most common names in their own order (numbers by size); the rest, and None, are −1."""
    known = [value for value in values if value is not None]
    found, counts = np.unique(np.array(known, dtype=str), return_counts=True)
    top = sorted(found[np.argsort(-counts, kind="stable")[:CLASSES]].tolist(), key=natural)
    number = {name: code for code, name in enumerate(top)}
    others = len(found) - len(top)
    said = [f"{others} other classes"] * (others > 0) + ["unlabelled"] * (len(known) < len(values))
    codes = tuple(-1 if value is None else number.get(value, -1) for value in values)
    return Colouring(title, tuple(top), codes, " and ".join(said))


def natural(name: str) -> tuple[int, float, str]:
    """Numbers by size, before words by letter."""
    try:
        return (0, float(name), name)
    except ValueError:
        return (1, 0.0, name)


def by_column(title: str, values: Sequence[Any]) -> Colouring:
    """Numbers in up to five parts of about equal size, from light to dark; anything else by name."""
    numbers = [
        float(v) if isinstance(v, int | float | np.number) and not isinstance(v, bool) else np.nan
        for v in values
    ]
    x = np.array(numbers)
    there = np.isfinite(x)
    if (
        not there.any()
        or len(np.unique(x[there])) <= CLASSES
        or any(v is not None and not isinstance(v, int | float | np.number) for v in values)
    ):
        return by_name(title, [named(v) if v != -1 else "-1" for v in values])
    edges = np.unique(np.quantile(x[there], np.linspace(0, 1, BINS + 1)))
    codes = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, len(edges) - 2)
    names = tuple(f"{low:.4g} to {high:.4g}" for low, high in pairwise(edges))
    coded = tuple(int(c) if known else -1 for c, known in zip(codes, there, strict=True))
    return Colouring(title, names, coded, "" if there.all() else "missing", ordered=True)


def by_cluster(unit: Float[np.ndarray, "samples dim"], clusters: int, *, seed: int = 0) -> Colouring:
    """k-means on rows of length 1; clusters are numbered by size, the largest first."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(1):
        found = KMeans(clusters, n_init=4, random_state=seed).fit_predict(unit)
    order = np.argsort(-np.bincount(found, minlength=clusters), kind="stable")
    number = np.empty(clusters, dtype=int)
    number[order] = np.arange(clusters)
    names = tuple(f"cluster {i + 1}" for i in range(clusters))
    return Colouring(f"{clusters} clusters", names, tuple(number[found].tolist()))
