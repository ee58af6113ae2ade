"""Opens data as a source of images that all have the same form.

A stack (an array) stays where it is and is prepared as it is fetched. A collection (files, an
archive, somebody's data set) is decoded once, into a memory-mapped cache where that fits; where it
does not, everything is still decoded once at opening, so that what is unreadable is known before a
run begins, and again whenever it is fetched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor
from torch.utils.data import get_worker_info

from unlabeled.data.cache import Mapped, Unreadable, prepare, threads, whole
from unlabeled.data.collection import Collection
from unlabeled.data.source import Skipped, Source
from unlabeled.errors import DataError
from unlabeled.modalities.image.find import load, open_collection
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
    return CollectionSource(open_collection(data, labels=labels), preparation, eight_bit, cache)


class StackSource(Source):
    """Images of one array, prepared as they are fetched; the array is not copied."""

    def __init__(self, stack: Stack, preparation: Preparation) -> None:
        self.stack, self.preparation = stack, preparation
        self.decoded = stack.height_width_bands[:2] == (preparation.height, preparation.width)
        _check_values(stack, preparation)
        self.keys = [str(i) for i in range(len(stack))]
        self.index = np.arange(len(stack))
        self.labels = _objects(stack.labels)
        self.skipped = []
        self.description = stack.what + _scale_said(preparation, str(stack.array.dtype))
        self.fingerprint = _mix(stack.fingerprint, preparation)

    def fetch(self, positions: Sequence[int] | np.ndarray) -> Images:
        """(n, bands, height, width) at the stored size, uint8 or float32 in [0, 1]."""
        return self.preparation.apply(self.stack.rows(np.asarray(positions, dtype=np.int64)))


class CollectionSource(Source):
    """Pictures of a collection: from memory or the cache, or decoded as they are fetched."""

    def __init__(
        self, collection: Collection, preparation: Preparation, eight_bit: bool, cache: Path | None = None
    ) -> None:
        self.preparation, self.eight_bit = preparation, eight_bit
        count = len(collection)
        self.collection: Collection | None = collection
        self.fingerprint = _mix(collection.fingerprint or "unknown", preparation, eight_bit)
        made = prepare(
            self._make,
            count,
            shape=(preparation.bands, preparation.height, preparation.width),
            dtype=np.dtype(np.uint8 if eight_bit else np.float32),
            name=None if collection.fingerprint is None else self.fingerprint,
            folder=cache,
        )
        whole(made.failed, count, collection.what, collection.keys.__getitem__)
        self.rows: Mapped | np.ndarray | None = made.rows
        self.decoded = made.rows is not None
        self.index = np.array([i for i in range(count) if i not in made.failed], dtype=np.int64)
        self.keys = [collection.keys[i] for i in self.index]
        self.labels = (
            None if collection.labels is None else _objects([collection.labels[i] for i in self.index])
        )
        self.skipped = [Skipped(collection.keys[i], why) for i, why in made.failed.items()]
        self.description = f"{collection.what}; {made.how}" + _scale_said(preparation, "")
        if made.rows is not None:
            self.collection = None  # its pictures are not needed any more, nor need workers get them
        if collection.fingerprint is None:
            self.fingerprint = _mix(_content(made.rows, self.keys), preparation, eight_bit)

    def fetch(self, positions: Sequence[int] | np.ndarray) -> Images:
        """(n, bands, height, width) at the stored size, uint8 or float32 in [0, 1].

        `DataError`: a picture that could be read when the source was opened no longer can.
        """
        places = self.index[np.asarray(positions, dtype=np.int64)]
        if self.rows is not None:
            rows = self.rows.array if isinstance(self.rows, Mapped) else self.rows
            return torch.from_numpy(rows[places])
        if get_worker_info() is not None or len(places) < 4:
            return torch.from_numpy(np.stack([self._again(i) for i in places]))
        with ThreadPoolExecutor(threads()) as pool:
            return torch.from_numpy(np.stack(list(pool.map(self._again, places))))

    def _make(self, i: int) -> np.ndarray:
        assert self.collection is not None
        found = load(self.collection, i, max(self.preparation.height, self.preparation.width))
        x = self.preparation.apply(found.pixels[None])[0]
        if self.eight_bit and x.dtype != torch.uint8:
            x = (x * 255).round().to(torch.uint8)
        elif not self.eight_bit and x.dtype == torch.uint8:
            x = x.float() / 255
        return x.numpy()

    def _again(self, i: int) -> np.ndarray:
        try:
            return self._make(int(i))
        except Unreadable as error:
            assert self.collection is not None
            raise DataError(
                f"{self.collection.keys[int(i)]} could be read when the data was opened and no longer can "
                f"({error}): restore it, then continue the run"
            ) from error


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


def _objects(labels: Sequence[Any] | None) -> np.ndarray | None:
    if labels is None:
        return None
    out = np.empty(len(labels), dtype=object)
    out[:] = labels
    return out


def _mix(*parts: Any) -> str:
    said = [astuple(part) if isinstance(part, Preparation) else part for part in parts]
    # which multi-band files can be read depends on tifffile being there
    said += [FORM, find_spec("tifffile") is not None]
    return hashlib.blake2b(repr(said).encode(), digest_size=16).hexdigest()


def _content(rows: Mapped | np.ndarray | None, keys: Sequence[str]) -> str:
    digest = hashlib.blake2b("\n".join(keys).encode("utf-8", "surrogateescape"), digest_size=16)
    if isinstance(rows, np.ndarray):
        digest.update(np.ascontiguousarray(rows).data)
    return digest.hexdigest()
