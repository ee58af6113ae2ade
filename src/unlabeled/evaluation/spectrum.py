"""How many directions the embeddings use: figures of their singular values, which need no labels.

Each takes embeddings, or the `Spectrum` that `decompose` makes of them, so that ten figures cost one
decomposition. Figures of σ look at the embeddings as they are: a common offset of all rows counts as one strong
direction. Figures of λ, the eigenvalues of the covariance, look at how the rows differ. None changes when the
embeddings are multiplied by a number or rotated.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch
from scipy.special import entr

from unlabeled.errors import DataError, OptionError
from unlabeled.evaluation.arrays import Features, blocks, exact, features, largest
from unlabeled.evaluation.decomposition import Spectrum, decompose, singular_values, triangle

RANKME_EPSILON = 1e-7


def effective_rank(z: Features | Spectrum) -> float:
    """exp(entropy of the singular values), from 1 (one direction) to min(samples, dim) (all alike).

    With σ the singular values of z and p = σ / Σσ: exp(-Σ p ln p). z is taken as it is, neither centred nor
    scaled by row: a common offset of all rows lowers the figure, multiplying z by a number changes nothing.

    Shapes: (samples, dim); computed in float64, over blocks of rows, exactly (no squares are taken, so small
    singular values keep their digits).
    Known values: d for d equal singular values; 1 for rank one. Rows of zeros only have no direction at all:
    0, with a warning that says so.
    Refused: fewer than 2 samples, NaN, infinity.
    Source: Roy, Vetterli, "The effective rank: a measure of effective dimensionality", EUSIPCO 2007.
    """
    sigma = _singular_values(z)
    if sigma[0] == 0:
        return _all_zero("effective rank")
    return float(np.exp(entr(sigma / sigma.sum()).sum()))


def rankme(z: Features | Spectrum) -> float:
    """RankMe: the effective rank with 1e-7 added to every share.

    With σ the singular values of z and p = σ / Σσ + 1e-7: exp(-Σ p ln p), from 1 to min(samples, dim). z is
    neither centred nor scaled by row. It compares encoders of one architecture and one width; across widths it
    says nothing.

    Shapes: (samples, dim). Take four samples a dimension or more (the paper: 25,600): with fewer the figure
    measures the number of samples, and a warning says so.
    Known values: d for d equal singular values, 1 for rank one, up to the 1e-7. Rows of zeros only: 0, with a
    warning.
    Refused: fewer than 2 samples or 2 dimensions, NaN, infinity.
    Source: Garrido, Balestriero, Najman, LeCun, 2022, arXiv:2210.02885.
    """
    sigma = _singular_values(z)
    samples, dim = (z.samples, z.dim) if isinstance(z, Spectrum) else np.shape(z)
    if dim < 2:
        raise DataError("z has 1 column: a rank of one direction says nothing, give at least 2")
    if sigma[0] == 0:
        return _all_zero("RankMe")
    if samples < 4 * dim:
        warnings.warn(
            f"rankme of {samples} samples in {dim} dimensions: below {4 * dim} samples it is limited by their "
            "number; compare it with figures of as many samples only",
            stacklevel=2,
        )
    return float(np.exp(entr(sigma / sigma.sum() + RANKME_EPSILON).sum()))


def stable_rank(z: Features | Spectrum) -> float:
    """Σσ² / σ₁²: directions as strong as the strongest that would carry the same energy; z as it is.

    Known values: d for d equal singular values; 1 for rank one. Rows of zeros only: 0, with a warning.
    Refused: fewer than 2 samples, NaN, infinity.
    Source: Rudelson, Vershynin, "Sampling from large matrices", 2007; for embeddings: Tsitsulin, Munkhoeva,
    Perozzi, 2023, arXiv:2305.16562.
    """
    sigma = _singular_values(z)
    if sigma[0] == 0:
        return _all_zero("stable rank")
    return float(((sigma / sigma[0]) ** 2).sum())


def pseudo_condition(z: Features | Spectrum) -> float:
    """σ_min / σ₁, from 0 (some direction is unused) to 1 (all are used alike); z as it is.

    The inverse of the condition number, over the min(samples, dim) singular values.

    Rows of zeros only: 0, with a warning.
    Refused: fewer than 2 samples, NaN, infinity.
    Source: Tsitsulin, Munkhoeva, Perozzi, 2023, arXiv:2305.16562.
    """
    sigma = _singular_values(z)
    if sigma[0] == 0:
        return _all_zero("pseudo-condition")
    return float(sigma[-1] / sigma[0])


def nesum(z: Features | Spectrum) -> float:
    """NESum: Σλ / λ₁, with λ the eigenvalues of the covariance, from 1 to min(samples - 1, dim).

    Known values: d for whitened embeddings; 1 where the rows differ in one direction. Equal rows: 0, with a
    warning.
    Refused: fewer than 2 samples, NaN, infinity.
    Source: He, Ozay, "Exploring the gap between collapsed & whitened features in self-supervised learning",
    ICML 2022.
    """
    share = _variance_shares(z)
    return _all_equal("NESum") if share[0] == 0 else float(1 / share[0])


def participation_ratio(z: Features | Spectrum) -> float:
    """(Σλ)² / Σλ², with λ the eigenvalues of the covariance, from 1 to min(samples - 1, dim).

    Known values: d for whitened embeddings; 1 where the rows differ in one direction. Equal rows: 0, with a
    warning.
    Refused: fewer than 2 samples, NaN, infinity.
    Source: Gao, Trautmann, Yu, et al., "A theory of multineuronal dimensionality, dynamics and measurement",
    2017, bioRxiv 214262.
    """
    share = _variance_shares(z)
    return _all_equal("participation ratio") if share[0] == 0 else float(1 / (share**2).sum())


def entropy_rank(z: Features | Spectrum) -> float:
    """exp(entropy of the shares of variance λ / Σλ), from 1 to min(samples - 1, dim).

    `effective_rank` asks the same of the singular values, uncentred; this one weighs the strong directions
    more, since λ ∝ σ².

    Known values: d for whitened embeddings; 1 where the rows differ in one direction. Equal rows: 0, with a
    warning.
    Refused: fewer than 2 samples, NaN, infinity.
    Source: as `effective_rank`, of the covariance.
    """
    share = _variance_shares(z)
    return _all_equal("entropy rank") if share[0] == 0 else float(np.exp(entr(share).sum()))


def dimensions_for(z: Features | Spectrum, share: float) -> int:
    """Principal components that hold at least `share` of the variance, such as 0.9, 0.95 or 0.99.

    Known values: ceil(share · d) for whitened embeddings of d dimensions. Equal rows: 0, with a warning.
    Refused: a share outside (0, 1], fewer than 2 samples, NaN, infinity.
    """
    if not 0 < share <= 1:
        raise OptionError(f"share is {share}: give a share of the variance above 0 and up to 1, such as 0.95")
    held = _variance_shares(z)
    if held[0] == 0:
        return int(_all_equal("number of dimensions"))
    # 1e-12: a sum that misses the share by rounding only has reached it
    return int((held.cumsum() < share - 1e-12).sum()) + 1


def coherence(z: Features) -> float:
    """max_i ‖U_i‖² · samples / rank: whether a few samples have directions for themselves.

    U (samples, rank) are the left singular vectors of z as it is, of the singular values above rounding; ‖U_i‖²
    is the leverage of sample i. From 1 (all samples matter alike) to samples / rank (one sample alone spans a
    direction).

    Shapes: (samples, dim); z passes twice in blocks.
    Known values: 1 where samples <= dim and no sample depends on others. Full rank: rank = dim, which is how
    the source writes it.
    Refused: rows of zeros only, fewer than 2 samples, NaN, infinity.
    Source: Candès, Recht, 2008, arXiv:0805.4471; for embeddings: Tsitsulin, Munkhoeva, Perozzi, 2023,
    arXiv:2305.16562.
    """
    tensor = features(z, "z", least_rows=2)
    samples, dim = tensor.shape
    scale = largest(tensor)
    if scale == 0:
        raise DataError("every row of z is zero, so there is no coherence: the encoder has collapsed")
    tall = tensor if samples >= dim else tensor.T
    factor = triangle(exact(rows) / scale for _, rows in blocks(tall, least=4 * tall.shape[1]))
    _, sigma, right = torch.linalg.svd(factor, full_matrices=False)
    precision = torch.finfo(tensor.dtype if tensor.is_floating_point() else torch.float64).eps
    rank = int((sigma > max(precision, torch.finfo(torch.float64).eps * len(sigma)) * sigma[0]).sum())
    right = right[:rank]
    if samples < dim:
        leverage = float(right.square().sum(0).max())
    else:
        onto = right.T / sigma[:rank]
        # numbers, not small tensors: kept among the blocks, those would keep the blocks' memory in pieces
        leverage = max(
            float((exact(rows) / scale @ onto).square().sum(1).max()) for _, rows in blocks(tensor)
        )
    return leverage * samples / rank


def _singular_values(z: Features | Spectrum) -> np.ndarray:
    if isinstance(z, Spectrum):
        return z.singular_values
    return singular_values(features(z, "z", least_rows=2)).numpy()


def _variance_shares(z: Features | Spectrum) -> np.ndarray:
    return (z if isinstance(z, Spectrum) else decompose(z)).variance_shares


def _all_zero(figure: str) -> float:
    warnings.warn(f"every embedding is zero, so the {figure} is 0: the encoder has collapsed", stacklevel=3)
    return 0.0


def _all_equal(figure: str) -> float:
    warnings.warn(
        f"every embedding is the same, so the {figure} is 0: the encoder has collapsed", stacklevel=3
    )
    return 0.0
