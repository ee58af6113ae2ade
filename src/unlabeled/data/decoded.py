"""A collection as a source whose samples all have one form, decoded once where that can be kept.

Rows come from the memory-mapped cache where they fit; where they do not, everything is still decoded
once at opening, so that what is unreadable is known before a run begins, and again whenever it is
fetched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from unlabeled.data.cache import Mapped, Unreadable, prepare, threads, whole
from unlabeled.data.collection import Collection
from unlabeled.data.source import Skipped, Source
from unlabeled.errors import DataError


class Decoded(Source):
    """Samples of a collection, each made into one row of `shape` and `dtype`.

    `make` turns what `collection.open` gives into a row, or raises `Unreadable`; it is called from several
    threads and must pickle. `form` changes whenever a row would: it names the preparation. `cache`: folder of
    the decoded rows (None: the usual one).
    """

    def __init__(
        self,
        collection: Collection,
        make: Callable[[Any], np.ndarray],
        *,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        form: str,
        cache: Path | None = None,
    ) -> None:
        count = len(collection)
        self.collection: Collection | None = collection
        self.make = make
        self.fingerprint = _digest(collection.fingerprint or "unknown", form)
        name = None if collection.fingerprint is None else self.fingerprint
        made = prepare(self._row, count, shape=shape, dtype=dtype, name=name, folder=cache)
        whole(made.failed, count, collection.what, collection.keys.__getitem__)
        self.rows: Mapped | np.ndarray | None = made.rows
        self.index = np.array([i for i in range(count) if i not in made.failed], dtype=np.int64)
        self.keys = [collection.keys[i] for i in self.index]
        self.labels = None
        if collection.labels is not None:
            self.labels = objects([collection.labels[i] for i in self.index])
        self.skipped = [Skipped(collection.keys[i], why) for i, why in made.failed.items()]
        self.description = f"{collection.what}; {made.how}"
        if made.rows is not None:
            self.collection = None  # its samples are not needed any more, nor need workers get them
        if collection.fingerprint is None:
            self.fingerprint = _digest(_content(made.rows, self.keys), form)

    @property
    def decoded(self) -> bool:
        """Whether rows are kept, rather than made anew whenever they are fetched."""
        return self.rows is not None

    def fetch(self, positions: Sequence[int] | np.ndarray) -> Tensor:
        """(n, *shape). `DataError`: a sample that could be read when the source was opened no longer can."""
        places = self.index[np.asarray(positions, dtype=np.int64)]
        if self.rows is not None:
            rows = self.rows.array if isinstance(self.rows, Mapped) else self.rows
            return torch.from_numpy(rows[places])
        if get_worker_info() is not None or len(places) < 4:
            return torch.from_numpy(np.stack([self._again(i) for i in places]))
        with ThreadPoolExecutor(threads()) as pool:
            return torch.from_numpy(np.stack(list(pool.map(self._again, places))))

    def _row(self, i: int) -> np.ndarray:
        assert self.collection is not None
        return self.make(self.collection.open(i))

    def _again(self, i: int) -> np.ndarray:
        try:
            return self._row(int(i))
        except Unreadable as error:
            assert self.collection is not None
            raise DataError(
                f"{self.collection.keys[int(i)]} could be read when the data was opened and no longer can "
                f"({error}): restore it, then continue the run"
            ) from error


def objects(labels: Sequence[Any]) -> np.ndarray:
    """Labels of any type, as `Source.labels` holds them."""
    out = np.empty(len(labels), dtype=object)
    out[:] = labels
    return out


def _digest(*parts: str) -> str:
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def _content(rows: Mapped | np.ndarray | None, keys: Sequence[str]) -> str:
    digest = hashlib.blake2b("\n".join(keys).encode("utf-8", "surrogateescape"), digest_size=16)
    if isinstance(rows, np.ndarray):
        digest.update(np.ascontiguousarray(rows).data)
    return digest.hexdigest()
