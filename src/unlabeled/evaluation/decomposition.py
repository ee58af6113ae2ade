"""The singular values of embeddings, once for every figure that is computed from them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from unlabeled.evaluation.arrays import Features, blocks, exact, features, largest, mean_row


@dataclass(frozen=True, eq=False)
class Spectrum:
    """What `decompose` found: give it to the figures of the spectrum in place of the embeddings."""

    samples: int
    dim: int
    singular_values: Float[np.ndarray, " rank"]
    """of z as it is, largest first: min(samples, dim) of them, float64"""
    centred_singular_values: Float[np.ndarray, " rank"]
    """of z minus its mean row, as many"""
    precision: float
    """relative rounding error of the numbers of z"""

    @property
    def eigenvalues(self) -> Float[np.ndarray, " rank"]:
        """Of the covariance (divided by samples - 1), largest first, without the zeros beyond min(samples, dim)."""
        return np.asarray(self.centred_singular_values**2 / (self.samples - 1))

    @property
    def variance_shares(self) -> Float[np.ndarray, " rank"]:
        """The eigenvalues divided by their sum; all zero where every row is the same."""
        top = self.centred_singular_values[0]
        if top == 0:
            return np.zeros_like(self.centred_singular_values)
        # divided before the squares are taken, which might overflow
        squares = (self.centred_singular_values / top) ** 2
        return np.asarray(squares / squares.sum())

    @property
    def rank(self) -> int:
        """Directions of the centred embeddings that stand above the rounding of their numbers."""
        return int((self.centred_singular_values > self.rounding).sum())

    @property
    def rounding(self) -> float:
        """Singular values up to here may be rounding errors: of the numbers of z, or of the decomposition."""
        least = np.finfo(np.float64).eps * min(self.samples, self.dim)
        return float(max(self.precision, least) * self.singular_values[0])


def decompose(z: Features) -> Spectrum:
    """Singular values of z and of z minus its mean row, from one decomposition, exactly.

    Blocks of rows of the centred z are folded one after the other into a triangular factor (QR), which has
    the singular values of everything folded so far; the mean row, weighted by sqrt(samples), makes it the
    factor of z itself. No squares are taken, so small singular values keep their digits.

    Shapes: (samples, dim), any length: memory is a block of at least 4 dim rows in float64. Fewer samples than
    dimensions: the same of the transpose.
    Refused: fewer than 2 samples, NaN, infinity.
    """
    tensor = features(z, "z", least_rows=2)
    samples, dim = tensor.shape
    scale = largest(tensor) or 1.0
    mean = mean_row(tensor)
    if samples >= dim:
        centred = triangle((exact(rows) - mean) / scale for _, rows in blocks(tensor, least=4 * dim))
        whole = torch.cat([centred, samples**0.5 * mean[None] / scale])
    else:
        # a row is a dimension; its mean goes into a column of its own, which centring leaves out
        factor = triangle(
            torch.cat([exact(rows) - centre, centre], 1) / scale
            for start, rows in blocks(tensor.T, least=4 * samples)
            for centre in [mean[start : start + len(rows), None]]
        )
        centred = factor[:, :-1]
        whole = centred + factor[:, -1:]
    rank = min(samples, dim)
    return Spectrum(
        samples,
        dim,
        (torch.linalg.svdvals(whole)[:rank] * scale).cpu().numpy(),
        (torch.linalg.svdvals(centred)[:rank] * scale).cpu().numpy(),
        torch.finfo(tensor.dtype if tensor.is_floating_point() else torch.float64).eps,
    )


def singular_values(z: Tensor) -> Float[Tensor, " rank"]:
    """Singular values of (samples, dim) up to a common factor, largest first, float64; as in `decompose`."""
    tall = z if z.shape[0] >= z.shape[1] else z.T
    scale = largest(tall)
    if scale == 0:
        return torch.zeros(min(z.shape), dtype=torch.float64)
    factor = triangle(exact(rows) / scale for _, rows in blocks(tall, least=4 * tall.shape[1]))
    sigma: Tensor = torch.linalg.svdvals(factor)
    return sigma.cpu()


def triangle(parts: Iterable[Float[Tensor, "rows width"]]) -> Float[Tensor, "least width"]:
    """A small matrix R with RᵀR = Σ partᵀ part: the only part itself, else the triangular factor of all."""
    factor: Tensor | None = None
    folded = False
    for part in parts:
        if factor is None:
            factor = part
            continue
        if not folded:
            factor, folded = torch.linalg.qr(factor, mode="r").R, True
        factor = torch.linalg.qr(torch.cat([factor, part]), mode="r").R
    assert factor is not None
    return factor
