"""How many coordinates the embeddings need near each point: figures of the distances to near neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from unlabeled.errors import DataError, OptionError
from unlabeled.evaluation.arrays import Features, blocks, features, largest
from unlabeled.evaluation.sample import SAMPLE_SIZE, Estimate, distinct, draw

KEPT = 0.9
"""share of the ratios that TwoNN fits: the largest scatter most"""


def intrinsic_dimension(z: Features, *, sample_size: int = SAMPLE_SIZE, seed: int = 0) -> float:
    """TwoNN: dimension of the surface on which the embeddings lie, from the distances to two neighbours.

    With r1, r2 the Euclidean distances of a row to its two nearest others, μ = r2 / r1 in rising order and
    F = i / n: slope through the origin of -ln(1 - F) against ln μ, without the largest 10 % of the μ.

    Shapes: (samples, dim). Equal rows (r1 = 0) are left out but for one. From all rows up to `sample_size`; of
    more, as many are drawn with `seed` (`intrinsic_dimension_details` says both). High dimensions come out too
    low, since neighbours are then far apart. Scale, rotation and offset change nothing.
    Known values: about 2 for points on a plane, however many dimensions it lies in.
    Refused: fewer than 50 different rows, rows on a grid (every r1 = r2), a sample_size below 2, NaN, infinity.
    Source: Facco, d'Errico, Rodriguez, Laio, 2018, arXiv:1803.06992.
    """
    return intrinsic_dimension_details(z, sample_size=sample_size, seed=seed).value


def intrinsic_dimension_details(z: Features, *, sample_size: int = SAMPLE_SIZE, seed: int = 0) -> Estimate:
    """As `intrinsic_dimension`, with the rows it was computed from and the duplicates left out."""
    tensor = features(z, "z", least_rows=2)
    drawn, used_seed = draw(tensor, sample_size, seed)
    rows = distinct(drawn, "z")
    near = neighbour_distances(rows, 2)
    ratio = np.sort(np.log(near[:, 1] / near[:, 0]))
    kept = int(KEPT * len(rows))
    x, y = ratio[:kept], -np.log1p(-np.arange(1, kept + 1) / len(rows))
    if not x.any():
        raise DataError(
            "the two nearest rows are equally far from nearly every row of z, as on a grid: distances to "
            "neighbours say nothing about its dimension"
        )
    value = float((x * y).sum() / (x * x).sum())
    return Estimate(value, len(tensor), len(rows), used_seed, len(drawn) - len(rows))


@dataclass(frozen=True, eq=False)
class LocalDimensions:
    """The local intrinsic dimension at each row, and the rows that were looked at."""

    values: Float[np.ndarray, " used"]
    samples: int
    """rows that were given"""
    seed: int | None
    """of the draw of rows; None where every row was taken"""
    duplicates: int
    """rows left out because an equal one was there"""

    @property
    def mean(self) -> float:
        return float(self.values.mean())

    @property
    def geometric_mean(self) -> float:
        """What LDReg reports."""
        return float(np.exp(np.log(self.values).mean()))


def local_intrinsic_dimension(
    z: Features, *, k: int = 64, sample_size: int = SAMPLE_SIZE, seed: int = 0
) -> float:
    """Mean over the rows of the maximum-likelihood local intrinsic dimension among the k nearest others.

    With r_1 <= … <= r_k the Euclidean distances of a row to its k nearest others: -k / Σ_{j<k} ln(r_j / r_k).
    It finds embeddings that are locally flat while the spectrum of all looks full.

    Shapes: (samples, dim). Equal rows are left out but for one. From all rows up to `sample_size`; of more, as
    many are drawn with `seed`. `local_intrinsic_dimension_details` has a value a row and the geometric mean.
    Biased low in high dimensions: compare figures of one k and one number of rows. Scale, rotation and offset
    change nothing.
    Refused: k outside [2, different rows - 1], fewer than 50 different rows, rows whose k nearest are all
    equally far (the value is infinite), a sample_size below 2, NaN, infinity.
    Source: Huang, Campello, Erfani, Ma, Houle, Bailey, "LDReg", 2024, arXiv:2401.10474 (k = 64); the
    estimator: Amsaleg et al., "Estimating local intrinsic dimensionality", KDD 2015.
    """
    return local_intrinsic_dimension_details(z, k=k, sample_size=sample_size, seed=seed).mean


def local_intrinsic_dimension_details(
    z: Features, *, k: int = 64, sample_size: int = SAMPLE_SIZE, seed: int = 0
) -> LocalDimensions:
    """As `local_intrinsic_dimension`, one value a row."""
    tensor = features(z, "z", least_rows=2)
    drawn, used_seed = draw(tensor, sample_size, seed)
    rows = distinct(drawn, "z")
    if not 2 <= k < len(rows):
        raise OptionError(f"k is {k} and z has {len(rows)} different rows: give 2 <= k <= {len(rows) - 1}")
    near = neighbour_distances(rows, k)
    spread = -np.log(near[:, :-1] / near[:, -1:]).sum(1)
    flat = int((spread == 0).sum())
    if flat:
        raise DataError(
            f"{flat} of {len(rows)} rows have {k} neighbours that are all equally far, which makes the local "
            "dimension infinite: raise k, or look for embeddings on a grid"
        )
    return LocalDimensions(k / spread, len(tensor), used_seed, len(drawn) - len(rows))


def neighbour_distances(rows: Float[Tensor, "rows dim"], k: int) -> Float[np.ndarray, "rows k"]:
    """Euclidean distances of each row to its k nearest others, nearest first, float64."""
    from sklearn.neighbors import NearestNeighbors

    centred = rows.cpu() - rows.cpu().mean(0)
    centred = centred / (largest(centred) or 1.0)
    # a few more than k: the search takes |a|² + |b|² - 2ab, which may swap neighbours that are about as far
    more = min(k + 4, len(rows) - 1)
    places = NearestNeighbors(n_neighbors=more).fit(centred.numpy()).kneighbors(return_distance=False)
    found = []
    for start, some in blocks(centred, width=more * centred.shape[1]):
        others = centred[torch.from_numpy(places[start : start + len(some)])]
        found.append(torch.linalg.vector_norm(others - some[:, None], dim=2))
    return torch.cat(found).sort(1).values[:, :k].numpy()
