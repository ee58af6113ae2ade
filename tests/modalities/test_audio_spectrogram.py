"""Log-mel spectrograms, tokens, the raw vector and the picture of a recording."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tests.samples import KINDS
from torch import Tensor

from unlabeled.errors import OptionError
from unlabeled.modalities.audio import Audio
from unlabeled.modalities.audio.spectrogram import DECIBEL, FLOOR, LOWEST, LogMel, mel_filters
from unlabeled.modalities.audio.tokens import auto_patch

RATE = 8000


def waveforms(*lengths: int, seed: int = 0) -> Tensor:
    """Noise of these lengths, NaN after the end."""
    x = torch.randn(len(lengths), max(lengths), generator=torch.Generator().manual_seed(seed)) * 0.1
    return x.masked_fill(torch.arange(max(lengths)) >= torch.tensor(lengths)[:, None], torch.nan)


def modality(**options: int) -> Audio:
    return Audio(RATE, 0.4, 40, -12.0, 3.0, **{"patch": 3, **options})


def slow(x: np.ndarray, rate: int, mels: int, window: int, hop: int, size: int) -> np.ndarray:
    """Log-mel of one recording, (mels, frames), written out in float64: frame by frame, band by band."""
    hann = np.array([0.5 - 0.5 * math.cos(2 * math.pi * i / window) for i in range(window)])
    low, high = (2595 * math.log10(1 + f / 700) for f in (LOWEST, rate / 2))
    edges = [700 * (10 ** ((low + (high - low) * i / (mels + 1)) / 2595) - 1) for i in range(mels + 2)]
    out = np.zeros((mels, math.ceil(len(x) / hop)))
    for t in range(out.shape[1]):
        samples = np.zeros(window)
        for i in range(window):
            place = t * hop - (window + 1) // 2 + i
            samples[i] = x[place] if 0 <= place < len(x) else 0.0
        power = np.abs(np.fft.rfft(samples * hann, size)) ** 2 / hann.sum() ** 2
        for m in range(mels):
            left, middle, right = edges[m : m + 3]
            total = 0.0
            for k, p in enumerate(power):
                f = k * rate / size
                total += p * max(0.0, min((f - left) / (middle - left), (right - f) / (right - middle)))
            out[m, t] = math.log(total + FLOOR)
    return out


@pytest.mark.parametrize(("rate", "mels"), [(8000, 40), (16000, 64), (1000, 20)])
def test_log_mel_equals_the_slow_one(rate: int, mels: int) -> None:
    log_mel = LogMel(rate, mels)
    window, hop = round(0.025 * rate), round(0.01 * rate)
    x = waveforms(rate // 10, rate // 10 - 37)
    made = log_mel(x)
    for row, length in zip(range(2), (rate // 10, rate // 10 - 37), strict=True):
        expected = slow(x[row, :length].double().numpy(), rate, mels, window, hop, log_mel.size)
        frames = expected.shape[1]
        np.testing.assert_allclose(made[row, :, :frames], expected, atol=2e-4)
        assert bool(made[row, :, frames:].isnan().all())


def test_filters_are_those_of_others() -> None:
    """The numbers are those of transformers.audio_utils.mel_filter_bank(norm=None, mel_scale="htk")."""
    filters = mel_filters(8000, 256, 10)
    sums = [4.78133, 5.61573, 6.63671, 7.82784, 9.27022, 10.95184, 12.9297, 15.28388, 18.05252, 21.33654]
    torch.testing.assert_close(filters.sum(0), torch.tensor(sums), atol=1e-4, rtol=0)
    assert filters.argmax(0).tolist() == [6, 11, 17, 24, 33, 43, 55, 69, 85, 105]
    some = [0.09179, 0.32128, 0.55076, 0.78025, 0.66192, 0.77966, 0.75006, 0.04327, 0.0]
    largest = filters[[2, 3, 4, 5, 30, 31, 100, 127, 128]].amax(1)
    torch.testing.assert_close(largest, torch.tensor(some), atol=1e-5, rtol=0)


def test_a_tone_is_loudest_in_its_band_and_ten_decibels_are_ten() -> None:
    log_mel = LogMel(RATE, 40)
    tone = torch.sin(2 * torch.pi * 1000 * torch.arange(4000) / RATE)[None]
    band = int(log_mel(tone)[0, :, 20].argmax())
    assert int(log_mel.filters.argmax(0)[band]) * RATE / log_mel.size == pytest.approx(1000, abs=50)
    difference = log_mel(tone)[0, band, 5:-5] - log_mel(tone * 10**-0.5)[0, band, 5:-5]
    torch.testing.assert_close(difference, torch.full_like(difference, 10 * DECIBEL), atol=1e-3, rtol=0)


def test_silence_is_the_floor_and_the_loudest_is_finite() -> None:
    log_mel = LogMel(RATE, 40)
    torch.testing.assert_close(log_mel(torch.zeros(1, 800)), torch.full((1, 40, 10), math.log(FLOOR)))
    assert bool(log_mel(torch.full((1, 800), 4.0)).isfinite().all())


def test_low_bands_are_told_apart_or_refused() -> None:
    assert bool((LogMel(1000, 40).filters.sum(0) > 0).all())
    with pytest.raises(OptionError, match="mels=400 bands are more than"):
        LogMel(RATE, 400)


def test_other_shapes_are_refused() -> None:
    with pytest.raises(OptionError, match=r"\(n, samples\) or log-mel spectrograms \(n, 40, frames\)"):
        LogMel(RATE, 40)(torch.zeros(2, 20, 7))


def test_many_rows_are_computed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    x, log_mel = waveforms(800, 500, 400, 300, 100), LogMel(RATE, 40)
    expected = log_mel(x)
    monkeypatch.setattr("unlabeled.modalities.audio.spectrogram.AT_ONCE", 3000)
    torch.testing.assert_close(log_mel(x), expected, equal_nan=True)


def test_half_precision_around_it_loses_nothing() -> None:
    x, log_mel = waveforms(800), LogMel(RATE, 40)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(log_mel(x), log_mel(x.clone()))
        assert log_mel(x).dtype == torch.float32


# tokens


def test_tokens_are_pieces_of_time_and_absent_after_the_end() -> None:
    made = modality()
    x = waveforms(3200, 1700, 90, 1)  # 40, 22, 2 and 1 frames of 80 samples; 14 tokens of 3 frames
    tokens = made.tokenise(x)
    assert tokens.numbers is not None and tokens.present is not None
    assert tokens.numbers.shape == (4, 14, 120) and tokens.positions.tolist() == [
        [float(i)] for i in range(14)
    ]
    # half of the frames of a token are enough, and any frame for the first token
    assert tokens.present.sum(1).tolist() == [13, 7, 1, 1]
    assert bool(tokens.numbers.isfinite().all())
    spectra = (made.plain(x) - made.mean) / made.std
    torch.testing.assert_close(tokens.numbers[1, 2].reshape(40, 3), spectra[1, :, 6:9])
    assert torch.equal(tokens.numbers, made.tokenise(made.plain(x)).numbers)


@pytest.mark.parametrize(("frames", "patch"), [(1, 1), (24, 1), (87, 4), (200, 8), (1000, 16)])
def test_tokens_are_few_and_not_long(frames: int, patch: int) -> None:
    assert auto_patch(frames) == patch


# the raw vector and the picture


def test_the_raw_vector_is_means_and_deviations_in_time() -> None:
    made = modality()
    x = waveforms(3200, 1600)
    vector = made.flatten(x)
    assert vector.shape == (2, 6 * 40)
    for row, frames in enumerate((40, 20)):
        there = (made.plain(x)[row, :, :frames] - made.mean) / made.std
        quarters = [part.mean(1) for part in there.split(frames // 4, dim=1)]
        expected = torch.cat([there.mean(1), there.std(1, correction=0), *quarters])
        torch.testing.assert_close(vector[row], expected, atol=1e-5, rtol=1e-4)
    assert torch.equal(vector, made.flatten(made.plain(x)))


def test_the_raw_vector_is_finite_for_every_length() -> None:
    for length in (1, 80, 81, 200, 3200):
        assert bool(modality().flatten(waveforms(length)).isfinite().all())


def test_a_recording_is_shown_as_its_spectrogram() -> None:
    time = torch.arange(3200) / RATE
    x = torch.sin(2 * torch.pi * (300 * time + 3000 * time.square()))[None].repeat(2, 1)  # a rising chirp
    x[1, 1600:] = torch.nan
    picture = modality().show(x)
    assert picture.shape == (2, 40, 40, 3) and picture.dtype == np.uint8
    assert bool((picture[1, :, 20:] == 255).all()) and not bool((picture[1, :, :20] == 255).all())
    loudest = picture[0].astype(int).sum(-1).argmax(0)
    assert loudest[5] > loudest[20] > loudest[35]  # upwards is a smaller row
    long = Audio(RATE, 3.0, 40, -12.0, 3.0)
    assert long.show(torch.zeros(1, long.length)).shape == (1, 40, 128, 3)


def test_nothing_depends_on_what_else_is_in_the_batch() -> None:
    sample = KINDS["audio"]
    made = Audio.measure(sample.data())
    source = made.read(sample.data())
    together, alone = made.plain(source.fetch(range(8))), made.plain(source.fetch([5]))
    torch.testing.assert_close(together[5:6], alone, equal_nan=True, atol=1e-5, rtol=1e-5)
