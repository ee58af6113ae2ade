"""Are the tags of a sample, several at once, a linear function of the features? Mean average precision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from unlabeled.errors import DataError
from unlabeled.evaluation.arrays import Features, blocks, features, same_width
from unlabeled.evaluation.linear import check_penalties, held_out, nearest_to_one
from unlabeled.evaluation.regression import PENALTIES
from unlabeled.evaluation.ridge import Ridge
from unlabeled.evaluation.standard import Standard, float64_blocks


@dataclass(frozen=True)
class Multilabel:
    """Scores of every class for every test sample, beside its labels."""

    scores: Float[np.ndarray, "test classes"]
    """the higher, the more likely the sample has the class"""
    labels: Bool[np.ndarray, "test classes"]
    chosen: Mapping[str, float]
    """`penalty`: λ of the fit"""

    @property
    def per_class(self) -> dict[int, float]:
        """Class that occurs in test → average precision of the test samples in the order of its scores."""
        return average_precisions(self.scores, self.labels)

    @property
    def excluded(self) -> list[int]:
        """Classes that no test sample has: they have no average precision and do not count."""
        return np.flatnonzero(~self.labels.any(0)).tolist()

    @property
    def mean_average_precision(self) -> float:
        """Mean over the classes that occur in test: each counts the same, however rare."""
        return float(np.mean(list(self.per_class.values())))

    @property
    def chance(self) -> float:
        """What scores without any sense reach: the mean share of test samples that have a class."""
        return float(self.labels.mean(0)[self.labels.any(0)].mean())


def multilabel_probe(
    train: Features,
    train_labels: np.ndarray | Tensor,
    test: Features,
    test_labels: np.ndarray | Tensor,
    *,
    penalties: tuple[float, ...] = PENALTIES,
    seed: int = 0,
) -> float:
    """Macro mean average precision, in (0, 1], of one linear score a class on standardised features.

    The scores are those of a ridge regression to targets of +1 (has the class) and -1: the least
    mean (target - x w - b)² + λ |w|², all classes at once, in closed form. AP of a class is
    Σ_i (recall_i - recall_{i-1}) precision_i down the test samples in the order of its score, equal scores
    taken together; the figure is its mean over the classes that a test sample has. λ is the one of `penalties`
    with the best figure on a held-out fifth of train, drawn by `seed`, the strongest between equals; then all
    of train is fitted again.

    Shapes: train (n, dim), test (m, dim), labels (n, classes) and (m, classes) of 0 and 1.
    A class that no test sample has is left out, and counted in the details; one that no train sample has
    counts, with the precision of equal scores.
    Refused: unequal lengths or widths, NaN, labels other than 0 and 1, no class in train or in test, penalties
    of 0 or less.
    Source: average precision as in scikit-learn; the ridge to ±1 is that of big_vision's few-shot evaluation.
    """
    return multilabel_probe_details(
        train, train_labels, test, test_labels, penalties=penalties, seed=seed
    ).mean_average_precision


def multilabel_probe_details(
    train: Features,
    train_labels: np.ndarray | Tensor,
    test: Features,
    test_labels: np.ndarray | Tensor,
    *,
    penalties: tuple[float, ...] = PENALTIES,
    seed: int = 0,
) -> Multilabel:
    """As `multilabel_probe`, with the scores, the AP of each class, the classes left out, and λ."""
    known, asked = features(train, "train", least_rows=2), features(test, "test")
    same_width(train=known, test=asked)
    y = indicators(train_labels, "train_labels", rows=len(known), of="train")
    y_test = indicators(test_labels, "test_labels", rows=len(asked), of="test")
    if y.shape[1] != y_test.shape[1]:
        raise DataError(f"train_labels has {y.shape[1]} classes and test_labels {y_test.shape[1]}")
    check_penalties(penalties)

    standard = Standard.of(known)
    held = held_out(np.zeros(len(y), dtype=np.int64), seed)
    order = np.argsort(held, kind="stable")
    x, y, kept = standard.rows(known, order), y[order], int((~held).sum())
    signs = np.where(y, 1.0, -1.0)

    penalty = nearest_to_one(penalties)
    if y[kept:].any() and len(penalties) > 1:
        part, best = Ridge.of(x[:kept], signs[:kept]), -1.0
        for tried in sorted(penalties, reverse=True):
            weight, bias = part.fit(tried * kept)
            scores = np.concatenate([block @ weight + bias for _, block in float64_blocks(x, kept)])
            reached = float(np.mean(list(average_precisions(scores, y[kept:]).values())))
            if reached > best:
                penalty, best = tried, reached
    weight, bias = Ridge.of(x, signs).fit(penalty * len(y))
    scores = np.concatenate([standard(rows) @ weight + bias for _, rows in blocks(asked)])
    return Multilabel(scores, y_test, {"penalty": penalty})


def average_precisions(
    scores: Float[np.ndarray, "samples classes"], labels: Bool[np.ndarray, "samples classes"]
) -> dict[int, float]:
    """Class with a positive sample → its average precision."""
    from sklearn.metrics import average_precision_score

    return {
        int(c): float(average_precision_score(labels[:, c], scores[:, c]))
        for c in np.flatnonzero(labels.any(0))
    }


def indicators(
    y: np.ndarray | Tensor, name: str, *, rows: int, of: str
) -> Bool[np.ndarray, "samples classes"]:
    """`y` as (samples, classes) True and False; refused: other shapes, other values, nothing True."""
    array = y.detach().cpu().numpy() if isinstance(y, Tensor) else np.asarray(y)
    if array.ndim != 2:
        raise DataError(f"{name} has shape {array.shape}: (samples, classes) of 0 and 1 is needed")
    if len(array) != rows:
        raise DataError(f"{of} has {rows} rows and {name} {len(array)}: one row of labels a sample is needed")
    known = np.isin(array, (0, 1))
    if not known.all():
        row, column = np.argwhere(~known)[0]
        raise DataError(f"{name} is {array[row, column]} at row {row}, class {column}: give 0 or 1")
    if not array.any():
        raise DataError(f"{name} has no sample with any class: at least one 1 is needed")
    return array.astype(bool)
