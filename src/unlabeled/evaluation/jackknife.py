"""How far a figure would move with other samples, where nothing simpler says so."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from unlabeled.errors import DataError, OptionError

Q95 = 1.959964
"""two-sided 95 % quantile of the normal distribution"""
GROUPS = 10


def left_out(samples: int, *, groups: int = GROUPS, seed: int = 0) -> list[Int[np.ndarray, " kept"]]:
    """The rows that remain when each of `groups` groups of rows, drawn by `seed`, is left out in turn.

    Refused: fewer groups than 2, fewer samples than groups.
    """
    if groups < 2:
        raise OptionError(f"groups is {groups}: at least 2 are needed")
    if samples < groups:
        raise DataError(f"{samples} samples cannot be divided into {groups} groups: give at least {groups}")
    group = np.random.default_rng(seed).permutation(samples) % groups
    return [np.flatnonzero(group != g) for g in range(groups)]


def jackknife_interval(value: float, without: Sequence[float]) -> tuple[float, float]:
    """95 % interval of a figure whose value is `value`, and `without[g]` when group g of the samples is left out.

    value ± 1.96 sqrt((G - 1) / G Σ (without_g - mean)²). Samples are left out and not drawn again, as a bootstrap
    would: a sample that occurs twice is a distance of zero and a lost dimension, which figures of neighbours and
    ranks take for structure.

    Refused: fewer than 2 groups.
    Source: the grouped jackknife, Shao, Tu, "The jackknife and bootstrap", 1995, chapter 2.
    """
    values = np.asarray(without, dtype=np.float64)
    if len(values) < 2:
        raise OptionError(f"{len(values)} values are given: leave out at least 2 groups")
    error = float(np.sqrt((len(values) - 1) / len(values) * np.square(values - values.mean()).sum()))
    return value - Q95 * error, value + Q95 * error
