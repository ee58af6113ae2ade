"""How far a figure would move with other samples, where nothing simpler says so."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import Tensor

from unlabeled.errors import DataError, OptionError

Q95 = 1.959964
"""two-sided 95 % quantile of the normal distribution"""


def jackknife_interval(
    measure: Callable[[Tensor], float], z: Tensor, value: float, *, groups: int = 10, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of `measure(z)`, from leaving out a tenth of the samples at a time.

    With v_g the figure without group g, of G groups drawn by `seed`: value ± 1.96 sqrt((G - 1) / G Σ (v_g - v̄)²).
    Samples are left out and not drawn again, as a bootstrap would: a sample that occurs twice is a distance of
    zero and a lost dimension, which neighbours and ranks take for structure.

    Shapes: z (samples, …); the first axis is what is left out.
    Refused: fewer groups than 2, fewer samples than groups.
    Source: the grouped jackknife, Shao, Tu, "The jackknife and bootstrap", 1995, chapter 2.
    """
    if groups < 2:
        raise OptionError(f"groups is {groups}: at least 2 are needed")
    if len(z) < groups:
        raise DataError(f"{len(z)} samples cannot be divided into {groups} groups: give at least {groups}")
    group = np.random.default_rng(seed).permutation(len(z)) % groups
    values = np.array([measure(z[np.flatnonzero(group != g)]) for g in range(groups)])
    error = float(np.sqrt((groups - 1) / groups * np.square(values - values.mean()).sum()))
    return value - Q95 * error, value + Q95 * error
