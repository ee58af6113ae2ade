"""Do samples lie nearer to their own cluster than to the next one? No labels are needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int64
from torch import Tensor

from unlabeled.errors import DataError, OptionError
from unlabeled.evaluation.arrays import Features, Labels, exact, features, labels, unit_rows
from unlabeled.evaluation.sampling import stratified_rows

LIMIT = 5_000
"""samples above which what compares all pairs looks at a part, drawn by seed and stratified"""


@dataclass(frozen=True)
class Silhouette:
    """The silhouette of every sample that was measured, and what it comes to."""

    per_sample: Float[np.ndarray, " measured"]
    per_cluster: Mapping[int | str, float]
    """cluster → mean over its samples"""
    rows: Int64[np.ndarray, " measured"]
    """places in z of the samples measured: all but noise, or a part of them where they are many"""
    noise: float
    """share of the rows of z that were left out because they are in no cluster (-1)"""

    @property
    def mean(self) -> float:
        return float(self.per_sample.mean())


def silhouette(
    z: Features,
    assignments: Labels,
    *,
    metric: Literal["euclidean", "cosine"] = "euclidean",
    limit: int = LIMIT,
    seed: int = 0,
) -> float:
    """Mean silhouette, in [-1, 1]: 1 for tight clusters far apart, about 0 or below for any other partition.

    With a the mean distance of a sample to the others of its cluster, and b its mean distance to the samples
    of another cluster, the smallest over those clusters: (b - a) / max(a, b), and 0 for a sample alone in
    its cluster. Distances are Euclidean, or 1 - cosine.

    Shapes: z (samples, dim), one cluster (whole number or string) a row; -1 is noise and left out, its share
    is in `silhouette_details`. Above `limit` samples a part of about that many is measured, drawn by `seed`,
    every cluster in proportion. Neither a shift (Euclidean) nor a scale of z changes the figure.
    Refused: one cluster, as many clusters as samples, samples that are all alike (for the cosine: in
    direction), unequal lengths, NaN.
    Source: Rousseeuw, "Silhouettes: a graphical aid to the interpretation and validation of cluster
    analysis", 1987. In the space of UMAP it follows AMI: Lowe et al., 2024, arXiv:2406.02465.
    """
    return silhouette_details(z, assignments, metric=metric, limit=limit, seed=seed).mean


def silhouette_details(
    z: Features,
    assignments: Labels,
    *,
    metric: Literal["euclidean", "cosine"] = "euclidean",
    limit: int = LIMIT,
    seed: int = 0,
) -> Silhouette:
    """As `silhouette`, for every sample and cluster, with which samples were measured and the share of noise."""
    tensor = features(z, "z", least_rows=2)
    if metric not in ("euclidean", "cosine"):
        raise OptionError(f"metric is {metric!r}: give 'euclidean' or 'cosine'")
    if limit < 2:
        raise OptionError(f"limit is {limit}: at least 2 samples are needed")
    named, kept = clustered(assignments, len(tensor))
    rows = np.flatnonzero(kept)
    found = len(np.unique(named[rows]))
    if not 1 < found < len(rows):
        raise DataError(
            f"assignments has {found} clusters in {len(rows)} samples (noise not counted): a silhouette needs "
            "at least 2 clusters, and fewer than samples"
        )
    rows = rows[stratified_rows(named[rows], limit, seed)]

    from sklearn.metrics import silhouette_samples

    x = exact(tensor[rows])
    x = unit_rows(x) if metric == "cosine" else x / x.abs().max().clamp(min=1e-300)
    if float((x - x[0]).abs().max()) <= 1e-12:
        raise DataError("all rows of z are alike: no sample is nearer to one cluster than to another")
    # scikit-learn's distances cancel far from 0
    points = (x if metric == "cosine" else x - x.mean(0)).cpu().numpy()
    each = silhouette_samples(points, named[rows], metric=metric)
    names, place = np.unique(named[rows], return_inverse=True)
    means = np.bincount(place, each) / np.bincount(place)
    per_cluster = {name.item(): float(mean) for name, mean in zip(names, means, strict=True)}
    return Silhouette(each, per_cluster, rows, 1 - float(kept.mean()))


def clustered(assignments: Labels, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Clusters as whole numbers or strings, and which samples are in one; noise (-1) is numbered last."""
    array = assignments.detach().cpu().numpy() if isinstance(assignments, Tensor) else np.asarray(assignments)
    noise = np.zeros(len(array), dtype=bool) if array.ndim == 1 else np.zeros(0, dtype=bool)
    if array.ndim == 1 and array.dtype.kind in "if" and len(array):
        noise = array == -1
        array = np.where(noise, array.max() + 1, array)
    return labels(array, "assignments", rows=rows, of="z"), ~noise
