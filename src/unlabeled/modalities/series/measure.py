"""What is fixed for a set of series: channels, length, mean and spread, the length of a patch."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np

from unlabeled.data.cache import whole
from unlabeled.errors import DataError
from unlabeled.modalities.series.open import open_recordings
from unlabeled.modalities.series.read import refused
from unlabeled.modalities.series.recordings import Layout, Recordings, own_steps

SAMPLE = 4096
"""series whose values are looked at, spread evenly over the set"""
TOKENS = 24
"""patches that the longest series is cut into"""
MOST = 64
"""patches that it may be cut into for the sake of shorter series"""
TINY = 1e-6
"""a spread below this share of the largest value is that of rounding: the channel is constant"""


def measure(
    data: Any, layout: Layout, *, length: int | None, patch: int | None, resample: bool
) -> dict[str, Any]:
    """Values of `Series(...)` that are not given: `length`, `channels`, `mean`, `std`, `patch`, `columns`.

    `DataError`: nothing readable, all channels constant, series longer than `length` that are not to be
    resampled.
    """
    found, _ = open_recordings(data, layout, strict=True)
    failed = dict(found.failed)
    channels = Counter(len(found.series[i]) for i in range(len(found)) if i not in failed)
    count = channels.most_common(1)[0][0] if channels else 1
    for i in range(len(found)):
        reason = None if i in failed else refused(found.series[i], count, 1)
        if reason is not None:
            failed[i] = reason
    whole(failed, len(found), found.what, found.keys.__getitem__)
    places = [i for i in range(len(found)) if i not in failed]
    steps = np.array([own_steps(found.series[i]) for i in places])
    mean, std = moments(found, places, count)
    longest = int(steps.max())
    if longest < 2:
        raise DataError(f"{found.what}: every series has one step; a table has no time: modality='table'")
    if length is not None and length < longest and not resample:
        raise DataError(
            f"{found.what}: the longest series has {longest:,} steps, more than length={length}: say resample=True "
            "to bring all to that length, window= to cut them, or a larger length"
        )
    length = longest if length is None else length
    shortest = length if resample else int(steps.min())
    return {
        "length": length,
        "channels": count,
        "mean": mean,
        "std": std,
        "patch": auto_patch(length, shortest) if patch is None else patch,
        "columns": found.names,
    }


def auto_patch(length: int, shortest: int) -> int:
    """Steps of a patch: TOKENS patches of the longest series, more (up to MOST) where the shortest needs it."""
    return max(1, min(round(length / TOKENS), max(shortest, math.ceil(length / MOST))))


def moments(found: Recordings, places: list[int], channels: int) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel over the values that are there.

    A channel that is constant, or has no value, gets a deviation of 1. `DataError`: all are.
    """
    step = -(-len(places) // SAMPLE)
    series = [found.series[i].astype(np.float64) for i in places[::step]]
    counts = sum(((~np.isnan(one)).sum(axis=1) for one in series), np.zeros(channels, np.int64))
    mean = sum((np.nansum(one, axis=1) for one in series), np.zeros(channels)) / np.maximum(counts, 1)
    squares = sum((np.nansum((one - mean[:, None]) ** 2, axis=1) for one in series), np.zeros(channels))
    std = np.sqrt(squares / np.maximum(counts, 1))
    still = std <= TINY * np.abs(mean)
    if still.all():
        raise DataError(
            f"{found.what}: there is nothing to learn: every channel is constant, or has no value at all"
        )
    return mean.tolist(), np.where(still, 1.0, std).tolist()
