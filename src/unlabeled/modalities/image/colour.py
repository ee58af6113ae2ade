"""Colours: jitter, greyscale, solarise; gains, offsets and dropped bands where there are no colours.

Brightness, contrast, saturation and hue are linear in the pixels once the mean of the image is known,
so a row's four changes in its own order, and the greyscale after them, are one small matrix and one
offset. The result is cut to 0–1 once, at the end, not after each change.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from unlabeled.data.draws import Draws

LUMA = (0.2989, 0.587, 0.114)
"""what red, green and blue add to grey (ITU-R BT.601, as in torchvision)"""
SOLARISE_FROM = 0.5
"""pixels at least this bright are inverted (Grill et al. 2020, arXiv 2006.07733, appendix B)"""


@dataclass(frozen=True)
class Jitter:
    """What is applied to the colours, one value a row; 1, 1, 1, 0 changes nothing.

    Without three bands `saturation` and `hue` are a gain and an offset of each band, (n, bands).
    """

    brightness: Float[Tensor, " n"]
    contrast: Float[Tensor, " n"]
    saturation: Float[Tensor, " n"] | Float[Tensor, "n bands"]
    hue: Float[Tensor, " n"] | Float[Tensor, "n bands"]
    """in turns: 0.5 is the opposite colour"""
    order: Int[Tensor, "n 4"]
    """which comes first: 0 brightness, 1 contrast, 2 saturation, 3 hue"""


def draw_jitter(
    draws: Draws, applied: Bool[Tensor, " n"], strength: tuple[float, float, float, float], bands: int
) -> Jitter:
    """Factors from 1 − strength to 1 + strength (never below 0) and a hue from −strength to strength."""
    brightness, contrast, saturation, hue = strength
    if bands == 1:
        saturation = hue = 0.0  # one band has neither
    each = () if bands in (1, 3) else (bands,)

    def factor(amount: float, *shape: int) -> Tensor:
        drawn = draws.uniform(*shape, low=max(0.0, 1 - amount), high=1 + amount)
        return torch.where(applied.reshape(-1, *[1] * len(shape)), drawn, 1.0)

    turns = draws.uniform(*each, low=-hue, high=hue)
    return Jitter(
        brightness=factor(brightness),
        contrast=factor(contrast),
        saturation=factor(saturation, *each),
        hue=torch.where(applied.reshape(-1, *[1] * len(each)), turns, 0.0),
        order=draws.order(4),
    )


def recolour(
    x: Float[Tensor, "n 3 height width"], jitter: Jitter, grey: Bool[Tensor, " n"]
) -> Float[Tensor, "n 3 height width"]:
    """Jitter, then greyscale where `grey`. Not yet cut to 0–1.

    Hue turns colours about the grey axis: it keeps r + g + b, where HSV keeps the largest and smallest
    band; close for small angles and pale colours, and linear.
    """
    luma = x.new_tensor(LUMA)
    eye = torch.eye(3, device=x.device)
    greys = luma.expand(3, 3)
    b, c, s = (f[:, None, None] for f in (jitter.brightness, jitter.contrast, jitter.saturation))
    changes = torch.stack([b * eye, c * eye, s * eye + (1 - s) * greys, _about_grey(jitter.hue)], dim=1)

    rows = torch.arange(x.shape[0], device=x.device)
    mean = x.mean(dim=(2, 3))[..., None]
    matrix, offset = eye.expand(x.shape[0], 3, 3), torch.zeros_like(mean)
    for which in jitter.order.unbind(dim=1):
        change = changes[rows, which]
        middle = luma @ (matrix @ mean + offset)  # grey of the image as it is by now
        pull = torch.where(which == 1, 1 - jitter.contrast, 0.0)[:, None] * middle
        matrix, offset = change @ matrix, change @ offset + pull[:, None]
    last = torch.where(grey[:, None, None], greys, eye)
    matrix, offset = last @ matrix, last @ offset
    return torch.baddbmm(offset, matrix, x.flatten(2)).view_as(x)


def reband(
    x: Float[Tensor, "n bands height width"], jitter: Jitter, kept: Bool[Tensor, "n bands"]
) -> Float[Tensor, "n bands height width"]:
    """Brightness, contrast, a gain and an offset for each band, then bands not `kept` set to 0.

    Contrast is about the mean over all bands. Not yet cut to 0–1.
    """
    n, bands = x.shape[:2]
    one, nothing = x.new_ones(n, bands), x.new_zeros(n, bands)
    # one band has (n,), several have (n, bands)
    gain, lift = (f.reshape(n, 1 if f.ndim == 1 else bands) * one for f in (jitter.saturation, jitter.hue))
    gains = torch.stack([jitter.brightness[:, None] * one, jitter.contrast[:, None] * one, gain, one], dim=1)
    rows = torch.arange(n, device=x.device)
    mean = x.mean(dim=(2, 3))
    scale, offset = one, nothing
    for which in jitter.order.unbind(dim=1):
        middle = (scale * mean + offset).mean(dim=1, keepdim=True)
        pull = torch.where(which == 1, 1 - jitter.contrast, 0.0)[:, None] * middle
        add = torch.where((which == 3)[:, None], lift, 0.0)
        change = gains[rows, which]
        scale, offset = change * scale, change * offset + pull + add
    scale, offset = scale * kept, offset * kept
    return torch.addcmul(offset[..., None, None], x, scale[..., None, None])


def solarise(x: Float[Tensor, "n bands height width"]) -> Float[Tensor, "n bands height width"]:
    """Pixels from SOLARISE_FROM on are inverted."""
    return torch.where(x >= SOLARISE_FROM, 1 - x, x)


def _about_grey(turns: Float[Tensor, " n"]) -> Float[Tensor, "n 3 3"]:
    """Rotation of colours about the line of greys (Rodrigues' formula with the axis (1, 1, 1) / √3)."""
    angle = 2 * math.pi * turns[:, None, None]
    cos, sin = angle.cos(), angle.sin() / math.sqrt(3)
    across = turns.new_tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
    return cos * torch.eye(3, device=turns.device) + sin * across + (1 - cos) / 3
