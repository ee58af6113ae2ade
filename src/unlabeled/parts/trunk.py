"""What every transformer encoder shares: tokens in, some hidden or left out, features and tokens out."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from unlabeled.errors import OptionError
from unlabeled.parts.encoder import Encoded, Encoder, at_least_float32, check_at_least
from unlabeled.parts.transformer import Block, attended


class TokenEncoder(Encoder):
    """A transformer over tokens that computes only those it is asked for. A subclass says what its tokens are.

    A class token goes along. `pool`: features are the mean of the tokens that are present ("mean") or the
    class token ("cls"), after the last norm. `layers` are the tokens after every block, without the class
    token. `spec` holds these options; a subclass that has more adds them.
    """

    leaves_out = True

    def __init__(
        self, name: str, width: int, depth: int, heads: int, *, pool: str = "mean", dropout: float = 0.0
    ) -> None:
        super().__init__()
        for option, value in {"width": width, "depth": depth, "heads": heads}.items():
            check_at_least(name, option, value, 1)
        if pool not in ("mean", "cls"):
            raise OptionError(f"{name}: pool must be 'mean' or 'cls', not {pool!r}")
        if not 0 <= dropout < 1:
            raise OptionError(f"{name}: dropout must be in [0, 1), not {dropout}")
        self.spec = {
            "name": name,
            "width": width,
            "depth": depth,
            "heads": heads,
            "pool": pool,
            "dropout": dropout,
        }
        self.dim, self.pool = width, pool
        self.cls_token = nn.Parameter(torch.zeros(width))
        self.blocks = nn.ModuleList(Block(width, heads, dropout=dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        nn.init.normal_(self.cls_token, std=0.02)

    @abstractmethod
    def embed(
        self, x: Any
    ) -> tuple[Float[Tensor, "batch tokens dim"], Float[Tensor, "*batch tokens dim"], Tensor | None]:
        """Embedded tokens without their positions, the embedded positions, and which are present (None: all)."""

    def encode(
        self,
        x: Any,
        *,
        keep: Int[Tensor, "batch kept"] | None = None,
        mask: Bool[Tensor, "batch tokens"] | None = None,
        mask_token: Float[Tensor, " dim"] | None = None,
        present: Bool[Tensor, "batch tokens"] | None = None,
    ) -> Encoded:
        tokens, position, there = self.embed(x)
        check_tokens(str(self.spec["name"]), tokens, keep=keep, mask=mask, present=present)
        if there is not None:
            present = there if present is None else present & there
        tokens = hide(tokens, mask, mask_token) + position
        if keep is not None:
            # positions first, computation after: what is left out costs nothing from here on
            tokens = tokens.gather(1, keep[:, :, None].expand(-1, -1, tokens.shape[2]))
            present = None if present is None else present.gather(1, keep)
        tokens = torch.cat([self.cls_token.to(tokens.dtype).expand(len(tokens), 1, -1), tokens], dim=1)
        everywhere = None if present is None else attended(F.pad(present, (1, 0), value=True))
        layers = []
        for block in self.blocks:
            tokens = block(tokens, everywhere)
            layers.append(tokens[:, 1:])
        tokens = self.norm(tokens)
        features = tokens[:, 0] if self.pool == "cls" else mean(tokens[:, 1:], present)
        return Encoded(at_least_float32(features), tokens[:, 1:], tuple(layers))


def hide(tokens: Tensor, mask: Tensor | None, mask_token: Tensor | None) -> Float[Tensor, "batch tokens dim"]:
    """Hidden tokens become `mask_token`."""
    if mask is None:
        return tokens
    if mask_token is None:
        raise OptionError("mask= hides tokens behind mask_token=, which was not given")
    return torch.where(mask[:, :, None], mask_token.to(tokens.dtype), tokens)


def mean(tokens: Tensor, present: Tensor | None) -> Float[Tensor, "batch dim"]:
    """Mean over the tokens that are present; zero where none is, rather than not a number."""
    tokens = at_least_float32(tokens)
    if present is None:
        return tokens.mean(1)
    return tokens.masked_fill(~present[:, :, None], 0).sum(1) / present.sum(1, keepdim=True).clamp(min=1)


def check_tokens(name: str, tokens: Tensor, **given: Tensor | None) -> None:
    """Refuses `keep`, `mask` and `present` of another shape than (batch, tokens)."""
    batch, count = tokens.shape[:2]
    for what, value in given.items():
        if value is None:
            continue
        least = 1 if what == "keep" else count
        if value.ndim != 2 or len(value) != batch or not least <= value.shape[1] <= count:
            wanted = f"({batch}, {count})" if least == count else f"({batch}, 1 to {count})"
            raise OptionError(f"{name}: {what} is {tuple(value.shape)} and must be {wanted} for this input")
