"""Is the class a linear function of the features? Accuracy of a logistic regression on top of them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int64

from unlabeled.errors import OptionError
from unlabeled.evaluation.arrays import Features, Labels, blocks, encoded, labelled
from unlabeled.evaluation.classification import Classification, decoded
from unlabeled.evaluation.standard import Standard, float64_blocks

PENALTIES = (0.001, 0.01, 0.1, 1.0, 10.0)
"""values of C tried, strongest penalty first"""
WIDEST_CURVATURE = 2048
"""columns up to which the curvature is factored: beyond, that costs more than the steps it saves"""


def linear_probe(
    train: Features,
    train_labels: Labels,
    test: Features,
    test_labels: Labels,
    *,
    penalties: tuple[float, ...] = PENALTIES,
    class_weight: Literal["balanced"] | None = None,
    steps: int = 300,
    seed: int = 0,
) -> float:
    """Accuracy, in [0, 1], of a multinomial logistic regression on standardised features.

    Minimises Σ w · cross-entropy + |W|² / 2C by L-BFGS, at most `steps` of them; where those do not reach the
    optimum a warning says so. Features are standardised by the mean and standard deviation of train (a
    constant column becomes 0). w is 1, or n / (classes · samples of the row's class) for
    `class_weight="balanced"`. C is the one of `penalties` with the best accuracy, weighted by w too, on a
    held-out fifth of every class of train, drawn by `seed`; they are tried from the strongest, until two in a
    row bring nothing; then all of train is fitted again. The test set is looked at once, at the end. Where
    no class has two samples nothing can be held out and the C nearest to 1 is taken.

    Shapes: train (n, dim), test (m, dim), one label (whole number or string) a row. Sums are in float64; one
    copy of train is held, float32 unless train is float64, and read in blocks, so a train set of 2 GB needs 4
    GB and little more: 1,000,000 × 512 in 4 classes took 80 s of one core and 4.9 GB. The same input gives
    the same figure. A class that only the test set has counts as wrong.
    Refused: unequal lengths or widths, no rows, NaN, missing labels (-1), one class only, penalties of 0 or
    less.
    Source: the logistic regression on cached features that most papers report as linear evaluation, as in
    Oquab et al., 2023, arXiv:2304.07193, with a smaller grid.
    """
    return linear_probe_details(
        train,
        train_labels,
        test,
        test_labels,
        penalties=penalties,
        class_weight=class_weight,
        steps=steps,
        seed=seed,
    ).accuracy


def balanced_linear_probe(
    train: Features,
    train_labels: Labels,
    test: Features,
    test_labels: Labels,
    *,
    penalties: tuple[float, ...] = PENALTIES,
    steps: int = 300,
    seed: int = 0,
) -> float:
    """Balanced accuracy, in [0, 1], of a linear probe in whose loss every class weighs the same.

    The mean over the classes of test of the share of their samples predicted right: rare classes count as much
    as common ones, and guessing reaches one in as many as there are classes. Otherwise as `linear_probe` with
    `class_weight="balanced"`, whose `_details` have the rest.
    """
    return linear_probe_details(
        train,
        train_labels,
        test,
        test_labels,
        penalties=penalties,
        class_weight="balanced",
        steps=steps,
        seed=seed,
    ).balanced_accuracy


def linear_probe_details(
    train: Features,
    train_labels: Labels,
    test: Features,
    test_labels: Labels,
    *,
    penalties: tuple[float, ...] = PENALTIES,
    class_weight: Literal["balanced"] | None = None,
    steps: int = 300,
    seed: int = 0,
) -> Classification:
    """As `linear_probe`, with the predictions, the accuracy of each class, and in `chosen` C.

    Beside C `chosen` has `held_out`, the accuracy on the held-out rows with it, where several were tried.
    """
    known, y_train, asked, y_test = labelled(train, train_labels, test, test_labels)
    check_penalties(penalties)
    if class_weight not in (None, "balanced"):
        raise OptionError(f"class_weight is {class_weight!r}: give 'balanced' or None")
    if steps < 1:
        raise OptionError(f"steps is {steps}: at least 1 is needed")
    classes, y, _ = encoded(y_train, y_test)

    held = held_out(y, seed)
    order = np.argsort(held, kind="stable")  # the held-out rows last: what is fitted is a slice, not a copy
    standard = Standard.of(known)
    regression = LogisticRegression(
        standard.rows(known, order), y[order], len(classes), steps, balanced=class_weight == "balanced"
    )
    penalty, accuracy = chosen_penalty(regression, sorted(penalties), kept=int((~held).sum()))
    weight, bias = regression.fit(penalty, len(y))
    if not regression.converged:
        warnings.warn(
            f"the linear probe is not at its optimum after {steps} steps (C = {penalty}): give more steps",
            stacklevel=2,
        )
    predicted = [(standard(rows) @ weight + bias).argmax(1) for _, rows in blocks(asked)]
    chosen = {"C": penalty} if accuracy is None else {"C": penalty, "held_out": accuracy}
    return decoded(classes, np.concatenate(predicted), y_test, **chosen)


def held_out(y: Int64[np.ndarray, " samples"], seed: int) -> Bool[np.ndarray, " samples"]:
    """A fifth of each class, rounded up, but never the only sample of one."""
    generator = np.random.default_rng(seed)
    held = np.zeros(len(y), dtype=bool)
    for label in np.unique(y):
        rows = generator.permutation(np.flatnonzero(y == label))
        held[rows[: min(-(-len(rows) // 5), len(rows) - 1)]] = True
    return held


@dataclass
class LogisticRegression:
    """Multinomial logistic regression with a quadratic penalty, fitted for several penalties in turn.

    Features of a network are nearly dependent, and plain L-BFGS needs hundreds of steps on them. So it
    searches in V = Lᵀ W, with L Lᵀ = xᵀx / classes + 1 / C, about the curvature of the loss at W = 0: the
    same optimum in fewer steps. Measured on 8,000 × 256 features of images, C = 0.1: 46 against 192. Of wide
    features only the size of that curvature is used.
    """

    x: Float[np.ndarray, "samples dim"]
    y: Int64[np.ndarray, " samples"]
    classes: int
    steps: int
    balanced: bool = False

    def __post_init__(self) -> None:
        dim = self.x.shape[1]
        self.start = np.zeros((dim + 1, self.classes))
        self.converged = True
        self.curvature = None
        if dim <= min(len(self.x), WIDEST_CURVATURE):
            self.curvature = np.zeros((dim, dim))
            for _, rows in float64_blocks(self.x):
                self.curvature += rows.T @ rows
            self.curvature /= self.classes

    def sample_weight(self, begin: int, end: int) -> Float[np.ndarray, " rows"]:
        """What each row from `begin` to `end` counts for among them."""
        y = self.y[begin:end]
        if not self.balanced:
            return np.ones(len(y))
        return (len(y) / self.classes / np.bincount(y, minlength=self.classes).clip(min=1))[y]

    def fit(
        self, penalty: float, rows: int
    ) -> tuple[Float[np.ndarray, "dim classes"], Float[np.ndarray, " classes"]]:
        """Weight and bias learnt from the first `rows` rows, beginning at what was learnt last."""
        from scipy.linalg import cholesky, solve_triangular
        from scipy.optimize import minimize
        from scipy.special import logsumexp

        dim = self.x.shape[1]
        counts = self.sample_weight(0, rows)
        root = (
            None if self.curvature is None else cholesky(self.curvature + np.eye(dim) / penalty, lower=True)
        )
        size = (rows / self.classes + 1 / penalty) ** 0.5
        bias_size = (rows / self.classes) ** 0.5

        def solved(v: np.ndarray, transposed: bool) -> np.ndarray:
            return v / size if root is None else solve_triangular(root, v, lower=True, trans=int(transposed))

        def split(v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            v = v.reshape(dim + 1, self.classes)
            return solved(v[:dim], transposed=True), v[dim] / bias_size

        def loss(v: np.ndarray) -> tuple[float, np.ndarray]:
            weight, bias = split(v)
            value = (weight * weight).sum() / (2 * penalty)
            slope, bias_slope = weight / penalty, np.zeros(self.classes)
            for place, x in float64_blocks(self.x, 0, rows):
                logits = x @ weight + bias
                log_p = logits - logsumexp(logits, axis=1, keepdims=True)
                own = np.arange(len(x)), self.y[place]
                value -= counts[place] @ log_p[own]
                residual = np.exp(log_p)
                residual[own] -= 1
                residual *= counts[place, None]
                slope += x.T @ residual
                bias_slope += residual.sum(0)
            return float(value), np.vstack([solved(slope, transposed=False), bias_slope / bias_size]).ravel()

        weight, bias = self.start[:dim], self.start[dim]
        found = minimize(
            loss,
            np.vstack([weight * size if root is None else root.T @ weight, bias * bias_size]).ravel(),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": self.steps, "maxfun": 2 * self.steps, "ftol": 1e-11, "gtol": 1e-4},
        )
        weight, bias = split(found.x)
        self.start, self.converged = np.vstack([weight, bias]), found.status != 1
        return weight, bias


def chosen_penalty(
    regression: LogisticRegression, penalties: list[float], *, kept: int
) -> tuple[float, float | None]:
    """The penalty with the best accuracy on the rows from `kept` on, and that; between equals the strongest."""
    end = len(regression.y)
    if len(penalties) == 1 or kept == end:
        return nearest_to_one(penalties), None
    counts, truth = regression.sample_weight(kept, end), regression.y[kept:]
    best, best_accuracy, in_vain = penalties[0], -1.0, 0
    for penalty in penalties:
        weight, bias = regression.fit(penalty, kept)
        predicted = [(x @ weight + bias).argmax(1) for _, x in float64_blocks(regression.x, kept)]
        accuracy = float(counts @ (np.concatenate(predicted) == truth) / counts.sum())
        if accuracy > best_accuracy:
            best, best_accuracy, in_vain = penalty, accuracy, 0
        else:
            in_vain += 1
        if in_vain == 2:
            break
    return best, best_accuracy


def check_penalties(penalties: tuple[float, ...]) -> None:
    """Refuses strengths with which a regression has no solution."""
    if not penalties or min(penalties) <= 0 or max(penalties) == float("inf"):
        raise OptionError(f"penalties is {penalties}: give one or more numbers above 0")


def nearest_to_one(penalties: Sequence[float]) -> float:
    """What is taken where nothing can be held out to choose by."""
    return min(penalties, key=lambda c: abs(np.log(c)))
