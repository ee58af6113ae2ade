"""Views of recordings: what each change does, and the promises all of them keep."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from unlabeled.data.batch import Batch
from unlabeled.data.draws import Draws
from unlabeled.errors import OptionError
from unlabeled.methods.contract import Branch
from unlabeled.modalities.audio import Audio, looks
from unlabeled.modalities.audio.spectrogram import DECIBEL, present
from unlabeled.parts.masks import RandomMask

RATE = 8000
MADE = Audio(RATE, 0.5, 40, -12.0, 3.0, patch=4)
KINDS: Any = [(kind, v) for kind, count in looks.VARIANTS.items() for v in range(count)]
CHANGES: Any = [case for case in KINDS if case[0] != "raw"]
OFF = {"speed": 0.0, "pitch": 0.0, "gain": 0.0, "noise": 0.0, "masks": 0.0, "low": 1.0}
LENGTHS = (4000, 2400, 900, 160, 1, 3000)


def recordings(*lengths: int) -> Tensor:
    """Tones of different pitch in a little noise, NaN after the end."""
    generator = torch.Generator().manual_seed(0)
    lengths = lengths or LENGTHS
    time = torch.arange(4000) / RATE
    pitch = torch.linspace(300, 2000, len(lengths))[:, None]
    x = 0.3 * torch.sin(2 * torch.pi * pitch * time) + 0.01 * torch.randn(
        len(lengths), 4000, generator=generator
    )
    return x.masked_fill(torch.arange(4000) >= torch.tensor(lengths)[:, None], torch.nan)


def change(x: Tensor, kind: Any, variant: int = 0, seed: int = 0, **options: Any) -> Any:
    return MADE.change(x, Branch(kind, variant, options=options), Draws(seed, 0, total=len(x)))


def spectra(x: Tensor) -> Tensor:
    return MADE.plain(x)


# promises of every view


@pytest.mark.parametrize(("kind", "variant"), KINDS)
def test_every_recording_keeps_a_token_and_nothing_else_is_not_a_number(kind: str, variant: int) -> None:
    for seed in range(5):
        x = change(recordings(), kind, variant, seed).x
        there = present(x)
        assert bool((x.isnan() == ~there[:, None]).all()), "a frame is there or it is not"
        assert bool((there.int().diff(dim=1) <= 0).all()), "what is absent comes last"
        tokens = MADE.tokenise(x)
        assert tokens.present is not None and bool(tokens.present.any(1).all())


@pytest.mark.parametrize(("kind", "variant"), CHANGES)
def test_views_repeat_with_the_seed_and_the_waveform_is_left_alone(kind: str, variant: int) -> None:
    x = recordings()
    before = x.clone()
    first, again, other = (change(x, kind, variant, seed).x for seed in (3, 3, 4))
    torch.testing.assert_close(first, again, equal_nan=True, rtol=0, atol=0)
    assert not torch.equal(first.nan_to_num(), other.nan_to_num())
    torch.testing.assert_close(x, before, equal_nan=True, rtol=0, atol=0)


@pytest.mark.parametrize(("kind", "variant"), CHANGES)
def test_halves_of_a_batch_equal_the_whole_where_noise_is_off(kind: str, variant: int) -> None:
    x = recordings()
    branch = Branch(kind, variant, options={"noise": 0.0})  # type: ignore[arg-type]
    whole = MADE.change(x, branch, Draws(1, 2, total=6))
    for rank, rows in enumerate((slice(0, 3), slice(3, 6))):
        part = MADE.change(x[rows], branch, Draws(1, 2, total=6, rows=rows, rank=rank))
        torch.testing.assert_close(part.x, whole.x[rows], equal_nan=True)
        assert whole.where is not None and part.where is not None
        torch.testing.assert_close(part.where, whole.where[rows])
        for name, value in part.params.items():
            torch.testing.assert_close(value, whole.params[name][rows])


def test_raw_changes_nothing() -> None:
    x = recordings()
    torch.testing.assert_close(change(x, "raw").x, MADE.log_mel(x), equal_nan=True, rtol=0, atol=0)


def test_views_of_one_batch_are_made_of_the_same_spectrogram() -> None:
    x = recordings()
    batch = Batch(x, torch.arange(6), torch.tensor([0, -1, 1, -1, 0, 1]))
    plan = (
        Branch("strong", 1),
        Branch("raw"),
        Branch("weak", rows="labelled"),
        Branch("weak", 1, RandomMask(0.5)),
    )
    strong, raw, labelled, masked = MADE.make_views(batch, plan, Draws(0, 0, total=6))
    draws = Draws(0, 0, total=6)
    torch.testing.assert_close(strong.x, MADE.change(x, plan[0], draws.child("0")).x, equal_nan=True)
    torch.testing.assert_close(raw.x, spectra(x), equal_nan=True)
    assert labelled.rows.tolist() == [0, 2, 4, 5] and len(labelled.x) == 4
    assert masked.target is not None and masked.target.present is not None and masked.mask is not None
    assert not bool((masked.mask & ~masked.target.present).any())


def test_weak_views_are_nearer_to_the_recording_than_strong_ones() -> None:
    x = recordings(4000, 4000, 4000, 4000)

    def distance(kind: str) -> float:
        made = [
            (change(x, kind, 0, seed).x.nanmean(2) - spectra(x).nanmean(2)).square() for seed in range(10)
        ]
        return float(torch.stack(made).mean())

    assert 0 < distance("weak") < distance("strong") / 2


def test_a_local_view_is_a_small_part() -> None:
    x = recordings(4000, 4000)
    local = change(x, "local", noise=0.0)
    assert local.x.shape[2] == looks.local_frames(50, 4) == 28
    assert bool((present(local.x).sum(1) <= 28).all())
    assert bool((local.params["crop"][:, 1] <= 0.6).all())


# each change


def test_a_crop_is_a_part_of_the_recording_and_where_says_which() -> None:
    x = recordings(4000, 2400)
    made = change(x, "weak", 1, **{**OFF, "low": 0.5, "high": 0.5})
    plain = spectra(x)
    for row, frames in enumerate((50, 30)):
        first, kept = (made.params["crop"][row] * frames).round().int().tolist()
        assert kept == frames // 2 and 0 <= first <= frames - kept
        torch.testing.assert_close(made.x[row, :, :kept], plain[row, :, first : first + kept])
        assert bool(made.x[row, :, kept:].isnan().all())
        assert float(made.where[row, 0, 0]) == pytest.approx((first + 2) / frames)
    assert bool(((made.where >= 0) & (made.where <= 1)).all())


def test_a_gain_is_that_of_the_waveform() -> None:
    x = recordings(4000, 4000)
    made = change(x, "weak", **{**OFF, "gain": 6.0})
    louder = x * (10 ** (made.params["gain"] / 20))[:, None]
    torch.testing.assert_close(made.x, spectra(louder), atol=1e-2, rtol=0)


def test_speed_changes_the_length_and_not_the_pitch() -> None:
    x = recordings(3000, 3000, 3000, 3000)
    made = change(x, "strong", **{**OFF, "speed": 0.2})
    expected = (38 / made.params["speed"]).round().clamp(max=50)
    assert present(made.x).sum(1).tolist() == expected.tolist()
    assert len(set(expected.tolist())) > 1
    assert torch.equal(made.x[:, :, 10].argmax(1), spectra(x)[:, :, 10].argmax(1))


def test_pitch_moves_the_bands() -> None:
    x = recordings(4000, 4000, 4000)[1:2].repeat(16, 1)
    made = change(x, "strong", **{**OFF, "pitch": 0.1})
    moved = made.x[:, :, 10].argmax(1) - spectra(x)[:, :, 10].argmax(1)
    shift = made.params["pitch"] * 40
    # the axis is also stretched about its middle, by up to a fifth
    assert float((moved - shift).abs().max()) <= 0.2 * 20 + 1
    assert float(torch.corrcoef(torch.stack([moved.float(), shift]))[0, 1]) > 0.8


def test_masks_hide_bands_and_times_and_leave_the_rest() -> None:
    x = recordings(4000, 2000)
    made = change(x, "strong", **{**OFF, "masks": 0.3}).x
    hidden = (made == MADE.mean) & (spectra(x) != MADE.mean)
    assert bool(hidden.any()) and float(hidden.float().mean()) < 0.95
    torch.testing.assert_close(made[~hidden], spectra(x)[~hidden], equal_nan=True)
    whole_bands, whole_times = hidden[0].all(1), hidden[0].all(0)
    assert torch.equal(hidden[0], whole_bands[:, None] | whole_times[None])


def test_what_is_mixed_in_is_quieter_and_comes_from_another_recording() -> None:
    x = recordings(4000, 2400, 4000)
    made = change(x, "strong", **{**OFF, "noise": 1.0}).x
    plain = spectra(x)
    there = ~plain.isnan()
    assert bool((made[there] >= plain[there] - 1e-4).all()), "energy is only added"
    before, after = plain.exp().nansum((1, 2)), made.exp().nansum((1, 2))
    # both are at least as quiet as the recording; hiss is a little more than its level on average
    assert bool((after > before).all()) and bool((after < before * (2 + math.exp(looks.SNR[0]) * 1.5)).all())


def test_a_recording_alone_has_none_to_mix_in() -> None:
    x = recordings(4000)
    assert bool(change(x, "strong", **{**OFF, "noise": 1.0}).x.isfinite().all())


def test_noise_off_means_no_other_row_matters() -> None:
    x = recordings()
    other = x.clone()
    other[1:] = recordings(*LENGTHS[::-1])[1:]
    a, b = (change(v, "strong", noise=0.0).x[0] for v in (x, other))
    torch.testing.assert_close(a, b, equal_nan=True)


def test_noise_differs_between_processes() -> None:
    x = recordings()
    a, b = (
        MADE.change(x, Branch("strong", options={"noise": 1.0}), Draws(0, 0, total=6, rank=r)).x
        for r in (0, 1)
    )
    assert not torch.equal(a.nan_to_num(), b.nan_to_num())


def test_options_may_be_one_a_row() -> None:
    x = recordings(4000, 4000)
    low = torch.tensor([0.2, 1.0])
    made = change(x, "strong", **{**OFF, "low": low, "high": low, "gain": torch.tensor([0.0, 9.0])})
    assert present(made.x).sum(1).tolist() == [10, 50]
    assert float(made.params["gain"][0]) == 0 != float(made.params["gain"][1])
    gains = made.x[1] - spectra(x)[1]
    torch.testing.assert_close(gains, (made.params["gain"][1] * DECIBEL).expand_as(gains), atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("kind", "variant", "options", "said"),
    [
        ("odd", 0, {}, "recordings have no view of kind 'odd'"),
        ("weak", 2, {}, "recordings have no variant 2 of a weak view: choose from 0 to 1"),
        ("strong", 0, {"pich": 0.1}, "did you mean 'pitch'"),
        ("raw", 0, {"gain": 1.0}, "nothing is changed"),
        ("weak", 0, {"gain": -1.0}, "gain must be from 0 to 60"),
        ("weak", 0, {"noise": 1.5}, "noise must be from 0 to 1"),
        ("weak", 0, {"low": 0.0}, "0 < low ≤ high ≤ 1"),
        ("weak", 0, {"low": torch.zeros(9) + 0.5}, r"one a row, \(6,\)"),
        ("weak", 0, {"low": "half"}, "must be a number"),
    ],
)
def test_what_cannot_be_done_is_refused(kind: str, variant: int, options: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        change(recordings(), kind, variant, **options)
