"""Directions of embeddings, and how they compare."""

import torch
from jaxtyping import Float
from torch import Tensor

SHORTEST = 1e-12


def unit(z: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
    """Rows scaled to length 1. A row no longer than 1e-12 has no direction: it becomes 0, with gradient 0.

    (Dividing it by 1e-12, as is usual, hands back a gradient of 1e12, which float16 cannot hold.)
    """
    length = torch.linalg.vector_norm(z, dim=-1, keepdim=True)
    return torch.where(length > SHORTEST, z / length.clamp_min(SHORTEST), 0.0)


def cosine(a: Float[Tensor, "*batch dim"], b: Float[Tensor, "*batch dim"]) -> Float[Tensor, " *batch"]:
    """Cosine of each row of `a` with the same row of `b`; 0 where either row is zero."""
    return (unit(a) * unit(b)).sum(-1)
