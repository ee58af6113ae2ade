"""A part of the samples, drawn by a seed: any, or one in which every group keeps its share."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64, Shaped


def some_rows(samples: int, most: int, seed: int) -> Int64[np.ndarray, " rows"]:
    """Places of `most` of so many samples, in their order; all of them where there are no more."""
    return np.sort(np.random.default_rng(seed).permutation(samples)[:most])


def stratified_rows(
    groups: Shaped[np.ndarray, " samples"], size: int, seed: int
) -> Int64[np.ndarray, " rows"]:
    """Places of about `size` samples, in order; all of them where there are no more.

    Every group gives its share of `size`, rounded, and at least two samples where it has them, so that a
    rare group stays a group: where many are rare the result is longer than `size`.
    """
    samples = len(groups)
    if samples <= size:
        return np.arange(samples)
    order = np.random.default_rng(seed).permutation(samples)
    order = order[np.argsort(groups[order], kind="stable")]
    _, first, group, counts = np.unique(
        groups[order], return_index=True, return_inverse=True, return_counts=True
    )
    quota = np.maximum(2, np.round(counts * (size / samples)))
    return np.sort(order[np.arange(samples) - first[group] < quota[group]])
