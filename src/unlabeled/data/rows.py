"""A source read in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from unlabeled.data.batch import Batch
from unlabeled.data.source import Source


class Rows(Dataset[Batch]):
    """A source and its labels, read a whole batch at a time."""

    def __init__(self, source: Source, y: np.ndarray | None = None) -> None:
        self.source = source
        self.y = np.full(len(source), -1, dtype=np.int64) if y is None else y

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, positions: np.ndarray) -> Batch:
        if self.source.whole:
            positions = np.arange(len(self.source))
        return Batch(
            self.source.fetch(positions),
            torch.from_numpy(np.ascontiguousarray(positions, dtype=np.int64)),
            torch.from_numpy(self.y[positions]),
        )


def passes(
    source: Source, y: np.ndarray | None = None, *, size: int = 256, rows: np.ndarray | None = None
) -> Iterator[Batch]:
    """Every sample once, in order, or those at `rows`; what cannot be taken apart comes whole, once."""
    read = Rows(source, y)
    if source.whole or rows is None:
        rows = np.arange(len(source))
    for first in range(0, len(rows), len(rows) if source.whole else size):
        yield read[rows[first : first + (len(rows) if source.whole else size)]]


@torch.no_grad()
def features(
    encoder: nn.Module,
    source: Source,
    *,
    prepare: Callable[[Any], Any] = lambda x: x,
    device: torch.device | str = "cpu",
    size: int = 256,
    rows: np.ndarray | None = None,
) -> Tensor:
    """(samples, dim) float32 on the CPU: the encoder in evaluation mode over every sample; its mode is put back.

    `prepare` makes of a collated batch what the encoder sees (the modality's unchanged view). `rows`: only
    these samples, in this order.
    """
    training = encoder.training
    encoder.eval()
    try:
        parts = [encoder(prepare(b.to(device).x)).float().cpu() for b in passes(source, size=size, rows=rows)]
    finally:
        encoder.train(training)
    z = torch.cat(parts)
    return z if rows is None or not source.whole else z[torch.from_numpy(rows)]
