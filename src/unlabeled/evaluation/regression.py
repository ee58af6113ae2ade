"""Is a quantity a linear function of the features? R² of a ridge regression on top of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from unlabeled.errors import DataError
from unlabeled.evaluation.arrays import Features, Labels, blocks, features, same_width
from unlabeled.evaluation.intervals import percentiles
from unlabeled.evaluation.linear import check_penalties, held_out
from unlabeled.evaluation.ridge import Ridge
from unlabeled.evaluation.standard import Standard, float64_blocks

PENALTIES = (10.0, 1.0, 0.1, 0.01, 0.001, 0.0001, 0.00001)
"""λ tried, a row, strongest first"""


@dataclass(frozen=True)
class Regression:
    """Predictions on the test set beside its targets."""

    predictions: Float[np.ndarray, " test"]
    targets: Float[np.ndarray, " test"]
    chosen: Mapping[str, float]
    """`penalty`: λ of the fit"""

    @property
    def r2(self) -> float:
        """1 - Σ error² / Σ (target - mean of test targets)²: 1 is perfect, 0 what predicting that mean gives."""
        spread = float(((self.targets - self.targets.mean()) ** 2).sum())
        return 1 - float(((self.targets - self.predictions) ** 2).sum()) / spread

    @property
    def rmse(self) -> float:
        """Square root of the mean squared error, in units of the target."""
        return float(np.sqrt(((self.targets - self.predictions) ** 2).mean()))

    @property
    def mae(self) -> float:
        """Mean absolute error, in units of the target."""
        return float(np.abs(self.targets - self.predictions).mean())

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of R² over test sets of this size: the test samples drawn again 1,000 times (seed 0)."""
        generator = np.random.default_rng(0)
        centred = self.targets - self.targets.mean()
        columns = np.stack([(self.targets - self.predictions) ** 2, centred, centred**2])
        samples, drawn = len(centred), []
        for _ in range(1000):
            counts = np.bincount(generator.integers(0, samples, samples), minlength=samples)
            error, total, squares = columns @ counts
            spread = squares - total * total / samples
            if spread > 1e-12 * squares:  # otherwise one value only was drawn, which has no R²
                drawn.append(1 - error / spread)
        return percentiles(np.array(drawn), 0.95)


def regression_probe(
    train: Features,
    train_targets: Labels,
    test: Features,
    test_targets: Labels,
    *,
    penalties: tuple[float, ...] = PENALTIES,
    seed: int = 0,
) -> float:
    """R², at most 1, of a ridge regression on standardised features.

    Minimises mean (target - x w - b)² + λ |w|² in closed form, in float64. Features are standardised by the
    mean and standard deviation of train (a constant column becomes 0). λ is the one of `penalties` with the
    least squared error on a held-out fifth of train, drawn by `seed`, the strongest between equals; then all
    of train is fitted again.

    Shapes: train (n, dim), test (m, dim), one number a row. Memory: a copy of train, float32 unless train is
    float64, and a matrix of min(n, dim)².
    Known values: 1 for targets that are a linear function of the features (up to the least λ); about 0 for
    targets that have nothing to do with them; below 0 is worse than the mean of the test targets.
    Refused: unequal lengths or widths, fewer than 2 rows, NaN, targets that are all the same, penalties of 0
    or less.
    Source: Hoerl, Kennard, "Ridge regression: biased estimation for nonorthogonal problems", 1970.
    """
    return regression_probe_details(
        train, train_targets, test, test_targets, penalties=penalties, seed=seed
    ).r2


def regression_probe_details(
    train: Features,
    train_targets: Labels,
    test: Features,
    test_targets: Labels,
    *,
    penalties: tuple[float, ...] = PENALTIES,
    seed: int = 0,
) -> Regression:
    """As `regression_probe`, with the predictions, their errors in the target's units, an interval, and λ."""
    known, asked = features(train, "train", least_rows=2), features(test, "test", least_rows=2)
    same_width(train=known, test=asked)
    y = targets(train_targets, "train_targets", rows=len(known), of="train")
    y_test = targets(test_targets, "test_targets", rows=len(asked), of="test")
    check_penalties(penalties)

    standard = Standard.of(known)
    held = held_out(np.zeros(len(y), dtype=np.int64), seed)
    order = np.argsort(held, kind="stable")
    x, y, kept = standard.rows(known, order), y[order, None], int((~held).sum())

    part = Ridge.of(x[:kept], y[:kept])
    errors = {}
    for penalty in sorted(penalties, reverse=True):
        weight, bias = part.fit(penalty * kept)
        errors[penalty] = sum(
            float(((block @ weight + bias - y[place]) ** 2).sum()) for place, block in float64_blocks(x, kept)
        )
    penalty = min(errors, key=lambda p: errors[p])
    weight, bias = Ridge.of(x, y).fit(penalty * len(y))
    predicted = np.concatenate([standard(rows) @ weight + bias for _, rows in blocks(asked)])
    return Regression(predicted[:, 0], y_test, {"penalty": penalty})


def targets(y: Labels, name: str, *, rows: int, of: str) -> Float[np.ndarray, " samples"]:
    """`y` as finite float64 numbers, one a row of the features called `of`, not all the same."""
    array = y.detach().cpu().numpy() if isinstance(y, Tensor) else np.asarray(y)
    try:
        array = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} is not numbers: give one number a sample") from error
    if array.ndim != 1:
        raise DataError(f"{name} has shape {array.shape}: one number a sample is needed, in one dimension")
    if len(array) != rows:
        raise DataError(f"{of} has {rows} rows and {name} {len(array)} targets: one a row is needed")
    if not np.isfinite(array).all():
        raise DataError(
            f"{name} has NaN or infinite numbers, first in row {int(np.argmin(np.isfinite(array)))}: leave "
            "such rows out of the evaluation"
        )
    if (array == array[0]).all():
        raise DataError(f"{name} is {array[0]} in every row: there is nothing to predict")
    return array
