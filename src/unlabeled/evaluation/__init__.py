"""How good a representation is: every figure a function of arrays."""

from unlabeled.evaluation.agreement import Agreement, cluster_agreement
from unlabeled.evaluation.classification import Classification, wilson_interval
from unlabeled.evaluation.clustering import Clustering, Validity, clustering, clustering_details
from unlabeled.evaluation.comparison import Comparison, Difference, compare
from unlabeled.evaluation.intervals import balanced_accuracy_interval, bootstrap_interval, seed_interval
from unlabeled.evaluation.linear import linear_probe, linear_probe_details
from unlabeled.evaluation.neighbours import knn, knn_details
from unlabeled.evaluation.protocol import Merged, grouped_split, merge_classes
from unlabeled.evaluation.reduction import reduced
from unlabeled.evaluation.risk import RiskDecomposition, risk_decomposition
from unlabeled.evaluation.scorecard import Figure, Scorecard, score
from unlabeled.evaluation.silhouette import Silhouette, silhouette, silhouette_details
from unlabeled.evaluation.spectrum import effective_rank, feature_spread

__all__ = [
    "Agreement",
    "Classification",
    "Clustering",
    "Comparison",
    "Difference",
    "Figure",
    "Merged",
    "RiskDecomposition",
    "Scorecard",
    "Silhouette",
    "Validity",
    "balanced_accuracy_interval",
    "bootstrap_interval",
    "cluster_agreement",
    "clustering",
    "clustering_details",
    "compare",
    "effective_rank",
    "feature_spread",
    "grouped_split",
    "knn",
    "knn_details",
    "linear_probe",
    "linear_probe_details",
    "merge_classes",
    "reduced",
    "risk_decomposition",
    "score",
    "seed_interval",
    "silhouette",
    "silhouette_details",
    "wilson_interval",
]
