"""What the kinds of view mean for images, in numbers, and how a branch's options overrule them.

Greyscale images (one band) are not flipped: characters and many scans have a handedness. They have
no colours to change either, so strong views turn, zoom and shift them a little instead. Images with
neither one nor three bands have a gain, an offset and dropped bands in place of saturation, hue and
greyscale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from unlabeled.errors import OptionError
from unlabeled.methods.contract import Branch
from unlabeled.modalities.amounts import Amount, check_kept, given

SMALL = 64
"""longest side (px) up to which the changes are those published for CIFAR and the like"""
TINY = 16
"""longest side up to which a crop must keep half of the image to show anything"""

VARIANTS: Mapping[str, int] = {"raw": 1, "weak": 2, "strong": 3, "local": 1}
"""how many variants each kind has"""


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
    turned: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """largest angle (degrees), zoom (0.1: from 0.9 to 1.1 times) and shift (share of the side)"""


AREAS = ("low", "high")
CHANCES = ("flip", "turn", "jitter", "grey", "band_dropout", "blur", "solarise", "noise", "cutout")
OPTIONS = AREAS + CHANCES
"""what a branch's options can overrule: the share of the area a crop keeps, and probabilities"""

FLIP = 0.5
MAE_AREA = 0.2
"""smallest crop of the weak view 1 (He et al. 2021, arXiv 2111.06377)"""
AREA = 0.08
"""smallest crop of a strong view (Chen et al. 2020, arXiv 2002.05709, appendix A)"""
SMALL_AREA = 0.2
"""the same up to SMALL px, where 8 % is a square of nine; solo-learn's choice for CIFAR"""
TINY_AREA = 0.5
"""the same up to TINY px; not from a paper"""
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

# Greyscale: no paper's values. Tried with SimCLR on scikit-learn's digits (25 epochs, nearest neighbour from
# 5 labels a class, one or two seeds): 0.90 with these, 0.88 without turning; smallest crops from 0.5 to 1 and
# noise and cutout on or off all gave 0.90 to 0.91, and flips, which greyscale is spared, 0.87.
TURN = 0.8
GREYSCALE_TURN = (15.0, 0.1, 0.05)
TINY_TURN = (20.0, 0.2, 1 / 8)
"""angle, zoom, shift"""
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
    # strengths are set for every kind, so that an option that switches a change on finds them
    colours = SIMCLR_SMALL_COLOURS if small else SIMCLR_COLOURS
    made = Look(flip=flip, colours=colours, turned=TINY_TURN if tiny else GREYSCALE_TURN)
    if kind == "weak" and variant == 0:
        return replace(made, place="shift")
    if kind == "weak":
        return replace(made, place="crop", low=TINY_AREA if tiny else MAE_AREA)

    low = TINY_AREA if tiny else SMALL_AREA if small else AREA
    made = replace(made, place="crop", low=low, jitter=JITTER, blur=0.0 if small else BLUR)
    if bands == 3:
        made = replace(made, grey=GREY)
    elif not greyscale:
        made = replace(made, band_dropout=GREY)
    elif tiny:
        made = replace(made, turn=TURN, noise=TINY_NOISE, cutout=TINY_CUTOUT)
    else:
        made = replace(made, turn=TURN)

    if kind == "local":
        low, high = TINY_LOCAL_AREA if tiny else SMALL_LOCAL_AREA if small else LOCAL_AREA
        return replace(made, low=low, high=high, colours=BYOL_COLOURS, blur=0.0 if small else LOCAL_BLUR)
    if variant > 0:
        blurred = 0.0 if small else BYOL_BLUR[variant - 1]
        made = replace(made, colours=BYOL_COLOURS, blur=blurred, solarise=BYOL_SOLARISE[variant - 1])
    return made


def local_size(size: tuple[int, int], patch: int | None) -> tuple[int, int]:
    """Height and width of a local view: where there are patches a whole number of them, at least two."""
    if patch is None:
        return max(1, round(size[0] * LOCAL_SIDE)), max(1, round(size[1] * LOCAL_SIDE))
    if 2 * patch > min(size):
        raise OptionError(
            f"a local view has at least two patches a side, and images of {size[0]}×{size[1]} "
            f"have no room for two of {patch} px: choose a smaller patch"
        )
    rows, columns = (max(2, round(side * LOCAL_SIDE / patch)) for side in size)
    return rows * patch, columns * patch


def overruled(branch: Branch, x: Tensor, made: Look) -> Look:
    """`made` with the branch's options in place of its own values."""
    n, bands = x.shape[:2]
    name, asked = f"{branch.kind} view of images", branch.options
    options = given("images", branch, dict.fromkeys(OPTIONS, 1.0), n, x.device)
    if made.place != "crop" and (areas := [option for option in options if option in AREAS]):
        raise OptionError(
            f"{name}: variant {branch.variant} is not cropped, so {areas[0]!r} cannot be set; choose variant 1"
        )
    if "grey" in asked and bands != 3:
        raise OptionError(
            f"{name}: greyscale needs red, green and blue, and these images have {bands} band(s); "
            "leave out 'grey'"
        )
    if "band_dropout" in asked and bands in (1, 3):
        raise OptionError(
            f"{name}: bands are dropped where there are neither one nor three, "
            f"and these images have {bands}; leave out 'band_dropout'"
        )
    made = replace(made, **options)  # type: ignore[arg-type]
    check_kept("images", branch, made.low, made.high, "the area")
    return made
