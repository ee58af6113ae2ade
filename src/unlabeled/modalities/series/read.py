"""Opens data as a source of series that all have the same channels."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from unlabeled.data.cache import whole
from unlabeled.data.source import Skipped, Source
from unlabeled.modalities.series.open import open_recordings
from unlabeled.modalities.series.recordings import Layout, Recordings, most_frequent, own_steps

NOTES = 5
"""things found while reading that a description says"""


class SeriesSource(Source):
    """Series in memory (or in one mapped file), padded to a rectangle as they are fetched.

    `length`: steps of a batch, more where a series of it has more. `resample`: all are brought to `length`
    instead. A series of another number of channels, shorter than `least` steps, without any value, or with
    infinite ones is skipped.
    """

    def __init__(
        self,
        data: Any,
        layout: Layout,
        *,
        channels: int,
        length: int,
        least: int,
        resample: bool = False,
        labels: bool = False,
    ) -> None:
        found, self.fingerprint = open_recordings(data, layout)
        mark = f"{self.fingerprint}{channels}{length}{least}{resample}"
        self.fingerprint = hashlib.blake2b(mark.encode(), digest_size=16).hexdigest()
        self.length, self.channels, self.resample = length, channels, resample
        failed = dict(found.failed)
        steps: dict[int, int] = {}
        self._low = np.full(channels, np.nan)
        self._high = np.full(channels, np.nan)
        for i in range(len(found)):
            if i not in failed:
                one = found.series[i]
                reason = refused(one, channels, least)
                if reason is None:
                    steps[i] = own_steps(one)
                    with np.errstate(invalid="ignore"):
                        self._low = np.fmin(self._low, np.fmin.reduce(one, axis=1))
                        self._high = np.fmax(self._high, np.fmax.reduce(one, axis=1))
                else:
                    failed[i] = reason
        whole(failed, len(found), found.what, found.keys.__getitem__)
        self.series = found.series
        self.index = np.array(sorted(steps), dtype=np.int64)
        self.steps = np.array([steps[i] for i in self.index.tolist()], dtype=np.int64)
        self.keys = [found.keys[i] for i in self.index]
        self.skipped = [Skipped(found.keys[i], failed[i]) for i in sorted(failed)]
        self.labels = _labels(found, self.index) if labels else None
        self.description = self._said(found)

    def fetch(self, positions: Sequence[int] | np.ndarray) -> Float[Tensor, "n channels length"]:
        """float32; NaN is a missing value, or padding after the end."""
        chosen = [self._one(int(i)) for i in positions]
        longest = max((one.shape[1] for one in chosen), default=0)
        out = np.full((len(chosen), self.channels, max(self.length, longest)), np.nan, dtype=np.float32)
        for row, one in zip(out, chosen, strict=True):
            row[:, : one.shape[1]] = one
        return torch.from_numpy(out)

    def _one(self, position: int) -> np.ndarray:
        one = self.series[int(self.index[position])][:, : self.steps[position]]
        return stretch(one.astype(np.float32), self.length) if self.resample else one

    def _said(self, found: Recordings) -> str:
        few, most = int(self.steps.min()), int(self.steps.max())
        count = f"{len(self.keys):,} series of {self.channels} channel{'s' * (self.channels != 1)}"
        said = [f"{count}, {few:,}{f' to {most:,}' if most > few else ''} steps: {found.what}"]
        if self.resample:
            said.append(f"resampled to {self.length:,} steps")
        elif most > self.length:
            said.append(f"some are longer than the {self.length:,} steps known so far and are taken whole")
        names = found.names or [str(i) for i in range(self.channels)]
        for what, of in (("missing throughout", np.isnan(self._low)), ("constant", self._low == self._high)):
            if of.any():
                several = "s" * (int(of.sum()) > 1)
                said.append(f"channel{several} {', '.join(np.array(names)[of][:5])} {what}")
        more = [f"and {len(found.notes) - NOTES} more such notes"] if len(found.notes) > NOTES else []
        return "; ".join([*said, *found.notes[:NOTES], *more])


def refused(one: np.ndarray, channels: int, least: int) -> str | None:
    """Why a series cannot be used; None where it can."""
    if len(one) != channels:
        return f"has {len(one)} channels where {channels} are expected"
    if not one.shape[1]:
        return "has no steps"
    if one.dtype.kind == "f":
        with np.errstate(over="ignore"):
            if np.isinf(one.astype(np.float32, copy=False)).any():
                return "holds infinite values (or such as float32 cannot hold)"
    steps = own_steps(one)
    if not steps:
        return "every value is missing"
    if steps < least:
        return f"its {steps} steps are fewer than a patch of {least}: choose patch={steps} or less"
    return None


def stretch(one: np.ndarray, length: int) -> Float[np.ndarray, "channels length"]:
    """A series brought to `length` steps: means of as many steps as fit into one, then linearly between.

    First step to first step, last to last. Between a value and a missing one the nearer counts.
    """
    fold = one.shape[1] // length
    if fold > 1:
        tail = (-one.shape[1]) % fold
        folded = np.pad(one, ((0, 0), (0, tail)), constant_values=np.nan).reshape(len(one), -1, fold)
        there = ~np.isnan(folded)
        counts = there.sum(axis=2)
        one = np.where(counts, np.where(there, folded, 0).sum(axis=2) / np.maximum(counts, 1), np.nan)
    places = np.linspace(0, one.shape[1] - 1, length) if length > 1 else np.zeros(1)
    low = np.floor(places).astype(np.int64)
    high = np.minimum(low + 1, one.shape[1] - 1)
    share = places - low
    a, b = one[:, low], one[:, high]
    a, b = (
        np.where(np.isnan(a) & (share >= 0.5), b, a),
        np.where(np.isnan(b) & (share < 0.5), a, b),
    )
    return (a + (b - a) * share).astype(np.float32)


def _labels(found: Recordings, index: np.ndarray) -> np.ndarray | None:
    if found.labels is None:
        return None
    out = np.empty(len(index), dtype=object)
    for row, i in enumerate(index):
        said = found.labels[i]
        out[row] = most_frequent(said) if isinstance(said, np.ndarray) else said
    return out
