"""What a part of a set says about all of it: sampling rate, length, mean and spread of its log-mel values."""

from __future__ import annotations

import math
from collections import Counter
from functools import partial
from typing import Any

import numpy as np
import torch

from unlabeled.data.collection import look_at
from unlabeled.modalities.audio.decode import duration, row
from unlabeled.modalities.audio.find import open_collection
from unlabeled.modalities.audio.spectrogram import LogMel

HEADERS = 1000
"""recordings of which rate and length are looked at, spread evenly over the set"""
SAMPLE = 256
"""recordings that are decoded for mean and spread"""
FASTEST = 16_000
"""largest rate taken when none is asked for: speech has little above 8 kHz"""
WHOLE = 0.98
"""share of the recordings that fit in whole when no length is asked for"""
LONGEST = 10.0
"""seconds kept at most when no length is asked for"""
NARROW = 8_000
"""rate up to which there are fewer bands"""


def measure(
    data: Any,
    *,
    rate: int | None,
    seconds: float | None,
    mels: int | None,
    window: float,
    hop: float,
    key: str | None,
) -> dict[str, Any]:
    """Rate, length, bands, mean and spread for the recordings of `data`; what is given stays as it is.

    `DataError`: nothing readable in all of `data`.
    """
    collection = open_collection(data, key=key)
    if rate is None or seconds is None:
        found = look_at(collection, duration, HEADERS)
        if rate is None:
            rate = min(FASTEST, Counter(r for _, r in found).most_common(1)[0][0])
        if seconds is None:
            usual = float(np.quantile([s for s, _ in found], WHOLE, method="higher"))
            seconds = round(math.ceil(min(usual, LONGEST) * 1000 / hop - 1e-6) * hop / 1000, 6)
    if mels is None:
        mels = 40 if rate <= NARROW else 64
    log_mel = LogMel(rate, mels, window, hop)
    rows = look_at(collection, partial(row, rate=rate, length=round(seconds * rate)), SAMPLE)
    values = torch.cat([x[~x.isnan()] for x in map(_spectrogram(log_mel), rows)])
    std = float(values.std())
    return {
        "rate": rate,
        "seconds": seconds,
        "mels": mels,
        "window": window,
        "hop": hop,
        "mean": round(float(values.mean()), 6),
        # silence is not blown up
        "std": round(std, 6) if std > 1e-3 else 1.0,
    }


def _spectrogram(log_mel: LogMel) -> Any:
    return lambda samples: log_mel(torch.from_numpy(samples).float()[None])
