"""What a page shows of samples: keys, words, pictures, labels, columns; and the pictures as one sheet."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import UInt8

from unlabeled.errors import DataError
from unlabeled.report.page import Sheet

SHEET_BYTES = 1_100_000
"""of a sheet of pictures at most: a page of 2,000 samples stays below 3 MB"""
SIDES = (96, 72, 56, 44, 34, 26, 20)
"""pixels that the longer side of a picture is tried with, until the sheet is small enough"""
PIXELS = 24e6
"""of a sheet at most: what browsers on telephones still draw"""
WORDS = 240
"""characters of a sample's description on the map"""


@dataclass(frozen=True)
class Samples:
    """Some samples as a person sees them, one entry a sample; what is None or empty is not known.

    `labels`: None where a sample has none. `pictures`: (samples, height, width, 3) uint8. `columns`: name →
    values, by which a map can be coloured too. Refused: unequal lengths, pictures of another form.
    """

    keys: Sequence[str]
    texts: Sequence[str] = ()
    labels: Sequence[Any] | np.ndarray | None = None
    pictures: UInt8[np.ndarray, "samples height width 3"] | None = None
    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given = {
            "texts": self.texts or None,
            "labels": self.labels,
            "pictures": self.pictures,
            **self.columns,
        }
        for name, values in given.items():
            if values is not None and len(values) != len(self.keys):
                raise DataError(
                    f"there are {len(self.keys)} samples and {name} {len(values)}: give one a sample"
                )
        drawn = self.pictures
        if drawn is not None and (drawn.ndim != 4 or drawn.shape[3] != 3 or drawn.dtype != np.uint8):
            raise DataError(
                f"pictures are {drawn.dtype} {drawn.shape}: give uint8 of (samples, height, width, 3)"
            )

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def names(self) -> list[str | None] | None:
        """Labels as text; None where nothing is known of any."""
        return None if self.labels is None else [named(label) for label in self.labels]

    def words(self, most: int = WORDS) -> list[str]:
        """The descriptions, cut where they are long; empty where there are none."""
        return [shortened(text, most) for text in self.texts] or [""] * len(self)


def named(label: Any) -> str | None:
    """A label as text; None for what means unlabelled."""
    if label is None or (isinstance(label, float | np.floating) and label != label):
        return None
    plain = str(label)
    return None if plain in ("", "-1") else plain


def shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip(" ,") + "…"


def sheet(pictures: UInt8[np.ndarray, "samples height width 3"]) -> Sheet:
    """All pictures side by side in one image, as large as `SHEET_BYTES` allows."""
    count = len(pictures)
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    # a row of pictures says what suits them all
    kind, _ = encoded(np.concatenate(list(thumbnails(pictures[:columns]))))
    for side in SIDES:
        small = thumbnails(pictures, side)
        high, wide = small.shape[1:3]
        if high * wide * rows * columns > PIXELS and side > SIDES[-1]:
            continue
        whole = np.full((rows * columns, high, wide, 3), 255, dtype=np.uint8)
        whole[:count] = small
        laid = whole.reshape(rows, columns, high, wide, 3).swapaxes(1, 2).reshape(rows * high, -1, 3)
        data = written(laid, kind)
        if len(data) <= SHEET_BYTES:
            break
    return Sheet(data, kind, count, columns, rows, high, wide)


def thumbnails(
    pictures: UInt8[np.ndarray, "samples height width 3"], side: int = SIDES[0]
) -> UInt8[np.ndarray, "samples small_height small_width 3"]:
    """The pictures, made smaller where a side is longer than `side` pixels."""
    from PIL import Image

    height, width = pictures.shape[1:3]
    shrink = side / max(height, width)
    if shrink >= 1:
        return pictures
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    return np.stack([np.asarray(Image.fromarray(p).resize(size, Image.Resampling.LANCZOS)) for p in pictures])


def encoded(picture: UInt8[np.ndarray, "height width 3"]) -> tuple[str, bytes]:
    """(kind, bytes) of an image: PNG, or JPEG where that is much smaller."""
    made = {kind: written(picture, kind) for kind in ("png", "jpeg")}
    kind = "jpeg" if len(made["jpeg"]) < 0.7 * len(made["png"]) else "png"
    return kind, made[kind]


def written(picture: UInt8[np.ndarray, "height width 3"], kind: str) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(out, kind, quality=82)
    return out.getvalue()
