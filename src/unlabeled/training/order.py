"""Which samples each batch of a run holds: a function of (seed, batch number) and nothing else.

A run is one stream of batches, epoch after epoch, so that a resumed run starts it anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from torch.utils.data import DataLoader, Sampler

from unlabeled.data.batch import Batch
from unlabeled.data.draws import derive_seed
from unlabeled.data.rows import Rows
from unlabeled.data.source import Source


class Order(Sampler[np.ndarray]):
    """Yields, batch by batch, the positions this process reads.

    Every epoch is a fresh permutation of `rows`; what does not fill a batch is left out of that epoch.
    Process r of w takes the r-th contiguous share of every batch.
    """

    def __init__(
        self,
        rows: np.ndarray,
        *,
        batch_size: int,
        epochs: int,
        seed: int,
        start: Callable[[], int] = lambda: 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.rows, self.batch_size, self.seed, self.start = rows, batch_size, seed, start
        self.share, self.rank = batch_size // world, rank
        self.per_epoch = len(rows) // batch_size
        self.total = epochs * self.per_epoch

    def __len__(self) -> int:
        return self.total

    def permutation(self, epoch: int) -> np.ndarray:
        return np.random.default_rng(derive_seed(self.seed, "order", epoch)).permutation(self.rows)

    def __iter__(self) -> Iterator[np.ndarray]:
        known, permutation = -1, self.rows
        for number in range(self.start(), self.total):
            epoch, place = divmod(number, self.per_epoch)
            if epoch != known:
                known, permutation = epoch, self.permutation(epoch)
            first = place * self.batch_size + self.rank * self.share
            yield permutation[first : first + self.share]


def loader(
    source: Source, y: np.ndarray, order: Sampler[np.ndarray], workers: int, pin: bool
) -> DataLoader[Batch]:
    """A loader that yields one `Batch` for every array of positions."""
    return DataLoader(
        Rows(source, y),
        sampler=order,
        batch_size=None,
        num_workers=workers,
        pin_memory=pin,
        prefetch_factor=2 if workers else None,
    )
