"""Directions of embeddings, and how they compare."""

import torch
from jaxtyping import Float
from torch import Tensor


def unit(z: Float[Tensor, "*batch dim"], *, shortest: float = 1e-12) -> Float[Tensor, "*batch dim"]:
    """Rows scaled to length 1. One no longer than `shortest` has no direction: it becomes 0, gradient 0.

    (Dividing it by `shortest`, as is usual, hands back a gradient of 1e12, which float16 cannot hold.)
    """
    length = torch.linalg.vector_norm(z, dim=-1, keepdim=True)
    # written so that a row with NaN stays NaN: a broken encoder must not look like a finite loss
    return torch.where(length <= shortest, 0.0, z / length.clamp_min(shortest))


def cosine(a: Float[Tensor, "*batch dim"], b: Float[Tensor, "*batch dim"]) -> Float[Tensor, " *batch"]:
    """Cosine of each row of `a` with the same row of `b`; 0 where either row is zero."""
    return (unit(a) * unit(b)).sum(-1)
