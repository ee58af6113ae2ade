"""What a sample of a set says about all of it: size, bands, scale, mean and spread."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from unlabeled.data.collection import Collection, look_at, spread
from unlabeled.errors import DataError, OptionError
from unlabeled.modalities.image.find import open_collection, to_picture
from unlabeled.modalities.image.prepare import OVERSHOOT
from unlabeled.modalities.image.stack import Stack, open_stack

SAMPLE = 512
"""images looked at, spread evenly over the set"""
LARGEST_SIZE = 224
"""side in pixels above which images are reduced when no size is asked for"""
SMALL = 64
"""side in pixels up to which images are kept as they are, without a margin for crops"""
MARGIN = 8 / 7
"""larger images are stored this much larger than the size used (256 for 224)"""


@dataclass(frozen=True)
class Glance:
    """One image, looked at once. Per band, in the image's own units."""

    height: int
    width: int
    coloured: bool
    kind: Literal["uint8", "uint16", "integer", "float"]
    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    square: np.ndarray

    @property
    def bands(self) -> int:
        return len(self.mean)


def measure(
    data: Any,
    *,
    size: int | tuple[int, int] | None = None,
    bands: int | None = None,
    low: list[float] | None = None,
    high: list[float] | None = None,
) -> dict[str, Any]:
    """Size, stored size, bands, scale, mean and spread of the images of `data`; what is given stays as it is.

    `DataError`: nothing readable in all of `data`; NaN or infinite values in an array.
    """
    stack = open_stack(data)
    glances = _look_at_stack(stack) if stack is not None else _look_at_collection(open_collection(data))
    side = float(np.median([min(g.height, g.width) for g in glances]))
    chosen = auto_size(side) if size is None else size
    if bands is None:
        bands = _bands(glances, as_stored=stack is not None)
    fitting = [_to_bands(g, bands) for g in glances if g.bands == bands or {g.bands, bands} == {1, 3}]
    if not fitting:
        found = ", ".join(str(n) for n in sorted({g.bands for g in glances}))
        raise DataError(f"no image has {bands} bands: found {found}")
    if low is not None and len(low) != bands:
        raise OptionError(f"low and high have {len(low)} numbers for images with {bands} bands")
    if low is None and high is None:
        fitted = _scale(fitting)
        low, high = fitted if fitted is not None else (None, None)
    mean, std = _moments(fitting, low, high)
    return {
        "size": chosen,
        "stored": stored_size(chosen, side),
        "bands": bands,
        "mean": mean,
        "std": std,
        "low": low,
        "high": high,
        "eight_bit": all(g.kind == "uint8" or (g.kind == "integer" and low is None) for g in fitting),
    }


