"""Is one encoder better than another, or were the test samples kind to it?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped

from unlabeled.errors import DataError
from unlabeled.evaluation.classification import Classification
from unlabeled.evaluation.intervals import check_resampling, percentiles


@dataclass(frozen=True)
class Difference:
    """By how much a is better than b, and between what the difference lies over test sets of this make."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """Two sets of predictions for the same test samples."""

    accuracy: Difference
    balanced_accuracy: Difference
    p: float
    """McNemar's exact test: how often chance would divide the samples that one alone got right as unevenly"""
    both: int
    """test samples that both got right"""
    only_a: int
    only_b: int
    neither: int


def compare(
    a: Classification, b: Classification, *, resamples: int = 1000, confidence: float = 0.95, seed: int = 0
) -> Comparison:
    """By how much `a` is better than `b` on the same test samples, with an interval and a p-value.

    With d_i = right_a - right_b of a sample: the difference of accuracy is the mean of d, that of balanced
    accuracy the mean over classes of its mean within the class. The interval is a paired stratified bootstrap:
    the samples of each class are drawn again, both predictions of a sample together, so the numbers of
    d = 1, 0, -1 are multinomial; percentiles over `resamples` draws. McNemar: of the samples that one alone
    got right, the share of a is binomial(1/2) if neither is better; p is two-sided and exact, and 1 where no
    such sample exists.

    It speaks of these two trained encoders and this kind of test set, not of other seeds of training: for
    those see `seed_interval`.
    Known values: 0, an interval of 0 to 0 and p = 1 for the same predictions; a and b exchanged change sign.
    Refused: test labels that differ, fewer than 100 resamples, confidence outside (0, 1).
    Source: McNemar, "Note on the sampling error of the difference between correlated proportions or
    percentages", 1947; Davison, Hinkley, "Bootstrap methods and their application", 1997.
    """
    from scipy.stats import binomtest

    _same_samples(a, b)
    check_resampling(resamples, confidence)
    right_a, right_b = a.predictions == a.labels, b.predictions == b.labels
    d = right_a.astype(int) - right_b
    only_a, only_b = int((d > 0).sum()), int((d < 0).sum())

    _, place, sizes = np.unique(a.labels, return_inverse=True, return_counts=True)
    shares = np.stack([np.bincount(place, d == value) / sizes for value in (1, -1, 0)], axis=1)
    drawn = np.random.default_rng(seed).multinomial(sizes, shares, size=(resamples, len(sizes)))
    within = (drawn[..., 0] - drawn[..., 1]) / sizes
    mean = shares[:, 0] - shares[:, 1]
    return Comparison(
        accuracy=Difference(float(d.mean()), *percentiles(within @ sizes / len(d), confidence)),
        balanced_accuracy=Difference(float(mean.mean()), *percentiles(within.mean(1), confidence)),
        p=float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0,
        both=int((right_a & right_b).sum()),
        only_a=only_a,
        only_b=only_b,
        neither=int((~right_a & ~right_b).sum()),
    )


def _same_samples(a: Classification, b: Classification) -> None:
    for name, found in (("a", a), ("b", b)):
        if found.predictions.shape != found.labels.shape or not len(found.labels):
            raise DataError(
                f"{name} has {found.predictions.shape} predictions and {found.labels.shape} labels: one of each "
                "a test sample is needed"
            )
    if len(a.labels) != len(b.labels):
        raise DataError(
            f"a has {len(a.labels)} test samples and b {len(b.labels)}: a paired comparison needs the same ones"
        )
    differ: Shaped[np.ndarray, " test"] = a.labels != b.labels
    if np.any(differ):
        raise DataError(
            f"the test labels of a and b differ, first at row {int(np.argmax(differ))}: a paired comparison needs "
            "the same samples in the same order"
        )
