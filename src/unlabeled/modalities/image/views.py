"""How a batch of images is changed into a view, on the device it is on.

What a branch's kind and variant mean is the table in `look`; a branch's options overrule it. Every
random number has one value a row, drawn for the global batch, so a row's view does not depend on how
the batch is shared out, nor on what else is switched on or off.

Greyscale images (one band) are not flipped: characters and many scans have a handedness. They have
no colours to change either, so strong views turn, zoom and shift them a little instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from unlabeled.data.draws import Draws
from unlabeled.errors import OptionError, nearest
from unlabeled.methods.contract import Branch
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
from unlabeled.modalities.image.tokens import patchify, unit, unpatchify

__all__ = ["Look", "change", "local_size", "look", "patchify", "unit", "unpatchify"]

SMALL = 64
"""longest side (px) up to which the changes are those published for CIFAR and the like"""
TINY = 16
"""longest side up to which a crop must keep half of the image to show anything"""

VARIANTS: Mapping[str, int] = {"raw": 1, "weak": 2, "strong": 3, "local": 1}
"""how many variants each kind has"""

Amount = float | Tensor


@dataclass(frozen=True)
class Look:
    """How a view is made. Plain numbers; those an option can overrule may be one a row."""

    # where it looks
    place: str = "whole"
    """whole: the centre; shift: moved a little; crop: a random part"""
    low: Amount = 1.0
    high: Amount = 1.0
    """smallest and largest share of the area a crop keeps"""
    # how likely each change is
    flip: Amount = 0.0
    turn: Amount = 0.0
    jitter: Amount = 0.0
    grey: Amount = 0.0
    band_dropout: Amount = 0.0
    blur: Amount = 0.0
    solarise: Amount = 0.0
    noise: Amount = 0.0
    cutout: Amount = 0.0
    # how strong it is
    colours: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    """brightness, contrast, saturation (band gain), hue (band offset)"""
    angle: float = 0.0
    zoom: float = 0.0
    shift: float = 0.0


OPTIONS = ("low", "high", "flip", "turn", "jitter", "grey", "band_dropout", "blur", "solarise", "noise", "cutout")
"""what a branch's options can overrule: the share of the area a crop keeps, and probabilities"""

FLIP = 0.5
MAE_AREA = 0.2
"""smallest crop of the weak view 1 (He et al. 2021, arXiv 2111.06377)"""
AREA = 0.08
"""smallest crop of a strong view (Chen et al. 2020, arXiv 2002.05709, appendix A)"""
SMALL_AREA = 0.2
"""the same up to SMALL px, where 8 % is nine pixels square; a common choice for CIFAR (solo-learn's recipes)"""
TINY_AREA = 0.5
JITTER, GREY, BLUR = 0.8, 0.2, 0.5
"""probabilities in strong view 0 (Chen et al. 2020, appendix A); also JITTER and GREY of views 1 and 2"""
SIMCLR_COLOURS = (0.8, 0.8, 0.8, 0.2)
"""the same source, at strength 1"""
SIMCLR_SMALL_COLOURS = (0.4, 0.4, 0.4, 0.1)
"""the same source at strength 0.5, which its appendix B.9 uses for CIFAR"""
BYOL_COLOURS = (0.4, 0.4, 0.2, 0.1)
"""strong views 1 and 2 (Grill et al. 2020, arXiv 2006.07733, appendix B)"""
BYOL_BLUR, BYOL_SOLARISE = (1.0, 0.1), (0.0, 0.2)
"""probabilities in strong views 1 and 2 (same source)"""
LOCAL_SIDE = 96 / 224
"""side of a local view as a share of the full one (Caron et al. 2021, arXiv 2104.14294)"""
LOCAL_BLUR = 0.5
"""the same authors' code"""
LOCAL_AREA, SMALL_LOCAL_AREA, TINY_LOCAL_AREA = (0.05, 0.4), (0.1, 0.5), (0.3, 0.6)
"""large images: same source; the smaller ones: so that a local view keeps a few stored pixels"""

# Greyscale: no paper's values. Up to TINY px they are those a FixMatch on 8 × 8 digits learned well with.
TURN = 0.8
GREYSCALE_TURN = {"angle": 15.0, "zoom": 0.1, "shift": 0.05}
TINY_TURN = {"angle": 20.0, "zoom": 0.2, "shift": 1 / 8}
TINY_NOISE, TINY_CUTOUT = 0.5, 0.5
NOISE = 0.1
"""standard deviation"""
CUTOUT = 3 / 8
"""side of the square as a share of the view's; it is filled with the row's mean"""


