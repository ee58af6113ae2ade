"""What a probe that predicts classes found: predictions, and how right they are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np
from jaxtyping import Int64, Shaped

from unlabeled.errors import DataError


@dataclass(frozen=True)
class Classification:
    """Predictions on the test set beside its labels."""

    predictions: Shaped[np.ndarray, " test"]
    """labels as they were given: whole numbers or strings"""
    labels: Shaped[np.ndarray, " test"]
    chosen: Mapping[str, float | str] = field(default_factory=dict)
    """what the probe chose by itself, such as the strength of its penalty, or was told, such as its index"""

    @property
    def correct(self) -> int:
        return int((self.predictions == self.labels).sum())

    @property
    def accuracy(self) -> float:
        """Share of test samples predicted right, in [0, 1]."""
        return self.correct / len(self.labels)

    @property
    def per_class(self) -> dict[int | str, float]:
        """Class of the test set → share of its samples predicted right."""
        right = self.predictions == self.labels
        return {name.item(): float(right[self.labels == name].mean()) for name in np.unique(self.labels)}

    @property
    def balanced_accuracy(self) -> float:
        """Mean over the classes of the test set: each counts the same, however rare."""
        return float(np.mean(list(self.per_class.values())))

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the accuracy, over test sets of this size."""
        return wilson_interval(self.correct, len(self.labels))


def decoded(
    classes: Shaped[np.ndarray, " classes"],
    predicted: Int64[np.ndarray, " test"],
    labels: Shaped[np.ndarray, " test"],
    **chosen: float | str,
) -> Classification:
    """A `Classification` from places among `classes`."""
    return Classification(classes[predicted], labels, chosen)


def wilson_interval(correct: int, total: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """The interval of a share that stays inside [0, 1] and is not empty at 0 or 1.

    With p = correct / total, n = total and q the two-sided normal quantile:
    (p + q²/2n ± q sqrt(p (1 - p) / n + q²/4n²)) / (1 + q²/n).

    Refused: total below 1, correct outside [0, total], confidence outside (0, 1).
    Source: Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927.
    """
    if total < 1 or not 0 <= correct <= total:
        raise DataError(f"{correct} correct of {total}: give 0 <= correct <= total, and at least one")
    if not 0 < confidence < 1:
        raise DataError(f"confidence is {confidence}: give a number between 0 and 1, such as 0.95")
    q = NormalDist().inv_cdf((1 + confidence) / 2)
    share, spread = correct / total, q * q / total
    centre = (share + spread / 2) / (1 + spread)
    half = q * math.sqrt(share * (1 - share) / total + spread / (4 * total)) / (1 + spread)
    # at 0 and at all the end is 0 and 1 by the formula, which rounding may miss
    low = 0.0 if correct == 0 else max(0.0, centre - half)
    high = 1.0 if correct == total else min(1.0, centre + half)
    return low, high
