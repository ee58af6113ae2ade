"""How far would a figure move with other samples, or with other seeds?"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from unlabeled.errors import DataError, OptionError
from unlabeled.evaluation.arrays import CHUNK
from unlabeled.evaluation.classification import Classification


def bootstrap_interval(
    values: Sequence[float] | Float[np.ndarray, "samples ..."],
    statistic: Callable[..., np.ndarray] = np.mean,
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """The interval of a statistic of samples, by drawing the samples again: percentiles over `resamples` draws.

    Every draw takes n of the n samples with replacement. `statistic(values, axis)` gives one number along
    `axis`, as `np.mean` and `np.median` do.

    Shapes: values (samples,), such as 1 where a prediction is right, or a difference of two models by sample.
    The same seed gives the same interval. Percentiles hold for smooth statistics of a few dozen samples or
    more, not for a maximum.
    Refused: fewer than 2 values, NaN, confidence outside (0, 1), fewer than 100 resamples.
    Source: Efron, "Bootstrap methods: another look at the jackknife", 1979; computed by scipy.stats.bootstrap.
    """
    from scipy.stats import bootstrap

    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or len(x) < 2:
        raise DataError(f"values has shape {x.shape}: one number a sample is needed, of at least 2 samples")
    if not np.isfinite(x).all():
        raise DataError(f"values has NaN or infinite numbers, first at {int(np.argmin(np.isfinite(x)))}")
    check_resampling(resamples, confidence)
    drawn = bootstrap(
        (x,),
        statistic,
        n_resamples=resamples,
        batch=max(1, CHUNK // len(x)),
        confidence_level=confidence,
        method="percentile",
        vectorized=True,
        rng=np.random.default_rng(seed),
    )
    low, high = drawn.confidence_interval
    return float(low), float(high)


def balanced_accuracy_interval(
    found: Classification, *, resamples: int = 1000, confidence: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """The interval of balanced accuracy over test sets with as many samples of every class.

    A stratified bootstrap: within each class its samples are drawn again, so the number of right ones is
    binomial(n_c, recall_c); percentiles of (1/C) Σ_c right_c / n_c over `resamples` draws. A class with one
    test sample, or none of whose samples is wrong, adds no width: the interval is then too narrow.

    Refused: confidence outside (0, 1), fewer than 100 resamples.
    Source: Davison, Hinkley, "Bootstrap methods and their application", 1997.
    """
    check_resampling(resamples, confidence)
    right = found.predictions == found.labels
    _, place, sizes = np.unique(found.labels, return_inverse=True, return_counts=True)
    recall = np.bincount(place, right) / sizes
    drawn = np.random.default_rng(seed).binomial(sizes, recall, size=(resamples, len(sizes)))
    return percentiles((drawn / sizes).mean(1), confidence)


def seed_interval(values: Sequence[float], *, confidence: float = 0.95) -> tuple[float, float]:
    """The interval of the mean of a figure over seeds, by Student's t: mean ± t s / sqrt(n), n - 1 degrees.

    Refused: one seed only (it says nothing of others), NaN, confidence outside (0, 1).
    Source: Student, "The probable error of a mean", 1908.
    """
    from scipy.stats import t

    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or len(x) < 2 or not np.isfinite(x).all():
        raise DataError(f"values is {values}: give the figure of at least 2 seeds, as finite numbers")
    check_resampling(100, confidence)
    half = t.ppf((1 + confidence) / 2, len(x) - 1) * x.std(ddof=1) / len(x) ** 0.5
    return float(x.mean() - half), float(x.mean() + half)


def percentiles(drawn: Float[np.ndarray, " resamples"], confidence: float) -> tuple[float, float]:
    """The two ends between which the middle `confidence` of the draws lies."""
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def check_resampling(resamples: int, confidence: float) -> None:
    if resamples < 100:
        raise OptionError(f"resamples is {resamples}: at least 100 are needed for an interval")
    if not 0 < confidence < 1:
        raise OptionError(f"confidence is {confidence}: give a number between 0 and 1, such as 0.95")
