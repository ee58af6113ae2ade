"""What every modality reads into: a set of samples with keys, perhaps labels, and what was skipped."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Skipped:
    """One thing of the source that could not be read."""

    key: str
    reason: str


class Source(ABC):
    """Samples that can be read by position. The modality that opened it knows how to collate them.

    A row that cannot be read is not in the source: `index` leaves a gap where it was, and
    `skipped` names it.
    """

    keys: Sequence[str]
    """one a sample: path relative to the source, or the id column, else the index as text"""
    index: np.ndarray
    """(samples,) int64: place of each sample in what the user gave"""
    labels: np.ndarray | None
    """(samples,) object: what the source itself says of each sample's class (None: nothing), never used unasked"""
    skipped: list[Skipped]
    description: str
    """one line for a person: what was found"""
    fingerprint: str
    """changes when the data does; names the cache"""
    whole: bool = False
    """rows cannot be taken apart (the nodes of one graph): a batch is all of them, in order"""

    def __len__(self) -> int:
        return len(self.keys)

    @abstractmethod
    def fetch(self, positions: Sequence[int] | np.ndarray) -> Any:
        """The samples at these positions of the source, collated (what `Batch.x` holds)."""
