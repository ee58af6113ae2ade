"""Are the classes found by clustering, without any label? And, without labels, how distinct are the clusters?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Int64

from unlabeled.errors import DataError, OptionError, nearest
from unlabeled.evaluation import arrays
from unlabeled.evaluation.agreement import Agreement, cluster_agreement
from unlabeled.evaluation.arrays import Features, Labels, exact, features
from unlabeled.evaluation.reduction import reduced, standardised
from unlabeled.evaluation.sampling import stratified_rows
from unlabeled.evaluation.silhouette import LIMIT, silhouette

Clusterer = Literal["kmeans", "ward", "spectral", "hdbscan"]
MIN_CLUSTER_SIZE = 5
"""of HDBSCAN, where none is given"""


@dataclass(frozen=True)
class Validity:
    """How distinct the clusters are in one space; noise is left out."""

    silhouette: float
    """mean, Euclidean, in [-1, 1]; above 5,000 samples of a part of them"""
    calinski_harabasz: float
    """variance between clusters over variance within, each by its degrees of freedom: larger is more distinct"""
    davies_bouldin: float
    """how wide clusters are for their distance, each with the one most like it: smaller is more distinct"""


@dataclass(frozen=True)
class Clustering:
    """Clusters of some samples, and how good they are."""

    assignments: Int64[np.ndarray, " rows"]
    """cluster of each of `rows`, from 0; -1 is noise"""
    rows: Int64[np.ndarray, " rows"]
    """places in z of the samples clustered: all, or a part where the clusterer compares pairs and they are many"""
    clustered: float
    """share of `rows` that are in a cluster; the others are noise"""
    raw: Validity | None
    """in the space of z as it was given; None where there is no second cluster, or no two samples share one"""
    fitted: Validity | None
    """in the space that was clustered, after z-scores and reduction; as `raw` where there were none"""
    agreement: Agreement | None = None
    """with the labels, noise counted as one cluster; None without labels"""
    agreement_clustered: Agreement | None = None
    """with the labels, of the samples in clusters only; None without labels, or where those are of one class"""

    @property
    def clusters(self) -> int:
        """Number of clusters found, noise not counted."""
        return len(np.unique(self.assignments[self.assignments >= 0]))

    @property
    def headline(self) -> float:
        """AMI with labels; without, the silhouette in the space that was clustered."""
        if self.agreement is not None:
            return self.agreement.ami
        if self.fitted is None:
            raise DataError(
                f"{self.clusters} clusters were found in {len(self.rows)} samples: a silhouette needs at least "
                "2, and fewer than samples; choose another number, method, or min_cluster_size"
            )
        return self.fitted.silhouette


def clustering(
    z: Features,
    labels: Labels | None = None,
    *,
    clusters: int | None = None,
    method: Clusterer = "kmeans",
    reduce: float | Literal["umap"] | None = None,
    zscore: bool | None = None,
    min_cluster_size: int | None = None,
    seed: int = 0,
) -> float:
    """How well conventional clustering of frozen features finds the classes: adjusted mutual information.

    z → z-scores → fewer dimensions → clusters, compared with `labels` by AMI (`cluster_agreement`): 1 where
    the clusters are the classes, 0 at chance. Without labels: the mean silhouette in the space that was
    clustered, which needs no labels and by which encoders may be compared (best after `reduce="umap"`).

    `clusters`: how many; None: as many as classes. `method`: "kmeans" (k-means++, one start), "ward"
    (agglomerative), "spectral" (graph of 10 neighbours) or "hdbscan", which finds the number itself, from
    clusters of at least `min_cluster_size` (None: 5), and calls the rest noise; noise is one cluster in AMI and
    is left out of the silhouette. `reduce`: as `to` of `reduced`: a share of variance, a number of principal
    components, or "umap". `zscore`: whether columns are standardised first; None: before principal components
    only.

    Shapes: z (samples, dim), one label a row. Above 5,000 samples all methods but k-means cluster a part of
    about that many, drawn by `seed`, every class in proportion (`rows` of `clustering_details`).
    Refused: fewer than 2 clusters or more than samples, a number of clusters for HDBSCAN or none where it is
    needed, missing labels, one class only, NaN. Choose options on data of the encoder's own domain, never by
    the labels that are reported.
    Source: Lowe, Haurum, Oore, Moeslund, Taylor, 2024, arXiv:2406.02465. All clusterers and figures are
    scikit-learn's.
    """
    return clustering_details(
        z,
        labels,
        clusters=clusters,
        method=method,
        reduce=reduce,
        zscore=zscore,
        min_cluster_size=min_cluster_size,
        seed=seed,
    ).headline


def clustering_details(
    z: Features,
    labels: Labels | None = None,
    *,
    clusters: int | None = None,
    method: Clusterer = "kmeans",
    reduce: float | Literal["umap"] | None = None,
    zscore: bool | None = None,
    min_cluster_size: int | None = None,
    seed: int = 0,
) -> Clustering:
    """As `clustering`, with the assignments, seven figures of agreement, and three of validity in two spaces."""
    tensor = features(z, "z", least_rows=3)
    y = None if labels is None else arrays.labels(labels, "labels", rows=len(tensor), of="z")
    if y is not None and clusters is None and method != "hdbscan":
        clusters = len(np.unique(y))
    _check(method, clusters, min_cluster_size)

    rows = np.arange(len(tensor))
    if method != "kmeans":
        rows = stratified_rows(np.zeros(len(tensor)) if y is None else y, LIMIT, seed)
    least = min_cluster_size or MIN_CLUSTER_SIZE
    if (asked := least if clusters is None else clusters) > len(rows):
        raise DataError(f"z has {len(rows)} samples, fewer than the {asked} asked of {method}")
    raw = exact(tensor[rows]).cpu().numpy()
    if reduce is not None:
        space = reduced(raw, reduce, zscore=zscore, seed=seed)
    else:
        space = standardised(raw) if zscore else raw
    found = _assigned(space, method, clusters, least, seed)
    in_one = found >= 0
    in_raw = _validity(raw, found, seed)
    result = Clustering(
        assignments=found,
        rows=rows,
        clustered=float(in_one.mean()),
        raw=in_raw,
        fitted=in_raw if space is raw else _validity(space, found, seed),
    )
    if y is None:
        return result
    y = y[rows]
    several = len(np.unique(y[in_one])) > 1
    return replace(
        result,
        agreement=cluster_agreement(y, found),
        agreement_clustered=cluster_agreement(y[in_one], found[in_one]) if several else None,
    )


def _check(method: str, clusters: int | None, min_cluster_size: int | None) -> None:
    if method not in get_args(Clusterer):
        raise OptionError(f"method is {method!r}: {nearest(method, get_args(Clusterer))}")
    if method == "hdbscan":
        if clusters is not None:
            raise OptionError("hdbscan finds the number of clusters itself: leave clusters out")
        if min_cluster_size is not None and min_cluster_size < 2:
            raise OptionError(f"min_cluster_size is {min_cluster_size}: at least 2 are needed")
        return
    if min_cluster_size is not None:
        raise OptionError(f"min_cluster_size is for hdbscan, not {method}: leave it out")
    if clusters is None:
        raise OptionError(
            f"{method} needs a number of clusters, and there are no labels to count: give clusters"
        )
    if clusters < 2:
        raise OptionError(f"clusters (None: the classes of labels) is {clusters}: at least 2 are needed")


def _assigned(
    x: Float[np.ndarray, "rows dim"], method: str, clusters: int | None, least: int, seed: int
) -> Int64[np.ndarray, " rows"]:
    from sklearn import cluster

    if method == "kmeans":
        made = cluster.KMeans(clusters, init="k-means++", n_init=1, random_state=seed)
    elif method == "ward":
        made = cluster.AgglomerativeClustering(clusters, linkage="ward")
    elif method == "spectral":
        made = cluster.SpectralClustering(
            clusters, affinity="nearest_neighbors", n_neighbors=min(10, len(x)), random_state=seed
        )
    else:
        made = cluster.HDBSCAN(min_cluster_size=least, copy=True)
    return made.fit_predict(x).astype(np.int64)


def _validity(
    x: Float[np.ndarray, "rows dim"], found: Int64[np.ndarray, " rows"], seed: int
) -> Validity | None:
    from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score

    x, found = x[found >= 0], found[found >= 0]
    if not 1 < len(np.unique(found)) < len(found):
        return None
    return Validity(
        silhouette(x, found, seed=seed),
        float(calinski_harabasz_score(x, found)),
        float(davies_bouldin_score(x, found)),
    )
