"""How good a representation is: every figure a function of arrays."""

from unlabeled.evaluation.account import Seen, score
from unlabeled.evaluation.agreement import Agreement, cluster_agreement
from unlabeled.evaluation.classification import Classification, wilson_interval
from unlabeled.evaluation.clustering import Clustering, Validity, clustering, clustering_details
from unlabeled.evaluation.comparison import Comparison, Difference, compare
from unlabeled.evaluation.decomposition import Spectrum, decompose
from unlabeled.evaluation.dimensionality import (
    LocalDimensions,
    intrinsic_dimension,
    intrinsic_dimension_details,
    local_intrinsic_dimension,
    local_intrinsic_dimension_details,
)
from unlabeled.evaluation.few_shot import FewShot, few_shot, few_shot_details
from unlabeled.evaluation.hypersphere import (
    alignment,
    alignment_of_views,
    self_cluster,
    uniformity,
    uniformity_details,
)
from unlabeled.evaluation.intervals import balanced_accuracy_interval, bootstrap_interval, seed_interval
from unlabeled.evaluation.jackknife import jackknife_interval, left_out
from unlabeled.evaluation.layers import LayerProbe, layer_probe
from unlabeled.evaluation.leakage import leakage, leakage_details
from unlabeled.evaluation.learnability import cluster_learnability, cluster_learnability_details
from unlabeled.evaluation.lidar import lidar
from unlabeled.evaluation.linear import balanced_linear_probe, linear_probe, linear_probe_details
from unlabeled.evaluation.multilabel import Multilabel, multilabel_probe, multilabel_probe_details
from unlabeled.evaluation.neighbours import knn, knn_details
from unlabeled.evaluation.power_law import PowerLaw, alpha_req, alpha_req_details
from unlabeled.evaluation.protocol import Merged, grouped_split, merge_classes
from unlabeled.evaluation.reduction import reduced
from unlabeled.evaluation.regression import Regression, regression_probe, regression_probe_details
from unlabeled.evaluation.retrieval import (
    Retrieval,
    map_at_r,
    mean_average_precision,
    mrr,
    ndcg,
    paired_retrieval,
    paired_retrieval_details,
    precision_at_1,
    recall_at_k,
    retrieval,
    retrieval_details,
)
from unlabeled.evaluation.risk import RiskDecomposition, risk_decomposition
from unlabeled.evaluation.sample import Estimate
from unlabeled.evaluation.scorecard import Figure, Scorecard
from unlabeled.evaluation.silhouette import Silhouette, silhouette, silhouette_details
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
    "Agreement",
    "Classification",
    "Clustering",
    "Comparison",
    "Difference",
    "Estimate",
    "FewShot",
    "Figure",
    "LayerProbe",
    "LocalDimensions",
    "Merged",
    "Multilabel",
    "PowerLaw",
    "Regression",
    "Retrieval",
    "RiskDecomposition",
    "Scorecard",
    "Seen",
    "Silhouette",
    "Spectrum",
    "Validity",
    "alignment",
    "alignment_of_views",
    "alpha_req",
    "alpha_req_details",
    "balanced_accuracy_interval",
    "balanced_linear_probe",
    "bootstrap_interval",
    "cka",
    "cka_debiased",
    "cka_rbf",
    "cka_rbf_details",
    "cluster_agreement",
    "cluster_learnability",
    "cluster_learnability_details",
    "clustering",
    "clustering_details",
    "coherence",
    "compare",
    "dead_units",
    "decompose",
    "dimensions_for",
    "effective_rank",
    "entropy_rank",
    "feature_correlation",
    "feature_spread",
    "few_shot",
    "few_shot_details",
    "grouped_split",
    "intrinsic_dimension",
    "intrinsic_dimension_details",
    "jackknife_interval",
    "knn",
    "knn_details",
    "layer_probe",
    "leakage",
    "leakage_details",
    "left_out",
    "lidar",
    "linear_probe",
    "linear_probe_details",
    "local_intrinsic_dimension",
    "local_intrinsic_dimension_details",
    "map_at_r",
    "mean_average_precision",
    "merge_classes",
    "mrr",
    "multilabel_probe",
    "multilabel_probe_details",
    "ndcg",
    "nesum",
    "paired_retrieval",
    "paired_retrieval_details",
    "participation_ratio",
    "precision_at_1",
    "pseudo_condition",
    "rankme",
    "recall_at_k",
    "reduced",
    "regression_probe",
    "regression_probe_details",
    "retrieval",
    "retrieval_details",
    "risk_decomposition",
    "score",
    "seed_interval",
    "self_cluster",
    "silhouette",
    "silhouette_details",
    "stable_rank",
    "uniformity",
    "uniformity_details",
    "wilson_interval",
]
