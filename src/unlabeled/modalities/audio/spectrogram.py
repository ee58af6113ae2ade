"""Waveforms to log-mel spectrograms: how loud a recording is at every moment in every band of frequencies.

Bands are triangles with peak 1, spaced evenly on the HTK mel scale, mel(f) = 2595 log10(1 + f / 700),
from `LOWEST` to half the sampling rate (torchaudio's `melscale_fbanks` with its defaults has the same
values). Power is |X|² / (Σ window)², so that it does not depend on the window's length; what comes out
is ln(power in the band + FLOOR).
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from unlabeled.errors import OptionError

LOWEST = 50.0
"""Hz below which there is no band: hum and rumble"""
FLOOR = 1e-10
"""power below which nothing is heard: digital silence is ln(FLOOR), 100 dB under full scale"""
AT_ONCE = 2**24
"""complex numbers that are held at once while spectra are computed"""

DECIBEL = math.log(10) / 10
"""one decibel, as a difference of log-mel values"""


class LogMel(nn.Module):
    """(n, samples) waveforms, NaN after the end of each, to (n, mels, frames), NaN after the end.

    Frame t looks at `window` milliseconds (Hann) around sample t · hop; there is one for every begun hop of
    the batch, and it is absent where its centre lies past the recording's end. What lies beyond either end of
    a recording counts as silence. Log-mel spectrograms (three axes) come back as they are. Refused: more bands
    than can be told apart.
    """

    hann: Tensor
    filters: Tensor

    def __init__(self, rate: int, mels: int, window: float = 25.0, hop: float = 10.0) -> None:
        super().__init__()
        self.rate, self.mels = rate, mels
        self.hop = max(1, round(hop * rate / 1000))
        width = round(window * rate / 1000)
        if width < 8:
            raise OptionError(f"a window of {window} ms is {width} samples at {rate} a second: 8 are needed")
        shortest = 2 ** math.ceil(math.log2(width))
        for self.size in (
            shortest,
            2 * shortest,
            4 * shortest,
        ):  # zeros around the window draw low bands apart
            filters = mel_filters(rate, self.size, mels)
            if bool((filters.sum(dim=0) > 0).all()):
                break
        else:
            raise OptionError(
                f"mels={mels} bands are more than a window of {window} ms at {rate} samples a second can tell "
                "apart: choose fewer, or a longer window"
            )
        # both follow from the options, so they are no part of what is saved
        self.register_buffer("hann", torch.hann_window(width), persistent=False)
        self.register_buffer("filters", filters, persistent=False)

    def forward(self, x: Tensor) -> Float[Tensor, "n mels frames"]:
        if x.ndim == 3 and x.shape[1] == self.mels:
            return x
        if x.ndim != 2:
            raise OptionError(
                f"audio comes as waveforms (n, samples) or log-mel spectrograms (n, {self.mels}, frames), not of "
                f"shape {tuple(x.shape)}"
            )
        if (
            torch.compiler.is_exporting()
        ):  # one program for any number of rows; nothing in it is cast by itself
            return self._spectra(x.float())
        # autocast would lose what is quiet beside what is loud
        with torch.autocast(x.device.type, enabled=False):
            x = x.float()
            rows = max(1, AT_ONCE // (self.filters.shape[0] * self.frames(x.shape[1])))
            return torch.cat([self._spectra(part) for part in x.split(rows)])

    def frames(self, samples: int) -> int:
        """How many frames waveforms of so many samples have."""
        return (samples + self.hop - 1) // self.hop

    def _spectra(self, x: Float[Tensor, "n samples"]) -> Float[Tensor, "n mels frames"]:
        absent = x.isnan()
        spectra = torch.stft(
            x.masked_fill(absent, 0.0),
            self.size,
            self.hop,
            win_length=len(self.hann),
            window=self.hann,
            center=True,
            pad_mode="constant",
            return_complex=True,
        )[:, :, : self.frames(x.shape[1])]
        power = spectra.abs().square() / self.hann.sum().square()
        mel = torch.log(self.filters.T @ power + FLOOR)
        return mel.masked_fill(absent[:, None, :: self.hop], torch.nan)


class Standardise(nn.Module):
    """Waveforms or log-mel spectrograms to numbers around zero, 0 where nothing is, and which frames are there."""

    def __init__(self, log_mel: LogMel, mean: float, std: float) -> None:
        super().__init__()
        self.log_mel, self.mean, self.std = log_mel, mean, std

    def forward(self, x: Tensor) -> tuple[Float[Tensor, "n mels frames"], Bool[Tensor, "n frames"]]:
        x = self.log_mel(x)
        there = present(x)
        return torch.where(there[:, None], (x - self.mean) / self.std, 0.0), there


def present(x: Float[Tensor, "n mels frames"]) -> Bool[Tensor, "n frames"]:
    """Which frames are there."""
    return ~x[:, 0].isnan()


def mel_filters(rate: int, size: int, mels: int) -> Float[Tensor, "frequencies mels"]:
    """The weight of every frequency of a transform of `size` samples in every band.

    A band that lies between two frequencies hears nothing: its weights are all zero.
    """
    edges = _hertz(torch.linspace(_mel(LOWEST), _mel(rate / 2), mels + 2, dtype=torch.float64))
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    frequencies = torch.linspace(0, rate / 2, size // 2 + 1, dtype=torch.float64)[:, None]
    rising, falling = (frequencies - lower) / (centre - lower), (upper - frequencies) / (upper - centre)
    return torch.minimum(rising, falling).clamp(min=0).float()


def _mel(hertz: float) -> float:
    return 2595 * math.log10(1 + hertz / 700)


def _hertz(mel: Tensor) -> Tensor:
    return 700 * (10 ** (mel / 2595) - 1)
