"""How well an order of runs that was made without labels agrees with their accuracy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata

from unlabeled.errors import DataError

LEAST_RUNS = 3
"""with two, every order agrees or disagrees entirely"""
LEAST_FOR_INTERVAL = 8
"""below it, many draws of the runs hold so few different ones that an interval would say nothing"""
DRAWS = 1_000

Interval = tuple[float, float]


@dataclass(frozen=True)
class Agreement:
    """Rank correlations of a merit with the accuracy of the same runs, and what choosing by it costs."""

    runs: int
    spearman: float | None
    """None where all merits, or all accuracies, are equal: there is no order then"""
    spearman_interval: Interval | None
    """95 %, over draws of the runs; None below 8 runs"""
    kendall: float | None
    """τ-b, which allows for ties"""
    kendall_interval: Interval | None
    lost: float
    """accuracy of the best run less that of the run with the largest merit"""


def agreement(
    merit: Sequence[float] | Float[np.ndarray, " runs"],
    accuracy: Sequence[float] | Float[np.ndarray, " runs"],
    *,
    seed: int = 0,
) -> Agreement:
    """Spearman's ρ and Kendall's τ-b of two figures of the same runs, more being better in both.

    Intervals are percentiles (2.5 and 97.5) over 1,000 bootstrap draws of the runs with `seed`; draws in which
    one figure is the same for all runs have no correlation and are left out. `lost` is max(accuracy) minus the
    accuracy of the run of the largest merit (the mean of several that share it).

    Refused: fewer than 3 runs, unequal lengths, NaN.
    Known values: 1 and lost 0 for the same order, -1 for the reverse one.
    """
    x, y = np.asarray(merit, dtype=np.float64), np.asarray(accuracy, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise DataError(f"merit has shape {x.shape} and accuracy {y.shape}: give one number a run in both")
    if len(x) < LEAST_RUNS:
        raise DataError(f"{len(x)} runs have no order that could agree: give at least {LEAST_RUNS}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise DataError("merit and accuracy must be finite: leave out runs without a figure")
    spearman, spearman_interval = _correlation(spearmans, x, y, seed)
    kendall, kendall_interval = _correlation(kendalls, x, y, seed)
    lost = float(y.max() - y[x == x.max()].mean())
    return Agreement(len(x), spearman, spearman_interval, kendall, kendall_interval, lost)


def _correlation(
    of: Callable[[np.ndarray, np.ndarray], np.ndarray], x: np.ndarray, y: np.ndarray, seed: int
) -> tuple[float | None, Interval | None]:
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return None, None
    value = float(of(x[None], y[None])[0])
    if len(x) < LEAST_FOR_INTERVAL:
        return value, None
    rows = np.random.default_rng(seed).integers(len(x), size=(DRAWS, len(x)))
    low, high = np.nanpercentile(of(x[rows], y[rows]), (2.5, 97.5))
    return value, (float(low), float(high))


def spearmans(
    x: Float[np.ndarray, "draws runs"], y: Float[np.ndarray, "draws runs"]
) -> Float[np.ndarray, " draws"]:
    """Spearman's ρ of each draw; NaN where one side is the same for all."""
    a, b = (rankdata(v, axis=1) for v in (x, y))
    a, b = (v - v.mean(axis=1, keepdims=True) for v in (a, b))
    return _cosines(a, b)


def kendalls(
    x: Float[np.ndarray, "draws runs"], y: Float[np.ndarray, "draws runs"]
) -> Float[np.ndarray, " draws"]:
    """Kendall's τ-b of each draw; NaN where one side is the same for all. Draw by draw: pairs take room."""
    first, second = np.triu_indices(x.shape[1], 1)
    found = [
        _cosines(*(np.sign(v[None, first] - v[None, second]) for v in pair))
        for pair in zip(x, y, strict=True)
    ]
    return np.concatenate(found)


def _cosines(a: Float[np.ndarray, "draws numbers"], b: Float[np.ndarray, "draws numbers"]) -> np.ndarray:
    length = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    with np.errstate(invalid="ignore"):
        return np.asarray((a * b).sum(axis=1) / length)
