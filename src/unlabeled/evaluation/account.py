"""Every figure of one representation, each beside chance, the raw input and an untrained encoder."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from unlabeled.errors import DataError, OptionError
from unlabeled.evaluation.agreement import cluster_agreement
from unlabeled.evaluation.arrays import Features, Labels, encoded, features, labels
from unlabeled.evaluation.classification import Classification, wilson_interval
from unlabeled.evaluation.clustering import clustering_details
from unlabeled.evaluation.decomposition import Spectrum, decompose
from unlabeled.evaluation.dimensionality import KEPT, intrinsic_dimension_details
from unlabeled.evaluation.few_shot import few_shot_details
from unlabeled.evaluation.hypersphere import alignment_of_views, self_cluster, uniformity
from unlabeled.evaluation.intervals import balanced_accuracy_interval, bootstrap_interval
from unlabeled.evaluation.jackknife import Q95, jackknife_interval, left_out
from unlabeled.evaluation.leakage import leakage
from unlabeled.evaluation.learnability import cluster_learnability_details, clusters_for
from unlabeled.evaluation.lidar import lidar
from unlabeled.evaluation.linear import linear_probe_details
from unlabeled.evaluation.neighbours import knn_details
from unlabeled.evaluation.power_law import alpha_req
from unlabeled.evaluation.regression import regression_probe_details
from unlabeled.evaluation.retrieval import retrieval_details
from unlabeled.evaluation.sampling import some_rows
from unlabeled.evaluation.scorecard import Figure, Scorecard
from unlabeled.evaluation.spectrum import effective_rank, participation_ratio, rankme
from unlabeled.evaluation.units import feature_spread

SPECTRUM_ROWS, PAIRS_ROWS = 5_000, 2_000
"""samples that figures of the spectrum, and figures of pairs and neighbours, look at; drawn by the seed"""
NEIGHBOURS, RANKED = (100_000, 10_000), (20_000, 2_000)
"""train samples among which, and test samples for which, `knn` searches and `retrieval` ranks at most; drawn by the
seed"""
WIDEST = 1_024
"""columns above which the raw input gets no spectrum: decomposing it would take longer than everything else"""
LEAST = 100
"""samples below which a figure without labels gets no interval: a tenth of them says too little"""
UNEVEN = 1.5
"""times its even share from which the most common class makes accuracy a poor account of the rare ones"""
SHOTS, DRAWS = 5, 10
"""labels a class of the few-label figure, and how many times they are drawn"""

LEAKAGE = "leakage:"
"""what the note on samples in both parts begins with"""
T = TypeVar("T")


@dataclass(frozen=True)
class Seen:
    """What one encoder, or the raw input, makes of the samples."""

    train: Features
    """(samples, dim)"""
    test: Features | None = None
    """(test samples, dim), where there are labels"""
    views: Features | None = None
    """(viewed, views, dim): some samples, each changed in several ways"""
    every: Features | None = None
    """(all samples, dim), what figures without labels look at; None: train"""


SPECTRAL: Mapping[str, Callable[[Spectrum], float]] = {
    "effective_rank": effective_rank,
    "rankme": rankme,
    "participation_ratio": participation_ratio,
    "alpha_req": alpha_req,
}
PAIRED: Mapping[str, Callable[[Tensor], float]] = {
    "feature_spread": feature_spread,
    "uniformity": uniformity,
    "self_cluster": self_cluster,
}
OF_VIEWS: Mapping[str, Callable[[Tensor], float]] = {
    "alignment": alignment_of_views,
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

    - with labels of classes: `knn`, `linear_probe`, where one class has more than 1.5 times its even share
      `balanced_linear_probe`, `few_shot` (5 labels a class, or as many as the rarest class
      has, 10 draws), `retrieval` (mean average precision of test samples among train samples) and `clustering`
      (adjusted mutual information of k-means on the test samples). Chance is what guessing reaches: the share of
      the most common class; one in as many as there are classes (`few_shot`, `balanced_linear_probe`); the
      precision of a random order; 0. `knn` looks for up to
      10,000 test samples among up to 100,000 train samples, `retrieval` for 2,000 among 20,000, drawn by `seed`.
    - with labels that are quantities (floats with fractions): `regression_probe`, R², chance 0.
    - always, of up to 5,000 train samples drawn by `seed`: `effective_rank`, `rankme`, `participation_ratio`,
      `alpha_req` (of the raw input up to 1,024 columns); of up to 2,000 of them `feature_spread`, `uniformity`,
      `self_cluster`, `intrinsic_dimension`, `cluster_learnability`; with views `alignment` (of
      neighbouring ones) and `lidar`.

    95 % intervals: Wilson's for shares of test samples and of `cluster_learnability`, over the draws for `few_shot`,
    over queries for `retrieval`, over test samples for `regression_probe` and `balanced_linear_probe`, that of a
    Pareto exponent for `intrinsic_dimension`, and from leaving out a tenth of the samples at a time
    (`jackknife_interval`) for the others, which for ranks comes out wide rather than narrow.
    A figure whose definition asks for more samples than there are is left out, and a note says so; so does one for
    anything a figure warns of, for samples that are both in train and test, and for fewer train samples than `k`,
    all of which then vote.
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
        if not (_whole(train_labels) and _whole(test_labels)):
            _quantities(draft, np.asarray(train_labels), np.asarray(test_labels))
        else:
            _classes(draft, train_labels, test_labels, k)
        _overlap(draft)
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
            for part in ("train", "test", "every"):
                z, reference = getattr(one, part), getattr(mine, part)
                if z is None:
                    continue
                features(z, f"{part} of {name}" if name else part, least_rows=1 if part == "test" else 2)
                if reference is None or len(z) != len(reference):
                    rows = 0 if reference is None else len(reference)
                    raise DataError(
                        f"{part} has {rows} rows and that of {name} {len(z)}: give the same samples"
                    )

    def add(self, name: str, given: Mapping[str, T], measure: Callable[[T], Figure]) -> None:
        """The figure `name` of what is judged, beside its values for the others."""
        found = {whose: self._try(name, whose, measure, one) for whose, one in given.items()}
        mine = found[""]
        if mine is not None:
            beside = (found.get(whose) for whose in ("raw", "untrained"))
            raw, untrained = (None if figure is None else figure.value for figure in beside)
            self.figures[name] = replace(mine, raw=raw, untrained=untrained)

    def _try(self, name: str, whose: str, measure: Callable[[T], Figure], one: T) -> Figure | None:
        of = {"raw": " of the raw input", "untrained": " of the untrained encoder"}.get(whose, "")
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", UserWarning)
            try:
                found = measure(one)
            except (DataError, OptionError) as error:
                self.note(f"{name}{of}: not computed: {error}")
                return None
        for warning in said:
            self.note(f"{name}{of}: {warning.message}")
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
    classes, _, _ = encoded(y, y_test)  # refuses one class only, and parts that have none in common
    chance = most_common_share(y_test)
    if len(y) < k:
        draft.note(f"knn: only {len(y)} train samples, so k is {len(y)} instead of {k}")
        k = len(y)
    rarest = int(np.unique(y, return_counts=True)[1].min())
    shots = min(SHOTS, rarest)

    def judged(found: Classification) -> Figure:
        return Figure(found.accuracy, found.interval, chance)

    def probe(one: Seen) -> Figure:
        return judged(linear_probe_details(one.train, y, one.test, y_test))  # type: ignore[arg-type]

    def few(one: Seen) -> Figure:
        found = few_shot_details(one.train, y, one.test, y_test, shots=shots, draws=DRAWS, seed=draft.seed)  # type: ignore[arg-type]
        # the draws are balanced: guessing is right once in as many times as there are classes
        return Figure(found.accuracy, found.interval, 1 / len(classes))

    def balanced(one: Seen) -> Figure:
        found = linear_probe_details(one.train, y, one.test, y_test, class_weight="balanced")  # type: ignore[arg-type]
        interval = balanced_accuracy_interval(found) if one is learned else None
        return Figure(found.balanced_accuracy, interval, 1 / len(found.per_class))

    def some(name: str, most: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        known, asked = (
            some_rows(len(rows), n, draft.seed) for rows, n in zip((y, y_test), most, strict=True)
        )
        if len(known) < len(y) or len(asked) < len(y_test):
            draft.note(
                f"{name}: {_of(len(asked), len(y_test))} of test, {_of(len(known), len(y))} of train (seed "
                f"{draft.seed})"
            )
        return known, asked

    def neighbours(one: Seen) -> Figure:
        assert one.test is not None
        known, asked = some("knn", NEIGHBOURS)
        return judged(knn_details(one.train[known], y[known], one.test[asked], y_test[asked], k=k))

    def retrieved(one: Seen) -> Figure:
        assert one.test is not None
        known, asked = some("retrieval", RANKED)
        found = retrieval_details(one.train[known], y[known], one.test[asked], y_test[asked])
        interval = bootstrap_interval(found.average_precision) if one is learned else None
        return Figure(found.mean_average_precision, interval, random_precision(y[known], y_test[asked]))

    def clusters(one: Seen) -> Figure:
        found = clustering_details(one.test, y_test, seed=draft.seed)  # type: ignore[arg-type]
        value, truth = found.headline, y_test[found.rows]
        if one is not learned or len(truth) < LEAST:
            return Figure(value, None, 0.0)
        without = [
            cluster_agreement(truth[rows], found.assignments[rows]).ami
            for rows in left_out(len(truth), seed=draft.seed)
        ]
        return Figure(value, jackknife_interval(value, without), 0.0)

    measures: Mapping[str, Callable[[Seen], Figure]] = {
        "knn": neighbours,
        "linear_probe": probe,
        **({"balanced_linear_probe": balanced} if chance > UNEVEN / len(classes) else {}),
        "few_shot": few,
        "retrieval": retrieved,
        "clustering": clusters,
    }
    for name, measure in measures.items():
        draft.add(name, draft.seen, measure)
    draft.note(
        f"with labels: learnt from {len(y)} samples, tested on {len(y_test)}; knn with k = {k}; few_shot with "
        f"{shots} labels a class, {DRAWS} draws"
    )


def _quantities(draft: _Draft, y: np.ndarray, y_test: np.ndarray) -> None:
    def fitted(one: Seen) -> Figure:
        found = regression_probe_details(one.train, y, one.test, y_test)  # type: ignore[arg-type]
        return Figure(found.r2, found.interval, 0.0)

    draft.add("regression_probe", draft.seen, fitted)
    draft.note(f"with labels: learnt from {len(y)} samples, tested on {len(y_test)}")


def _overlap(draft: _Draft) -> None:
    """Notes test samples that are also train samples, by the raw input where it is known."""
    raw = draft.seen.get("raw")
    one = draft.seen[""] if raw is None else raw
    assert one.test is not None
    found = leakage(one.train, one.test)
    if found:
        same = "have the embedding of a train sample" if raw is None else "are also train samples"
        draft.note(f"{LEAKAGE} {found} of {len(one.test)} test samples {same}")


def _whole(y: Labels) -> bool:
    """Whether labels are classes: words, or numbers without fractions."""
    values = np.asarray(y)
    return values.dtype.kind != "f" or bool((values == np.round(values))[np.isfinite(values)].all())


def most_common_share(y: np.ndarray) -> float:
    """What always predicting the most common class would reach."""
    return float(np.unique(y, return_counts=True)[1].max() / len(y))


def random_precision(gallery: np.ndarray, queries: np.ndarray) -> float:
    """Mean over the queries of the average precision that a random order of the gallery has on average.

    With R of N relevant and H_N the N-th harmonic number: (H_N + (R - 1) / (N - 1) (N - H_N)) / N. Queries
    without a relevant sample do not count.
    """
    total = len(gallery)
    harmonic = float((1 / np.arange(1, total + 1)).sum())
    classes, counts = np.unique(gallery, return_counts=True)
    place = np.searchsorted(classes, queries).clip(max=len(classes) - 1)
    relevant = counts[place][classes[place] == queries]
    share = (relevant - 1) / max(1, total - 1)
    return float(((harmonic + share * (total - harmonic)) / total).mean())


# without labels
def _unlabelled(draft: _Draft) -> None:
    given = {
        name: features(one.train if one.every is None else one.every, "every")
        for name, one in draft.seen.items()
    }
    samples, width = given[""].shape
    spectrum, pairs = (some_rows(samples, most, draft.seed) for most in (SPECTRUM_ROWS, PAIRS_ROWS))
    narrow = {name: z for name, z in given.items() if name != "raw" or z.shape[1] <= WIDEST}
    if len(narrow) < len(given):
        draft.note(
            f"the raw input has {given['raw'].shape[1]} columns, more than {WIDEST}: no spectrum of it"
        )
    _figures(draft, SPECTRAL, {name: z[spectrum] for name, z in narrow.items()}, decompose)
    drawn = {name: z[pairs] for name, z in given.items()}
    _figures(draft, PAIRED, drawn, lambda z: z)
    draft.add("intrinsic_dimension", drawn, _intrinsic_dimension)
    draft.add("cluster_learnability", drawn, _cluster_learnability)
    draft.note(
        f"without labels: {width} dimensions, {_of(len(spectrum), samples)} for the spectrum and "
        f"{_of(len(pairs), samples)} for pairs" + (f" (seed {draft.seed})" if len(pairs) < samples else "")
    )
    viewed = {name: torch.as_tensor(one.views) for name, one in draft.seen.items() if one.views is not None}
    if "" in viewed:
        _figures(draft, OF_VIEWS, viewed, lambda z: z)
        draft.note(f"views: {viewed[''].shape[0]} samples, each changed in {viewed[''].shape[1]} ways")


def _intrinsic_dimension(z: Tensor) -> Figure:
    """The interval is that of a Pareto exponent fitted to the ratios TwoNN keeps: value (1 ± 1.96 / sqrt(kept))."""
    found = intrinsic_dimension_details(z)
    half = Q95 * found.value / (KEPT * found.used) ** 0.5
    return Figure(found.value, (found.value - half, found.value + half))


def _cluster_learnability(z: Tensor) -> Figure:
    """The interval is Wilson's for the share of points predicted right, the clusters taken as they are."""
    found = cluster_learnability_details(z, clusters=clusters_for(len(z)))
    predicted = found.used - 1
    return Figure(found.value, wilson_interval(round(found.value * predicted), predicted))


def _of(rows: int, samples: int) -> str:
    return f"all {samples} samples" if rows == samples else f"{rows} of {samples} samples"


def _figures(
    draft: _Draft,
    measures: Mapping[str, Callable[[T], float]],
    given: Mapping[str, Tensor],
    prepare: Callable[[Tensor], T],
) -> None:
    """Figures of samples, with the jackknife's interval for what is judged; `prepare` is shared by all of them."""
    mine = given[""]
    parts = (
        [prepare(mine[rows]) for rows in left_out(len(mine), seed=draft.seed)] if len(mine) >= LEAST else []
    )
    prepared = {name: prepare(z) for name, z in given.items()}

    for name, measure in measures.items():

        def figure(one: T, measure: Callable[[T], float] = measure) -> Figure:
            value = measure(one)
            if one is not prepared[""] or not parts:
                return Figure(value)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # said already, of all samples
                try:
                    without = [measure(part) for part in parts]
                except DataError:  # a tenth less is too few for it
                    return Figure(value)
            return Figure(value, jackknife_interval(value, without))

        draft.add(name, prepared, figure)
