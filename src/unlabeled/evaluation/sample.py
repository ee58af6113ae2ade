"""Rows for figures that look at every pair: all of them, or a draw that says its size and seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from unlabeled.errors import DataError, OptionError
from unlabeled.evaluation.arrays import exact

SAMPLE_SIZE = 5_000
"""rows up to which figures of pairs are computed from all of them"""
LEAST_ROWS = 50
"""different rows below which figures of neighbours are mostly noise"""


@dataclass(frozen=True)
class Estimate:
    """A figure, and the rows it was computed from."""

    value: float
    samples: int
    """rows that were given"""
    used: int
    """rows the figure was computed from, without the duplicates where it leaves them out"""
    seed: int | None
    """of what was drawn at random, such as the rows; None where nothing was"""
    duplicates: int = 0
    """rows left out because an equal one was there"""


def draw(z: Tensor, size: int, seed: int) -> tuple[Float[Tensor, "used dim"], int | None]:
    """At most `size` rows of z in float64, drawn without repeats and in their order, and the seed of the draw."""
    if size < 2:
        raise OptionError(f"sample_size is {size}: give at least 2 rows, such as {SAMPLE_SIZE}")
    if seed < 0:
        raise OptionError(f"seed is {seed}: give a whole number from 0 on")
    if len(z) <= size:
        return exact(z), None
    chosen = np.sort(np.random.default_rng(seed).choice(len(z), size, replace=False))
    return exact(z[torch.from_numpy(chosen).to(z.device)]), seed


def distinct(rows: Float[Tensor, "used dim"], name: str) -> Float[Tensor, "distinct dim"]:
    """The rows without repeats, in their order. Refused: fewer than 50 different ones."""
    array = rows.cpu().numpy()
    # adding 0 makes -0 and 0, which are equal, the same bytes
    seen = {row.tobytes(): place for place, row in reversed(list(enumerate(array + 0.0)))}
    if len(seen) < LEAST_ROWS:
        raise DataError(
            f"{name} has {len(seen)} different rows of {len(rows)}: at least {LEAST_ROWS} are needed; "
            "give more samples, and look for a collapse or repeats if you gave enough"
        )
    return rows[sorted(seen.values())]
