"""One recording (a file, an array with its rate) as mono samples of the wanted rate and length.

What cannot be read raises `Unreadable` with the reason, whatever the library underneath raised.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import torch
from jaxtyping import Float, Shaped

from unlabeled.data.cache import Unreadable
from unlabeled.data.collection import describe
from unlabeled.errors import missing
from unlabeled.modalities.audio.cut_off import lacking, unfinished

ARRAY_NAMES = ("array", "audio", "waveform", "samples", "x")
RATE_NAMES = ("rate", "sampling_rate", "sample_rate", "sr")
LOUDEST = 4.0
"""largest value of floating-point samples, where 1 is full scale: encoders of compressed formats overshoot a
little; more is another scale"""


@dataclass(frozen=True)
class Sound:
    """Samples of a recording, mixed to one channel, full scale at ±1."""

    samples: Float[np.ndarray, " samples"]
    rate: int


def duration(value: Any) -> tuple[float, int]:
    """Seconds and sampling rate of a recording, from its header where it is a file; or `Unreadable`."""
    if not isinstance(value, io.IOBase):
        sound = decode(value)
        return len(sound.samples) / sound.rate, sound.rate
    with value, _sound_file(value) as file:  # type: ignore[arg-type]
        return file.frames / file.samplerate, file.samplerate


def row(value: Any, *, rate: int, length: int) -> Float[np.ndarray, " length"]:
    """float16 samples at `rate`: the middle `length` of them; NaN after the end of a shorter recording."""
    sound = decode(value, longest=length / rate)
    samples = _middle(resample(sound.samples, sound.rate, rate), length)
    out = np.full(length, np.nan, np.float16)
    out[: len(samples)] = samples
    return out


def decode(value: Any, *, longest: float | None = None) -> Sound:
    """An open file, or {"array", "rate"}; of a longer one than `longest` seconds perhaps its middle only."""
    if isinstance(value, io.IOBase):
        with value:
            return _decode_file(value, longest)  # type: ignore[arg-type]
    if isinstance(value, dict):
        array = next((value[name] for name in ARRAY_NAMES if name in value), None)
        rate = next((value[name] for name in RATE_NAMES if name in value), None)
        if array is not None and rate is not None:
            try:
                return Sound(mono(as_array(array)), check_rate(rate))
            except ValueError as error:
                raise Unreadable(str(error)) from error
    raise Unreadable(f"{describe(value)} is no recording: a file, or an array with its sampling rate, is")


def resample(
    samples: Float[np.ndarray, " samples"], before: int, after: int
) -> Float[np.ndarray, " resampled"]:
    """The same sound at another rate: polyphase filter of SciPy, ⌈samples · after / before⌉ samples."""
    if before == after:
        return samples
    from scipy.signal import resample_poly

    common = math.gcd(before, after)
    return resample_poly(samples, after // common, before // common).astype(np.float32)


def mono(samples: Shaped[np.ndarray, "*channels samples"]) -> Float[np.ndarray, " samples"]:
    """(samples,) or (channels, samples), whole numbers or floating point, as float32 with full scale at ±1.

    Channels are averaged. NaN at the end is padding and taken off. `ValueError`: no samples, NaN or infinity
    before the end, values of another scale.
    """
    x = scaled(samples)
    if x.ndim == 2:
        x = x.mean(axis=0)
    if x.ndim != 1:
        raise ValueError(f"has shape {samples.shape}: a recording is (samples,) or (channels, samples)")
    there = np.flatnonzero(~np.isnan(x))
    x = x[: there[-1] + 1 if len(there) else 0]
    if not len(x):
        raise ValueError("holds no sound (0 samples)")
    if not np.isfinite(x).all():
        raise ValueError("holds NaN or infinite samples")
    loudest = float(np.abs(x).max())
    if loudest > LOUDEST:
        raise ValueError(
            f"holds samples up to {loudest:,.6g} where -1 to 1 is full scale: divide by the largest value its "
            "type can hold, or pass the whole numbers as they are"
        )
    return x


def scaled(samples: Shaped[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Samples as float32: whole numbers divided by what their type can hold, floating point as it is."""
    kind = samples.dtype.kind
    if kind == "i":
        return samples.astype(np.float32) / -float(np.iinfo(samples.dtype).min)
    if kind == "u":  # 8-bit sound has its silence in the middle
        half = (float(np.iinfo(samples.dtype).max) + 1) / 2
        return (samples.astype(np.float32) - half) / half
    if kind != "f":
        raise ValueError(f"holds values of type {samples.dtype}, not samples")
    return samples.astype(np.float32)


def as_array(value: Any) -> np.ndarray:
    """A tensor or a list of numbers as an array."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        value = value.float() if value.dtype == torch.bfloat16 else value
    return np.asarray(value)


def check_rate(rate: Any) -> int:
    """A sampling rate as a whole number. `ValueError`: it is none, or not above 0."""
    try:
        whole = 0 if np.ndim(rate) else int(rate)
    except (TypeError, ValueError, OverflowError):
        whole = 0
    if whole < 1 or whole != rate:
        raise ValueError(
            f"has a sampling rate of {rate!r:.40}: one whole number of samples a second is needed, the same for all"
        )
    return whole


def _decode_file(file: BinaryIO, longest: float | None) -> Sound:
    with _sound_file(file) as sound:
        frames, rate = sound.frames, sound.samplerate
        wanted = frames if longest is None else min(frames, math.ceil(longest * rate))
        try:
            if wanted < frames:
                sound.seek((frames - wanted) // 2)
            samples = sound.read(wanted, dtype="float32", always_2d=True)
            if not len(samples) and frames:  # a header may promise more than a damaged file holds
                sound.seek(0)
                samples = sound.read(wanted, dtype="float32", always_2d=True)
        except Exception as error:
            raise Unreadable(f"cannot be decoded ({_reason(error)})") from error
    try:
        return Sound(mono(samples.T), rate)
    except ValueError as error:
        raise Unreadable(str(error)) from error


def _sound_file(file: BinaryIO) -> Any:
    try:
        import soundfile
    except (ImportError, OSError) as error:
        raise missing("soundfile", "audio") from error
    start = file.read(4)
    file.seek(0)
    if not start:
        raise Unreadable("empty file (0 bytes)")
    cut = lacking(file)
    if cut is not None:
        raise Unreadable(cut)
    try:
        sound = soundfile.SoundFile(file)
    except Exception as error:
        said = f"not sound in a known format, or damaged at its start ({_reason(error)})"
        raise Unreadable(unfinished(file) or said) from error
    if sound.frames < 1:
        sound.close()
        raise Unreadable(unfinished(file) or "holds no sound (0 samples)")
    return sound


def _reason(error: Exception) -> str:
    said = str(getattr(error, "error_string", error)).strip().rstrip(".")
    if "SF_INFO struct incomplete" in said:
        return "its header says 0 for the sampling rate or the number of channels"
    return said or type(error).__name__


def _middle(samples: np.ndarray, length: int) -> np.ndarray:
    first = max(0, len(samples) - length) // 2
    return samples[first : first + length]
