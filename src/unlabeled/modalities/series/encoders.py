"""The encoders of series: a dilated convolutional net, a patch transformer, a user's own module.

Every one takes (batch, channels, steps) floating point, NaN where nothing is, of any number of steps, and
standardises inside. Padding after a series' own end changes nothing. `build` opens them by name.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from unlabeled.errors import OptionError
from unlabeled.modalities.series.patches import cut, positions
from unlabeled.modalities.series.scale import SeriesBatch, Standardise, lengths, there
from unlabeled.parts.encoder import (
    Encoded,
    Encoder,
    FeatureEncoder,
    Makers,
    at_least_float32,
    check_at_least,
    make,
)
from unlabeled.parts.transformer import initialise, sincos
from unlabeled.parts.trunk import TokenEncoder, mean

STEPS = 64
"""steps to which the stem of the convolutional net brings a series, about"""


def build(name: str, *, standardise: Standardise, length: int, patch: int, **options: Any) -> Encoder:
    """The encoder called `name` for series of `length` steps. `build(**encoder.spec, …)` builds it again.

    Refused: an unknown name or option (with the nearest known), 'custom'.
    """
    makers: Makers = {
        "dilated": (DilatedNet, {"length": length}),
        "transformer": (PatchTransformer, {"patch": patch}),
    }
    return make(name, makers, standardise, **options)


class DilatedNet(FeatureEncoder):
    """Residual blocks of convolutions that look twice as far with every block (Yue et al. 2022, arXiv 2106.10466).

    A stem that brings long series to about STEPS steps (`stride`: how many become one), then `depth` blocks of
    `width` channels, each two convolutions of three taps after GELU. Features are `dim` numbers: the mean and
    the largest value over the steps that are there. A missing value goes in as 0 with a mark beside it; steps
    after a series' own end are zero in every layer, as they are beyond the edge. `tokens` are the last steps:
    they can be looked at, but not left out.
    """

    def __init__(
        self,
        standardise: Standardise,
        *,
        length: int,
        width: int = 64,
        depth: int = 6,
        dim: int = 256,
        stride: int | None = None,
    ) -> None:
        super().__init__()
        stride = max(1, round(length / STEPS)) if stride is None else stride
        for option, value in {"width": width, "depth": depth, "dim": dim, "stride": stride}.items():
            check_at_least("dilated", option, value, 2 if option == "dim" else 1)
        if dim % 2:
            raise OptionError(f"dilated: dim must be even (half means, half largest values), not {dim}")
        self.spec = {"name": "dilated", "width": width, "depth": depth, "dim": dim, "stride": stride}
        self.dim, self.stride = dim, stride
        self.standardise = standardise
        self.stem = nn.Conv1d(2 * standardise.channels, width, 2 * stride + 1, stride, padding=stride)
        self.blocks = nn.ModuleList(DilatedBlock(width, 2**i) for i in range(depth))
        self.last = nn.Conv1d(width, dim // 2, 1)

    def compute(self, x: Any) -> Encoded:
        z = self.standardise(x)
        z = F.pad(z, (0, -z.shape[2] % self.stride), value=torch.nan)
        within = torch.arange(z.shape[2], device=z.device) < lengths(z)[:, None]
        marks = (z.isnan() & within[:, None]).to(z.dtype)
        seen = there(z).view(len(z), -1, self.stride).any(dim=2)
        ended = ~within[:, None, :: self.stride]
        steps = self.stem(torch.cat([z.nan_to_num(0.0), marks], dim=1)).masked_fill(ended, 0.0)
        layers = []
        for block in self.blocks:
            steps = block(steps, ended)
            layers.append(steps.transpose(1, 2))
        tokens = at_least_float32(self.last(F.gelu(steps)).transpose(1, 2))
        largest = tokens.masked_fill(~seen[:, :, None], -math.inf).amax(dim=1)
        largest = largest.masked_fill(~seen.any(dim=1, keepdim=True), 0.0)
        return Encoded(torch.cat([mean(tokens, seen), largest], dim=1), tokens, tuple(layers))


class DilatedBlock(nn.Module):
    """GELU, convolution, GELU, convolution, and a way around them; steps that `ended` stay zero."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.first, self.second = (
            nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation) for _ in range(2)
        )

    def forward(
        self, steps: Float[Tensor, "batch width steps"], ended: Bool[Tensor, "batch 1 steps"]
    ) -> Float[Tensor, "batch width steps"]:
        inner = self.first(F.gelu(steps)).masked_fill(ended, 0.0)
        return steps + self.second(F.gelu(inner)).masked_fill(ended, 0.0)


class PatchTransformer(TokenEncoder):
    """A transformer over patches of all channels that computes only those it is asked for.

    A patch becomes a token through a linear layer, a mark beside every value saying whether it is missing; its
    place in time is a fixed sine-cosine embedding. (Patches as tokens: Nie et al. 2022, arXiv 2211.14730, who
    take each channel on its own.)
    """

    def __init__(
        self,
        standardise: Standardise,
        *,
        patch: int,
        width: int = 96,
        depth: int = 3,
        heads: int = 4,
        pool: str = "mean",
        dropout: float = 0.0,
    ) -> None:
        super().__init__("transformer", width, depth, heads, pool=pool, dropout=dropout)
        self.standardise, self.patch = standardise, patch
        self.patch_embed = nn.Linear(2 * standardise.channels * patch, width)
        self.apply(initialise)

    def embed(self, x: SeriesBatch) -> tuple[Tensor, Tensor, Tensor | None]:
        found = cut(self.standardise(x), self.patch)
        tokens = self.patch_embed(torch.cat([found.numbers, found.missing.to(found.numbers.dtype)], dim=2))
        return tokens, sincos(positions(tokens.shape[1], tokens.device), self.dim), found.present
