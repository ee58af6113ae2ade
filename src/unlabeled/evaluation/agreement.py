"""Do clusters agree with classes, whatever the clusters are called?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unlabeled.errors import DataError
from unlabeled.evaluation import arrays
from unlabeled.evaluation.arrays import Labels
from unlabeled.evaluation.silhouette import clustered


@dataclass(frozen=True)
class Agreement:
    """How far a partition agrees with classes; 1 is full agreement everywhere."""

    ami: float
    """adjusted mutual information, by the arithmetic mean of the entropies; 0 is chance, and below it"""
    nmi: float
    """the same without the adjustment: many clusters raise it by chance"""
    ari: float
    """adjusted Rand index: pairs of samples on which both agree; 0 is chance"""
    accuracy: float
    """share of samples whose cluster is the one matched with their class, under the best matching"""
    fowlkes_mallows: float
    """geometric mean of precision and recall over pairs of samples in one cluster"""
    homogeneity: float
    """1 where every cluster holds one class only"""
    completeness: float
    """1 where every class lies in one cluster"""


def cluster_agreement(labels: Labels, assignments: Labels) -> Agreement:
    """The agreement of clusters with classes by seven figures, each blind to how clusters are named.

    With I the mutual information of the two partitions, H the entropies and E[I] the mean of I over random
    partitions with the same sizes: AMI = (I - E[I]) / ((H(labels) + H(assignments)) / 2 - E[I]). Accuracy
    matches each cluster with at most one class, and each class with at most one cluster, so that most samples
    agree (Hungarian algorithm); samples of unmatched clusters count as wrong.

    Shapes: labels and assignments (samples,), whole numbers or strings; -1 in assignments is noise, and
    counts as one more cluster.
    Known values: all 1 for the same partition under other names; AMI and ARI about 0 for random clusters; AMI,
    NMI, ARI and homogeneity 0 for a single cluster.
    Refused: unequal lengths, missing labels, one class only.
    Source: Vinh, Epps, Bailey, "Information theoretic measures for clusterings comparison", JMLR 2010 (AMI);
    Hubert, Arabie, 1985 (ARI); Fowlkes, Mallows, 1983; Rosenberg, Hirschberg, 2007 (homogeneity,
    completeness); the matching as in Xie, Girshick, Farhadi, 2015, arXiv:1511.06335.
    """
    from scipy.optimize import linear_sum_assignment
    from sklearn import metrics

    y = arrays.labels(labels, "labels", rows=len(assignments), of="assignments")
    found, _ = clustered(assignments, len(y))
    classes = np.unique(y)
    if len(classes) < 2:
        raise DataError(f"labels has one class only ({classes[0]}): there is nothing to agree with")
    counts = metrics.cluster.contingency_matrix(y, found)
    matched = counts[linear_sum_assignment(counts, maximize=True)].sum()
    figures = {
        "ami": metrics.adjusted_mutual_info_score(y, found, average_method="arithmetic"),
        "nmi": metrics.normalized_mutual_info_score(y, found, average_method="arithmetic"),
        "ari": metrics.adjusted_rand_score(y, found),
        "accuracy": matched / len(y),
        "fowlkes_mallows": metrics.fowlkes_mallows_score(y, found),
        "homogeneity": metrics.homogeneity_score(y, found),
        "completeness": metrics.completeness_score(y, found),
    }
    return Agreement(**{name: float(value) for name, value in figures.items()})
