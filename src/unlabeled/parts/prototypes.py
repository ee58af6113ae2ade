"""Prototype vectors that embeddings are scored against."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from unlabeled.errors import OptionError
from unlabeled.parts.heads import mlp


class Assigning(nn.Module):
    """What scores rows against prototypes. It remembers which prototype scored highest for each row, the last
    time that scores were learned from: a teacher's, a queue's or a held-out batch's do not count."""

    count: int
    chosen: Int[Tensor, " rows"] | None = None

    def noted(self, scores: Float[Tensor, "batch count"]) -> Float[Tensor, "batch count"]:
        if scores.requires_grad:
            self.chosen = scores.detach().argmax(dim=1)
        return scores


class Prototypes(Assigning):
    """`count` unit vectors; the score of an embedding is its cosine with each (Caron et al. 2020, 2006.09882).

    `normalise` brings the vectors back to the sphere; call it after every optimiser step.
    """

    def __init__(self, dim: int, count: int) -> None:
        super().__init__()
        if count < 2:
            raise OptionError(f"at least two prototypes are needed, not {count}")
        self.count = count
        self.weight = nn.Parameter(torch.randn(count, dim))
        self.normalise()

    @torch.no_grad()
    def normalise(self) -> None:
        self.weight.copy_(F.normalize(self.weight, dim=1))

    def forward(self, z: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch count"]:
        return self.noted(F.linear(F.normalize(z, dim=1), self.weight))


class PrototypeHead(Assigning):
    """DINO's head: a perceptron to a narrow bottleneck, unit length, then a linear layer whose rows are
    unit vectors (weight norm with its length fixed at 1; Caron et al. 2021, 2104.14294).

    `norm` puts batch norm between the layers, which helps convolutional encoders.
    """

    def __init__(self, dim: int, *, hidden: int, bottleneck: int, count: int, norm: bool) -> None:
        super().__init__()
        if count < 2:
            raise OptionError(f"at least two prototypes are needed, not {count}")
        self.count = count
        self.mlp = mlp(dim, hidden, hidden, bottleneck, activation=nn.GELU, norm=norm)
        self.prototypes = nn.Parameter(torch.empty(count, bottleneck))
        nn.init.trunc_normal_(self.prototypes, std=0.02)

    def forward(self, x: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch count"]:
        return self.noted(F.linear(F.normalize(self.mlp(x), dim=1), F.normalize(self.prototypes, dim=1)))
