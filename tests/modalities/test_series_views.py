"""Views of series: what each change does beside a slow version, and that presence stays right."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from unlabeled.data.draws import Draws
from unlabeled.errors import OptionError
from unlabeled.methods.contract import Branch
from unlabeled.modalities.contract import Changed
from unlabeled.modalities.series import Series, changes
from unlabeled.modalities.series.looks import BENDS, PIECES, WARPED
from unlabeled.modalities.series.scale import bridge, lengths

KINDS = [("raw", 0), ("weak", 0), ("weak", 1), ("strong", 0), ("strong", 1), ("strong", 2), ("local", 0)]
QUIET = {"noise": 0.0, "scale": 0.0, "warp": 0.0, "permute": 0.0, "time_mask": 0.0, "frequency_mask": 0.0}
"""options that leave only the crop of a view of one channel"""
LENGTHS = [96, 40, 7, 96, 61, 12, 1, 80]


def modality(channels: int = 2, length: int = 96, patch: int = 4, **config) -> Series:
    means, stds = [5.0 * c for c in range(channels)], [1.0 + c for c in range(channels)]
    return Series(length, channels, means, stds, patch, **config)


def batch(*steps: int, channels: int = 2, length: int = 96, gaps: bool = False, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(len(steps), channels, length, generator=generator)
    x = x * (torch.arange(channels)[:, None] + 1.0) + 5.0 * torch.arange(channels)[:, None]
    if gaps:
        x[torch.rand(x.shape, generator=generator) < 0.3] = math.nan
        x[:, 0, 0] = 1.0
    for row, own in zip(x, steps, strict=True):
        row[:, own:] = math.nan
    return x


def view(x: Tensor, kind: str = "strong", variant: int = 0, draws: Draws | None = None, **options) -> Changed:
    made = options.pop("made", None) or modality(x.shape[1], x.shape[2])
    branch = Branch(kind, variant, options=options)  # type: ignore[arg-type]
    return made.change(x, branch, draws or Draws(0, 0, total=len(x)))


# every view


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize(("kind", "variant"), KINDS)
def test_padding_stays_at_the_end_and_every_row_keeps_a_token(kind, variant, channels, gaps):
    x = batch(*LENGTHS, channels=channels, gaps=gaps)
    before = x.clone()
    for step in range(5):
        changed = view(x, kind, variant, Draws(0, step, total=len(x)))
        steps = 40 if kind == "local" else 96  # ten patches of four
        assert changed.x.shape == (len(x), channels, steps) and changed.x.dtype == torch.float32
        own = (torch.tensor(LENGTHS) * steps / 96).round().clamp(min=1)
        after = torch.arange(steps) >= own[:, None]
        assert changed.x.isnan().all(dim=1)[after].all()
        assert bool(modality(channels).tokenise(changed.x).present.any(dim=1).all())
        if not gaps and kind in ("weak", "raw"):
            assert not changed.x.isnan().any(dim=1)[~after].any()
        assert changed.where.shape == (len(x), steps // 4, 1)
        assert bool(((changed.where >= 0) & (changed.where <= 1)).all())
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize(("kind", "variant"), KINDS)
def test_two_processes_get_the_rows_one_process_would(kind, variant):
    x = batch(*LENGTHS, gaps=True)
    quiet = {} if kind == "raw" or (kind, variant) == ("weak", 1) else {"noise": 0.0}
    whole = view(x, kind, variant, Draws(3, 5, total=8), **quiet)
    for rank, rows in enumerate((slice(0, 4), slice(4, 8))):
        part = view(x[rows], kind, variant, Draws(3, 5, total=8, rows=rows, rank=rank), **quiet)
        torch.testing.assert_close(part.x, whole.x[rows], equal_nan=True)
        assert all(torch.equal(part.params[key], value[rows]) for key, value in whole.params.items())
        torch.testing.assert_close(part.where, whole.where[rows])


@pytest.mark.parametrize(("kind", "variant"), KINDS[1:])
def test_same_step_gives_the_same_view_and_the_next_step_another(kind, variant):
    x = batch(96, 50, 96)
    first, again = (view(x, kind, variant, Draws(0, 7, total=3)).x for _ in range(2))
    torch.testing.assert_close(first, again, rtol=0, atol=0, equal_nan=True)
    other = view(x, kind, variant, Draws(0, 8, total=3)).x
    assert not torch.equal(first.nan_to_num(), other.nan_to_num())


def test_raw_changes_nothing():
    x = batch(*LENGTHS, gaps=True)
    assert view(x, "raw").x is x


def test_variants_1_and_2_are_made_differently():
    x = batch(*[96] * 4)
    first, second = (view(x, "strong", v).params for v in (1, 2))
    assert {"time_mask"} == set(first) - set(second)
    assert {"permute", "frequency_mask"} == set(second) - set(first)


@pytest.mark.parametrize("kind", ["weak", "strong", "local"])
@pytest.mark.parametrize("scaling", ["channel", "sample"])
def test_units_of_the_data_make_no_difference(kind, scaling):
    x = batch(*LENGTHS, gaps=True)
    far = x * 50 - 700
    a = modality(2, scaling=scaling)
    b = Series(96, 2, [50 * m - 700 for m in a.mean], [50 * s for s in a.std], 4, scaling=scaling)
    torch.testing.assert_close(
        view(far, kind, made=b).x, view(x, kind, made=a).x * 50 - 700, rtol=1e-4, atol=5e-2, equal_nan=True
    )


def test_a_weak_view_is_still_close_to_the_sample():
    time = torch.linspace(0, 4 * math.pi, 96)
    x = torch.stack([(time * k).sin() for k in (0.5, 1.0, 1.5)])[:, None].repeat(20, 1, 1)
    y = view(x, "weak", made=Series(96, 1, [0.0], [0.7], 4)).x
    nearest = torch.cdist(y[:, 0], x[:3, 0]).argmin(dim=1)
    assert torch.equal(nearest, torch.arange(60) % 3)


def test_where_says_which_steps_a_patch_shows():
    x = torch.arange(96.0).expand(6, 1, 96).clone()  # the value is the place
    for kind, variant in (("weak", 1), ("strong", 0), ("local", 0)):
        changed = view(x, kind, variant, **QUIET)
        middles = (changed.x[:, 0, 1::4] + changed.x[:, 0, 2::4]) / 2
        torch.testing.assert_close(changed.where[:, :, 0], (middles + 0.5) / 96, rtol=0, atol=1e-4)
    start, width = changed.params["crop"].unbind(1)
    torch.testing.assert_close(changed.x[:, 0, 0], start * 96, rtol=0, atol=1e-3)
    torch.testing.assert_close(changed.x[:, 0, -1], (start + width) * 96 - 1, rtol=0, atol=1e-3)


def test_options_overrule_and_may_be_one_a_row():
    x = batch(*[96] * 400, channels=1)
    share = view(x, low=torch.full((400,), 0.3), high=0.4).params["crop"][:, 1]
    assert 0.3 <= share.min() < 0.31 and 0.39 < share.max() <= 0.4
    assert set(view(x, **QUIET).params) == {"crop"}
    noise = torch.tensor([0.0, 2.0]).repeat(200)
    options = {**QUIET, "low": 1.0, "noise": noise}
    away = (view(x, made=modality(1), **options).x - x).std(dim=(1, 2))
    assert float(away[::2].max()) < 1e-5 and float((away[1::2] - 2.0).abs().max()) < 0.7


@pytest.mark.parametrize(
    ("kind", "variant", "options", "said"),
    [
        ("strong", 0, {"loud": 1.0}, "unknown option 'loud'"),
        ("strong", 0, {"low": 0.8, "high": 0.5}, "0 < low ≤ high ≤ 1"),
        ("strong", 0, {"low": 0.0}, "0 < low"),
        ("strong", 0, {"warp": 1.5}, "warp must be from 0 to 1"),
        ("strong", 0, {"noise": -0.1}, "noise must be 0 or more"),
        ("strong", 0, {"noise": math.nan}, "noise must be 0 or more"),
        ("strong", 0, {"noise": torch.ones(3)}, r"one a row, \(2,\)"),
        ("strong", 0, {"noise": "much"}, "must be a number"),
        ("strong", 0, {"channel_dropout": 0.5}, "one channel, which is never dropped"),
        ("raw", 0, {"low": 0.5}, "nothing is changed"),
        ("strong", 3, {}, "no variant 3"),
        ("sideways", 0, {}, "no view of kind 'sideways'"),
    ],
)
def test_options_that_mean_nothing_are_refused(kind, variant, options, said):
    with pytest.raises(OptionError, match=said):
        view(batch(96, 96, channels=1), kind, variant, **options)


# one change at a time, beside a slow version


def row_places(length: int, steps: int) -> Tensor:
    return changes.whole(torch.tensor([length]), steps)


def test_crop_reads_from_its_first_step_to_its_last():
    length = torch.tensor([10, 10, 4, 1])
    places = changes.crop(
        changes.whole(length, 12),
        length,
        torch.tensor([0.0, 2.5, 3.0, 5.0]),
        torch.tensor([10.0, 5.0, 1.0, 4.0]),
    )
    expected = [np.arange(10), np.linspace(2.5, 6.5, 10), np.full(4, 3.0), [5.0]]
    for row, wanted in zip(places, expected, strict=True):
        np.testing.assert_allclose(row[: len(wanted)], wanted, atol=1e-5)
        assert row[len(wanted) :].isnan().all()


def test_reading_is_linear_between_steps_and_takes_the_nearer_of_a_value_and_a_gap():
    random = np.random.default_rng(0)
    x = random.standard_normal((5, 2, 20)).astype(np.float32)
    x[random.random(x.shape) < 0.3] = np.nan
    places = random.uniform(0, 19, (5, 30)).astype(np.float32)
    places[:, 5] = [3, 0, 19, 7, 11]
    places[2, 25:] = np.nan
    read = changes.read_at(torch.from_numpy(x), torch.from_numpy(places)).numpy()
    for i, c, j in np.ndindex(5, 2, 30):
        place = places[i, j]
        if np.isnan(place):
            assert np.isnan(read[i, c, j])
            continue
        low = int(np.floor(place))
        share = place - low
        a, b = x[i, c, low], x[i, c, min(low + 1, 19)]
        gap = np.isnan(a) or np.isnan(b)
        wanted = (b if share >= 0.5 else a) if gap else a + (b - a) * share
        np.testing.assert_allclose(read[i, c, j], wanted, atol=1e-5)


def test_warp_keeps_the_ends_and_never_runs_back():
    length = torch.tensor([96, 40, 2, 1]).repeat(50)
    draw = (torch.rand(200, BENDS, generator=torch.Generator().manual_seed(0)) * 2 - 1) * WARPED / BENDS
    places = changes.whole(length, 96)
    warped = changes.warp(places, length, draw)
    torch.testing.assert_close(warped.isnan(), places.isnan())
    torch.testing.assert_close(warped[:, 0], torch.zeros(200))
    last = (length - 1)[:, None]
    torch.testing.assert_close(warped.gather(1, last)[:, 0], last[:, 0].float(), rtol=0, atol=1e-4)
    assert float(warped.diff(dim=1).nan_to_num(1.0).min()) > 0
    assert float((warped - places).abs().nan_to_num().max()) > 2
    i, j = 4, 30  # the formula, once by hand
    u = j / 95
    moved = sum(
        float(draw[i, k]) * math.sin(math.pi * (k + 1) * u) / (math.pi * (k + 1)) for k in range(BENDS)
    )
    assert float(warped[i, j]) == pytest.approx((u + moved) * 95, abs=1e-3)


def test_permutation_swaps_whole_pieces():
    generator = torch.Generator().manual_seed(0)
    length = torch.randint(1, 40, (50,), generator=generator)
    cuts = torch.rand(50, PIECES - 1, generator=generator)
    cuts[::2, 1:] = 1.0  # two pieces
    order = torch.rand(50, PIECES, generator=generator).argsort(dim=1)
    moved = changes.permute(changes.whole(length, 40), length, cuts, order)
    for i in range(50):
        own = int(length[i])
        edges = [0, *np.round(np.sort(cuts[i].numpy()) * own).astype(int), own]
        pieces = [np.arange(edges[k], edges[k + 1]) for k in range(PIECES)]
        wanted = np.concatenate([pieces[k] for k in order[i]])
        np.testing.assert_array_equal(moved[i, :own], wanted)
        assert moved[i, own:].isnan().all()


def test_jitter_has_the_deviation_asked_for_and_leaves_gaps():
    x = torch.zeros(4, 2, 5000)
    x[0, 1, :100] = math.nan
    y = changes.jitter(x, torch.tensor([0.0, 0.1, 1.0, 3.0]), torch.Generator().manual_seed(0))
    torch.testing.assert_close(y.isnan(), x.isnan())
    for row, wanted in zip(y[1:], (0.1, 1.0, 3.0), strict=True):
        assert float(row.std()) == pytest.approx(wanted, rel=0.05) and abs(float(row.mean())) < 0.05 * wanted


def test_scale_multiplies_each_channel():
    x, factor = batch(9, 5, length=9), torch.tensor([[1.0, 2.0], [0.5, 3.0]])
    y = changes.scale(x, factor)
    for i, c in np.ndindex(2, 2):
        torch.testing.assert_close(y[i, c], x[i, c] * factor[i, c], equal_nan=True)


def test_time_mask_hides_one_stretch_and_never_the_last_step():
    x = batch(*[96] * 50, *[30] * 50)
    own = lengths(x)
    generator = torch.Generator().manual_seed(0)
    start, width = torch.rand(100, generator=generator), torch.rand(100, generator=generator) * 0.5
    y = changes.time_mask(x, own, start, width)
    assert torch.equal(lengths(y), own)
    for i in range(100):
        n = int(own[i])
        count = math.floor(np.float32(width[i]) * n)
        first = math.floor(np.float32(start[i]) * (n - count))
        hidden = [j for j in range(first, first + count) if j < n - 1]
        wanted = x[i].clone()
        wanted[:, hidden] = math.nan
        torch.testing.assert_close(y[i], wanted, equal_nan=True)


def test_a_mask_over_all_that_is_there_is_not_made():
    x = torch.full((1, 1, 10), math.nan)
    x[0, 0, 4], x[0, 0, 9] = 1.0, math.nan
    own = torch.tensor([10])
    y = changes.time_mask(x, own, torch.tensor([0.0]), torch.tensor([0.9]))
    torch.testing.assert_close(y, x, equal_nan=True)
    torch.testing.assert_close(changes.channel_dropout(x, torch.tensor([[True]])), x, equal_nan=True)


def test_frequency_mask_takes_its_waves_out_and_leaves_the_rest():
    t = torch.arange(64) / 64 * 2 * math.pi
    slow, fast = (3 * t).sin(), (11 * t).cos()
    x = (2.0 + slow + fast).expand(2, 1, 64).clone()
    dropped = torch.zeros(2, 33, dtype=torch.bool)
    dropped[0, 11], dropped[1, 0] = True, True
    y = changes.frequency_mask(x, dropped)
    torch.testing.assert_close(y[0, 0], 2.0 + slow, rtol=0, atol=1e-5)
    torch.testing.assert_close(y[1], x[1], rtol=0, atol=1e-5)  # the mean is never taken
    x[0, 0, 50:] = math.nan
    assert torch.equal(changes.frequency_mask(x, dropped).isnan(), x.isnan())


def test_channel_dropout_drops_those_it_is_told_but_never_all():
    x = batch(9, 5, 9, length=9)
    dropped = torch.tensor([[True, False], [False, False], [True, True]])
    y = changes.channel_dropout(x, dropped)
    assert y[0, 0].isnan().all() and not y[0, 1].isnan().any()
    torch.testing.assert_close(y[1:], x[1:], equal_nan=True)


@pytest.mark.parametrize("name", ["warp", "permute", "time_mask", "frequency_mask", "channel_dropout"])
def test_probabilities_are_met(name):
    x = batch(*[24] * 2000, channels=3, length=24)
    quiet = {**QUIET, "channel_dropout": 0.0, name: 0.3}
    applied = view(x, made=modality(3, 24, 2), **quiet).params[name]
    if name == "channel_dropout":
        expected, share = 0.3 * 0.3, applied.float().mean().item()
    else:
        expected, share = 0.3, (applied > 0).float().mean().item()
    assert abs(share - expected) < 4 * math.sqrt(expected / 2000)


# what else is made of a batch


def test_bridging_fills_gaps_along_straight_lines():
    random = np.random.default_rng(0)
    x = random.standard_normal((6, 3, 25)).astype(np.float32)
    x[random.random(x.shape) < 0.5] = np.nan
    x[0, 0] = np.nan
    bridged = bridge(torch.from_numpy(x)).numpy()
    for i, c in np.ndindex(6, 3):
        known = np.flatnonzero(~np.isnan(x[i, c]))
        wanted = np.interp(np.arange(25), known, x[i, c, known]) if len(known) else np.zeros(25)
        np.testing.assert_allclose(bridged[i, c], wanted, atol=1e-5)


@pytest.mark.parametrize("scaling", ["channel", "sample", "none"])
def test_flat_series_are_finite_of_one_length_and_the_series_itself_where_nothing_is_missing(scaling):
    made = modality(2, scaling=scaling)
    x = batch(*LENGTHS, gaps=True)
    flat = made.flatten(x)
    assert flat.shape == (8, 2 * 96) and bool(flat.isfinite().all())
    assert made.flatten(torch.nn.functional.pad(x, (0, 9), value=math.nan)).shape == (8, 2 * 96)
    complete = batch(96, 96)
    unit = {
        "channel": (torch.tensor([0.0, 5.0]), torch.tensor([1.0, 2.0])),
        "none": (torch.zeros(2), torch.ones(2)),
    }
    if scaling == "sample":
        mean, std = complete.mean(dim=2, keepdim=True), complete.std(dim=2, correction=0, keepdim=True)
    else:
        mean, std = (v.view(1, 2, 1) for v in unit[scaling])
    torch.testing.assert_close(
        made.flatten(complete), ((complete - mean) / std).flatten(1), rtol=1e-4, atol=1e-4
    )


def test_a_stretched_line_is_the_same_line():
    made = Series(50, 1, [0.0], [1.0], 2)
    x = torch.full((3, 1, 50), math.nan)
    for row, own in zip(x, (50, 20, 7), strict=True):
        row[0, :own] = torch.linspace(-1, 1, own)
    torch.testing.assert_close(made.flatten(x), torch.linspace(-1, 1, 50).expand(3, 50), rtol=0, atol=1e-5)


def test_tokens_are_patches_by_channel_then_step_and_absent_where_less_than_half_is_there():
    made = Series(10, 2, [0.0, 0.0], [1.0, 2.0], 4)
    x = torch.arange(20.0).view(1, 2, 10).repeat(4, 1, 1)
    x[1, :, 6:] = math.nan  # half of the second patch
    x[2, :, 5:] = math.nan  # less than half
    x[2, 0, 0] = math.nan  # the other channel is there
    x[3] = math.nan
    x[3, 0, 9] = 1.0  # alone: the fullest patch is kept
    tokens = made.tokenise(x)
    assert tokens.positions.tolist() == [[0.0], [1.0], [2.0]]
    assert tokens.numbers[0, 1].tolist() == [4, 5, 6, 7, 7, 7.5, 8, 8.5]
    assert tokens.numbers[0, 2].tolist() == [8, 9, 0, 0, 9, 9.5, 0, 0]
    assert tokens.present.tolist() == [
        [True, True, True],
        [True, True, False],
        [True, False, False],
        [False, False, True],
    ]
    assert tokens.numbers[2, 0, 0] == 0 and bool(tokens.numbers.isfinite().all())


def test_constant_channel_of_a_sample_stays_at_zero():
    made = modality(2, scaling="sample")
    x = batch(96, 50)
    x[0, 1] = 1234.5
    assert float(made.tokenise(x).numbers[0].abs().max()) < 6
    assert float(made.flatten(x)[0, 96:].abs().max()) < 0.1


def test_pictures_show_lines():
    x = batch(*LENGTHS, channels=3, gaps=True)
    shown = modality(3).show(x)
    assert shown.shape == (8, 48, 72, 3) and shown.dtype == np.uint8
    assert all((row < 255).any() for row in shown) and (shown == 255).mean() > 0.5
    rising = torch.linspace(0, 1, 96).view(1, 1, 96)
    drawn = (modality(1).show(rising)[0] < 255).any(axis=2)
    assert drawn[:, 0].nonzero()[0].mean() > 40 and drawn[:, -1].nonzero()[0].mean() < 8
