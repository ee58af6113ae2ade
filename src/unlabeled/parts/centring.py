"""A running centre of a teacher's outputs."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unlabeled.parts.gather import gather


class Centre(nn.Module):
    """c ← m · c + (1 − m) · mean of the teacher's outputs over views, batch and processes.

    (Caron et al. 2021, 2104.14294.) A loss uses the centre from before the update.
    """

    value: Tensor

    def __init__(self, dim: int, *, momentum: float = 0.9) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("value", torch.zeros(dim))

    @torch.no_grad()
    def update(self, outputs: Float[Tensor, "rows dim"]) -> None:
        mean = gather(outputs.float()).mean(dim=0)
        self.value.mul_(self.momentum).add_(mean, alpha=1 - self.momentum)
