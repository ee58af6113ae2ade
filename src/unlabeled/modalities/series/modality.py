"""Time series as a modality: what is fixed for one data set, and where each of its words is carried out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn

from unlabeled.data.batch import Tokens
from unlabeled.data.draws import Draws
from unlabeled.data.source import Source
from unlabeled.errors import OptionError
from unlabeled.methods.contract import Branch
from unlabeled.modalities.contract import Changed, Modality
from unlabeled.modalities.covered import cover
from unlabeled.modalities.series import encoders, views
from unlabeled.modalities.series.draw import columns_of, plots, stretched
from unlabeled.modalities.series.measure import measure
from unlabeled.modalities.series.open import ACCEPTED
from unlabeled.modalities.series.patches import cut, positions
from unlabeled.modalities.series.read import SeriesSource
from unlabeled.modalities.series.recognise import recognise
from unlabeled.modalities.series.recordings import Layout
from unlabeled.modalities.series.scale import (
    SCALINGS,
    Filled,
    SeriesBatch,
    Standardise,
    bridge,
    lengths,
    there,
)
from unlabeled.parts.encoder import Encoder, Wrapped


class Series(Modality):
    """Time series of any number of channels and of equal or unequal length, with or without gaps.

    `Batch.x` is (n, channels, steps) float32 in the data's own units; NaN is a missing value, or padding
    after a series' end. It has `length` steps, more where a series of the batch has more. Steps are taken as
    equally far apart.

    `mean`, `std`: one number a channel. `patch`: steps of a token. The others: see `measure`.
    """

    name: ClassVar[str] = "series"
    accepts: ClassVar[str] = ACCEPTED
    default_encoder: ClassVar[str] = "dilated"
    token_encoder: ClassVar[str] = "transformer"
    free_axes: ClassVar[Mapping[int, str]] = {0: "batch", 2: "steps"}

    def __init__(
        self,
        length: int,
        channels: int,
        mean: list[float],
        std: list[float],
        patch: int,
        scaling: Literal["channel", "sample", "none"] = "channel",
        resample: bool = False,
        id: str | list[str] | None = None,
        time: str | None = None,
        columns: list[str] | None = None,
        label: str | None = None,
        window: int | None = None,
        stride: int | None = None,
        split: str | None = None,
    ) -> None:
        self.length, self.channels, self.patch = length, channels, patch
        self.mean, self.std = list(mean), list(std)
        self.scaling, self.resample, self.label = scaling, resample, label
        self.layout = _layout(id, time, columns, label, window, stride, split)
        self._check()
        self.standardise = Standardise(self.mean, self.std, scaling)

    def _check(self) -> None:
        for name, least in (("length", 2), ("channels", 1), ("patch", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise OptionError(f"{name} must be a whole number of at least {least}, not {value!r}")
        if self.patch > self.length:
            raise OptionError(
                f"a patch of {self.patch} steps is longer than the series ({self.length}): choose patch={self.length} "
                "or less"
            )
        if self.scaling not in SCALINGS:
            raise OptionError(f"scaling must be one of {', '.join(SCALINGS)}, not {self.scaling!r}")
        if not isinstance(self.resample, bool):
            raise OptionError(f"resample must be True or False, not {self.resample!r}")
        for name in ("mean", "std"):
            values = getattr(self, name)
            if len(values) != self.channels or not all(map(math.isfinite, values)):
                raise OptionError(
                    f"{name} must be {self.channels} finite numbers, one a channel, not {values}"
                )
        if min(self.std) <= 0:
            raise OptionError(f"std must be above 0 in every channel, not {self.std}")

    # read
    @classmethod
    def recognises(cls, data: Any) -> str | None:
        return recognise(data)

    @classmethod
    def measure(
        cls,
        data: Any,
        *,
        length: int | None = None,
        resample: bool = False,
        patch: int | None = None,
        scaling: Literal["channel", "sample", "none"] = "channel",
        id: str | list[str] | None = None,
        time: str | None = None,
        columns: list[str] | None = None,
        label: str | None = None,
        window: int | None = None,
        stride: int | None = None,
        split: str | None = None,
        **unknown: Any,
    ) -> Series:
        """Reads the data once and fixes what is not given.

        `length`: steps of a batch; None: those of the longest series. `resample`: every series, longer or
        shorter, is brought to `length` steps, linearly; else shorter ones are padded and none may be longer.
        `patch`: steps of a token; None: about 24 of the longest series, fewer steps where a series is
        shorter. `scaling`: channel standardises by each channel's mean and deviation over the set, sample by
        those of each series (as the UCR archive needs), none leaves values as they are. `id`: column or
        columns of a table that tell recordings apart (a row is a step). `time`: column that orders the steps.
        `columns`: columns that are channels; None: every column of numbers. `label`: column of a table, or
        array of an npz file, that holds the classes: the most frequent value of a series is its class.
        `window`: steps of the windows that recordings are cut into; None: they stay whole. `stride`: steps
        from window to window; None: as many as `window`. `split`: train, test, … of an npz file that holds
        several; None: all of them.
        """
        cls.refuse_others(unknown)
        layout = _layout(id, time, columns, label, window, stride, split)
        for name, value in (("length", length), ("patch", patch)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise OptionError(f"{name} must be a whole number of at least 1, not {value!r}")
        found = measure(data, layout, length=length, patch=patch, resample=resample)
        found["columns"] = found["columns"] if columns is None else columns
        return cls(
            **found,
            scaling=scaling,
            resample=resample,
            id=id,
            time=time,
            label=label,
            window=window,
            stride=stride,
            split=split,
        )

    def read(self, data: Any, *, cache: Path | None = None, labels: bool = False) -> Source:
        """The series of `data`, in memory; `cache` is not used, there is nothing to decode."""
        return SeriesSource(
            data,
            self.layout,
            channels=self.channels,
            length=self.length,
            least=self.patch,
            resample=self.resample,
            labels=labels,
        )

    def config(self) -> dict[str, Any]:
        return {
            "length": self.length,
            "channels": self.channels,
            "mean": self.mean,
            "std": self.std,
            "patch": self.patch,
            "scaling": self.scaling,
            "resample": self.resample,
            "id": self.layout.id,
            "time": self.layout.time,
            "columns": self.layout.columns,
            "label": self.label,
            "window": self.layout.window,
            "stride": self.layout.stride,
            "split": self.layout.split,
        }

    # change
    def change(self, x: SeriesBatch, branch: Branch, draws: Draws) -> Changed:
        return views.change(x, branch, draws, standardise=self.standardise, patch=self.patch)

    # tokens
    def tokenise(self, x: SeriesBatch) -> Tokens:
        """Patches of standardised values, by channel, then step; 0 where a value is missing."""
        found = cut(self.standardise.to(x.device)(x), self.patch)
        return Tokens(positions(found.numbers.shape[1], x.device), found.numbers, present=found.present)

    # encode, and the raw input as a yardstick
    def build_encoder(self, name: str, **options: Any) -> Encoder:
        standardise = Standardise(self.mean, self.std, self.scaling)
        return encoders.build(name, standardise=standardise, length=self.length, patch=self.patch, **options)

    def example(self) -> SeriesBatch:
        return torch.zeros(2, self.channels, self.length)

    def synthetic(self, rows: int, *, seed: int = 0) -> SeriesBatch:
        """White noise of the set's mean and deviation; series end early, and one value in twenty is missing."""
        random = torch.Generator().manual_seed(seed)
        least = max(self.patch, self.length // 2)
        steps = int(torch.randint(least, least + self.length, (), generator=random))
        noise = torch.randn(rows, self.channels, steps, generator=random)
        x = noise * torch.tensor(self.std)[:, None] + torch.tensor(self.mean)[:, None]
        ends = torch.randint(1, steps + 1, (rows, 1, 1), generator=random)
        missing = torch.rand(x.shape, generator=random) < 0.05
        return x.masked_fill(missing | (torch.arange(steps) >= ends), torch.nan)

    def adopt(self, module: nn.Module) -> Encoder:
        """A user's own module as an encoder: it sees standardised values, 0 where one is missing."""
        if isinstance(module, Encoder):
            return module
        standardise = Standardise(self.mean, self.std, self.scaling)
        return Wrapped(module, self.plain(self.example()), Filled(standardise))

    def flatten(self, x: SeriesBatch) -> Float[Tensor, "n values"]:
        """Standardised series stretched to one length, gaps bridged."""
        return bridge(stretched(self.standardise.to(x.device)(x), self.length)).flatten(1)

    # for a person
    def show(
        self, x: SeriesBatch, hidden: Bool[Tensor, "n tokens"] | None = None
    ) -> UInt8[np.ndarray, "n height width 3"]:
        """Line plots of the standardised channels; hidden patches are chequered."""
        pictures = plots(self.standardise.to(x.device)(x))
        if hidden is None:
            return pictures
        steps = hidden.repeat_interleave(self.patch, dim=1)[:, : x.shape[2]]
        return cover(pictures, columns_of(steps, there(x))[:, None].repeat(pictures.shape[1], axis=1))

    def describe(self, x: SeriesBatch, hidden: Bool[Tensor, "n tokens"] | None = None) -> list[str]:
        """Steps, channels, and how much is missing before the end."""
        own = lengths(x)
        known = (~x.isnan()).sum(dim=(1, 2)) / (own * x.shape[1])
        channels = f", {x.shape[1]} channels" if x.shape[1] > 1 else ""
        return [
            f"{steps} steps{channels}" + (f", {1 - share:.0%} missing" if share < 1 else "")
            for steps, share in zip(own.tolist(), known.tolist(), strict=True)
        ]


def _layout(
    id: str | list[str] | None,
    time: str | None,
    columns: list[str] | None,
    label: str | None,
    window: int | None,
    stride: int | None,
    split: str | None,
) -> Layout:
    for name, value in (("time", time), ("label", label), ("split", split)):
        if value is not None and not isinstance(value, str):
            raise OptionError(f"{name} must be a name, not {value!r}")
    names = {"id": [id] if isinstance(id, str) else id, "columns": columns}
    for name, values in names.items():
        if values is None:
            continue
        if not isinstance(values, list | tuple) or not values or not all(isinstance(v, str) for v in values):
            raise OptionError(f"{name} must be a list of column names, not {values!r}")
        names[name] = list(values)
    taken = [n for n in (*(names["id"] or []), time, label) if n is not None]
    both = sorted(set(taken) & set(names["columns"] or []))
    if both:
        raise OptionError(f"column {both[0]!r} cannot be a channel and also id, time or label")
    return Layout(names["id"], time, names["columns"], label, window, stride, split)
