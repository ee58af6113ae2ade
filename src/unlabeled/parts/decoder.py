"""The decoder of masked autoencoders: from the tokens that were shown to a prediction for every token."""

from __future__ import annotations

from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unlabeled.errors import OptionError
from unlabeled.parts.transformer import Block, initialise, sincos


class TokenDecoder(nn.Module):
    """Shown tokens and their places → a prediction for every token (He et al. 2021, arXiv 2111.06377).

    The encoded tokens become `width` wide, one shared learned token stands at every hidden place in the
    original order, fixed sine-cosine positions tell the places apart, and `depth` blocks and a linear layer
    predict the `token_dim` raw numbers of each token.

    `dim`: width of the encoder's tokens; `positions`: (tokens, axes), where each token sits, in units of one
    token. Refused: a width that `heads` or 2 · axes does not divide.
    """

    def __init__(
        self,
        dim: int,
        width: int,
        depth: int,
        heads: int,
        positions: Float[Tensor, "tokens axes"],
        token_dim: int,
    ) -> None:
        super().__init__()
        for option, value in {"width": width, "depth": depth, "token_dim": token_dim}.items():
            if value < 1:
                raise OptionError(f"a decoder needs {option} of at least 1, not {value}")
        self.embed = nn.Linear(dim, width)
        self.mask_token = nn.Parameter(torch.zeros(width))
        # made from the data's grid every time, so it is not part of what is saved
        self.register_buffer("position", sincos(positions.float(), width), persistent=False)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.predict = nn.Linear(width, token_dim)
        self.apply(initialise)
        nn.init.normal_(self.mask_token, std=0.02)

    def forward(
        self, tokens: Float[Tensor, "batch kept dim"], keep: Int[Tensor, "batch kept"]
    ) -> Float[Tensor, "batch tokens token_dim"]:
        """`keep` says at which position each of `tokens` belongs; their order is free."""
        position = cast(Tensor, self.position)
        if tokens.shape[:2] != keep.shape:
            raise OptionError(f"tokens {tuple(tokens.shape)} and keep {tuple(keep.shape)} do not match")
        shown = self.embed(tokens)
        everywhere = self.mask_token.to(shown.dtype).expand(keep.shape[0], *position.shape)
        x = everywhere.scatter(1, keep[:, :, None].expand_as(shown), shown) + position
        for block in self.blocks:
            x = block(x)
        return cast(Tensor, self.predict(self.norm(x)))
