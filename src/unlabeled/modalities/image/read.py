"""Opens data as a source of images that all have the same form.

A stack (an array) stays where it is and is prepared as it is fetched. A collection (files, an
archive, somebody's data set) is decoded once where that can be kept (`data/decoded.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import astuple
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from unlabeled.data.cache import Unreadable
from unlabeled.data.collection import Collection
from unlabeled.data.decoded import Decoded, objects
from unlabeled.data.source import Source
from unlabeled.errors import DataError
from unlabeled.modalities.image.find import open_collection, to_picture
from unlabeled.modalities.image.measure import check_finite
from unlabeled.modalities.image.prepare import Preparation
from unlabeled.modalities.image.stack import Stack, open_stack

FORM = 1
"""of what a cache holds; another number makes all caches anew"""

Images = Shaped[Tensor, "n bands height width"]


def read(
    data: Any, preparation: Preparation, *, eight_bit: bool, cache: Path | None = None, labels: bool = False
) -> Source:
    """The images of `data`, prepared; `eight_bit`: pictures of a collection become uint8, else float32.

    `DataError`: nothing there, nothing readable, NaN or another scale in an array.
    """
    stack = open_stack(data, labels=labels)
    if stack is not None:
        return StackSource(stack, preparation)
    return open_pictures(open_collection(data, labels=labels), preparation, eight_bit, cache)


class StackSource(Source):
    """Images of one array, prepared as they are fetched; the array is not copied."""

    def __init__(self, stack: Stack, preparation: Preparation) -> None:
        self.stack, self.preparation = stack, preparation
        self.decoded = stack.height_width_bands[:2] == (preparation.height, preparation.width)
        _check_values(stack, preparation)
        self.keys = [str(i) for i in range(len(stack))]
        self.index = np.arange(len(stack))
        self.labels = None if stack.labels is None else objects(stack.labels)
        self.skipped = []
        self.description = stack.what + _scale_said(preparation, str(stack.array.dtype))
        said = f"{stack.fingerprint}\0{_form(preparation)}"
        self.fingerprint = hashlib.blake2b(said.encode(), digest_size=16).hexdigest()

    def fetch(self, positions: Sequence[int] | np.ndarray) -> Images:
        """(n, bands, height, width) at the stored size, uint8 or float32 in [0, 1]."""
        return self.preparation.apply(self.stack.rows(np.asarray(positions, dtype=np.int64)))


def open_pictures(
    collection: Collection, preparation: Preparation, eight_bit: bool, cache: Path | None = None
) -> Decoded:
    """Pictures of a collection: from memory or the cache, or decoded as they are fetched."""
    source = Decoded(
        collection,
        partial(_row, preparation=preparation, eight_bit=eight_bit),
        shape=(preparation.bands, preparation.height, preparation.width),
        dtype=np.dtype(np.uint8 if eight_bit else np.float32),
        form=_form(preparation, eight_bit),
        cache=cache,
    )
    source.description += _scale_said(preparation, "")
    return source


def _row(value: Any, *, preparation: Preparation, eight_bit: bool) -> np.ndarray:
    """(bands, height, width) of one picture, as the cache holds it."""
    found = to_picture(value, max(preparation.height, preparation.width))
    x = preparation.apply(found.pixels[None])[0]
    if eight_bit and x.dtype != torch.uint8:
        x = (x * 255).round().to(torch.uint8)
    elif not eight_bit and x.dtype == torch.uint8:
        x = x.float() / 255
    return x.numpy()


def _check_values(stack: Stack, preparation: Preparation) -> None:
    """Refuses NaN, infinity and another scale anywhere in the array, naming the first row."""
    _, _, bands = stack.height_width_bands
    _check_bands(bands, preparation)
    if stack.array.dtype in (np.uint8, np.uint16, np.bool_):
        return
    check_finite(stack)
    if preparation.low is not None:
        return
    for start, rows in stack.chunks():
        for i, one in enumerate(rows):
            try:
                preparation.check_scale(one)
            except Unreadable as error:
                raise DataError(
                    f"row {start + i} of {stack.what} {error}: bring the array to the scale of the data this "
                    "was measured on (uint8, or floating point from 0 to 1)"
                ) from None


def _check_bands(bands: int, preparation: Preparation) -> None:
    """Refuses an array whose bands cannot become those of the set."""
    if bands != preparation.bands and {bands, preparation.bands} != {1, 3}:
        raise DataError(f"images with {bands} bands were given where {preparation.bands} are expected")


def _scale_said(preparation: Preparation, dtype: str) -> str:
    if preparation.low is None or preparation.high is None or dtype in ("uint8", "bool"):
        return ""
    low, high = min(preparation.low), max(preparation.high)
    return f"; values rescaled a band from {low:.4g} … {high:.4g} to 0 … 1, what lies outside is clipped"


def _form(*parts: Any) -> str:
    said = [astuple(part) if isinstance(part, Preparation) else part for part in parts]
    # which multi-band files can be read depends on tifffile being there
    return repr([*said, FORM, find_spec("tifffile") is not None])
