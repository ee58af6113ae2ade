"""The changes of a series, each for a whole batch with numbers of its own for every row.

Changes of time say from which place of the series each step of the view is read; places (n, steps) are in
steps of the series, NaN after the view's own end, and one reading carries all of them out. Changes of value
take and give (n, channels, steps) of standardised values; NaN is a missing value or padding and stays so.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from unlabeled.modalities.series.scale import SeriesBatch, bridge

Places = Float[Tensor, "n steps"]
Rows = Float[Tensor, " n"]


# time


def whole(length: Int[Tensor, " n"], steps: int) -> Places:
    """Places of nothing changed: 0, 1, 2, … up to each row's own length."""
    place = torch.arange(steps, device=length.device, dtype=torch.float32)
    return torch.where(place < length[:, None], place, torch.nan)


def crop(places: Places, length: Int[Tensor, " n"], start: Rows, width: Rows) -> Places:
    """Places of views of `length` steps that show `width` steps of the series from `start` on.

    The view's first step is `start`, its last `start + width − 1`.
    """
    stride = (width - 1) / (length - 1).clamp(min=1)
    return start[:, None] + places * stride[:, None]


def warp(places: Places, length: Int[Tensor, " n"], bends: Float[Tensor, "n bends"]) -> Places:
    """Faster here, slower there, both ends where they were: u + Σ_k b_k sin(π k u) / (π k) for u from 0 to 1.

    The speed is 1 + Σ_k b_k cos(π k u), so time never runs back while Σ |b_k| < 1. (A smooth form of the
    time warping of Um et al. 2017, arXiv 1706.00527.)
    """
    last = (length[:, None] - 1).clamp(min=1)
    turn = places / last * math.pi
    moved = torch.zeros_like(places)
    for k in range(bends.shape[1]):
        moved = moved + bends[:, k, None] * torch.sin((k + 1) * turn) / ((k + 1) * math.pi)
    return (places + moved * last).clamp(min=0).minimum(last.to(places.dtype))


def permute(
    places: Places, length: Int[Tensor, " n"], cuts: Float[Tensor, "n cuts"], order: Int[Tensor, "n pieces"]
) -> Places:
    """The series cut into pieces that change places (Um et al. 2017; the strong view of Eldele et al. 2021).

    `cuts`: shares of the series, from 0 to 1, one fewer than pieces; cuts at 1 leave pieces of no steps.
    `order`: which piece comes first, second, …; its pieces must be a permutation. Whole places only.
    """
    ends = (cuts.sort(dim=1).values * length[:, None]).round()
    edges = torch.cat([torch.zeros_like(ends[:, :1]), ends, length[:, None].to(ends.dtype)], dim=1)
    starts, sizes = edges[:, :-1].gather(1, order), edges.diff(dim=1).gather(1, order)
    reached = sizes.cumsum(dim=1)
    piece = torch.searchsorted(reached, places.nan_to_num(0.0).contiguous(), right=True)
    piece = piece.clamp(max=order.shape[1] - 1)
    return places - (reached - sizes).gather(1, piece) + starts.gather(1, piece)


def read_at(x: SeriesBatch, places: Places) -> SeriesBatch:
    """The series at places, linearly between steps; between a value and a missing one the nearer counts."""
    channels, steps = x.shape[1:]
    known = ~places.isnan()
    places = places.nan_to_num(0.0).clamp(0, steps - 1)
    low = places.floor()
    share = (places - low)[:, None]
    at = low.long()[:, None].expand(-1, channels, -1)
    a, b = x.gather(2, at), x.gather(2, (at + 1).clamp(max=steps - 1))
    a, b = (
        torch.where(a.isnan() & (share >= 0.5), b, a),
        torch.where(b.isnan() & (share < 0.5), a, b),
    )
    return torch.where(known[:, None], a.lerp(b, share), torch.nan)


# values


def jitter(x: SeriesBatch, amount: Rows | float, generator: torch.Generator) -> SeriesBatch:
    """Gaussian noise on every value, `amount` its deviation."""
    noise = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
    return x + noise * (amount[:, None, None] if isinstance(amount, Tensor) else amount)


def scale(x: SeriesBatch, factor: Float[Tensor, "n channels"]) -> SeriesBatch:
    """Every channel louder or quieter."""
    return x * factor[:, :, None]


def time_mask(x: SeriesBatch, length: Int[Tensor, " n"], start: Rows, width: Rows) -> SeriesBatch:
    """Steps missing in all channels: ⌊width · length⌋ of them from a share `start` of what room there is.

    The last step is never among them: the row keeps its length. A row that would keep no value is left alone.
    """
    count = (width * length).floor()
    first = (start * (length - count)).floor()
    step = torch.arange(x.shape[2], device=x.device)
    hidden = (step >= first[:, None]) & (step < (first + count)[:, None]) & (step < length[:, None] - 1)
    return unless_empty(x.masked_fill(hidden[:, None], torch.nan), x)


def frequency_mask(x: SeriesBatch, dropped: Bool[Tensor, "n frequencies"]) -> SeriesBatch:
    """Frequencies left out of a row, in all channels; the mean stays. Frequency k is k turns a batch's length.

    Gaps are bridged for the transform and are gaps again after it.
    """
    keep = ~dropped
    keep[:, 0] = True
    spectrum = torch.fft.rfft(bridge(x)) * keep[:, None]
    return torch.where(x.isnan(), torch.nan, torch.fft.irfft(spectrum, n=x.shape[2]))


def channel_dropout(x: SeriesBatch, dropped: Bool[Tensor, "n channels"]) -> SeriesBatch:
    """Channels missing altogether. A row that would keep no value is left alone."""
    return unless_empty(x.masked_fill(dropped[:, :, None], torch.nan), x)


def unless_empty(changed: SeriesBatch, x: SeriesBatch) -> SeriesBatch:
    """`changed`, but a row without any value as it was."""
    return torch.where(changed.isnan().all(dim=(1, 2), keepdim=True), x, changed)
