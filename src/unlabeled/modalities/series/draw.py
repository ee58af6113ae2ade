"""Series as small line plots."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from unlabeled.modalities.series.changes import crop, read_at, whole
from unlabeled.modalities.series.scale import SeriesBatch, lengths

HEIGHT, WIDTH = 48, 72
COLOURS = ((31, 119, 180), (214, 96, 39), (44, 140, 80), (150, 80, 160), (120, 90, 60), (90, 90, 90))
"""of the first channels; channels beyond are not drawn"""


def stretched(x: SeriesBatch, steps: int) -> SeriesBatch:
    """Every row's own steps spread linearly over `steps`: nothing is padding any more."""
    length = lengths(x)
    count = torch.full_like(length, steps)
    return read_at(x, crop(whole(count, steps), count, torch.zeros_like(length), length.float()))


def plots(x: Float[Tensor, "n channels steps"]) -> UInt8[np.ndarray, "n height width 3"]:
    """One plot a row: its channels in one frame from the row's least value to its largest, gaps left open."""
    z = stretched(x[:, : len(COLOURS)].float().cpu(), WIDTH).numpy()
    least = np.nan_to_num(z, nan=np.inf).min(axis=(1, 2), keepdims=True)
    largest = np.nan_to_num(z, nan=-np.inf).max(axis=(1, 2), keepdims=True)
    span = np.where(largest > least, largest - least, 1.0)
    line = 2 + (1 - (z - least) / span) * (HEIGHT - 5)
    before = np.concatenate([line[..., :1], line[..., :-1]], axis=2)
    before = np.where(np.isnan(before), line, before)
    top, bottom = np.minimum(line, before)[:, :, None], np.maximum(line, before)[:, :, None]
    rows = np.arange(HEIGHT)[:, None]
    with np.errstate(invalid="ignore"):
        drawn = (rows >= np.floor(top)) & (rows <= np.floor(bottom) + 1)
    out = np.full((len(z), HEIGHT, WIDTH, 3), 255, np.uint8)
    for channel in reversed(range(z.shape[1])):
        out[drawn[:, channel]] = COLOURS[channel]
    return out


def columns_of(steps: Bool[Tensor, "n steps"], there: Bool[Tensor, "n steps"]) -> Bool[np.ndarray, "n width"]:
    """Which columns of the plots show these steps, of those that are `there`."""
    marked = torch.where(there, steps.float(), torch.nan)[:, None].cpu()
    return (stretched(marked, WIDTH)[:, 0] >= 0.5).numpy()
