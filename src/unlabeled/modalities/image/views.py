"""How a batch of images is changed into a view, on the device it is on.

`looks.py` says what a branch asks for; here it is carried out. Every random number has one value a
row, drawn for the global batch from a stream of its own: a row's view does not depend on how the
batch is shared out, nor one change on which others are switched on.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unlabeled.data.draws import Draws
from unlabeled.errors import OptionError
from unlabeled.methods.contract import Branch
from unlabeled.modalities.amounts import check_variant, possible
from unlabeled.modalities.contract import Changed
from unlabeled.modalities.image.blur import SIGMA, blur
from unlabeled.modalities.image.colour import draw_jitter, reband, recolour, solarise
from unlabeled.modalities.image.crops import (
    Crop,
    Turn,
    centre_box,
    random_box,
    resample,
    shifted_box,
    token_centres,
)
from unlabeled.modalities.image.looks import (
    CUTOUT,
    NOISE,
    TINY,
    VARIANTS,
    Look,
    local_size,
    look,
    overruled,
)
from unlabeled.modalities.image.tokens import patchify, unit, unpatchify

__all__ = ["change", "local_size", "patchify", "unit", "unpatchify"]


def change(x: Tensor, branch: Branch, draws: Draws, *, size: tuple[int, int], patch: int | None) -> Changed:
    """The view of a batch that `branch` asks for.

    `x`: (n, bands, height, width), uint8 or floating point from 0 to 1, at least as large as `size`.
    Gives float32 (n, bands, *size) from 0 to 1 (a local view is smaller, see `local_size`). `where`
    is there when `patch` divides the view's sides. `params`, one value a row: `crop` (top, left,
    height, width as shares of the stored image; a shifted view reaches beyond it and is filled with
    the mirror image; a turned one is turned about the middle of this box), `flip`, and whatever else
    this kind applies.

    Refused: an unknown kind, variant or option, a crop range that is not 0 < low ≤ high ≤ 1, a
    probability outside [0, 1], a change the number of bands does not allow, a view larger than the
    stored images.
    """
    _check_images(x, size)
    check_variant("images", branch, VARIANTS)
    made = overruled(branch, x, look(branch.kind, branch.variant, x.shape[1], size))
    if branch.kind == "local":
        size = local_size(size, patch)
    # autocast would resample and recolour in half precision: 256 levels need more
    with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
        stored = (x.shape[2], x.shape[3])
        crop, params = _draw_crop(x, made, draws, size)
        if branch.kind == "raw" and stored == size:
            y = unit(x).float()
        else:
            y = resample(x, crop, size)
            y = _change_pixels(y, made, draws, params)
        where = None
        if patch is not None and not (size[0] % patch or size[1] % patch):
            where = token_centres(crop, stored, size, patch)
    return Changed(y, where, params)


def _draw_crop(x: Tensor, made: Look, draws: Draws, size: tuple[int, int]) -> tuple[Crop, dict[str, Tensor]]:
    """Where the view looks."""
    n, _, height, width = x.shape
    if made.place == "crop":
        box = random_box(draws.child("crop"), height, width, made.low, made.high)
    else:
        box = centre_box(n, height, width, size, x.device)
    if made.place == "shift":
        box = shifted_box(draws.child("shift"), box, size)
    flip = draws.child("flip").chance(made.flip)
    params = {"crop": box / box.new_tensor([height, width, height, width]), "flip": flip}
    turn = None
    if possible(made.turn):
        own = draws.child("turn")
        applied = own.chance(made.turn)
        angle, zoom, shift = made.turned
        turn = Turn(
            angle=own.uniform(low=-angle, high=angle) * applied,
            zoom=torch.where(applied, own.uniform(low=1 - zoom, high=1 + zoom), 1.0),
            shift=own.uniform(2, low=-shift, high=shift) * applied[:, None],
        )
        params |= {"angle": turn.angle, "zoom": turn.zoom, "shift": turn.shift}
    return Crop(box, flip, inside=made.place != "shift", turn=turn), params


def _change_pixels(y: Tensor, made: Look, draws: Draws, params: dict[str, Tensor]) -> Tensor:
    """Colours, blur, solarise in the order of the papers, then noise and cutout. Adds to `params`."""
    if possible(made.jitter) or possible(made.grey) or possible(made.band_dropout):
        y = _change_colours(y, made, draws.child("colour"), params).clamp_(0, 1)
    if possible(made.blur):
        own = draws.child("blur")
        sigma = own.uniform(low=SIGMA[0], high=SIGMA[1]) * own.chance(made.blur)
        params["blur"] = sigma
        rows = sigma.nonzero()[:, 0]
        if len(rows):
            y[rows] = blur(y[rows], sigma[rows])
    if possible(made.solarise):
        params["solarise"] = draws.child("solarise").chance(made.solarise)
        rows = params["solarise"].nonzero()[:, 0]
        y[rows] = solarise(y[rows])
    if possible(made.noise):
        own = draws.child("noise")
        params["noise"] = own.chance(made.noise)
        if max(y.shape[2:]) <= TINY:
            noise = own.normal(*y.shape[1:])  # small enough to be drawn for the global batch
        else:
            noise = torch.randn(y.shape, generator=own.noise(), device=y.device)
        y.addcmul_(noise, NOISE * params["noise"][:, None, None, None])
    if possible(made.cutout):
        own = draws.child("cutout")
        params["cutout"] = own.chance(made.cutout)
        hole = params["cutout"][:, None, None] & _square(own.uniform(2), (y.shape[2], y.shape[3]))
        y = torch.where(hole[:, None], y.mean(dim=(2, 3), keepdim=True), y)
    return y.clamp_(0, 1)  # noise, and weights that sum to 1 only up to rounding


def _change_colours(y: Tensor, made: Look, draws: Draws, params: dict[str, Tensor]) -> Tensor:
    """Jitter and greyscale, or what takes their place; not yet cut to 0–1. Adds to `params`."""
    n, bands = y.shape[:2]
    jitter = draw_jitter(draws, draws.chance(made.jitter), made.colours, bands)
    params |= {"brightness": jitter.brightness, "contrast": jitter.contrast, "order": jitter.order}
    if bands == 3:
        params |= {"saturation": jitter.saturation, "hue": jitter.hue, "grey": draws.chance(made.grey)}
        return recolour(y, jitter, params["grey"])
    kept = torch.ones(n, bands, dtype=torch.bool, device=y.device)
    if bands > 1:
        dropped = draws.chance(made.band_dropout)[:, None]
        kept = ~(dropped & (draws.integers(bands)[:, None] == torch.arange(bands, device=y.device)))
        params |= {"gain": jitter.saturation, "offset": jitter.hue, "kept": kept}
    return reband(y, jitter, kept)


def _square(corner: Tensor, size: tuple[int, int]) -> Tensor:
    """(n, height, width) bool: a square of CUTOUT of the sides; `corner`, (n, 2) from 0 to 1, places it."""
    covered = []
    for axis, length in enumerate(size):
        side = max(1, round(CUTOUT * length))
        first = (corner[:, axis, None] * (length - side + 1)).floor()
        place = torch.arange(length, device=corner.device)
        covered.append((place >= first) & (place < first + side))
    return covered[0][:, :, None] & covered[1][:, None, :]


def _check_images(x: Tensor, size: tuple[int, int]) -> None:
    if x.ndim != 4:
        raise OptionError(f"images must be (n, bands, height, width), not of shape {tuple(x.shape)}")
    if x.dtype != torch.uint8 and not x.is_floating_point():
        raise OptionError(f"images must be uint8 (0 to 255) or floating point (0 to 1), not {x.dtype}")
    height, width = x.shape[2:]
    if min(size) < 1 or size[0] > height or size[1] > width:
        raise OptionError(
            f"a view of {size[0]}×{size[1]} cannot be cropped from images stored at {height}×{width}: "
            f"choose a size from 1×1 to {height}×{width}"
        )