def auto_size(side: float) -> int:
    """The size in pixels for images whose shorter side is `side` in the median."""
    if side <= SMALL:
        return max(4, 4 * round(side / 4))
    return min(LARGEST_SIZE, 16 * int(side // 16))


def stored_size(size: int | tuple[int, int], side: float) -> tuple[int, int]:
    """(height, width) at which images are kept: `size` where it is small, else with a margin to crop from.

    The margin is never made by enlarging images that have only `side` pixels.
    """
    height, width = (size, size) if isinstance(size, int) else size
    if max(height, width) <= SMALL:
        return height, width
    factor = max(1.0, min(MARGIN, side / min(height, width)))
    return round(height * factor), round(width * factor)


def auto_patch(height: int, width: int) -> int | None:
    """Side of a token: near 16 px for large images, else for 16 to 64 tokens; None: no side divides."""
    common = math.gcd(height, width)
    divisors = [p for p in range(2, common + 1) if common % p == 0 and height * width > p * p]
    if max(height, width) <= SMALL:
        return next((p for p in divisors if height * width // p**2 <= 64), None)
    near = [p for p in divisors if 8 <= p <= 32]
    return min(near, key=lambda p: abs(p - 16), default=None)


def _look_at_stack(stack: Stack) -> list[Glance]:
    check_finite(stack)
    return [_glance(stack.rows(slice(i, i + 1))[0]) for i in spread(len(stack), SAMPLE)]


def check_finite(stack: Stack) -> None:
    """Refuses NaN and infinity anywhere in an array, naming the first row."""
    if stack.array.dtype.kind != "f":
        return
    for start, rows in stack.chunks():
        broken = ~np.isfinite(rows).all(axis=(1, 2, 3))
        if broken.any():
            row = start + int(broken.argmax())
            raise DataError(
                f"row {row} of {stack.what} holds NaN or infinite values: remove or replace such rows"
            )


def _look_at_collection(collection: Collection) -> list[Glance]:
    def look(value: Any) -> Glance:
        found = to_picture(value, LARGEST_SIZE)
        return _glance(found.pixels, found.height, found.width)

    return look_at(collection, look, SAMPLE)


def _glance(pixels: np.ndarray, height: int | None = None, width: int | None = None) -> Glance:
    bands = pixels.shape[-1]
    coloured = (
        bands == 3 and not ((pixels[..., 0] == pixels[..., 1]) & (pixels[..., 1] == pixels[..., 2])).all()
    )
    kinds: dict[str, Literal["uint8", "uint16"]] = {"uint8": "uint8", "uint16": "uint16"}
    values = pixels.astype(np.float64).reshape(-1, bands)
    return Glance(
        height if height is not None else pixels.shape[0],
        width if width is not None else pixels.shape[1],
        bool(coloured),
        kinds.get(str(pixels.dtype), "float" if pixels.dtype.kind == "f" else "integer"),
        values.min(axis=0),
        values.max(axis=0),
        values.mean(axis=0),
        np.square(values).mean(axis=0),
    )


def _bands(glances: list[Glance], *, as_stored: bool) -> int:
    counts = Counter(g.bands for g in glances)
    most = counts.most_common(1)[0][0]
    if most not in (1, 3) or as_stored:
        return most
    return 3 if any(g.coloured for g in glances) else 1


def _to_bands(glance: Glance, bands: int) -> Glance:
    if glance.bands == bands:
        return glance
    # grey among colour is repeated; colour among grey has three equal bands or becomes their mixture
    every = [np.full(bands, v.mean()) for v in (glance.low, glance.high, glance.mean, glance.square)]
    return Glance(glance.height, glance.width, glance.coloured, glance.kind, *every)


def _scale(glances: list[Glance]) -> tuple[list[float], list[float]] | None:
    """Per band, what becomes 0 and 1; None where the type says it, or values are in [0, 1] already."""
    wide = [g for g in glances if g.kind != "uint8"]
    kinds = {g.kind for g in wide}
    if not kinds or kinds == {"uint16"}:
        return None
    low, high = np.min([g.low for g in wide], axis=0), np.max([g.high for g in wide], axis=0)
    if kinds == {"float"} and low.min() >= -OVERSHOOT and high.max() <= 1 + OVERSHOOT:
        return None
    if low.min() >= 0 and 128 <= high.max() <= 255:  # 8-bit values that another type holds
        return None if kinds == {"integer"} else ([0.0] * len(low), [255.0] * len(high))
    high = np.where(high > low, high, low + 1)
    return low.tolist(), high.tolist()


def _moments(
    glances: list[Glance], low: list[float] | None, high: list[float] | None
) -> tuple[list[float], list[float]]:
    """Mean and standard deviation a band, in units where 0 is black and 1 is white."""
    full = {"uint8": 255.0, "uint16": 65535.0, "integer": 255.0, "float": 1.0}
    means, squares = [], []
    for g in glances:
        if low is not None and high is not None and g.kind != "uint8":
            base, width = np.array(low), np.array(high) - np.array(low)
        else:
            base, width = np.zeros(g.bands), np.full(g.bands, full[g.kind])
        means.append((g.mean - base) / width)
        squares.append((g.square - 2 * base * g.mean + base**2) / width**2)
    mean = np.mean(means, axis=0)
    std = np.sqrt(np.maximum(np.mean(squares, axis=0) - mean**2, 0))
    # a constant band is not blown up
    std = np.where(std > 1e-4, std, 1.0)
    return [round(float(v), 6) for v in mean], [round(float(v), 6) for v in std]
