"""One encoded picture (a file, bytes, a PIL image, an array) to an array of pixels.

Whatever the format, what comes out is (height, width, bands), upright, without transparency:
uint8 or uint16 where the file holds that, float32 or wider integers where it holds those. What
cannot be read raises `Unreadable` with the reason, whatever the library underneath raised.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Shaped
from PIL import Image, UnidentifiedImageError

from unlabeled.data.cache import Unreadable

# fmt: off
SUFFIXES = frozenset((
    ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".gif", ".webp", ".tif", ".tiff",
    ".ppm", ".pgm", ".pbm", ".pnm", ".npy", ".jp2", ".j2k", ".jpx", ".tga", ".avif", ".qoi", ".pcx", ".sgi",
))
# fmt: on
FORMATS = (
    "PNG",
    "JPEG",
    "BMP",
    "DIB",
    "GIF",
    "WEBP",
    "TIFF",
    "PPM",
    "JPEG2000",
    "TGA",
    "AVIF",
    "QOI",
    "PCX",
    "SGI",
)
"""what PIL may open here; the rest of its list holds documents, and programs that it would start"""
LARGEST = 500_000_000
"""pixels of a picture that is decoded (PIL itself stops at 179 million); a JPEG counts as it is decoded,
up to 8 times smaller a side"""
LARGE = 50_000_000
"""pixels from which pictures are decoded one at a time, so that threads do not fill the memory together"""
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
NEEDS_TIFFFILE = "reading this needs the package 'tifffile': pip install 'unlabeled[image]'"

_one_large_at_a_time = threading.Lock()
_limit_lock = threading.Lock()
_limit_lifted = 0
_limit_before: int | None = None


@dataclass(frozen=True)
class Picture:
    """A decoded picture, perhaps already reduced, and how large the original is."""

    pixels: Shaped[np.ndarray, "height width bands"]
    height: int
    width: int


def decode(file: BinaryIO, side: int) -> Picture:
    """The picture in an open file, recognised by its content, whatever its name says.

    A picture more than four times as large as `side` (its shorter side) may come reduced, at least
    twice as large: the caller resizes it anyway.
    """
    try:
        start = file.read(6)
        file.seek(0)
        if not start:
            raise Unreadable("empty file (0 bytes)")
        if start == b"\x93NUMPY":
            return picture(np.load(file, allow_pickle=False))
        if start[:4] in TIFF_STARTS:
            pixels = _tiff(file)
            if pixels is not None:
                return picture(pixels, bands_last=True)
            file.seek(0)
        with _large_allowed():
            return from_pil(Image.open(file, formats=formats()), side)
    except Unreadable:
        raise
    except UnidentifiedImageError:
        if start[:4] in TIFF_STARTS and find_spec("tifffile") is None:
            raise Unreadable(f"not a TIFF that PIL reads; {NEEDS_TIFFFILE}") from None
        raise Unreadable("not a picture in any known format, or damaged at its start") from None
    # decoders raise nearly anything at damaged files: OSError, SyntaxError, struct.error, MemoryError …
    except Exception as error:
        raise Unreadable(f"cannot be decoded ({type(error).__name__}: {error})") from error


def from_pil(image: Image.Image, side: int) -> Picture:
    """A PIL image (of an animation the first frame): upright, transparency laid on white."""
    width, height = image.size
    if hasattr(image, "draft"):
        # JPEG decodes to an eighth of the size at a fraction of the cost
        image.draft(None, (2 * side, 2 * side))
    count = image.size[0] * image.size[1]
    if count > LARGEST:
        raise Unreadable(f"{width:,} × {height:,} pixels are more than the {LARGEST:,} that are decoded")
    single = image.mode in ("1", "L", "F") or image.mode.startswith("I")
    if (
        image.format == "TIFF"
        and single
        and getattr(image, "n_frames", 1) > 1
        and find_spec("tifffile") is None
    ):
        raise Unreadable(f"its {getattr(image, 'n_frames', 1)} pages may be bands; {NEEDS_TIFFFILE}")
    if image.format == "TIFF" and image.mode == "RGB" and image.tag_v2.get(277, 3) > 3:  # type: ignore[attr-defined]
        raise Unreadable(f"holds more bands than colour; {NEEDS_TIFFFILE}")
    with _one_large_at_a_time if count > LARGE else contextlib.nullcontext():
        image.load()
        turn = _orientation(image)
        plain = _plain(image)
        factor = min(plain.size) // (2 * side)
        if factor > 1 and plain.mode in ("L", "RGB"):
            plain = plain.reduce(factor)
        pixels = np.array(plain)
    if plain.mode == "I" and image.format in ("PNG", "PPM", "JPEG2000"):
        pixels = pixels.astype(np.uint16)
    found = picture(_upright(pixels, turn), bands_last=True)
    return Picture(found.pixels, width, height) if turn >= 5 else Picture(found.pixels, height, width)


def picture(values: np.ndarray, *, bands_last: bool = False) -> Picture:
    """An array that is one picture: (height, width), (height, width, band) or (band, height, width)."""
    if values.dtype.kind not in "buif":
        raise Unreadable(f"holds values of type {values.dtype}, not numbers")
    if values.ndim not in (2, 3):
        raise Unreadable(f"has shape {values.shape}: a picture has 2 dimensions, or 3 with its bands")
    if values.size == 0:
        raise Unreadable(f"holds no pixels (shape {values.shape})")
    if values.ndim == 2:
        values = values[:, :, None]
    elif not bands_last:
        axis = band_axis(values.shape)
        if axis is None:
            raise Unreadable(
                f"has shape {values.shape}, in which the bands cannot be told: make it (height, width, band)"
            )
        values = np.moveaxis(values, axis, -1)
    if values.dtype.kind == "b":
        values = values.astype(np.uint8) * 255
    if not values.dtype.isnative:
        values = values.astype(values.dtype.newbyteorder("="))
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise Unreadable("holds NaN or infinite values")
    return Picture(values, values.shape[0], values.shape[1])


def band_axis(shape: Sequence[int]) -> int | None:
    """Which of three axes counts the bands: 0 (first) or 2 (last); None where it cannot be told.

    The one of at most 4 values; else the one that leaves a square; else the smaller.
    """
    first, middle, last = shape
    if (first <= 4) != (last <= 4):
        return 0 if first <= 4 else 2
    if (middle == last) != (first == middle):
        return 0 if middle == last else 2
    if first == last:
        return None
    return 0 if first < last else 2


def formats() -> list[str]:
    """Names of the formats that PIL opens here."""
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def _plain(image: Image.Image) -> Image.Image:
    """Mode L or RGB, or a mode of one wide band (I, I;16, F)."""
    if image.mode == "F" or image.mode.startswith("I"):
        return image
    if image.has_transparency_data:
        shown = image.convert("RGBA")
        paper = Image.new("RGBA", shown.size, "white")
        flat = Image.alpha_composite(paper, shown).convert("RGB")
        return flat.convert("L") if image.mode in ("1", "L", "LA", "La") else flat
    if image.mode in ("L", "RGB"):  # converting would copy, and some pictures are gigabytes
        return image
    if image.mode in ("1", "L", "LA", "La"):
        return image.convert("L")
    return image.convert("RGB")


def _orientation(image: Image.Image) -> int:
    try:
        turn = image.getexif().get(0x0112, 1)
    except Exception:  # damaged metadata is no reason to lose the picture
        return 1
    return turn if isinstance(turn, int) and 1 <= turn <= 8 else 1


def _upright(pixels: np.ndarray, turn: int) -> np.ndarray:
    """Undoes the eight ways in which a camera may have been held (EXIF orientation)."""
    if turn >= 5:
        pixels = pixels.swapaxes(0, 1)
    if turn in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if turn in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def _tiff(file: BinaryIO) -> np.ndarray | None:
    """(height, width[, bands]) of a TIFF that PIL would not read whole; None: leave it to PIL."""
    if find_spec("tifffile") is None:
        return None
    import tifffile

    try:
        with tifffile.TiffFile(file) as tiff:
            page: Any = tiff.pages[0]
            series = tiff.series[0]
            pages = len(tiff.pages)
            if _pil_reads(page, pages):
                return None
            if page.imagewidth * page.imagelength > LARGEST:
                raise Unreadable(
                    f"{page.imagewidth:,} × {page.imagelength:,} pixels are more than the {LARGEST:,} "
                    "that are decoded"
                )
            return _tiff_bands(page, series)
    except Unreadable:
        raise
    except Exception as error:
        if "imagecodecs" in str(error):
            raise Unreadable(f"its compression needs the package 'imagecodecs' ({error})") from error
        return None


def _pil_reads(page: Any, pages: int) -> bool:
    """Whether PIL reads all of this TIFF: one page of 8-bit grey or colour, or colours only PIL converts."""
    if int(page.photometric) not in (0, 1, 2):
        return True
    if pages != 1:
        return False
    if page.extrasamples:  # 16-bit alpha is read by PIL with 8 bits, rather than taken for a band here
        alone = len(page.extrasamples) == 1 and int(page.extrasamples[0]) in (1, 2)
        return alone and page.samplesperpixel in (2, 4) and str(page.dtype) in ("uint8", "uint16")
    return page.samplesperpixel in (1, 3) and str(page.dtype) in ("uint8", "bool")


def _tiff_bands(page: Any, series: Any) -> np.ndarray:
    """Samples or channel pages as bands, last; of pages that are times, depths or just pages, the first."""
    if series.axes == "QYX":  # pages of one array without names for its axes: the shape tells
        return picture(series.asarray()).pixels
    values, axes = (series.asarray(), series.axes) if "C" in series.axes else (page.asarray(), page.axes)
    for axis in [a for a in axes if a not in "YXSC"]:
        values, axes = values.take(0, axis=axes.index(axis)), axes.replace(axis, "", 1)
    if int(page.photometric) == 0 and values.dtype.kind == "u":
        values = np.iinfo(values.dtype).max - values
    order = [axes.index("Y"), axes.index("X"), *(axes.index(a) for a in "CS" if a in axes)]
    turned: np.ndarray = values.transpose(order)
    return turned.reshape(*turned.shape[:2], -1)


@contextlib.contextmanager
def _large_allowed() -> Iterator[None]:
    """Lifts PIL's own limit on pixels while pictures are decoded here (`LARGEST` holds instead)."""
    global _limit_lifted, _limit_before
    with _limit_lock:
        if _limit_lifted == 0:
            _limit_before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        _limit_lifted += 1
    try:
        yield
    finally:
        with _limit_lock:
            _limit_lifted -= 1
            if _limit_lifted == 0:
                Image.MAX_IMAGE_PIXELS = _limit_before
