"""How good a representation is: every figure a function of arrays."""

from unlabeled.evaluation.classification import Classification, wilson_interval
from unlabeled.evaluation.decomposition import Spectrum, decompose
from unlabeled.evaluation.dimensionality import (
    LocalDimensions,
    intrinsic_dimension,
    intrinsic_dimension_details,
    local_intrinsic_dimension,
    local_intrinsic_dimension_details,
)
from unlabeled.evaluation.hypersphere import alignment, self_cluster, uniformity, uniformity_details
from unlabeled.evaluation.learnability import cluster_learnability, cluster_learnability_details
from unlabeled.evaluation.lidar import lidar
from unlabeled.evaluation.linear import linear_probe, linear_probe_details
from unlabeled.evaluation.neighbours import knn, knn_details
from unlabeled.evaluation.power_law import PowerLaw, alpha_req, alpha_req_details
from unlabeled.evaluation.sample import Estimate
from unlabeled.evaluation.scorecard import Figure, Scorecard, score
from unlabeled.evaluation.similarity import cka, cka_debiased, cka_rbf, cka_rbf_details
from unlabeled.evaluation.spectrum import (
    coherence,
    dimensions_for,
    effective_rank,
    entropy_rank,
    nesum,
    participation_ratio,
    pseudo_condition,
    rankme,
    stable_rank,
)
from unlabeled.evaluation.units import dead_units, feature_correlation, feature_spread

__all__ = [
    "Classification",
    "Estimate",
    "Figure",
    "LocalDimensions",
    "PowerLaw",
    "Scorecard",
    "Spectrum",
    "alignment",
    "alpha_req",
    "alpha_req_details",
    "cka",
    "cka_debiased",
    "cka_rbf",
    "cka_rbf_details",
    "cluster_learnability",
    "cluster_learnability_details",
    "coherence",
    "dead_units",
    "decompose",
    "dimensions_for",
    "effective_rank",
    "entropy_rank",
    "feature_correlation",
    "feature_spread",
    "intrinsic_dimension",
    "intrinsic_dimension_details",
    "knn",
    "knn_details",
    "lidar",
    "linear_probe",
    "linear_probe_details",
    "local_intrinsic_dimension",
    "local_intrinsic_dimension_details",
    "nesum",
    "participation_ratio",
    "pseudo_condition",
    "rankme",
    "score",
    "self_cluster",
    "stable_rank",
    "uniformity",
    "uniformity_details",
    "wilson_interval",
]
