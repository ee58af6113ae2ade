"""The encoders of audio: what their features depend on, and what they do not."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from unlabeled.errors import OptionError
from unlabeled.modalities.audio import Audio
from unlabeled.parts.encoder import Encoder

RATE = 8000
MADE = Audio(RATE, 0.5, 40, -12.0, 3.0, patch=4)
SMALL: dict[str, dict[str, Any]] = {
    "convnet": {"width": 8},
    "transformer": {"width": 24, "depth": 2, "heads": 2},
}


def recordings(*lengths: int) -> Tensor:
    x = torch.randn(len(lengths), MADE.length, generator=torch.Generator().manual_seed(0)) * 0.1
    return x.masked_fill(torch.arange(MADE.length) >= torch.tensor(lengths)[:, None], torch.nan)


def build(name: str, **options: Any) -> Encoder:
    torch.manual_seed(0)
    return MADE.build_encoder(name, **{**SMALL[name], **options})


@pytest.mark.parametrize("name", SMALL)
def test_waveforms_and_spectrograms_give_the_same_features(name: str) -> None:
    encoder, x = build(name).eval(), recordings(4000, 1000, 1)
    z = encoder(x)
    assert z.shape == (3, encoder.dim) and bool(z.isfinite().all())
    torch.testing.assert_close(encoder(MADE.plain(x)), z)


@pytest.mark.parametrize("name", SMALL)
def test_silence_after_the_end_is_not_the_same_as_nothing(name: str) -> None:
    encoder, x = build(name).eval(), recordings(2000)
    assert not torch.allclose(encoder(x), encoder(x.nan_to_num()), atol=1e-4)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("training", [False, True])
def test_how_long_the_padding_is_changes_nothing(name: str, training: bool) -> None:
    """Batch norm does not see it either."""
    encoder, x = build(name).train(training), recordings(2000, 1100)
    torch.testing.assert_close(encoder(x[:, :2400]), encoder(x), atol=1e-5, rtol=1e-4)


def test_moments_after_the_end_are_zero_in_every_map() -> None:
    encoded = build("convnet").eval().encode(recordings(4000, 1000))
    for every, layer in zip((2, 4, 8), encoded.layers, strict=True):
        length = -(-13 // every)  # 1000 samples are 13 frames
        assert bool((layer[1, :, length:] == 0).all()) and not bool((layer[1, :, :length] == 0).all())
    assert encoded.tokens is not None and encoded.tokens.shape == (2, 7, encoded.features.shape[1])


def test_convnet_features_are_mean_plus_maximum_over_time() -> None:
    encoded = build("convnet").eval().encode(recordings(2000))
    assert encoded.tokens is not None
    moments = encoded.tokens[0, :4]  # 25 frames are 4 moments
    torch.testing.assert_close(encoded.features[0], moments.mean(0) + moments.amax(0))


@pytest.mark.parametrize("mels", [1, 5, 8, 13, 64])
def test_any_number_of_bands_has_its_net(mels: int) -> None:
    made = Audio(16_000, 0.3, mels, -12.0, 3.0)
    for name, options in SMALL.items():
        encoder = made.build_encoder(name, **options)
        z = encoder(torch.randn(4, made.length))
        z.sum().backward()
        assert bool(z.isfinite().all())


@pytest.mark.parametrize("name", ["convnet", "transformer"])
def test_default_sizes_are_small(name: str) -> None:
    count = sum(p.numel() for p in MADE.build_encoder(name).parameters())
    assert 0.5e6 < count < 1.5e6


@pytest.mark.parametrize("name", SMALL)
def test_spec_builds_the_same_architecture_again_and_holds_no_filters(name: str) -> None:
    encoder = build(name)
    again = MADE.build_encoder(**encoder.spec)
    again.load_state_dict(encoder.state_dict())
    assert not any("hann" in key or "filters" in key for key in encoder.state_dict())
    x = recordings(2000, 400)
    torch.testing.assert_close(again.eval()(x), encoder.eval()(x))


def test_tokens_can_be_left_out_and_hidden() -> None:
    encoder, x = build("transformer").eval(), recordings(4000, 4000)
    tokens = MADE.tokenise(x)
    count = tokens.positions.shape[0]
    keep = torch.arange(0, count, 2).expand(2, -1)
    encoded = encoder.encode(x, keep=keep)
    assert encoded.tokens is not None and encoded.tokens.shape == (2, keep.shape[1], encoder.dim)
    mask = torch.zeros(2, count, dtype=torch.bool)
    mask[:, 3] = True
    other = x.clone()
    other[:, 3 * 4 * 80 + 140 : 4 * 4 * 80 - 140] *= 3  # only frames of token 3 hear it
    hidden = [encoder.encode(v, mask=mask, mask_token=torch.zeros(encoder.dim)).features for v in (x, other)]
    torch.testing.assert_close(*hidden)
    assert not torch.allclose(encoder(x), encoder(other), atol=1e-4)


def test_convnet_leaves_nothing_out() -> None:
    with pytest.raises(OptionError, match="has no tokens to leave out"):
        build("convnet").encode(recordings(900), keep=torch.zeros(1, 1, dtype=torch.int64))


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("convnett", {}, "did you mean 'convnet'"),
        ("convnet", {"depth": 3}, "has no option 'depth'"),
        ("convnet", {"width": 0}, "width must be a whole number of at least 1"),
        ("transformer", {"width": 25}, "does not divide|divisible"),
        ("custom", {}, "a module of your own"),
    ],
)
def test_unknown_encoders_and_options_are_refused(name: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        MADE.build_encoder(name, **options)


def test_a_module_of_ones_own_sees_spectrograms() -> None:
    seen: list[Any] = []

    class Own(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x.shape)
            return x.nanmean(2)

    encoder = MADE.adopt(Own())
    assert encoder.dim == 40 and seen == [(2, 40, 50)]
