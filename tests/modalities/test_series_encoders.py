"""Encoders of series: nothing leaks from padding, gaps are marked, and they are built again from their options."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unlabeled.errors import OptionError
from unlabeled.modalities.series import Series
from unlabeled.modalities.series.encoders import STEPS, DilatedBlock

NAMES = ["dilated", "transformer"]
SMALL = {
    "dilated": {"width": 16, "depth": 3, "dim": 32},
    "transformer": {"width": 24, "depth": 2, "heads": 2},
}


def modality(length: int = 60, channels: int = 2, patch: int = 5, **config) -> Series:
    return Series(length, channels, [3.0] * channels, [2.0] * channels, patch, **config)


def built(name: str, made: Series | None = None, **options) -> nn.Module:
    torch.manual_seed(0)
    return (made or modality()).build_encoder(name, **{**SMALL[name], **options}).eval()


def batch(*steps: int, channels: int = 2, length: int = 60, seed: int = 0) -> Tensor:
    x = torch.randn(len(steps), channels, length, generator=torch.Generator().manual_seed(seed)) * 2 + 3
    for row, own in zip(x, steps, strict=True):
        row[:, own:] = math.nan
    return x


@pytest.mark.parametrize("stride", [1, 2, 7])
def test_more_padding_changes_no_feature_of_the_convolutions(stride):
    encoder, x = built("dilated", stride=stride), batch(60, 31, 8, 1)
    longer = F.pad(x, (0, 23), value=math.nan)
    torch.testing.assert_close(encoder(longer), encoder(x), rtol=1e-5, atol=1e-5)
    alone = torch.cat([encoder(row[None, :, :own]) for row, own in zip(x, (60, 31, 8, 1), strict=True)])
    torch.testing.assert_close(alone, encoder(x), rtol=1e-5, atol=1e-5)


def test_more_padding_changes_no_feature_of_the_transformer():
    encoder, x = built("transformer"), batch(60, 31, 8, 3)
    longer = F.pad(x, (0, 23), value=math.nan)
    torch.testing.assert_close(encoder(longer), encoder(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_gap_is_not_a_mean_value(name):
    encoder, x = built(name), batch(60, 60)
    gap, filled = x.clone(), x.clone()
    gap[:, 0, 10:20], filled[:, 0, 10:20] = math.nan, 3.0
    a, b = encoder(gap), encoder(filled)
    assert bool(a.isfinite().all()) and not torch.allclose(a, b, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_sparse_and_even_empty_series_give_finite_features(name):
    x = torch.full((3, 2, 60), math.nan)
    x[0, 1, 33] = 4.0
    x[1, :, ::9] = 1.0
    assert bool(built(name)(x).isfinite().all())


@pytest.mark.parametrize("name", NAMES)
def test_every_step_and_channel_reaches_the_features(name):
    encoder, x = built(name), batch(60, 60)
    x = x.requires_grad_()
    encoder(x).square().sum().backward()
    assert bool((x.grad.abs().sum(dim=0) > 0).all())


@pytest.mark.parametrize("name", NAMES)
def test_standardised_inside(name):
    x = batch(60, 44)
    far = Series(60, 2, [3.0 * 7 + 100] * 2, [14.0] * 2, 5)
    torch.testing.assert_close(built(name, far)(x * 7 + 100), built(name)(x), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_each_sample_on_its_own_scale_where_that_is_asked_for(name):
    encoder, x = built(name, modality(scaling="sample")), batch(60, 44)
    moved = x * torch.tensor([5.0, 0.2])[:, None, None] - 9
    torch.testing.assert_close(encoder(moved), encoder(x), rtol=1e-3, atol=1e-3)
    assert not torch.allclose(built(name)(moved), built(name)(x), atol=1e-2)


@pytest.mark.parametrize("name", NAMES)
def test_built_again_from_its_options(name):
    made = modality()
    encoder = built(name, made)
    again = made.build_encoder(**encoder.spec).eval()
    again.load_state_dict(encoder.state_dict())
    x = batch(60, 20)
    assert torch.equal(again(x), encoder(x)) and encoder(x).shape == (2, encoder.dim)


def test_defaults_are_of_a_size_for_a_processor():
    for length in (24, 150, 1460):
        made = modality(length, patch=max(1, length // 24))
        for name, most in (("dilated", 400_000), ("transformer", 500_000)):
            encoder = made.build_encoder(name)
            assert 100_000 < sum(p.numel() for p in encoder.parameters()) < most
        steps = made.build_encoder("dilated").encode(torch.zeros(1, 2, length)).tokens.shape[1]
        assert steps <= 1.5 * STEPS


def test_a_dilated_block_is_two_convolutions_and_a_way_around():
    torch.manual_seed(0)
    block, steps = DilatedBlock(6, 4), torch.randn(2, 6, 20)
    ended = torch.zeros(2, 1, 20, dtype=torch.bool)
    ended[1, 0, 13:] = True
    steps = steps.masked_fill(ended, 0.0)
    out = block(steps, ended)
    for row, own in ((0, 20), (1, 13)):
        inner = steps[row, :, :own]
        for layer in (block.first, block.second):
            padded = F.pad(F.gelu(inner), (4, 4))
            inner = sum(layer.weight[:, :, k] @ padded[:, 4 * k : 4 * k + own] for k in range(3))
            inner = inner + layer.bias[:, None]
        torch.testing.assert_close(out[row, :, :own], steps[row, :, :own] + inner, rtol=1e-4, atol=1e-5)
        assert bool((out[row, :, own:] == 0).all())


def test_convolutions_see_far():
    """Two convolutions of three taps a block reach 2 · (1 + 2 + … + 32) = 126 steps either way."""
    encoder, x = modality(length=300).build_encoder("dilated", stride=1).eval(), torch.zeros(1, 2, 300)
    x.requires_grad_()
    encoder.encode(x).tokens[0, 150].sum().backward()
    seen = x.grad.abs().sum(dim=(0, 1)).nonzero()[:, 0]
    assert seen.min() == 150 - 126 - 1 and seen.max() == 150 + 126 + 1  # one more for the stem


def test_transformer_computes_only_what_it_is_asked_for():
    encoder, x = built("transformer"), batch(60, 60)
    keep = torch.tensor([[0, 3, 7], [1, 2, 11]])
    encoded = encoder.encode(x, keep=keep)
    assert encoded.tokens.shape == (2, 3, 24)
    hidden = x.clone()
    hidden[0, :, 5:15] = 99.0  # patches 1 and 2 of the first row, which are left out
    torch.testing.assert_close(encoder.encode(hidden, keep=keep).features, encoded.features)


def test_convolutions_have_no_tokens_to_leave_out():
    with pytest.raises(OptionError, match="no tokens to leave out"):
        built("dilated").encode(batch(60), keep=torch.tensor([[0]]))


@pytest.mark.parametrize("name", NAMES)
def test_features_are_float32_in_half_precision(name):
    with torch.autocast("cpu", torch.bfloat16):
        z = built(name)(batch(60, 30))
    assert z.dtype == torch.float32
    torch.testing.assert_close(z, built(name)(batch(60, 30)), rtol=0.1, atol=0.1)


def test_own_module_gets_standardised_values_without_gaps():
    seen = []

    class Own(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x)
            return x.mean(dim=2)

    encoder, x = modality().adopt(Own()), batch(60, 30)
    assert encoder(x).shape == (2, 2) and encoder.dim == 2
    torch.testing.assert_close(seen[-1], ((x - 3) / 2).nan_to_num(0.0))


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("dilatd", {}, "did you mean 'dilated'"),
        ("dilated", {"widht": 3}, "did you mean 'width'"),
        ("dilated", {"dim": 33}, "dim must be even"),
        ("dilated", {"depth": 0}, "depth must be a whole number of at least 1"),
        ("transformer", {"width": 25}, "does not divide"),
        ("custom", {}, "pass the module again"),
    ],
)
def test_what_cannot_be_built_is_refused_by_name(name, options, said):
    with pytest.raises(OptionError, match=said):
        modality().build_encoder(name, **options)


def test_series_of_other_channels_are_refused():
    for name in NAMES:
        with pytest.raises(OptionError, match=r"floating point \(batch, 2, steps\)"):
            built(name)(torch.zeros(2, 3, 60))
