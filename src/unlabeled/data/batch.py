"""What travels through a training step: a batch of samples, and the views made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Samples as the modality collates them. Holds no views and no losses."""

    x: Any
    """inputs: a tensor (batch, …), or what the modality's encoders take"""
    index: Int[Tensor, " batch"]
    """position of each sample in its set, 0 … samples − 1"""
    y: Int[Tensor, " batch"]
    """class of each sample, −1 where it is unknown"""

    def to(self, device: Any) -> Batch:
        """The same batch on another device."""
        return Batch(self.x.to(device, non_blocking=True), self.index.to(device), self.y.to(device))


@dataclass(frozen=True)
class View:
    """What one branch sees of a batch."""

    x: Any
    """the changed inputs, in the form the encoder takes"""
    rows: Int[Tensor, " rows"]
    """which rows of the batch it holds"""
    keep: Int[Tensor, "rows kept"] | None = None
    """positions of the tokens it shows; None shows all"""
    mask: Bool[Tensor, "rows tokens"] | None = None
    """True where a token is hidden; None hides none"""
    target: Any = None
    """its own raw tokens (rows, tokens, token_dim), made where the branch has a mask"""
    where: Float[Tensor, "rows tokens axes"] | None = None
    """centre of each token in the original sample, each axis from 0 to 1"""
    params: Mapping[str, Tensor] = field(default_factory=dict)
    """what was applied, one value a row: crop box, flip, …"""
