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
        return Batch(
            self.source.fetch(positions),
            torch.from_numpy(np.ascontiguousarray(positions, dtype=np.int64)),
            torch.from_numpy(self.y[positions]),
        )


def passes(source: Source, y: np.ndarray | None = None, *, size: int = 256) -> Iterator[Batch]:
    """Every sample once, in order."""
    rows = Rows(source, y)
    for first in range(0, len(source), size):
        yield rows[np.arange(first, min(first + size, len(source)))]


@torch.no_grad()
def features(
    encoder: nn.Module,
    source: Source,
    *,
    prepare: Callable[[Any], Any] = lambda x: x,
    device: torch.device | str = "cpu",
    size: int = 256,
) -> Tensor:
    """(samples, dim) float32 on the CPU: the encoder in evaluation mode over every sample; its mode is put back.

    `prepare` makes of a collated batch what the encoder sees (the modality's unchanged view).
    """
    training = encoder.training
    encoder.eval()
    try:
        parts = [encoder(prepare(b.to(device).x)).float().cpu() for b in passes(source, size=size)]
    finally:
        encoder.train(training)
    return torch.cat(parts)
