"""Which tokens of a view are hidden. A mask is an object called with the step's random numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from unlabeled.data.draws import Draws
from unlabeled.errors import OptionError


class Mask(Protocol):
    """Chooses the hidden tokens of every row. True is hidden."""

    def __call__(
        self, draws: Draws, positions: Float[Tensor, "tokens axes"]
    ) -> Bool[Tensor, "rows tokens"]: ...


@dataclass(frozen=True)
class RandomMask:
    """Hides tokens uniformly at random: ⌊N (1 − ratio)⌋ of N stay (He et al. 2021, arXiv 2111.06377).

    The ratio must leave at least one token shown and one hidden.
    """

    ratio: float = 0.75

    def __post_init__(self) -> None:
        if not 0 < self.ratio < 1:
            raise OptionError(
                f"mask ratio must be strictly between 0 and 1, not {self.ratio}: 0 hides nothing to learn"
            )

    def __call__(self, draws: Draws, positions: Float[Tensor, "tokens axes"]) -> Bool[Tensor, "rows tokens"]:
        tokens = positions.shape[0]
        kept = math.floor(round(tokens * (1 - self.ratio), 9))  # 100 · (1 − 0.9) is 9.99… in floating point
        if kept < 1 or kept == tokens:
            raise OptionError(
                f"mask ratio {self.ratio} leaves {kept} of {tokens} tokens shown: choose another ratio or more tokens"
            )
        order = draws.order(tokens)
        hidden = torch.ones_like(order, dtype=torch.bool)
        return hidden.scatter_(1, order[:, :kept], False)


def shown(mask: Bool[Tensor, "rows tokens"]) -> Int[Tensor, "rows kept"] | None:
    """Positions of the tokens that stay, ascending; None where rows keep unequal numbers of them."""
    counts = (~mask).sum(dim=1)
    if counts.numel() == 0 or bool((counts != counts[0]).any()):
        return None
    return (~mask).nonzero()[:, 1].reshape(mask.shape[0], int(counts[0]))
