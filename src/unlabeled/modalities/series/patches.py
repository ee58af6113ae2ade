"""Series as rows of patches along time: what tokens are."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from unlabeled.modalities.series.scale import SeriesBatch, there


class Patches(NamedTuple):
    """Patches of `patch` steps of all channels; the numbers of one by channel, then step."""

    numbers: Float[Tensor, "n tokens values"]
    """0 where nothing is"""
    missing: Bool[Tensor, "n tokens values"]
    """True where nothing is"""
    present: Bool[Tensor, "n tokens"]
    """at least half of the steps are there in some channel; where no patch has so many, the fullest one"""


def cut(z: SeriesBatch, patch: int) -> Patches:
    """⌈steps / patch⌉ patches of standardised series; the last one is filled up with missing values."""
    n, channels, steps = z.shape
    z = F.pad(z, (0, -steps % patch), value=torch.nan)
    counts = there(z).view(n, -1, patch).sum(dim=2)
    present = 2 * counts >= patch
    fullest = torch.arange(counts.shape[1], device=z.device) == counts.argmax(dim=1, keepdim=True)
    present = present | (fullest & ~present.any(dim=1, keepdim=True))
    cells = z.view(n, channels, -1, patch).transpose(1, 2).flatten(2)
    return Patches(cells.nan_to_num(0.0), cells.isnan(), present)


def positions(tokens: int, device: torch.device | str) -> Float[Tensor, "tokens 1"]:
    """Places of patches in time: 0, 1, 2, …"""
    return torch.arange(tokens, device=device, dtype=torch.float32)[:, None]
