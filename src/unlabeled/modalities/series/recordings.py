"""What data of any form becomes first: a list of recordings, perhaps cut into windows."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped

from unlabeled.data.cache import Mapped
from unlabeled.errors import DataError, OptionError

WHOLE = 64 * 2**20
"""bytes up to which all content is part of a fingerprint; beyond, evenly spread series are"""
NOTHING = np.empty((0, 0), np.float32)
"""stands where a series could not be read"""


@dataclass(frozen=True)
class Layout:
    """How the data is laid out, as far as it does not say so itself. Options of `Series.measure`."""

    id: list[str] | None = None
    time: str | None = None
    columns: list[str] | None = None
    label: str | None = None
    window: int | None = None
    stride: int | None = None
    split: str | None = None

    def __post_init__(self) -> None:
        for name in ("window", "stride"):
            value = getattr(self, name)
            whole = isinstance(value, int) and not isinstance(value, bool) and value >= 1
            if value is not None and not whole:
                raise OptionError(f"{name} must be a whole number of steps of at least 1, not {value!r}")
        if self.stride is not None and self.window is None:
            raise OptionError("stride is the distance from window to window: say window= too")


class Stacked(Sequence[np.ndarray]):
    """The rows of an array (sample, channel, time) or (sample, time), left where they are (a file, perhaps)."""

    def __init__(self, values: np.ndarray | Mapped) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, i: Any) -> Any:
        return as_channels(self.array[i])

    @property
    def array(self) -> np.ndarray:
        return self.values.array if isinstance(self.values, Mapped) else self.values


@dataclass
class Recordings:
    """Series one by one. A place in `failed` holds nothing and counts all the same."""

    series: Sequence[np.ndarray]
    """each (channel, step), in the type it came in"""
    keys: list[str]
    """"" for the only recording there is"""
    what: str
    """for a person"""
    labels: list[Any] | None = None
    """one a series, or an object array with one a step; None: the data says nothing"""
    names: list[str] | None = None
    """of the channels, where they have any"""
    failed: dict[int, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """what else a person should know"""

    def __len__(self) -> int:
        return len(self.series)


def as_channels(one: np.ndarray) -> Shaped[np.ndarray, "channels steps"]:
    """(step,) as (1, step)."""
    return one[None] if one.ndim == 1 else one


def as_array(one: Any) -> np.ndarray | None:
    """An array or tensor of numbers as a NumPy array; None for anything else."""
    if isinstance(one, torch.Tensor):
        one = one.detach().cpu()
        one = (one.float() if one.dtype == torch.bfloat16 else one).numpy()
    return one if isinstance(one, np.ndarray) and one.dtype.kind in "buif" else None


def own_steps(one: Shaped[np.ndarray, "channels steps"]) -> int:
    """Steps up to the last one at which any channel has a value: what follows is padding."""
    if one.dtype.kind != "f":
        return one.shape[1]
    there = np.flatnonzero(~np.isnan(one).all(axis=0))
    return int(there[-1]) + 1 if len(there) else 0


def cut(found: Recordings, window: int, stride: int) -> Recordings:
    """Windows of `window` steps, one every `stride`; their keys are `<key>/<first step>`.

    Steps at the end that fill no window are left out and noted; a recording without any window has failed.
    """
    made = Recordings([], [], found.what, None if found.labels is None else [], found.names)
    series: list[np.ndarray] = []
    left = 0
    for place in range(len(found)):
        one = found.series[place]
        steps = own_steps(one)
        reason = found.failed.get(place)
        if reason is None and steps < window:
            reason = f"its {steps} steps fill no window of {window}: choose a shorter window="
        starts: Iterable[int] = range(0, steps - window + 1, stride)
        if reason is not None:
            made.failed[len(series)] = reason
            starts = [0]
        else:
            left += (steps - window) % stride
        for start in starts:
            key = found.keys[place] if reason is not None else f"{found.keys[place]}/{start}"
            made.keys.append(key.removeprefix("/") or "0")
            series.append(NOTHING if reason is not None else one[:, start : start + window])
            if made.labels is not None and found.labels is not None:
                label = found.labels[place]
                steps_said = isinstance(label, np.ndarray)
                made.labels.append(label[start : start + window] if steps_said else label)
    made.series = series
    made.what = f"windows of {window} steps, one every {stride}, of {found.what}"
    made.notes = list(found.notes)
    if left:
        made.notes.append(f"{left:,} steps at the ends fill no window and are left out")
    return made


def most_frequent(values: np.ndarray) -> Any:
    """The value that most steps have (the earlier one of two as frequent); None where none has any."""
    counts = Counter(v for v in values.tolist() if v is not None and v == v)
    return counts.most_common(1)[0][0] if counts else None


def check_one(steps: int, what: str) -> DataError:
    """For data that is one recording and was not asked to be cut."""
    return DataError(
        f"{what} is one recording of {steps:,} steps: say window= (and stride=) to cut it into samples"
    )


def digest(found: Recordings) -> str:
    """Changes when a value or a key does. Of large data evenly spread series are looked at, and its date."""
    said = hashlib.blake2b("\n".join(found.keys).encode("utf-8", "surrogateescape"), digest_size=16)
    series = found.series
    if isinstance(series, Stacked) and isinstance(series.values, Mapped):
        said.update(str(series.values.path.stat().st_mtime_ns).encode())
    row = max((one.nbytes for one in map(series.__getitem__, range(min(8, len(series))))), default=1)
    step = max(1, -(-len(series) * max(1, row) // WHOLE))
    for i in range(0, len(series), step):
        one = series[i]
        said.update(f"{one.shape}{one.dtype}".encode())
        said.update(np.ascontiguousarray(one).data)
    return said.hexdigest()