def look(kind: str, variant: int, bands: int, size: tuple[int, int]) -> Look:
    """How a view of this kind is made, for images of this many bands and this size."""
    side = max(size)
    small, tiny, greyscale = side <= SMALL, side <= TINY, bands == 1
    flip = 0.0 if greyscale else FLIP
    if kind == "raw":
        return Look()
    if kind == "weak" and variant == 0:
        return Look(place="shift", flip=flip)
    if kind == "weak":
        return Look(place="crop", low=TINY_AREA if tiny else MAE_AREA, high=1.0, flip=flip)

    made = Look(
        place="crop",
        low=TINY_AREA if tiny else SMALL_AREA if small else AREA,
        high=1.0,
        flip=flip,
        jitter=JITTER,
        colours=SIMCLR_SMALL_COLOURS if small else SIMCLR_COLOURS,
        blur=0.0 if small else BLUR,
    )
    if bands == 3:
        made = replace(made, grey=GREY)
    elif not greyscale:
        made = replace(made, band_dropout=GREY)
    else:
        made = replace(made, turn=TURN, **(TINY_TURN if tiny else GREYSCALE_TURN))
    if greyscale and tiny:
        made = replace(made, noise=TINY_NOISE, cutout=TINY_CUTOUT)

    if kind == "local":
        low, high = TINY_LOCAL_AREA if tiny else SMALL_LOCAL_AREA if small else LOCAL_AREA
        return replace(made, low=low, high=high, colours=BYOL_COLOURS, blur=0.0 if small else LOCAL_BLUR)
    if variant > 0:
        blurred = 0.0 if small else BYOL_BLUR[variant - 1]
        made = replace(made, colours=BYOL_COLOURS, blur=blurred, solarise=BYOL_SOLARISE[variant - 1])
    return made


def local_size(size: tuple[int, int], patch: int | None) -> tuple[int, int]:
    """Height and width of a local view: a whole number of patches, at least two, where there are patches."""
    height, width = (max(1, round(side * LOCAL_SIDE)) for side in size)
    if patch is None:
        return height, width
    return max(2, round(height / patch)) * patch, max(2, round(width / patch)) * patch


def change(x: Tensor, branch: Branch, draws: Draws, *, size: tuple[int, int], patch: int | None) -> Changed:
    """The view of a batch that `branch` asks for.

    `x`: (n, bands, height, width), uint8 or floating point from 0 to 1, at least as large as `size`.
    Gives float32 (n, bands, *size) from 0 to 1 (a local view is smaller, see `local_size`). `where`
    is there when `patch` divides the view's sides. `params`, one value a row: `crop` (top, left,
    height, width as shares of the stored image; a shifted view reaches beyond it and is filled with
    the mirror image), `flip`, and whatever else this kind applies.

    Refused: an unknown kind, variant or option, a crop range that is not 0 < low ≤ high ≤ 1, a
    probability outside [0, 1], a change the number of bands does not allow, a view larger than the
    stored images.
    """
    _check_images(x, size)
    made = _overruled(branch, x, look(branch.kind, _check_variant(branch), x.shape[1], size))
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
    if _possible(made.turn):
        own = draws.child("turn")
        applied = own.chance(made.turn)
        turn = Turn(
            angle=own.uniform(low=-made.angle, high=made.angle) * applied,
            zoom=torch.where(applied, own.uniform(low=1 - made.zoom, high=1 + made.zoom), 1.0),
            shift=own.uniform(2, low=-made.shift, high=made.shift) * applied[:, None],
        )
        params |= {"angle": turn.angle, "zoom": turn.zoom, "shift": turn.shift}
    return Crop(box, flip, inside=made.place == "crop", turn=turn), params


