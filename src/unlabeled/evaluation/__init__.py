"""How good a representation is: every figure a function of arrays."""

from unlabeled.evaluation.classification import Classification, wilson_interval
from unlabeled.evaluation.linear import linear_probe, linear_probe_details
from unlabeled.evaluation.neighbours import knn, knn_details
from unlabeled.evaluation.scorecard import Figure, Scorecard, score
from unlabeled.evaluation.spectrum import effective_rank, feature_spread

__all__ = [
    "Classification",
    "Figure",
    "Scorecard",
    "effective_rank",
    "feature_spread",
    "knn",
    "knn_details",
    "linear_probe",
    "linear_probe_details",
    "score",
    "wilson_interval",
]
