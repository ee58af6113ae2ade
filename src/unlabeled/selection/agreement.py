"""How well an order of runs that was made without labels agrees with their accuracy."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

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
    spearman, spearman_interval = _correlation(lambda a, b: stats.spearmanr(a, b).statistic, x, y, seed)
    kendall, kendall_interval = _correlation(lambda a, b: stats.kendalltau(a, b).statistic, x, y, seed)
    lost = float(y.max() - y[x == x.max()].mean())
    return Agreement(len(x), spearman, spearman_interval, kendall, kendall_interval, lost)


def _correlation(
    of: Callable[[np.ndarray, np.ndarray], float], x: np.ndarray, y: np.ndarray, seed: int
) -> tuple[float | None, Interval | None]:
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return None, None
    value = float(of(x, y))
    if len(x) < LEAST_FOR_INTERVAL:
        return value, None
    generator = np.random.default_rng(seed)
    draws = generator.integers(len(x), size=(DRAWS, len(x)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        found = np.array([of(x[rows], y[rows]) for rows in draws])
    low, high = np.percentile(found[np.isfinite(found)], (2.5, 97.5))
    return value, (float(low), float(high))
