"""The transformer: pre-norm blocks, and fixed position embeddings on grids of any number of axes."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from unlabeled.errors import OptionError


class Block(nn.Module):
    """Self-attention, then a two-layer network with GELU, each on layer-normalised tokens and added back.

    Tokens (batch, tokens, width) to the same shape. `present` is False where a token is padding or a
    missing cell: no token attends to it, so what it holds reaches no other token (its own output means
    nothing). `dropout`: of what attention and the network add. Refused: a width that the number of heads
    does not divide.
    """

    def __init__(self, width: int, heads: int, *, expansion: int = 4, dropout: float = 0.0) -> None:
        super().__init__()
        if width < 1 or heads < 1 or width % heads:
            raise OptionError(f"heads={heads} does not divide width={width}: take one of {_divisors(width)}")
        self.heads = heads
        self.norm_attention = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.merge = nn.Linear(width, width)
        self.norm_network = nn.LayerNorm(width)
        self.network = nn.Sequential(
            nn.Linear(width, expansion * width), nn.GELU(), nn.Linear(expansion * width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, tokens: Float[Tensor, "batch tokens width"], present: Bool[Tensor, "batch tokens"] | None = None
    ) -> Float[Tensor, "batch tokens width"]:
        tokens = tokens + self.dropout(self.merge(self._attend(self.norm_attention(tokens), present)))
        return cast(Tensor, tokens + self.dropout(self.network(self.norm_network(tokens))))

    def _attend(
        self, tokens: Float[Tensor, "batch tokens width"], present: Bool[Tensor, "batch tokens"] | None
    ) -> Float[Tensor, "batch tokens width"]:
        batch, count, width = tokens.shape
        heads = self.queries_keys_values(tokens).reshape(batch, count, 3, self.heads, width // self.heads)
        queries, keys, values = heads.permute(2, 0, 3, 1, 4).unbind(0)
        seen = None if present is None else present[:, None, None, :]
        mixed = _attention(queries, keys, values, seen)
        return mixed.transpose(1, 2).reshape(batch, count, width)


def _attention(queries: Tensor, keys: Tensor, values: Tensor, seen: Tensor | None) -> Tensor:
    if queries.device.type != "cpu" or queries.element_size() >= 4:
        return F.scaled_dot_product_attention(queries, keys, values, attn_mask=seen)
    # On processors torch's kernel for half types is several times slower backwards than the one for float32
    # (65 tokens, 3 heads of 64, batch 128, one core: 125 ms against 34 ms).
    with torch.autocast("cpu", enabled=False):
        mixed = F.scaled_dot_product_attention(queries.float(), keys.float(), values.float(), attn_mask=seen)
    return mixed.to(queries.dtype)


def sincos(positions: Float[Tensor, "*rows tokens axes"], dim: int) -> Float[Tensor, "*rows tokens dim"]:
    """Fixed sine and cosine embedding of positions on a grid of any number of axes.

    Every axis gets dim / axes channels: with h = dim / (2 axes) and rates ω_i = 10000^(−i/h), i = 0 … h − 1,
    they are sin(p ω_i), then cos(p ω_i). In two dimensions these are the values of the masked autoencoder's
    embedding (He et al. 2021, arXiv 2111.06377) with the axes in the order of `positions`.

    `positions` are in units of one token, need not be whole and may be negative. The result is float32
    (float64 for float64 positions). Refused: a dim that 2 · axes does not divide.
    """
    axes = positions.shape[-1]
    if axes < 1 or dim < 2 * axes or dim % (2 * axes):
        step = 2 * max(axes, 1)
        lower, upper = max(dim // step, 1) * step, (max(dim, 0) // step + 1) * step
        raise OptionError(
            f"a sine-cosine embedding of {axes} axes needs a width divisible by {step}, not {dim}: "
            f"take {' or '.join(str(width) for width in sorted({lower, upper}))}"
        )
    half = dim // (2 * axes)
    kind = torch.promote_types(positions.dtype, torch.float32)
    rates = 10000.0 ** (-torch.arange(half, device=positions.device, dtype=kind) / half)
    angles = positions[..., None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1).flatten(-2)


def attended(present: Bool[Tensor, "batch tokens"]) -> Bool[Tensor, "batch tokens"]:
    """`present`, but a row without any token attends to all of it: over nothing attention has no value."""
    return present | ~present.any(dim=1, keepdim=True)


def initialise(module: nn.Module) -> None:
    """The start of the masked autoencoder: Xavier-uniform weights, no bias, norms at one and zero.

    For `module.apply(initialise)`; touches linear layers and layer norms only.
    """
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.LayerNorm):
        nn.init.ones_(module.weight)
        nn.init.zeros_(module.bias)


def _divisors(width: int) -> str:
    return ", ".join(str(n) for n in range(1, min(max(width, 1), 32) + 1) if width % n == 0)
