"""The decoder of masked autoencoders: from the tokens that were shown to a prediction for every token."""

from __future__ import annotations

from typing import cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from unlabeled.errors import OptionError
from unlabeled.parts.transformer import Block, attended, initialise, sincos


class TokenDecoder(nn.Module):
    """Shown tokens and their places → a prediction for every token (He et al. 2021, arXiv 2111.06377).

    The encoded tokens become `width` wide, one shared learned token stands at every hidden place in the
    original order, fixed sine-cosine positions tell the places apart, and `depth` blocks and a linear layer
    predict `outputs` numbers for each token.

    `dim`: width of the encoder's tokens; `axes`: of the positions that `forward` gets. Refused: a width that
    `heads` or 2 · axes does not divide.
    """

    def __init__(self, dim: int, width: int, depth: int, heads: int, axes: int, outputs: int) -> None:
        super().__init__()
        for option, value in {"width": width, "depth": depth, "outputs": outputs}.items():
            if value < 1:
                raise OptionError(f"a decoder needs {option} of at least 1, not {value}")
        self.width, self.axes = width, axes
        sincos(torch.zeros(1, axes), width)  # refuses a width that does not fit, before anything is read
        self.embed = nn.Linear(dim, width)
        self.mask_token = nn.Parameter(torch.zeros(width))
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.predict = nn.Linear(width, outputs)
        self.apply(initialise)
        nn.init.normal_(self.mask_token, std=0.02)

    def forward(
        self,
        tokens: Float[Tensor, "batch kept dim"],
        keep: Int[Tensor, "batch kept"],
        positions: Float[Tensor, "*batch tokens axes"],
        present: Bool[Tensor, "batch tokens"] | None = None,
    ) -> Float[Tensor, "batch tokens outputs"]:
        """`keep` says at which position each of `tokens` belongs; their order is free. `positions`: where each
        token sits, in units of one token. `present`: no token attends to an absent one."""
        if tokens.shape[:2] != keep.shape:
            raise OptionError(f"tokens {tuple(tokens.shape)} and keep {tuple(keep.shape)} do not match")
        shown = self.embed(tokens)
        position = sincos(positions.float(), self.width)
        everywhere = self.mask_token.to(shown.dtype).expand(keep.shape[0], positions.shape[-2], self.width)
        x = everywhere.scatter(1, keep[:, :, None].expand_as(shown), shown) + position
        if present is not None:
            present = attended(present)
        for block in self.blocks:
            x = block(x, present)
        return cast(Tensor, self.predict(self.norm(x)))
