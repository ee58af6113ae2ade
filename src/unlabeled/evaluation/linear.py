"""Is the class a linear function of the features? Accuracy of a logistic regression on top of them."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int64

from unlabeled.errors import OptionError
from unlabeled.evaluation.arrays import Features, Labels, encoded, features, labels, same_width
from unlabeled.evaluation.classification import Classification, decoded

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

PENALTIES = (0.001, 0.01, 0.1, 1.0, 10.0)
"""values of C tried, strongest penalty first"""


def linear_probe(
    train: Features,
    train_labels: Labels,
    test: Features,
    test_labels: Labels,
    *,
    penalties: tuple[float, ...] = PENALTIES,
    steps: int = 300,
    seed: int = 0,
) -> float:
    """Accuracy, in [0, 1], of a multinomial logistic regression on standardised features.

    Minimises Σ cross-entropy + |W|² / 2C by L-BFGS, at most `steps` of them. Features are standardised by
    the mean and standard deviation of train (a constant column becomes 0). C is the one of `penalties` with
    the best accuracy on a held-out fifth of every class of train, drawn by `seed`; between equals the
    strongest penalty; then all of train is fitted again. The test set is looked at once, at the end. Where no
    class has two samples nothing can be held out and the C nearest to 1 is taken.

    Shapes: train (n, dim), test (m, dim), one label (whole number or string) a row. The same input gives the
    same figure. A class that only the test set has counts as wrong.
    Refused: unequal lengths or widths, no rows, NaN, missing labels (-1), one class only, penalties of 0 or
    less.
    Source: the logistic regression on cached features that most papers report as linear evaluation, as in
    Oquab et al., 2023, arXiv:2304.07193, with a smaller grid.
    """
    return linear_probe_details(
        train, train_labels, test, test_labels, penalties=penalties, steps=steps, seed=seed
    ).accuracy


def linear_probe_details(
    train: Features,
    train_labels: Labels,
    test: Features,
    test_labels: Labels,
    *,
    penalties: tuple[float, ...] = PENALTIES,
    steps: int = 300,
    seed: int = 0,
) -> Classification:
    """As `linear_probe`, with the predictions, the accuracy of each class, and the C in `chosen`."""
    known, asked = features(train, "train"), features(test, "test")
    same_width(train=known, test=asked)
    y_train = labels(train_labels, "train_labels", rows=len(known), of="train")
    y_test = labels(test_labels, "test_labels", rows=len(asked), of="test")
    if not penalties or min(penalties) <= 0 or max(penalties) == float("inf"):
        raise OptionError(f"penalties is {penalties}: give one or more numbers above 0")
    if steps < 1:
        raise OptionError(f"steps is {steps}: at least 1 is needed")
    classes, y, _ = encoded(y_train, y_test)

    x, x_test = standardised(known.cpu().double().numpy(), asked.cpu().double().numpy())
    penalty = choose_penalty(x, y, sorted(penalties), steps, seed)
    predicted = fitted(x, y, penalty, steps).predict(x_test)
    return decoded(classes, predicted.astype(np.int64), y_test, C=penalty)


def standardised(
    train: Float[np.ndarray, "train dim"], test: Float[np.ndarray, "test dim"]
) -> tuple[Float[np.ndarray, "train dim"], Float[np.ndarray, "test dim"]]:
    """Both with the mean of train taken off and divided by its standard deviation."""
    mean, deviation = train.mean(0), train.std(0)
    # a column that varies by rounding only is constant: dividing would blow the rounding up
    scale = np.where(deviation > 1e-10 * np.abs(mean), deviation, np.inf)
    return (train - mean) / scale, (test - mean) / scale


def choose_penalty(
    x: Float[np.ndarray, "train dim"],
    y: Int64[np.ndarray, " train"],
    penalties: list[float],
    steps: int,
    seed: int,
) -> float:
    """The penalty with the best accuracy on a held-out fifth of each class."""
    held = held_out(y, seed)
    if len(penalties) == 1 or not held.any():
        return min(penalties, key=lambda c: abs(np.log(c)))
    accuracy = [
        float((fitted(x[~held], y[~held], c, steps).predict(x[held]) == y[held]).mean()) for c in penalties
    ]
    return penalties[int(np.argmax(accuracy))]


def held_out(y: Int64[np.ndarray, " samples"], seed: int) -> np.ndarray:
    """(samples,) bool: a fifth of each class, rounded up, but never the only sample of one."""
    generator = np.random.default_rng(seed)
    held = np.zeros(len(y), dtype=bool)
    for label in np.unique(y):
        rows = generator.permutation(np.flatnonzero(y == label))
        held[rows[: min(-(-len(rows) // 5), len(rows) - 1)]] = True
    return held


def fitted(
    x: Float[np.ndarray, "train dim"], y: Int64[np.ndarray, " train"], penalty: float, steps: int
) -> LogisticRegression:
    """A logistic regression; stopping at `steps` is part of the definition, so it does not warn."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return LogisticRegression(C=penalty, max_iter=steps, tol=1e-4).fit(x, y)
