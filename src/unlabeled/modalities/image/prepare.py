"""Pixels of any size, type and number of bands to what a batch holds: the same for all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Shaped
from torch import Tensor

from unlabeled.data.cache import Unreadable

GREY = (0.299, 0.587, 0.114)
"""share of red, green and blue in the brightness a person sees (ITU-R BT.601)"""
OVERSHOOT = 0.1
"""how far beyond [0, 1] values may reach (sharpening does that) and are clipped; more is another scale"""


@dataclass(frozen=True)
class Preparation:
    """How every picture of a set is brought to the same form.

    The shorter side is resized to cover `height` × `width`, then the centre is cut out (as one
    antialiased bilinear resampling of the central region). uint8 stays uint8; everything else
    becomes float32 in [0, 1].
    """

    height: int
    width: int
    bands: int
    low: tuple[float, ...] | None = None
    """per band, what becomes 0 (None: uint16 is divided by 65,535, other numbers are in [0, 1] already)"""
    high: tuple[float, ...] | None = None
    """per band, what becomes 1"""

    def apply(self, pixels: Shaped[np.ndarray, "n height width bands"]) -> Tensor:
        """(n, bands, height, width), uint8 or float32 in [0, 1].

        Raises `Unreadable` for a number of bands that cannot be converted and for values of another scale.
        """
        pixels = self._scale(self._convert(pixels))
        if any(stride < 0 for stride in pixels.strides) or not pixels.flags.writeable:
            pixels = pixels.copy()
        x = torch.from_numpy(pixels).permute(0, 3, 1, 2)
        return self._fit(x).contiguous()

    def _convert(self, pixels: np.ndarray) -> np.ndarray:
        bands = pixels.shape[-1]
        if bands == self.bands:
            return pixels
        if (bands, self.bands) == (1, 3):
            return np.repeat(pixels, 3, axis=-1)
        if (bands, self.bands) == (3, 1):
            grey = pixels @ np.array(GREY, np.float32)
            if pixels.dtype.kind in "ui":
                grey = grey.round().astype(pixels.dtype)
            return grey[..., None]
        raise Unreadable(f"has {bands} band{'s' * (bands != 1)} where this set has {self.bands}")

    def _scale(self, pixels: np.ndarray) -> np.ndarray:
        if pixels.dtype == np.uint8:
            return pixels
        if self.low is not None and self.high is not None:
            low, high = np.array(self.low, np.float32), np.array(self.high, np.float32)
            return np.clip((pixels.astype(np.float32) - low) / (high - low), 0, 1)
        if pixels.dtype == np.uint16:
            return pixels.astype(np.float32) / 65535
        self.check_scale(pixels)
        if pixels.dtype.kind in "ui":
            return pixels.astype(np.uint8)
        return np.clip(pixels.astype(np.float32), 0, 1)

    def check_scale(self, pixels: np.ndarray) -> None:
        """Where nothing is rescaled: refuses whole numbers outside 0 … 255 and others outside [0, 1]."""
        smallest, largest = pixels.min(), pixels.max()
        if pixels.dtype.kind in "ui":
            if smallest < 0 or largest > 255:
                raise Unreadable(
                    f"holds whole numbers from {smallest} to {largest} where 0 to 255 are expected"
                )
        elif smallest < -OVERSHOOT or largest > 1 + OVERSHOOT:
            raise Unreadable(f"holds values from {smallest:.4g} to {largest:.4g} where 0 to 1 are expected")

    def _fit(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        if (height, width) == (self.height, self.width):
            return x
        scale = max(self.height / height, self.width / width)
        tall, wide = (
            min(height, max(1, round(self.height / scale))),
            min(width, max(1, round(self.width / scale))),
        )
        top, left = (height - tall) // 2, (width - wide) // 2
        x = x[..., top : top + tall, left : left + wide]
        size = (self.height, self.width)
        return x if (tall, wide) == size else F.interpolate(x, size, mode="bilinear", antialias=True)
