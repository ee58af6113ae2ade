"""Where recordings lie: files (`data/collection.py`), or arrays with their sampling rate."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unlabeled.data import collection
from unlabeled.data.collection import KEY_COLUMNS, LABEL_COLUMNS, Collection, Kind, is_hugging_face
from unlabeled.errors import DataError, nearest
from unlabeled.modalities.audio.decode import ARRAY_NAMES, RATE_NAMES, as_array, check_rate, mono

# fmt: off
SUFFIXES = frozenset((
    ".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".aifc", ".au", ".snd", ".caf",
    ".w64", ".rf64",
))
# fmt: on
KIND = Kind(
    noun="recording",
    plural="recordings",
    suffixes=SUFFIXES,
    columns=("audio", "sound", "recording", "speech", "wav", "clip", "file", "bytes", "data"),
    accepted="a folder or archive (.zip, .tar, .tar.gz) of sound files (wav, flac, ogg, opus, mp3, aiff), a list of "
    "their paths, a parquet file or Hugging Face dataset with a column of them, or arrays with their sampling "
    'rate: (array, rate) or {"array": …, "rate": …}, also as .npz, where the array is (recording, samples), '
    "(recording, channels, samples) or a list of arrays of unequal length",
    feature="Audio",
)
FEW = 8
"""channels that a recording has at most, when (samples, channels) is told from (recording, samples)"""


class Arrays(Collection):
    """Recordings in memory, of one sampling rate."""

    fingerprint = None

    def __init__(
        self,
        recordings: Sequence[Any],
        rate: int,
        what: str,
        labels: Sequence[Any] | None = None,
        keys: Sequence[Any] | None = None,
    ) -> None:
        self.recordings, self.rate, self.what = recordings, rate, what
        self.labels = None if labels is None else _plain(labels)
        self.keys = [str(key) for key in (range(len(recordings)) if keys is None else _plain(keys))]
        for name, given in (("labels", self.labels), ("keys", self.keys)):
            if given is not None and len(given) != len(recordings):
                raise DataError(f"{len(given):,} {name} were given for {len(recordings):,} recordings")

    def open(self, i: int) -> Any:
        return {"array": self.recordings[i], "rate": self.rate}


def open_collection(
    data: Any, *, labels: bool = False, label: str | None = None, key: str | None = None
) -> Collection:
    """The collection of recordings that `data` is; `labels`, `label` and `key` as in `data/collection.py`.

    `DataError`: it is none, is empty or is missing; an array with NaN, of another scale, or without a rate.
    """
    given = _fields(data)
    if given is not None:
        return _arrays(given, labels, label, key)
    return collection.open_collection(_undecoded(data), KIND, labels=labels, label=label, key=key)


def recognise(data: Any) -> str | None:
    """One line saying what `data` is if it is recordings, else None. An array needs its rate beside it."""
    given = _fields(data)
    if given is None:
        return collection.recognise(data, KIND, _is_recording)
    array, rate = given["array"], given["rate"]
    shape = tuple(getattr(array, "shape", ())) or f"a list of {len(array):,}"
    return f"arrays of recordings, {shape}, {rate!s:.40} samples a second"


def _is_recording(value: Any) -> bool:
    if isinstance(value, dict):
        if any(name in value for name in ARRAY_NAMES) and any(name in value for name in RATE_NAMES):
            return True
        value = value.get("bytes")
    if not isinstance(value, bytes):
        return False
    mpeg = len(value) > 1 and value[0] == 0xFF and value[1] & 0xE0 == 0xE0 and value[1] & 0x06 != 0
    start = value[:4]
    if start in (b"RIFF", b"FORM"):
        return value[8:12] in (b"WAVE", b"AIFF", b"AIFC")
    return start in (b"fLaC", b"OggS", b".snd", b"caff", b"RF64", b"riff") or start[:3] == b"ID3" or mpeg


def _fields(data: Any) -> dict[str, Any] | None:
    """Arrays with their rate as {"array", "rate", …}; None where `data` is something else. Copies nothing."""
    if isinstance(data, tuple) and len(data) == 2 and _numbers(data[0]) and _number(data[1]):
        return {"array": data[0], "rate": data[1]}
    if isinstance(data, str | os.PathLike):
        path = Path(data).expanduser()
        if path.suffix.lower() != ".npz" or not path.is_file():
            return None
        try:
            with np.load(path, allow_pickle=False) as archive:
                named = any(n in archive.files for n in RATE_NAMES)
                data = {name: archive[name] for name in archive.files} if named else None
        except (OSError, ValueError, EOFError, zipfile.BadZipFile):
            return None
    if not isinstance(data, Mapping):
        return None
    array = next((name for name in ARRAY_NAMES if name in data), None)
    rate = next((name for name in RATE_NAMES if name in data), None)
    if array is None or rate is None or not _numbers(data[array]):
        return None
    # a rate that is none is ours all the same: it is refused by what is wrong with it
    held = np.asarray(data[rate]).item() if _number(data[rate]) else data[rate]
    rest = {str(name): data[name] for name in data if name not in (array, rate)}
    return {**rest, "array": data[array], "rate": held}


def _numbers(value: Any) -> bool:
    if isinstance(value, np.ndarray | torch.Tensor):
        return value.ndim >= 1
    return (
        isinstance(value, list | tuple)
        and len(value) > 0
        and all(isinstance(one, np.ndarray | torch.Tensor) for one in value)
    )


def _number(value: Any) -> bool:
    return np.ndim(value) == 0 and np.asarray(value).dtype.kind in "iuf"


def _arrays(given: dict[str, Any], labels: bool, label: str | None, key: str | None) -> Arrays:
    array = given.pop("array")
    try:
        rate = check_rate(given.pop("rate"))
    except ValueError as error:
        raise DataError(f"the array {error}") from None
    if not isinstance(array, list | tuple):
        array = as_array(array)
        if array.dtype != object:
            array = array[None] if array.ndim == 1 else array
            _check_shape(array)
    recordings = [as_array(one) for one in array]
    if not recordings:
        raise DataError("the array holds no recordings")
    for i, one in enumerate(recordings):
        try:
            if one.size and not (
                one.dtype.kind == "f" and np.isnan(one).all()
            ):  # empty ones are skipped later
                mono(one)
        except ValueError as error:
            raise DataError(f"row {i} of the array {error}") from None
    shape = getattr(array, "shape", None)
    said = "of unequal length" if shape is None or array.dtype == object else f"in an array {shape}"
    what = f"{len(recordings):,} recordings {said}, {rate:,} samples a second"
    found = _field(given, label, LABEL_COLUMNS, "label") if labels else None
    named = _field(given, key, KEY_COLUMNS, "key")
    return Arrays(recordings, rate, what, found, named)


def _check_shape(array: np.ndarray) -> None:
    if array.ndim > 3:
        raise DataError(
            f"an array of shape {array.shape} is no set of recordings: (recording, samples) and (recording, "
            "channels, samples) are"
        )
    if array.ndim == 2 and array.shape[1] <= FEW < array.shape[0]:
        raise DataError(
            f"an array of shape {array.shape} would be {array.shape[0]:,} recordings of {array.shape[1]} samples: "
            "where it is one recording of several channels, as soundfile reads it, pass array.T[None]"
        )


def _field(given: dict[str, Any], name: str | None, usual: Sequence[str], what: str) -> Any:
    if name is not None and name not in given:
        raise DataError(f"there is nothing called {name!r} ({what}) beside the array: {nearest(name, given)}")
    return given[name] if name is not None else next((given[n] for n in usual if n in given), None)


def _plain(values: Any) -> list[Any]:
    values = values.tolist() if hasattr(values, "tolist") else list(values)
    return [None if isinstance(v, float) and math.isnan(v) else v for v in values]


def _undecoded(data: Any) -> Any:
    """A Hugging Face data set that hands out files as they are: decoding is done here."""
    if isinstance(data, dict) or not is_hugging_face(data) or not hasattr(data, "cast_column"):
        return data
    for name, feature in (getattr(data, "features", None) or {}).items():
        if type(feature).__name__ == KIND.feature and getattr(feature, "decode", False):
            data = data.cast_column(name, type(feature)(decode=False))
    return data
