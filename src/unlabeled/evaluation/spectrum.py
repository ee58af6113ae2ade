"""How many directions the embeddings use, and how far apart they lie: figures that need no labels."""

from __future__ import annotations

import warnings

import torch
from jaxtyping import Float
from torch import Tensor

from unlabeled.evaluation.arrays import CHUNK, Features, blocks, exact, features, unit_rows


def effective_rank(z: Features) -> float:
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
    sigma = singular_values(features(z, "z", least_rows=2))
    total = sigma.sum()
    if total == 0:
        warnings.warn(
            "every embedding is zero, so the effective rank is 0: the encoder has collapsed", stacklevel=2
        )
        return 0.0
    p = sigma / total
    return float(torch.special.entr(p).sum().exp())


def singular_values(z: Tensor) -> Float[Tensor, " rank"]:
    """Singular values of (samples, dim) up to a common factor, largest first, float64.

    Blocks of rows are folded one after the other into a triangular factor (QR), which has the singular values
    of everything folded so far; memory is one block of at least 4 dim rows.
    """
    tall = z if z.shape[0] >= z.shape[1] else z.T
    scale = max(float(exact(rows).abs().max()) for _, rows in blocks(tall))
    if scale == 0:
        return torch.zeros(min(z.shape), dtype=torch.float64)
    factor: Tensor | None = None
    for start in range(0, len(tall), step := max(4 * tall.shape[1], CHUNK // tall.shape[1])):
        rows = tall[start : start + step]
        block = exact(rows) / scale
        if len(block) == len(tall):
            factor = block
        else:
            stacked = block if factor is None else torch.cat([factor, block])
            factor = torch.linalg.qr(stacked, mode="r").R
    assert factor is not None
    sigma: Tensor = torch.linalg.svdvals(factor)
    return sigma.cpu()


def feature_spread(z: Features) -> float:
    """How far the directions of the rows are spread: 1 for directions all around, 0 when all rows agree.

    With ẑ the rows at length 1 and std over the samples (divided by their number): mean over dimensions of
    std(ẑ) · sqrt(dim).

    Shapes: (samples, dim). A row of zeros has no direction and counts as the zero vector.
    Known values: 1 for isotropic rows; sqrt(1 - 1/d) for the d unit vectors; 0 for equal rows, and for rows
    that differ in length only.
    Refused: fewer than 2 samples, NaN, infinity.
    Source: the collapse curve of Chen, He, "Exploring simple Siamese representation learning", 2020,
    arXiv:2011.10566 (figure 2, middle), there as std against 1 / sqrt(dim).
    """
    tensor = features(z, "z", least_rows=2)
    mean = sum(unit_rows(exact(rows)).sum(0) for _, rows in blocks(tensor)) / len(tensor)
    variance = sum((unit_rows(exact(rows)) - mean).square().sum(0) for _, rows in blocks(tensor)) / len(
        tensor
    )
    return float((torch.as_tensor(variance).sqrt() * tensor.shape[1] ** 0.5).mean())