def _change_pixels(y: Tensor, made: Look, draws: Draws, params: dict[str, Tensor]) -> Tensor:
    """Colours, then blur, then solarise, in the order of the papers; greyscale's own at the end. Adds to `params`."""
    n, bands, height, width = y.shape
    if _possible(made.jitter) or _possible(made.grey) or _possible(made.band_dropout):
        own = draws.child("colour")
        jitter = draw_jitter(own, own.chance(made.jitter), made.colours, bands)
        params |= {"brightness": jitter.brightness, "contrast": jitter.contrast, "order": jitter.order}
        if bands == 3:
            params |= {"saturation": jitter.saturation, "hue": jitter.hue, "grey": own.chance(made.grey)}
            y = recolour(y, jitter, params["grey"])
        else:
            kept = torch.ones(n, bands, dtype=torch.bool, device=y.device)
            if bands > 1:
                dropped = own.chance(made.band_dropout)[:, None]
                kept = ~(dropped & (own.integers(bands)[:, None] == torch.arange(bands, device=y.device)))
                params |= {"gain": jitter.saturation, "offset": jitter.hue, "kept": kept}
            y = reband(y, jitter, kept)
        y = y.clamp_(0, 1)
    if _possible(made.blur):
        own = draws.child("blur")
        sigma = own.uniform(low=SIGMA[0], high=SIGMA[1]) * own.chance(made.blur)
        params["blur"] = sigma
        rows = sigma.nonzero()[:, 0]
        if len(rows):
            y[rows] = blur(y[rows], sigma[rows])
    if _possible(made.solarise):
        params["solarise"] = draws.child("solarise").chance(made.solarise)
        rows = params["solarise"].nonzero()[:, 0]
        y[rows] = solarise(y[rows])
    if _possible(made.noise):
        own = draws.child("noise")
        params["noise"] = own.chance(made.noise)
        # drawn for the global batch, not per process: noise is on only where images are tiny
        y = y.addcmul_(own.normal(bands, height, width), NOISE * params["noise"][:, None, None, None]).clamp_(0, 1)
    if _possible(made.cutout):
        own = draws.child("cutout")
        params["cutout"] = own.chance(made.cutout)
        corner = own.uniform(2)
        hole = params["cutout"][:, None, None, None]
        for axis, length in ((0, height), (1, width)):
            side = max(1, round(CUTOUT * length))
            first = (corner[:, axis, None] * (length - side + 1)).floor()
            place = torch.arange(length, device=y.device)
            inside = (place >= first) & (place < first + side)
            hole = hole & (inside[:, None, :, None] if axis == 0 else inside[:, None, None, :])
        y = torch.where(hole, y.mean(dim=(2, 3), keepdim=True), y)
    return y


def _possible(probability: Amount) -> bool:
    """Whether a change can happen at all. (A tensor counts as yes: looking would wait for the device.)"""
    return isinstance(probability, Tensor) or probability > 0


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


def _check_variant(branch: Branch) -> int:
    if branch.kind not in VARIANTS:
        raise OptionError(f"images have no view of kind {branch.kind!r}: {nearest(branch.kind, VARIANTS)}")
    if not 0 <= branch.variant < VARIANTS[branch.kind]:
        raise OptionError(
            f"images have no variant {branch.variant} of a {branch.kind} view: choose from 0 to {VARIANTS[branch.kind] - 1}"
        )
    return branch.variant


def _overruled(branch: Branch, x: Tensor, made: Look) -> Look:
    """`made` with the branch's options in place of its own values."""
    given = dict(branch.options)
    name = f"{branch.kind} view of images"
    n, bands = x.shape[:2]
    for option, value in given.items():
        if option not in OPTIONS:
            raise OptionError(f"{name}: unknown option {option!r}; {nearest(option, OPTIONS)}")
        if branch.kind == "raw":
            raise OptionError(f"{name}: nothing is changed, so {option!r} cannot be set; choose 'weak' or 'strong'")
        if isinstance(value, Tensor) and value.shape not in ((), (n,)):
            raise OptionError(
                f"{name}: {option} must be a number or one number a row, ({n},), not of shape {tuple(value.shape)}"
            )
        if option in ("low", "high"):
            if made.place != "crop":
                raise OptionError(f"{name}, variant {branch.variant}: it is not cropped, so {option!r} cannot be set")
        elif not bool(((torch.as_tensor(value) >= 0) & (torch.as_tensor(value) <= 1)).all()):
            raise OptionError(f"{name}: {option} is a probability, from 0 to 1, not {value}")
    if "grey" in given and bands != 3:
        raise OptionError(f"{name}: greyscale needs red, green and blue, and these images have {bands} band(s); leave out 'grey'")
    if "band_dropout" in given and bands < 2:
        raise OptionError(f"{name}: an image of one band has none to drop; leave out 'band_dropout'")
    given = {k: v.to(x.device, torch.float32) if isinstance(v, Tensor) else v for k, v in given.items()}
    made = replace(made, **given)
    low, high = torch.as_tensor(made.low), torch.as_tensor(made.high)
    if not bool(((low > 0) & (low <= high) & (high <= 1)).all()):
        raise OptionError(f"{name}: a crop keeps from low to high of the area, 0 < low ≤ high ≤ 1, not {made.low} to {made.high}")
    return made
