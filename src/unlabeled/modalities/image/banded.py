"""Images times two banded matrices: every new pixel is a weighted sum of a few old ones, across and down.

Crops, shrinking and blur are all of this form, each row of a batch with matrices of its own.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


class Band(NamedTuple):
    """What each new pixel along one axis is made of."""

    taps: Int[Tensor, "n out count"]
    """places of the old pixels"""
    weight: Float[Tensor, "n out count"]
    """how much of each"""


def banded(x: Tensor, across: Band, down: Band) -> Float[Tensor, "n bands rows columns"]:
    """Both axes of (n, bands, height, width) images resampled; rows and columns are those of the bands.

    As sums over a table's rows, which skip the zeros of the matrices: on a processor two to four times
    as fast as dense products or depthwise convolutions. Across goes first, on the images turned on
    their side: that turn is cheap while they are still uint8.
    """
    n, bands, height, width = x.shape
    rows, columns = down.taps.shape[1], across.taps.shape[1]
    table = x.reshape(n, bands * height, width).transpose(1, 2).contiguous().float()
    y = _sums(table.view(n * width, bands * height), across, width)
    table = y.view(n, columns, bands * height).transpose(1, 2).reshape(n * bands * height, columns)
    each = Band(*(t.repeat_interleave(bands, dim=0) for t in down))
    return _sums(table, each, height).view(n, bands, rows, columns)


def _sums(table: Float[Tensor, "rows values"], band: Band, each: int) -> Float[Tensor, "sums values"]:
    """One weighted sum of the table's rows for every new pixel; taps[i] count from row i · each on."""
    count = band.taps.shape[-1]
    start = torch.arange(band.taps.shape[0], device=table.device)[:, None, None] * each
    taps = (band.taps + start).view(-1, count)
    return F.embedding_bag(taps, table, mode="sum", per_sample_weights=band.weight.reshape(-1, count))
