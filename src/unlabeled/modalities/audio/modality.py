"""Audio as a modality: what is fixed for one data set, and where each of its words is carried out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from unlabeled.data.batch import Batch, Tokens, View
from unlabeled.data.decoded import Decoded
from unlabeled.data.draws import Draws
from unlabeled.data.source import Source
from unlabeled.errors import OptionError
from unlabeled.methods.contract import Branch
from unlabeled.modalities.audio import encoders, views
from unlabeled.modalities.audio.decode import row
from unlabeled.modalities.audio.find import KIND, open_collection, recognise
from unlabeled.modalities.audio.measure import measure
from unlabeled.modalities.audio.spectrogram import LogMel, Standardise, present
from unlabeled.modalities.audio.tokens import auto_patch, patches, places
from unlabeled.modalities.contract import Changed, Modality
from unlabeled.modalities.covered import cover
from unlabeled.parts.encoder import Encoder

FORM = 2
"""of what a cache holds; another number makes all caches anew"""
SLOWEST = 1000
"""samples a second below which there is no sound to speak of"""
SEGMENTS = 4
"""parts of a recording whose means are in the raw vector"""
WIDEST = 128
"""pixels of a picture of a recording"""

Audible = Float[Tensor, "n *shape"]
"""waveforms (n, samples), or their log-mel spectrograms (n, mels, frames); NaN after the end of each"""


class Audio(Modality):
    """Recordings of one sampling rate and unequal length, mixed to one channel.

    `Batch.x` is (n, samples) float32, full scale at ±1, NaN after the end of each recording; views are log-mel
    spectrograms (n, mels, frames), NaN after the end. Everything here takes both. A token is all bands of
    `patch` frames.

    `rate`: samples a second. `seconds`: what is kept of a recording, of longer ones the middle. `mels`: bands.
    `window`, `hop`: milliseconds of a frame, and from one to the next. `mean`, `std`: of log-mel values.
    `label`: the column or field that holds the classes, or a regular expression on keys; `key`: the one that
    holds the keys.
    """

    name: ClassVar[str] = "audio"
    accepts: ClassVar[str] = KIND.accepted
    default_encoder: ClassVar[str] = "convnet"
    token_encoder: ClassVar[str] = "transformer"
    free_axes: ClassVar[Mapping[int, str]] = {0: "batch", 1: "samples"}

    def __init__(
        self,
        rate: int,
        seconds: float,
        mels: int,
        mean: float,
        std: float,
        patch: int | None = None,
        window: float = 25.0,
        hop: float = 10.0,
        label: str | None = None,
        key: str | None = None,
    ) -> None:
        _check(rate=rate, seconds=seconds, mels=mels, patch=patch, window=window, hop=hop)
        if not std > 0:
            raise OptionError(f"std must be above 0, not {std}")
        self.rate, self.seconds, self.mels = rate, float(seconds), mels
        self.mean, self.std = float(mean), float(std)
        self.window, self.hop = float(window), float(hop)
        self.label, self.key = label, key
        self.length = max(1, round(seconds * rate))
        self.log_mel = LogMel(rate, mels, window, hop)
        self.frames = self.log_mel.frames(self.length)
        self.patch = auto_patch(self.frames) if patch is None else patch
        if self.patch > self.frames:
            raise OptionError(f"patch={patch} is more than the {self.frames} frames of {seconds} seconds")

    # read
    @classmethod
    def recognises(cls, data: Any) -> str | None:
        return recognise(data)

    @classmethod
    def measure(
        cls,
        data: Any,
        *,
        rate: int | None = None,
        seconds: float | None = None,
        mels: int | None = None,
        window: float = 25.0,
        hop: float = 10.0,
        patch: int | None = None,
        label: str | None = None,
        key: str | None = None,
        **unknown: Any,
    ) -> Audio:
        """Looks at up to 1,000 recordings spread over the data, decodes up to 256, and fixes what is not given.

        `rate`: the most frequent one, at most 16,000; everything is resampled to it. `seconds`: as long as 98 %
        of the recordings, at most 10; of longer ones the middle is kept. `mels`: 64 bands, 40 where the rate is at
        most 8,000. `window`, `hop`: 25 and 10 ms. `patch`: frames a token, for about 24 tokens, at most 16. `label`:
        the column (or field beside an array) that holds the classes, or a regular expression with one group,
        which is the class where it is found in a key, such as `^(\\d)_` for 7_jackson_32.wav. `key`: the column or
        field that holds the keys.
        """
        cls.refuse_others(unknown)
        _check(rate=rate, seconds=seconds, mels=mels, patch=patch, window=window, hop=hop)
        found = measure(data, rate=rate, seconds=seconds, mels=mels, window=window, hop=hop, key=key)
        return cls(patch=patch, label=label, key=key, **found)

    def read(self, data: Any, *, cache: Path | None = None, labels: bool = False) -> Source:
        """Recordings of `data`, resampled, as float16.

        `cache`: folder of the decoded recordings (None: `$UNLABELED_CACHE` or `~/.cache/unlabeled`).
        """
        collection = open_collection(data, labels=labels, label=self.label, key=self.key)
        source = Recordings(
            collection,
            partial(row, rate=self.rate, length=self.length),
            shape=(self.length,),
            dtype=np.dtype(np.float16),
            form=f"audio {FORM} {self.rate} {self.length}",
            cache=cache,
        )
        source.description += f"; {self.rate:,} samples a second, at most {self.seconds:g} seconds of each"
        return source

    def config(self) -> dict[str, Any]:
        return {
            "rate": self.rate,
            "seconds": self.seconds,
            "mels": self.mels,
            "mean": self.mean,
            "std": self.std,
            "patch": self.patch,
            "window": self.window,
            "hop": self.hop,
            "label": self.label,
            "key": self.key,
        }

    # change
    def make_views(self, batch: Batch, plan: tuple[Branch, ...], draws: Draws) -> tuple[View, ...]:
        """The views of a plan; the spectrograms they are made of are computed once."""
        return super().make_views(replace(batch, x=self._spectrograms(batch.x)), plan, draws)

    def change(self, x: Audible, branch: Branch, draws: Draws) -> Changed:
        return views.change(self._spectrograms(x), branch, draws, patch=self.patch, silence=self.mean)

    # tokens
    def tokenise(self, x: Audible) -> Tokens:
        """Standardised log-mel values of `patch` frames each, at their place in time; absent after the end."""
        numbers, there = patches(*self._standardised(x), self.patch)
        return Tokens(places(numbers.shape[1], x.device), numbers, present=there)

    # encode, and the raw input as a yardstick
    def build_encoder(self, name: str, **options: Any) -> Encoder:
        log_mel = LogMel(self.rate, self.mels, self.window, self.hop)
        return encoders.build(
            name, standardise=Standardise(log_mel, self.mean, self.std), patch=self.patch, **options
        )

    def example(self) -> Float[Tensor, "2 samples"]:
        return torch.zeros(2, self.length)

    def synthetic(self, rows: int, *, seed: int = 0) -> Float[Tensor, "rows samples"]:
        """White noise, each recording of its own loudness and length."""
        random = torch.Generator().manual_seed(seed)
        samples = int(torch.randint(self.length // 2, self.length, (), generator=random)) + 1
        loudness = 10 ** torch.empty(rows, 1).uniform_(-3, -0.5, generator=random)
        ends = torch.randint(1, samples + 1, (rows, 1), generator=random)
        x = (torch.randn(rows, samples, generator=random) * loudness).clamp(-1, 1)
        return x.masked_fill(torch.arange(samples) >= ends, torch.nan)

    def flatten(self, x: Audible) -> Float[Tensor, "n values"]:
        """Mean and deviation over time of each band, and its mean in each quarter of the recording."""
        x, there = self._standardised(x)
        length = there.sum(dim=1, keepdim=True).clamp(min=1)
        mean = x.sum(dim=2) / length
        spread = torch.where(there[:, None], x - mean[:, :, None], 0.0).square().sum(dim=2) / length
        place = torch.arange(x.shape[2], device=x.device)
        found = [mean, spread.sqrt()]
        for i in range(SEGMENTS):
            first = i * length // SEGMENTS
            last = torch.maximum((i + 1) * length // SEGMENTS, first + 1)
            part = (place >= first) & (place < last)
            found.append((x * part[:, None]).sum(dim=2) / part.sum(dim=1, keepdim=True))
        return torch.cat(found, dim=1)

    # for a person
    def show(
        self, x: Audible, hidden: Bool[Tensor, "n tokens"] | None = None
    ) -> UInt8[np.ndarray, "n height width 3"]:
        """Spectrograms: time to the right, pitch upwards, the louder the lighter; white after the end. Hidden
        frames are chequered."""
        from matplotlib import colormaps

        x, there = self._standardised(x)
        covered = torch.zeros_like(there)
        if hidden is not None:
            covered = hidden.repeat_interleave(self.patch, dim=1)[:, : x.shape[2]] & there
        if x.shape[2] > WIDEST:
            x = F.interpolate(x, WIDEST)
            there, covered = (F.interpolate(v[:, None].float(), WIDEST)[:, 0] > 0 for v in (there, covered))
        colours = colormaps["magma"](((x + 2.5) / 5).clamp(0, 1).flip(1).cpu().numpy())[..., :3]
        colours[~there[:, None].expand_as(x).cpu().numpy()] = 1
        pictures = (colours * 255).round().astype(np.uint8)
        return cover(pictures, covered[:, None].expand_as(x).cpu().numpy())

    def describe(self, x: Audible, hidden: Bool[Tensor, "n tokens"] | None = None) -> list[str]:
        """Seconds."""
        there, long = (~x.isnan(), 1 / self.rate) if x.ndim == 2 else (present(x), self.hop / 1000)
        return [f"{long * count:.2f} seconds" for count in there.sum(dim=1).tolist()]

    def _spectrograms(self, x: Audible) -> Float[Tensor, "n mels frames"]:
        with torch.no_grad():
            return self.log_mel.to(x.device)(x)

    def _standardised(self, x: Audible) -> tuple[Tensor, Tensor]:
        x = self._spectrograms(x)
        there = present(x)
        return torch.where(there[:, None], (x - self.mean) / self.std, 0.0), there


class Recordings(Decoded):
    """Recordings, kept in half precision."""

    def fetch(self, positions: Any) -> Float[Tensor, "n samples"]:
        """(n, samples) float32, NaN after the end of each."""
        return super().fetch(positions).float()


def _check(**given: Any) -> None:
    """Refuses sizes that are no sizes; None is not looked at."""
    for name in ("rate", "mels", "patch"):
        value, least = given[name], SLOWEST if name == "rate" else 1
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
            raise OptionError(f"{name} must be a whole number of at least {least:,}, not {value!r}")
    for name in ("seconds", "window", "hop"):
        value = given[name]
        if value is not None and not (
            isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e5
        ):
            raise OptionError(f"{name} must be a number above 0, not {value!r}")
