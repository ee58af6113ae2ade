"""Every figure of one representation, each beside chance, the raw input and an untrained encoder."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor

from unlabeled.errors import DataError, OptionError
from unlabeled.evaluation.arrays import Features, Labels, features, labels
from unlabeled.evaluation.classification import Classification
from unlabeled.evaluation.clustering import clustering_details
from unlabeled.evaluation.decomposition import Spectrum, decompose
from unlabeled.evaluation.dimensionality import intrinsic_dimension
from unlabeled.evaluation.few_shot import few_shot_details
from unlabeled.evaluation.hypersphere import alignment, self_cluster, uniformity
from unlabeled.evaluation.jackknife import jackknife_interval
from unlabeled.evaluation.learnability import cluster_learnability
from unlabeled.evaluation.leakage import leakage
from unlabeled.evaluation.lidar import lidar
from unlabeled.evaluation.linear import linear_probe_details
from unlabeled.evaluation.neighbours import knn_details
from unlabeled.evaluation.power_law import alpha_req
from unlabeled.evaluation.regression import regression_probe_details
from unlabeled.evaluation.retrieval import retrieval_details
from unlabeled.evaluation.scorecard import Figure, Scorecard
from unlabeled.evaluation.spectrum import effective_rank, participation_ratio, rankme
from unlabeled.evaluation.units import feature_spread

ROWS = 5_000
"""samples that figures without labels look at, drawn by the seed"""
WIDEST = 4_096
"""columns above which the raw input gets no figures without labels: decomposing it would take longer than the rest"""
SHOTS, DRAWS = 5, 10
"""labels a class of the few-label figure, and how many times they are drawn"""


@dataclass(frozen=True)
class Seen:
    """What one encoder, or the raw input, makes of the samples."""

    train: Features
    """(samples, dim)"""
    test: Features | None = None
    """(test samples, dim), where there are labels"""
    views: Features | None = None
    """(viewed, views, dim): some samples, each changed in several ways"""


SPECTRAL: Mapping[str, Callable[[Spectrum], float]] = {
    "effective_rank": effective_rank,
    "rankme": rankme,
    "participation_ratio": participation_ratio,
    "alpha_req": alpha_req,
}
DISTANCES: Mapping[str, Callable[[Tensor], float]] = {
    "feature_spread": feature_spread,
    "uniformity": uniformity,
    "self_cluster": self_cluster,
    "intrinsic_dimension": intrinsic_dimension,
    "cluster_learnability": cluster_learnability,
}
VIEWED: Mapping[str, Callable[[Tensor], float]] = {
    "alignment": lambda views: alignment(views[:, 0], views[:, 1]),
    "lidar": lidar,
}


def score(
    learned: Seen,
    train_labels: Labels | None = None,
    test_labels: Labels | None = None,
    *,
    raw: Seen | None = None,
    untrained: Seen | None = None,
    k: int = 20,
    seed: int = 0,
    notes: Sequence[str] = (),
) -> Scorecard:
    """Everything that can be said of a representation, each figure under the name of its function.

    `raw` and `untrained` hold the raw input (flattened) and the features of the untrained encoder for the same
    samples in the same order. Figures, as far as what is given allows:

    - with labels of classes: `knn`, `linear_probe`, `few_shot` (5 labels a class, or as many as the rarest class
      has, 10 draws), `retrieval` (mean average precision of test samples among train samples) and `clustering`
      (adjusted mutual information of k-means on the test samples). Chance is what guessing reaches: the share of
      the most common class, the precision of a random order, 0.
    - with labels that are quantities (floats with fractions): `regression_probe`, R², chance 0.
    - always, of up to 5,000 of the train samples drawn by `seed`: `effective_rank`, `rankme`,
      `participation_ratio`, `alpha_req`, `feature_spread`, `uniformity`, `self_cluster`, `intrinsic_dimension`,
      `cluster_learnability`; with views `alignment` (of the first two) and `lidar`.

    95 % intervals: Wilson's for shares of test samples, over the draws for `few_shot`, over queries for
    `retrieval`, over test samples for `regression_probe`, and from leaving out a tenth of the samples at a time
    (`jackknife_interval`) for the others. A figure whose definition asks for more samples than there are is left
    out, and a note says so; so does one for anything a figure warns of, for samples that are both in train and
    test, and for fewer train samples than `k`, all of which then vote.
    Refused: NaN or infinite features, other numbers of rows, labels of one part only, one class, k below 1.
    """
    if k < 1:
        raise OptionError(f"k is {k}: at least 1 neighbour is needed")
    seen = {"": learned, "raw": raw, "untrained": untrained}
    draft = _Draft({name: one for name, one in seen.items() if one is not None}, list(notes), seed)
    draft.check()
    if (train_labels is None) != (test_labels is None):
        raise DataError("only one of train_labels and test_labels is given: give both, or None for both")
    if train_labels is not None and test_labels is not None:
        if learned.test is None:
            raise DataError("test_labels are given and there are no test features: give what they belong to")
        if np.asarray(train_labels).dtype.kind == "f" and not _whole(train_labels):
            _quantities(draft, np.asarray(train_labels), np.asarray(test_labels))
        else:
            _classes(draft, train_labels, test_labels, k)
    _unlabelled(draft)
    return Scorecard(draft.figures, draft.notes)


@dataclass
class _Draft:
    """A scorecard in the making."""

    seen: Mapping[str, Seen]
    """"" is what is judged; beside it "raw" and "untrained", as far as they are there"""
    notes: list[str]
    seed: int

    def __post_init__(self) -> None:
        self.figures: dict[str, Figure] = {}

    def check(self) -> None:
        """Refuses what no figure can be computed of."""
        mine = self.seen[""]
        for name, one in self.seen.items():
            for part in ("train", "test"):
                z, reference = getattr(one, part), getattr(mine, part)
                if z is None:
                    continue
                features(z, f"{part} of {name}" if name else part, least_rows=2 if part == "train" else 1)
                if reference is None or len(z) != len(reference):
                    rows = 0 if reference is None else len(reference)
                    raise DataError(f"{part} has {rows} rows and that of {name} {len(z)}: give the same samples")

    def add(self, name: str, measure: Callable[[Seen], Figure | None]) -> None:
        """The figure `name` of what is judged, beside the values of the others."""
        found = {other: self._try(name, other, measure, one) for other, one in self.seen.items()}
        mine = found[""]
        if mine is not None:
            beside = {other: figure.value for other, figure in found.items() if other and figure is not None}
            self.figures[name] = replace(mine, **beside)

    def _try(
        self, name: str, other: str, measure: Callable[[Seen], Figure | None], one: Seen
    ) -> Figure | None:
        whose = {"raw": " of the raw input", "untrained": " of the untrained encoder"}.get(other, "")
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", UserWarning)
            try:
                found = measure(one)
            except (DataError, OptionError) as error:
                self.note(f"{name}{whose}: not computed: {error}")
                return None
        for warning in said:
            if issubclass(warning.category, UserWarning):
                self.note(f"{name}{whose}: {warning.message}")
        return found

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


# with labels
def _classes(draft: _Draft, train_labels: Labels, test_labels: Labels, k: int) -> None:
    learned = draft.seen[""]
    assert learned.test is not None
    y = labels(train_labels, "train_labels", rows=len(learned.train), of="train")
    y_test = labels(test_labels, "test_labels", rows=len(learned.test), of="test")
    chance = most_common_share(y_test)
    if len(y) < k:
        draft.note(f"knn: only {len(y)} train samples, so k is {len(y)} instead of {k}")
        k = len(y)
    rarest = int(np.unique(y, return_counts=True)[1].min())
    shots = min(SHOTS, rarest)

    def judged(found: Classification) -> Figure:
        return Figure(found.accuracy, found.interval, chance)

    def probe(one: Seen) -> Figure:
        found = linear_probe_details(one.train, y, one.test, y_test)  # type: ignore[arg-type]
        if one is learned and len(set(found.per_class.values())) > 1:
            draft.note(f"linear_probe: balanced accuracy {found.balanced_accuracy:.3f}, each class counting alike")
        return judged(found)
