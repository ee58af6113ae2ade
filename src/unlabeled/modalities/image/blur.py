"""Gaussian blur of whole batches, each row with its own width."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from unlabeled.modalities.image.banded import Band, banded

KERNEL = 0.1
"""side of the kernel as a share of the view's (Chen et al. 2020, arXiv 2002.05709, appendix A)"""
SIGMA = (0.1, 2.0)
"""width of the Gaussian in pixels (same source)"""
REACH = 4.0
"""widths of the widest Gaussian beyond which its weights (less than 1e-4 in all) are not computed"""


def blur(
    x: Float[Tensor, "n bands height width"], sigma: Float[Tensor, " n"]
) -> Float[Tensor, "n bands height width"]:
    """Each row blurred with its own Gaussian; the image goes on as its mirror image."""
    height, width = x.shape[2:]
    radius = min(max(1, int(min(height, width) * KERNEL) // 2), math.ceil(REACH * SIGMA[1]))
    away = torch.arange(-radius, radius + 1, device=x.device)
    kernel = torch.exp(-0.5 * (away / sigma[:, None]) ** 2)
    kernel = kernel / kernel.sum(dim=1, keepdim=True)
    bands = []
    for side in (width, height):
        taps = torch.arange(side, device=x.device)[:, None] + away
        taps = ((side - 1) - ((side - 1) - taps.abs()).abs()).clamp_(0, side - 1)
        shape = (x.shape[0], *taps.shape)
        bands.append(Band(taps.expand(shape), kernel[:, None].expand(shape)))
    return banded(x, *bands)
