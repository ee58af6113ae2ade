"""Documents as weighted counts of their tokens: the raw input that an encoder has to beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

COLUMNS = 8192
"""most columns; tokens of a larger vocabulary share them by the remainder of their number"""


def inverse_frequencies(rows: Sequence[np.ndarray], size: int) -> list[float]:
    """ln((1 + n) / (1 + n_c)) + 1 for each column c, which n_c of the n documents have; 4 decimals.

    `rows`: token numbers of each document. The smoothed form of Spärck Jones 1972.
    """
    columns = min(size, COLUMNS)
    having = np.zeros(columns, dtype=np.int64)
    for row in rows:
        having[np.unique(row % columns)] += 1
    return [round(float(v), 4) for v in np.log((1 + len(rows)) / (1 + having)) + 1]


def tfidf(x: Int[Tensor, "n length"], pad: int, idf: Float[Tensor, " columns"]) -> Float[Tensor, "n columns"]:
    """(1 + ln count) · idf of every column, to unit length; 0 where a document has none of its tokens."""
    counts = torch.zeros(len(x), len(idf), device=x.device)
    counts.scatter_add_(1, x % len(idf), (x != pad).float())
    weighted = torch.where(counts > 0, 1 + counts.clamp(min=1).log(), 0.0) * idf.to(x.device)
    return torch.nn.functional.normalize(weighted, dim=1)
