"""Second moments of a batch of embeddings."""

import torch
from jaxtyping import Float
from torch import Tensor


def standardised(z: Float[Tensor, "batch dim"], *, epsilon: float = 1e-5) -> Float[Tensor, "batch dim"]:
    """Each dimension to mean 0 and *biased* variance 1 over the batch, as batch norm without affine does."""
    centred = z - z.mean(0)
    return centred / (centred.square().mean(0) + epsilon).sqrt()


def covariance(z: Float[Tensor, "batch dim"]) -> Float[Tensor, "dim dim"]:
    """Unbiased covariance of the dimensions over the batch."""
    centred = z - z.mean(0)
    return centred.T @ centred / (len(z) - 1)


def off_diagonal(matrix: Float[Tensor, "dim dim"]) -> Float[Tensor, "dim dim"]:
    """The matrix with zeros on its diagonal."""
    return matrix.masked_fill(diagonal(matrix), 0.0)


def diagonal(matrix: Float[Tensor, "dim dim"]) -> Tensor:
    """A boolean matrix of that size, True on the diagonal."""
    return torch.eye(len(matrix), dtype=torch.bool, device=matrix.device)
