"""Which part of an image a view shows, and the pixels of it: crop, shrink, flip and turn in one resampling.

A crop with a flip is two passes of a banded matrix (down, then across), shrinking with the triangle
filter, so that nothing aliases; where a view also turns, it is one bilinear grid instead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from unlabeled.data.draws import Draws
from unlabeled.modalities.image.banded import Band, banded
from unlabeled.modalities.image.tokens import grid, unit

RATIO = (3 / 4, 4 / 3)
"""width over height of a random crop (Szegedy et al. 2014, arXiv 1409.4842, section 6)"""
TRIES = 10
"""crops drawn before the centre is taken instead, as in torchvision's RandomResizedCrop"""
PADDING = 1 / 8
"""share of the side by which a weak view moves at most (4 of 32 px; Sohn et al. 2020, arXiv 2001.07685)"""


@dataclass(frozen=True)
class Turn:
    """A small affine change on top of a crop, one value a row."""

    angle: Float[Tensor, " n"]
    """degrees"""
    zoom: Float[Tensor, " n"]
    """above 1 things look larger"""
    shift: Float[Tensor, "n 2"]
    """down and right, after angle and zoom: share of the view's side"""


@dataclass(frozen=True)
class Crop:
    """Where a view looks, one value a row."""

    box: Float[Tensor, "n 4"]
    """top, left, height, width in stored pixels; a shifted box may reach beyond the image"""
    flip: Bool[Tensor, " n"]
    inside: bool = True
    """only pixels of the box count (as cutting first does); else the image goes on as its mirror image"""
    turn: Turn | None = None
    """with it neither holds: pixels around the box count, and beyond the image its edge goes on"""


def centre_box(
    n: int, height: int, width: int, size: tuple[int, int], device: torch.device
) -> Float[Tensor, "n 4"]:
    """The largest centred box with the shape of `size`."""
    scale = min(height / size[0], width / size[1])
    tall, wide = size[0] * scale, size[1] * scale
    box = torch.tensor([(height - tall) / 2, (width - wide) / 2, tall, wide], device=device)
    return box.expand(n, 4)


def shifted_box(draws: Draws, box: Float[Tensor, "n 4"], size: tuple[int, int]) -> Float[Tensor, "n 4"]:
    """The box moved by whole pixels of the view, as padding by PADDING and cutting back does."""
    moved = []
    for axis in (0, 1):
        most = max(1, int(size[axis] * PADDING))
        steps = draws.integers(2 * most + 1) - most
        moved.append(box[:, axis] + steps * (box[:, 2 + axis] / size[axis]))
    return torch.stack([*moved, box[:, 2], box[:, 3]], dim=1)


