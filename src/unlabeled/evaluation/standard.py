"""Features as probes fit them: standardised by the train set, and read in blocks of float64."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from unlabeled.evaluation.arrays import blocks, exact

BLOCK = 500_000
"""numbers turned into float64 at once: few enough to stay near the processor"""


@dataclass(frozen=True)
class Standard:
    """Takes off the mean of a set's columns and divides by their standard deviation; constant columns become 0."""

    mean: Float[np.ndarray, " dim"]
    scale: Float[np.ndarray, " dim"]

    @classmethod
    def of(cls, z: Tensor) -> Standard:
        mean = torch.stack([exact(rows).sum(0) for _, rows in blocks(z)]).sum(0) / len(z)
        squares = torch.stack([(exact(rows) - mean).square().sum(0) for _, rows in blocks(z)]).sum(0)
        deviation = (squares / len(z)).sqrt()
        # a column that varies by rounding only is constant: dividing would blow the rounding up
        scale = torch.where(deviation > 1e-10 * mean.abs(), deviation, torch.inf)
        return cls(mean.cpu().numpy(), scale.cpu().numpy())

    def __call__(self, rows: Tensor) -> Float[np.ndarray, "rows dim"]:
        return (rows.cpu().double().numpy() - self.mean) / self.scale

    def rows(self, z: Tensor, order: Int64[np.ndarray, " rows"]) -> Float[np.ndarray, "rows dim"]:
        """The rows of `z` in that order; float32 unless `z` is float64."""
        made = np.empty((len(order), z.shape[1]), np.float64 if z.dtype == torch.float64 else np.float32)
        for start, places in blocks(torch.from_numpy(order), z.shape[1]):
            made[start : start + len(places)] = self(z[places.to(z.device)])
        return made


def float64_blocks(
    x: Float[np.ndarray, "rows dim"], begin: int = 0, end: int | None = None
) -> Iterator[tuple[slice, Float[np.ndarray, "block dim"]]]:
    """The rows of `x` from `begin` to `end` in float64, a block at a time, each with its place."""
    end = len(x) if end is None else end
    step = max(1, BLOCK // x.shape[1])
    for first in range(begin, end, step):
        place = slice(first, min(first + step, end))
        yield place, x[place].astype(np.float64, copy=False)
