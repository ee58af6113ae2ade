"""Why is a probe wrong: too small an encoder, unusable features, too few labels, or an encoder that overfitted?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64
from torch import Tensor

from unlabeled.errors import DataError, OptionError
from unlabeled.evaluation.arrays import Features, Labels, features, labels, same_width
from unlabeled.evaluation.classification import wilson_interval
from unlabeled.evaluation.leakage import leakage_details
from unlabeled.evaluation.linear import PENALTIES, linear_probe_details


@dataclass(frozen=True)
class RiskDecomposition:
    """Error rates of four probes, and the four causes that add up to the last one."""

    supervised: float | None
    """R_sup: fitted and tested on all of train, on the features of a supervised encoder; None: not given"""
    fitted: float
    """R_AF: fitted and tested on all of train"""
    held_out: float
    """R_AS: fitted on train without the held-out part, tested on that part, which the encoder has seen"""
    test: float
    """R_US: fitted on all of train, tested on test, which neither has seen"""
    held_out_samples: int
    test_samples: int

    @property
    def approximation(self) -> float:
        """What the architecture cannot say even with labels: R_sup, or 0 where it was not given."""
        return 0.0 if self.supervised is None else self.supervised

    @property
    def usability(self) -> float:
        """What a linear probe cannot read from the features: R_AF - R_sup."""
        return self.fitted - self.approximation

    @property
    def probe_generalisation(self) -> float:
        """What the probe loses on samples it was not fitted on: R_AS - R_AF."""
        return self.held_out - self.fitted

    @property
    def encoder_generalisation(self) -> float:
        """What the encoder loses on samples it was not trained on: R_US - R_AS."""
        return self.test - self.held_out

    @property
    def total(self) -> float:
        """R_US, the sum of the four."""
        return self.test

    @property
    def clipped(self) -> dict[str, float]:
        """The four causes for a plot, none below 0; they no longer add up where one was."""
        names = ("approximation", "usability", "probe_generalisation", "encoder_generalisation")
        return {name: max(0.0, getattr(self, name)) for name in names}

    @property
    def encoder_generalisation_interval(self) -> tuple[float, float]:
        """95 % interval of R_US - R_AS over draws of test and held-out samples, not over seeds of training.

        From the Wilson intervals of both (Newcombe, "Interval estimation for the difference between independent
        proportions", 1998).
        """
        (low_test, high_test), (low_held, high_held) = (
            wilson_interval(round(risk * n), n)
            for risk, n in ((self.test, self.test_samples), (self.held_out, self.held_out_samples))
        )
        below = ((self.test - low_test) ** 2 + (high_held - self.held_out) ** 2) ** 0.5
        above = ((high_test - self.test) ** 2 + (self.held_out - low_held) ** 2) ** 0.5
        return self.encoder_generalisation - below, self.encoder_generalisation + above


def risk_decomposition(
    train: Features,
    train_labels: Labels,
    test: Features,
    test_labels: Labels,
    *,
    held_out: int,
    seed: int = 0,
    supervised: Features | None = None,
    penalties: tuple[float, ...] = PENALTIES,
) -> RiskDecomposition:
    """The error rate of linear evaluation as the sum of four causes.

    With probe(A → B) the error rate on B of a logistic regression fitted on A (`linear_probe`), and train =
    rest ∪ sub, where sub has `held_out` samples drawn by `seed`, every class in proportion:

        R_sup = probe(train → train) on `supervised`    approximation          = R_sup, or 0
        R_AF  = probe(train → train)                    usability              = R_AF - R_sup
        R_AS  = probe(rest → sub)                       probe generalisation   = R_AS - R_AF
        R_US  = probe(train → test)                     encoder generalisation = R_US - R_AS

    The penalty is chosen for each: for R_sup and R_AF the one with the least error on train itself, for R_AS
    and R_US on a held-out fifth of what the probe is fitted on. A cause may come out negative, by the draw of
    samples and of penalties: it is given as it is, and cut at 0 in `clipped`.

    Shapes: train (n, dim), test (m, dim), one label a row; `supervised` (n, any dim), the features of the same
    samples by an encoder of the same architecture trained with labels.
    `train` must be what the encoder was trained on: otherwise the last cause is 0 but for chance. The probe
    of R_AS has `held_out` fewer samples to learn from than that of R_US, which moves some error from the last
    cause to the third: keep it a small part of train.
    Known values: R_AF about 0 for features in general position with dim >= n.
    Refused: rows of test that are rows of train, held_out outside [1, n - 1], a class with no sample in sub or
    in rest, and what `linear_probe` refuses.
    Source: Dubois, Hashimoto, Liang, "Evaluating self-supervised learning via risk decomposition", 2023,
    arXiv:2302.03068 (there held_out = 10,000 of ImageNet).
    """
    known, asked = features(train, "train", least_rows=2), features(test, "test")
    same_width(train=known, test=asked)
    y = labels(train_labels, "train_labels", rows=len(known), of="train")
    best = None if supervised is None else features(supervised, "supervised")
    if best is not None and len(best) != len(known):
        raise DataError(f"supervised has {len(best)} rows and train {len(known)}: give the same samples")
    _refuse_overlap(known, asked)
    rest, sub = _parts(y, held_out, seed)

    seen = linear_probe_details(known[rest], y[rest], known[sub], y[sub], penalties=penalties, seed=seed)
    unseen = linear_probe_details(known, y, asked, test_labels, penalties=penalties, seed=seed)
    return RiskDecomposition(
        supervised=None if best is None else _least_error(best, y, penalties),
        fitted=_least_error(known, y, penalties),
        held_out=1 - seen.accuracy,
        test=1 - unseen.accuracy,
        held_out_samples=len(sub),
        test_samples=len(asked),
    )


def _least_error(z: Tensor, y: np.ndarray, penalties: tuple[float, ...]) -> float:
    """Of a probe on what it was fitted on, over the penalties, weakest first; 0 cannot be beaten."""
    least = 1.0
    for penalty in sorted(penalties, reverse=True):
        least = min(least, 1 - linear_probe_details(z, y, z, y, penalties=(penalty,)).accuracy)
        if least == 0:
            break
    return least


def _parts(
    y: np.ndarray, held_out: int, seed: int
) -> tuple[Int64[np.ndarray, " rest"], Int64[np.ndarray, " sub"]]:
    """Places of the rest and of the held-out part, every class in proportion and in both."""
    from sklearn.model_selection import train_test_split

    classes, counts = np.unique(y, return_counts=True)
    if counts.min() < 2:
        raise DataError(f"class {classes[counts.argmin()]} has one train sample: at least 2 are needed")
    if not len(classes) <= held_out <= len(y) - len(classes):
        raise OptionError(
            f"held_out is {held_out} of {len(y)} train samples: both parts need one sample of each of "
            f"{len(classes)} classes"
        )
    rest, sub = train_test_split(np.arange(len(y)), test_size=held_out, stratify=y, random_state=seed)
    for name, rows in (("held-out part", sub), ("rest", rest)):
        absent = np.setdiff1d(classes, y[rows])
        if len(absent):
            raise OptionError(
                f"held_out is {held_out} of {len(y)} train samples, which leaves the {name} without class "
                f"{absent[0]}: it is too rare for this number"
            )
    return rest, sub


def _refuse_overlap(train: Tensor, test: Tensor) -> None:
    twice = leakage_details(train, test)
    if len(twice):
        raise DataError(
            f"{len(twice)} of {len(test)} rows of test are rows of train, first row {int(twice[0, 0])}: test must be "
            "samples that neither probe nor encoder has seen (or the encoder gives many samples one embedding)"
        )