def random_box(
    draws: Draws,
    height: int,
    width: int,
    low: float | Float[Tensor, " n"],
    high: float | Float[Tensor, " n"],
) -> Float[Tensor, "n 4"]:
    """Boxes of a random share of the area (from `low` to `high`) and a random shape (RATIO), in whole pixels.

    The distribution is that of torchvision's RandomResizedCrop: TRIES attempts at a box that fits,
    then the largest centred box of an allowed shape.
    """
    u = draws.uniform(TRIES, 2)
    where = draws.uniform(2)
    low, high = (torch.as_tensor(v, dtype=u.dtype, device=u.device).reshape(-1, 1) for v in (low, high))
    area = (low + (high - low) * u[..., 0]) * (height * width)
    ratio = torch.exp(math.log(RATIO[0]) + (math.log(RATIO[1]) - math.log(RATIO[0])) * u[..., 1])
    wide, tall = (area * ratio).sqrt().round(), (area / ratio).sqrt().round()
    fits = (wide > 0) & (wide <= width) & (tall > 0) & (tall <= height)
    first = fits.to(torch.uint8).argmax(dim=1, keepdim=True)
    tall, wide = tall.gather(1, first)[:, 0], wide.gather(1, first)[:, 0]
    top = (where[:, 0] * (height - tall + 1)).floor()
    left = (where[:, 1] * (width - wide + 1)).floor()

    last_tall, last_wide = float(height), float(width)
    if width / height < RATIO[0]:
        last_tall = float(round(width / RATIO[0]))
    elif width / height > RATIO[1]:
        last_wide = float(round(height * RATIO[1]))
    last = torch.tensor(
        [(height - last_tall) // 2, (width - last_wide) // 2, last_tall, last_wide], device=u.device
    )
    return torch.where(fits.any(dim=1, keepdim=True), torch.stack([top, left, tall, wide], dim=1), last)


def resample(x: Tensor, crop: Crop, size: tuple[int, int]) -> Float[Tensor, "n bands height width"]:
    """The pixels a crop shows, at `size`, from 0 to 1."""
    if crop.turn is not None:
        return _turned(x, crop, size)
    height, width = x.shape[2:]
    down = _band(crop.box[:, 0], crop.box[:, 2], height, size[0], crop.inside, None)
    across = _band(crop.box[:, 1], crop.box[:, 3], width, size[1], crop.inside, crop.flip)
    if x.dtype == torch.uint8:
        down = Band(down.taps, down.weight / 255)
    return banded(x, across, down)


def token_centres(
    crop: Crop, stored: tuple[int, int], size: tuple[int, int], patch: int
) -> Float[Tensor, "n tokens 2"]:
    """Where the centre of each token of a view lay in the stored image: row and column, each from 0 to 1."""
    rows, columns = grid(*size, patch)
    device = crop.box.device
    down = (2 * torch.arange(rows, device=device) + 1) * patch / size[0] - 1
    across = (2 * torch.arange(columns, device=device) + 1) * patch / size[1] - 1
    points = torch.stack(
        [*torch.meshgrid(across, down, indexing="xy"), torch.ones(rows, columns, device=device)], -1
    )
    seen = points.reshape(-1, 3) @ _matrix(crop, stored, size).transpose(1, 2)
    sides = torch.tensor(stored, device=device)
    pixel = (seen.flip(-1) + 1) / 2 * sides - 0.5
    last = sides - 1
    if not crop.inside and crop.turn is None:
        pixel = last - (last - pixel.abs()).abs()
    return (torch.minimum(pixel.clamp(min=0), last) + 0.5) / sides


def _band(
    start: Float[Tensor, " n"],
    length: Float[Tensor, " n"],
    stored: int,
    out: int,
    inside: bool,
    flip: Bool[Tensor, " n"] | None,
) -> Band:
    """Which stored pixels each pixel of a view is made of along one axis, and how much of each.

    The triangle filter: linear interpolation where the crop grows, as wide as the step where it shrinks.
    """
    place = torch.arange(out, device=start.device)
    position = place.expand(start.shape[0], out)
    if flip is not None:
        position = torch.where(flip[:, None], out - 1 - position, position)
    step = (length / out)[:, None]
    centre = start[:, None] + (position + 0.5) * step
    reach = step.clamp(min=1)
    count = math.ceil(2 * max(1.0, stored / out))
    first = (centre - reach - 0.5).floor() + 1
    taps = first[..., None] + torch.arange(count, device=start.device)
    weight = (1 - (taps + 0.5 - centre[..., None]).abs() / reach[..., None]).clamp_(min=0)
    if inside:
        bottom = start[:, None, None]
        weight = weight * ((taps + 0.5 >= bottom) & (taps + 0.5 <= bottom + length[:, None, None]))
    else:
        taps = (stored - 1) - ((stored - 1) - taps.abs()).abs()
    return Band(taps.clamp_(0, stored - 1).long(), weight / weight.sum(dim=-1, keepdim=True))


def _turned(x: Tensor, crop: Crop, size: tuple[int, int]) -> Float[Tensor, "n bands height width"]:
    """Crop, flip and turn by one bilinear grid; what lies outside the image repeats its edge."""
    n, bands, height, width = x.shape
    if n == 0:  # affine_grid refuses it
        return x.new_zeros(0, bands, *size, dtype=torch.float32)
    # a bilinear grid reads four pixels a point: several points a pixel, or a view that shrinks aliases
    fine = max(1, min(height // size[0], width // size[1]))
    theta = _matrix(crop, (height, width), size)
    points = F.affine_grid(theta, [n, bands, size[0] * fine, size[1] * fine], align_corners=False)
    y = F.grid_sample(unit(x).float(), points, mode="bilinear", padding_mode="border", align_corners=False)
    return F.avg_pool2d(y, fine) if fine > 1 else y


def _matrix(crop: Crop, stored: tuple[int, int], size: tuple[int, int]) -> Float[Tensor, "n 2 3"]:
    """From a place in the view to a place in the stored image: (x, y, 1) → (x, y), both from −1 to 1."""
    top, left, tall, wide = crop.box.unbind(dim=1)
    sign = 1 - 2 * crop.flip.to(crop.box.dtype)
    zero = torch.zeros_like(top)
    xx, xy, yx, yy, x0, y0 = zero + 1, zero, zero, zero + 1, zero, zero
    if crop.turn is not None:
        angle = torch.deg2rad(crop.turn.angle)
        cos, sin = angle.cos() / crop.turn.zoom, angle.sin() / crop.turn.zoom
        aspect = size[0] / size[1]
        xx, xy, yx, yy = cos, sin * aspect, -sin / aspect, cos
        moved_y, moved_x = (-2 * crop.turn.shift).unbind(dim=1)
        x0, y0 = xx * moved_x + xy * moved_y, yx * moved_x + yy * moved_y
    across, down = wide / stored[1], tall / stored[0]
    middle_x, middle_y = (2 * left + wide) / stored[1] - 1, (2 * top + tall) / stored[0] - 1
    return torch.stack(
        [
            torch.stack([sign * across * xx, sign * across * xy, sign * across * x0 + middle_x], dim=1),
            torch.stack([down * yx, down * yy, down * y0 + middle_y], dim=1),
        ],
        dim=1,
    )
