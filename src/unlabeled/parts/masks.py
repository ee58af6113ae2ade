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
        self,
        draws: Draws,
        positions: Float[Tensor, "*rows tokens axes"],
        present: Bool[Tensor, "rows tokens"] | None = None,
    ) -> Bool[Tensor, "rows tokens"]: ...


@dataclass(frozen=True)
class RandomMask:
    """Hides tokens uniformly at random: ⌊N (1 − ratio)⌋ of N stay (He et al. 2021, arXiv 2111.06377).

    The ratio must leave at least one token shown and one hidden. Where some tokens are absent (padding,
    missing cells) N is the number of those that are there, row by row; at least one of them stays, so a row
    with a single token hides none.
    """

    ratio: float = 0.75

    def __post_init__(self) -> None:
        if not 0 < self.ratio < 1:
            raise OptionError(
                f"mask ratio must be strictly between 0 and 1, not {self.ratio}: 0 hides nothing to learn"
            )

    def __call__(
        self,
        draws: Draws,
        positions: Float[Tensor, "*rows tokens axes"],
        present: Bool[Tensor, "rows tokens"] | None = None,
    ) -> Bool[Tensor, "rows tokens"]:
        tokens = positions.shape[-2]
        if present is not None:
            # one number a row and place: padding to the longest of a batch, or of a process's share, moves none
            place = torch.arange(tokens, device=present.device).expand(len(present), -1)
            row = torch.arange(len(present), device=present.device)[:, None].expand_as(place)
            return self._among(draws.ragged(row.flatten(), place.flatten()).view(place.shape), present)
        kept = math.floor(round(tokens * (1 - self.ratio), 9))  # 100 · (1 − 0.9) is 9.99… in floating point
        if kept < 1 or kept == tokens:
            raise OptionError(
                f"mask ratio {self.ratio} leaves {kept} of {tokens} tokens shown: choose another ratio or more tokens"
            )
        order = draws.order(tokens)
        hidden = torch.ones_like(order, dtype=torch.bool)
        return hidden.scatter_(1, order[:, :kept], False)

    def _among(
        self, drawn: Float[Tensor, "rows tokens"], present: Bool[Tensor, "rows tokens"]
    ) -> Bool[Tensor, "rows tokens"]:
        rank = drawn.masked_fill(~present, 2.0).argsort(dim=1).argsort(dim=1)
        counts = present.sum(dim=1, keepdim=True)
        kept = (counts * (1 - self.ratio) + 1e-6).floor().clamp(min=1)
        hidden = present & (rank >= kept)
        if not bool(hidden.any()):
            raise OptionError(
                f"mask ratio {self.ratio} hides nothing: no sample of this batch has two tokens (at most "
                f"{int(counts.max())}); use smaller tokens, or a method that hides none"
            )
        return hidden


def shown(
    mask: Bool[Tensor, "rows tokens"], present: Bool[Tensor, "rows tokens"] | None = None
) -> Int[Tensor, "rows kept"] | None:
    """Positions of the tokens that stay, ascending, as many in every row.

    Rows that show fewer than others are filled up, at the end, with positions of their absent tokens. None
    where that gives no rectangle: rows keep unequal numbers and have too few absent tokens.
    """
    if mask.shape[0] == 0:
        return None
    stays = ~mask if present is None else ~mask & present
    counts = stays.sum(dim=1)
    kept = int(counts.max())
    rank = torch.where(stays, 0, torch.where(mask, 2, 1))
    order = rank.argsort(dim=1, stable=True)[:, :kept]
    return None if bool((rank.gather(1, order) == 2).any()) else order
