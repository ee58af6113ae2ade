"""Values around zero, steps that are there, and what to put where nothing is."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from unlabeled.errors import OptionError

SCALINGS = ("channel", "sample", "none")
FLOOR = 1e-3
"""smallest deviation of a sample's channel, as a share of the set's: below, it is constant and stays near zero"""

SeriesBatch = Float[Tensor, "n channels steps"]


def there(x: SeriesBatch) -> Bool[Tensor, "n steps"]:
    """Whether any channel has a value at a step."""
    return ~x.isnan().all(dim=1)


def lengths(x: SeriesBatch) -> Int[Tensor, " n"]:
    """Own steps of each row: up to the last at which any channel has a value, at least one."""
    places = torch.arange(1, x.shape[2] + 1, device=x.device)
    return (there(x) * places).amax(dim=1).clamp(min=1)


def centre_and_unit(x: SeriesBatch, mean: Tensor, std: Tensor, scaling: str) -> tuple[Tensor, Tensor]:
    """What is taken off and divided by: (1 or n, channels, 1) each.

    channel: mean and deviation of the set; sample: those of each row's own values, a deviation of at least
    FLOOR of the set's; none: 0 and 1.
    """
    mean, std = mean.to(x.device).view(1, -1, 1), std.to(x.device).view(1, -1, 1)
    if scaling == "none":
        return torch.zeros_like(mean), torch.ones_like(std)
    if scaling == "channel":
        return mean, std
    known = ~x.isnan()
    count = known.sum(dim=2, keepdim=True).clamp(min=1)
    centre = x.nan_to_num(0.0).sum(dim=2, keepdim=True) / count
    # a channel without a value is not there: any centre does
    away = torch.where(known, x - centre, 0.0)
    unit = (away.square().sum(dim=2, keepdim=True) / count).sqrt()
    return centre, unit.maximum(FLOOR * std)


class Standardise(nn.Module):
    """Series as collated to numbers around zero; NaN stays NaN."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float], scaling: str) -> None:
        super().__init__()
        self.channels, self.scaling = len(mean), scaling
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32))

    def forward(self, x: SeriesBatch) -> SeriesBatch:
        if x.ndim != 3 or x.shape[1] != self.channels or not x.is_floating_point():
            raise OptionError(
                f"series come as floating point (batch, {self.channels}, steps), not {x.dtype} {tuple(x.shape)}"
            )
        centre, unit = centre_and_unit(x, self.mean, self.std, self.scaling)
        return (x - centre) / unit

    def around(self, x: SeriesBatch) -> tuple[Tensor, Tensor]:
        """What views are made around, and in units of: as above, but without scaling 0 and the set's deviation."""
        if self.scaling == "none":
            return torch.zeros_like(self.mean).view(1, -1, 1), self.std.view(1, -1, 1)
        return centre_and_unit(x, self.mean, self.std, self.scaling)


class Filled(nn.Module):
    """Series standardised, 0 where nothing is: for modules that know nothing of missing values."""

    def __init__(self, standardise: Standardise) -> None:
        super().__init__()
        self.standardise = standardise

    def forward(self, x: SeriesBatch) -> SeriesBatch:
        return self.standardise(x).nan_to_num(0.0)


def bridge(x: SeriesBatch) -> SeriesBatch:
    """Gaps filled linearly from the values on both sides, ends with the nearest value, empty channels with 0."""
    known = ~x.isnan()
    steps = torch.arange(x.shape[2], device=x.device)
    before = torch.where(known, steps, -1).cummax(dim=2).values
    after = torch.where(known, steps, x.shape[2]).flip(2).cummin(dim=2).values.flip(2)
    before, after = (
        torch.where(before < 0, after, before).clamp(max=x.shape[2] - 1),
        torch.where(after == x.shape[2], before, after).clamp(min=0),
    )
    share = (steps - before) / (after - before).clamp(min=1)
    values = x.nan_to_num(0.0)
    return values.gather(2, before).lerp(values.gather(2, after), share)
