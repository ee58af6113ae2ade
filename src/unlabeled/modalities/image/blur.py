"""Gaussian blur of whole batches, each row with its own width."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

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
    n, bands, height, width = x.shape
    radius = min(max(1, int(min(height, width) * KERNEL) // 2), math.ceil(REACH * SIGMA[1]))
    place = torch.arange(-radius, radius + 1, device=x.device)
    kernel = torch.exp(-0.5 * (place / sigma[:, None]) ** 2)
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).repeat_interleave(bands, dim=0)
    y = F.pad(x, (radius, radius, radius, radius), mode="reflect").reshape(
        1, n * bands, height + 2 * radius, -1
    )
    y = F.conv2d(y, kernel[:, None, :, None], groups=n * bands)
    return F.conv2d(y, kernel[:, None, None, :], groups=n * bands).view_as(x)
