"""What every image encoder promises."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from unlabeled.errors import MissingExtraError, OptionError
from unlabeled.modalities.image import encoders
from unlabeled.modalities.image.tokens import patchify
from unlabeled.parts.encoder import Encoder

MEAN, STD = [0.4, 0.5, 0.6], [0.2, 0.25, 0.3]
TIMM_VIT = "vit_tiny_patch16_224"
TOKEN_ENCODERS = ["vit", TIMM_VIT]
OWN = ["convnet", "vit"]
ALL = [*OWN, "resnet18", TIMM_VIT]


@pytest.fixture(autouse=True)
def _seed() -> Iterator[None]:
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def _build(name: str, size: tuple[int, int] = (32, 32), patch: int | None = 8, **options: Any) -> Encoder:
    return encoders.build(name, size=size, bands=3, mean=MEAN, std=STD, patch=patch, **options).eval()


def _images(rows: int = 2, size: tuple[int, int] = (32, 32)) -> Tensor:
    return torch.randint(0, 256, (rows, 3, *size), dtype=torch.uint8)


def _parameters(encoder: nn.Module) -> int:
    return sum(p.numel() for p in encoder.parameters())


# every encoder


@pytest.mark.parametrize("name", ALL)
def test_features_are_one_finite_vector_a_sample(name: str) -> None:
    encoder, x = _build(name), _images()
    encoded = encoder.encode(x)
    assert encoded.features.shape == (2, encoder.dim)
    assert encoded.features.isfinite().all()
    assert encoded.tokens is not None and encoded.tokens.shape[0] == 2
    torch.testing.assert_close(encoder(x), encoded.features)


@pytest.mark.parametrize("name", ALL)
def test_a_sample_does_not_depend_on_its_batch_in_evaluation(name: str) -> None:
    encoder, x = _build(name), _images(3)
    torch.testing.assert_close(encoder(x)[1:2], encoder(x[1:2]), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", OWN)
def test_whole_numbers_and_the_same_numbers_over_255_are_the_same_images(name: str) -> None:
    encoder, x = _build(name), _images()
    assert torch.equal(encoder(x), encoder(x.float() / 255))


@pytest.mark.parametrize("name", OWN)
def test_pixels_are_standardised_inside(name: str) -> None:
    encoder, x = _build(name), _images()
    mean, std = torch.tensor(MEAN)[:, None, None], torch.tensor(STD)[:, None, None]
    plain = encoders.build(name, size=(32, 32), bands=3, mean=[0] * 3, std=[1] * 3, patch=8).eval()
    state = encoder.state_dict() | {
        k: v for k, v in plain.state_dict().items() if k.startswith("standardise")
    }
    plain.load_state_dict(state)
    torch.testing.assert_close(plain((x / 255 - mean) / std), encoder(x))
    assert not torch.allclose(plain(x), encoder(x), atol=1e-2)


@pytest.mark.parametrize("name", ALL)
def test_the_spec_builds_the_same_architecture_again(name: str) -> None:
    options: dict[str, Any] = {"vit": {"width": 24, "depth": 2, "pool": "cls"}, "convnet": {"width": 8}}.get(
        name, {}
    )
    encoder, x = _build(name, **options), _images()
    again = _build(**encoder.spec)
    assert again.spec == encoder.spec == {**encoder.spec, "name": name, **options}
    again.load_state_dict(encoder.state_dict())
    assert torch.equal(again(x), encoder(x))


@pytest.mark.parametrize("name", ALL)
def test_every_parameter_learns(name: str) -> None:
    encoder = _build(name).train()
    (encoder(_images(4)) @ torch.randn(encoder.dim)).square().sum().backward()
    assert not [n for n, p in encoder.named_parameters() if p.grad is None]
    if name in OWN:  # timm starts its residual nets with branches at zero, which reach nothing at first
        assert not [n for n, p in encoder.named_parameters() if not p.grad.any()]  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ALL)
def test_smaller_and_larger_crops_go_through(name: str) -> None:
    encoder = _build(name)
    for size in [(16, 16), (48, 32)]:
        encoded = encoder.encode(_images(size=size))
        assert encoded.features.shape == (2, encoder.dim)
        if encoder.leaves_out:
            assert encoded.tokens is not None and encoded.tokens.shape[1] == size[0] * size[1] // 64


@pytest.mark.parametrize("name", OWN)
def test_half_precision_gives_features_in_full_precision(name: str) -> None:
    encoder, x = _build(name), _images()
    with torch.autocast("cpu", torch.bfloat16):
        half = encoder(x)
    assert half.dtype == torch.float32
    assert (half - encoder(x)).norm() < 0.05 * encoder(x).norm()


@pytest.mark.parametrize("name", OWN)
def test_any_number_of_bands(name: str) -> None:
    for bands in (1, 5):
        encoder = encoders.build(
            name, size=(8, 8), bands=bands, mean=[0.5] * bands, std=[0.2] * bands, patch=2
        )
        assert encoder(torch.rand(2, bands, 8, 8)).shape == (2, encoder.dim)


# the two of our own


@pytest.mark.parametrize(
    ("name", "side", "low", "high"),
    [("convnet", 32, 1.0, 2.0), ("convnet", 28, 1.0, 2.0), ("convnet", 8, 0.25, 0.5), ("vit", 32, 1.0, 2.0)],
)
def test_size_in_millions_of_parameters(name: str, side: int, low: float, high: float) -> None:
    assert low < _parameters(_build(name, size=(side, side), patch=4)) / 1e6 < high


@pytest.mark.parametrize("side", [4, 8, 16, 28, 32, 64, 96, 224])
def test_convnet_ends_on_a_map_of_a_few_places(side: int) -> None:
    encoded = _build("convnet", size=(side, side), width=8).encode(_images(size=(side, side)))
    assert encoded.tokens is not None and 4 <= encoded.tokens.shape[1] <= 49
    assert encoded.layers[-1].shape[2:].numel() == encoded.tokens.shape[1]
    torch.testing.assert_close(encoded.tokens.mean(1), encoded.features)


def test_convnet_works_in_the_memory_order_that_is_fast() -> None:
    net = _build("convnet")
    assert net.encode(_images()).layers[0].is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("asked", ["keep", "mask", "present"])
def test_convolutional_nets_refuse_to_leave_tokens_out(asked: str) -> None:
    for name in ("convnet", "resnet18"):
        encoder = _build(name)
        assert not encoder.leaves_out
        with pytest.raises(OptionError, match=f"{name}.*{asked}="):
            encoder.encode(_images(), **{asked: torch.ones(2, 16, dtype=torch.bool)})


def test_vit_embeds_the_patches_of_the_modality() -> None:
    encoder, x = _build("vit"), _images()
    seen: list[Tensor] = []
    encoder.get_submodule("patch_embed").register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    encoder(x)
    mean, std = torch.tensor(MEAN)[:, None, None], torch.tensor(STD)[:, None, None]
    torch.testing.assert_close(seen[0], patchify((x / 255 - mean) / std, 8))


def test_positions_at_native_size_are_whole_and_at_other_sizes_span_the_same_grid() -> None:
    encoder = _build("vit", size=(32, 32), patch=4)
    assert isinstance(encoder, encoders.VisionTransformer)
    assert torch.equal(encoder._positions((8, 8)), encoder.position)
    first = encoder.position.reshape(8, 8, -1)
    # four tokens across eight places: each sits between two of them, at 0.5, 2.5, 4.5, 6.5
    half = encoder._positions((4, 4)).reshape(4, 4, -1)
    rates = 10000.0 ** (-torch.arange(48) / 48)
    torch.testing.assert_close(half[1, 0, :48], (2.5 * rates).sin())
    assert not torch.allclose(half[0, 0], first[0, 0])
    # rows and columns are told apart
    assert not torch.allclose(first[0, 1], first[1, 0])


def test_vit_pools_the_mean_or_the_class_token() -> None:
    x = _images()
    mean, cls = _build("vit"), _build("vit", pool="cls")
    cls.load_state_dict(mean.state_dict())
    encoded = mean.encode(x)
    assert encoded.tokens is not None
    torch.testing.assert_close(encoded.features, encoded.tokens.mean(1))
    assert not torch.allclose(cls(x), encoded.features)
    torch.testing.assert_close(cls.encode(x).tokens, encoded.tokens)


# leaving out and hiding


@pytest.fixture(params=TOKEN_ENCODERS)
def vit(request: pytest.FixtureRequest) -> Encoder:
    return _build(request.param)


def _keep(rows: int, kept: int) -> Tensor:
    return torch.rand(rows, 16).argsort(1)[:, :kept]


def test_keep_computes_only_the_kept_tokens(vit: Encoder) -> None:
    counts: list[int] = []
    blocks = next(m for m in vit.modules() if isinstance(m, (nn.ModuleList, nn.Sequential)) and len(m) > 3)
    for block in blocks:
        block.register_forward_pre_hook(lambda _, given: counts.append(given[0].shape[1]))
    encoded = vit.encode(_images(), keep=_keep(2, 5))
    assert set(counts) == {6} and len(counts) == len(blocks)  # five and the class token
    assert encoded.tokens is not None and encoded.tokens.shape == (2, 5, vit.dim)
    assert len(encoded.layers) == len(blocks) and encoded.layers[0].shape == (2, 5, vit.dim)


def test_keeping_everything_is_keeping_nothing_out(vit: Encoder) -> None:
    x = _images()
    all_of_them = vit.encode(x, keep=torch.arange(16).expand(2, -1))
    torch.testing.assert_close(all_of_them.tokens, vit.encode(x).tokens)
    torch.testing.assert_close(all_of_them.features, vit(x))


def test_tokens_come_in_the_order_of_keep_and_features_do_not_mind(vit: Encoder) -> None:
    x, keep, order = _images(), _keep(2, 7), torch.randperm(7)
    one, other = vit.encode(x, keep=keep), vit.encode(x, keep=keep[:, order])
    assert one.tokens is not None
    torch.testing.assert_close(one.tokens[:, order], other.tokens, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(one.features, other.features, atol=1e-4, rtol=1e-4)


def _repainted(x: Tensor, tokens: Tensor) -> Tensor:
    """Other pixels where `tokens` (rows, 16) is True, for patches of 8 in 32 pixels."""
    pixels = tokens.reshape(-1, 1, 4, 4).repeat_interleave(8, 2).repeat_interleave(8, 3)
    return torch.where(pixels, 255 - x, x)


def test_pixels_left_out_do_not_matter_and_those_kept_do(vit: Encoder) -> None:
    x, keep = _images(), _keep(2, 5)
    kept = torch.zeros(2, 16, dtype=torch.bool).scatter(1, keep, True)
    assert torch.equal(
        vit.encode(x, keep=keep).features, vit.encode(_repainted(x, ~kept), keep=keep).features
    )
    changed = vit.encode(_repainted(x, kept), keep=keep).features
    assert not torch.allclose(vit.encode(x, keep=keep).features, changed, atol=1e-3)


def test_pixels_behind_the_mask_do_not_matter_and_the_mask_token_does(vit: Encoder) -> None:
    x, mask, token = _images(), torch.rand(2, 16) > 0.5, torch.randn(vit.dim, requires_grad=True)
    hidden = vit.encode(x, mask=mask, mask_token=token)
    assert hidden.tokens is not None and hidden.tokens.shape[1] == 16
    again = vit.encode(_repainted(x, mask), mask=mask, mask_token=token)
    assert torch.equal(hidden.tokens, again.tokens) and torch.equal(hidden.features, again.features)
    assert not torch.allclose(vit.encode(x, mask=mask, mask_token=token + 1).features, hidden.features)
    hidden.features[:, 0].sum().backward()
    assert token.grad is not None and token.grad.any()


def test_hidden_places_are_told_apart_by_position(vit: Encoder) -> None:
    tokens = vit.encode(
        _images(1), mask=torch.ones(1, 16, dtype=torch.bool), mask_token=torch.zeros(vit.dim)
    ).tokens
    assert tokens is not None
    assert (torch.cdist(tokens[0], tokens[0]) + torch.eye(16) * 9).min() > 1e-3


def test_absent_tokens_do_not_matter() -> None:
    x, present = _images(), torch.rand(2, 16) > 0.4
    for pool in ("mean", "cls"):
        vit = _build("vit", pool=pool)
        one, other = vit.encode(x, present=present), vit.encode(_repainted(x, ~present), present=present)
        torch.testing.assert_close(one.features, other.features)
        assert one.tokens is not None and other.tokens is not None
        torch.testing.assert_close(one.tokens[present], other.tokens[present])
        assert not torch.allclose(one.features, vit(x), atol=1e-3)


def test_absent_is_the_same_as_left_out() -> None:
    vit, x, keep = _build("vit"), _images(), _keep(2, 5)
    present = torch.zeros(2, 16, dtype=torch.bool).scatter(1, keep, True)
    torch.testing.assert_close(vit.encode(x, present=present).features, vit.encode(x, keep=keep).features)
    # and both together: kept but absent
    both = vit.encode(x, keep=torch.arange(16).expand(2, -1), present=present)
    torch.testing.assert_close(both.features, vit.encode(x, keep=keep).features)


def test_tokens_that_do_not_fit_are_refused(vit: Encoder) -> None:
    x = _images()
    with pytest.raises(OptionError, match="mask_token"):
        vit.encode(x, mask=torch.zeros(2, 16, dtype=torch.bool))
    with pytest.raises(OptionError, match=r"mask is \(2, 9\) and must be \(2, 16\)"):
        vit.encode(x, mask=torch.zeros(2, 9, dtype=torch.bool), mask_token=torch.zeros(vit.dim))
    for shape in [(3, 4), (2, 0), (2, 17)]:
        with pytest.raises(OptionError, match=r"keep is .* must be \(2, 1 to 16\)"):
            vit.encode(x, keep=torch.zeros(*shape, dtype=torch.long))
    with pytest.raises(OptionError, match="not divisible by the patch size 8: take size 24 or 32"):
        vit.encode(_images(size=(28, 32)))


def test_timm_vit_is_timms_own_forward() -> None:
    vit, x = _build(TIMM_VIT), _images()
    assert isinstance(vit, encoders.TimmTransformer)
    torch.testing.assert_close(vit(x), vit.net(vit.standardise(x)))
    with pytest.raises(OptionError, match="present"):
        vit.encode(x, present=torch.ones(2, 16, dtype=torch.bool))


# timm


def test_small_images_are_not_thrown_away_by_the_stem() -> None:
    small, large = _build("resnet18"), _build("resnet18", size=(96, 96))
    assert isinstance(small, encoders.Timm) and isinstance(large, encoders.Timm)
    assert small.net.conv1.kernel_size == (3, 3) and small.net.conv1.stride == (1, 1)
    assert isinstance(small.net.maxpool, nn.Identity)
    assert small.encode(_images()).tokens.shape == (2, 16, 512)  # type: ignore[union-attr]
    assert large.net.conv1.kernel_size == (7, 7) and not isinstance(large.net.maxpool, nn.Identity)


def test_what_is_read_back_never_downloads_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    import timm

    real, asked = timm.create_model, []

    def create(name: str, *, pretrained: bool, **options: Any) -> Any:
        asked.append(pretrained)
        return real(name, pretrained=False, **options)

    monkeypatch.setattr(encoders, "_is_plain_transformer", lambda name: False)
    monkeypatch.setattr(timm, "create_model", create)
    encoder = _build("resnet18", pretrained=True)
    again = _build(**encoder.spec)
    assert asked == [True, False]
    # the stem of the pretrained net stayed, and stays
    again.load_state_dict(encoder.state_dict())
    assert isinstance(again, encoders.Timm) and again.net.conv1.kernel_size == (7, 7)


def test_timm_vit_has_the_patches_of_the_modality() -> None:
    encoded = _build(TIMM_VIT, patch=4).encode(_images())
    assert encoded.tokens is not None and encoded.tokens.shape == (2, 64, 192)


def test_a_timm_model_with_maps_in_another_order_gives_its_tokens() -> None:
    encoder = _build("swin_tiny_patch4_window7_224", size=(224, 224))
    encoded = encoder.encode(_images(1, (224, 224)))
    assert encoded.tokens is not None and encoded.tokens.shape == (1, 49, encoder.dim)
    torch.testing.assert_close(encoded.tokens.mean(1), encoded.features, atol=1e-4, rtol=1e-4)


def test_without_timm_the_own_encoders_work_and_the_others_name_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(encoders, "find_spec", lambda name: None)
    _build("convnet")
    with pytest.raises(MissingExtraError, match=r"unlabeled\[image\]"):
        _build("resnet18")


# a user's own module


class _Gives(nn.Module):
    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.shape, self.scale = shape, nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((1, 2, 3)).reshape(-1, *[1] * len(self.shape)).expand(-1, *self.shape) * self.scale


@pytest.mark.parametrize("shape", [(6,), (6, 2, 3), (5, 6)])
def test_a_users_module_becomes_an_encoder(shape: tuple[int, ...]) -> None:
    x = _images(4)
    encoder = encoders.wrap(_Gives(*shape), x)
    assert encoder.dim == 6 and encoder.spec == {"name": "custom"} and not encoder.leaves_out
    torch.testing.assert_close(encoder(x), (x / 255).mean((1, 2, 3))[:, None].expand(-1, 6))
    shifted = encoders.wrap(_Gives(*shape), x, mean=[0.5] * 3, std=[0.1] * 3)
    torch.testing.assert_close(shifted(x), (encoder(x) - 0.5) / 0.1, atol=1e-4, rtol=1e-4)
    with pytest.raises(OptionError, match="keep="):
        encoder.encode(x, keep=torch.zeros(4, 1, dtype=torch.long))


def test_wrapping_measures_without_touching_the_module() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout())
    before = {k: v.clone() for k, v in module.state_dict().items()}
    assert encoders.wrap(module, _images(1)).dim == 4
    assert module.training and module[1].training
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())


def test_a_users_encoder_stays_as_it_is() -> None:
    encoder = _build("vit")
    assert encoders.wrap(encoder, _images()) is encoder


def test_a_module_that_gives_something_else_is_told_what_to_give() -> None:
    class Pair(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return x, x

    with pytest.raises(OptionError, match="tuple for 2 samples"):
        encoders.wrap(Pair(), _images())
    with pytest.raises(OptionError, match=r"\(2,\) for 2 samples"):
        encoders.wrap(_Gives(), _images())


# bad input


def test_a_module_of_the_users_own_is_not_built_from_a_name() -> None:
    with pytest.raises(OptionError, match=r"ul\.load\(path, encoder=module\)"):
        _build("custom")


@pytest.mark.parametrize(
    ("name", "near"),
    [("resnet19", "resnet18"), ("convnett", "'convnet'"), ("vitt", "'vit'"), ("§§§", "convnet, vit")],
)
def test_an_unknown_name_gets_the_nearest(name: str, near: str) -> None:
    with pytest.raises(OptionError, match="unknown encoder") as caught:
        _build(name)
    assert near in str(caught.value) and len(str(caught.value)) < 200


def test_an_unknown_option_gets_the_nearest() -> None:
    with pytest.raises(OptionError, match=r"'vit' has no option 'head': did you mean 'heads'"):
        _build("vit", head=3)
    with pytest.raises(OptionError, match=r"'convnet' has no option 'pool': known: width"):
        _build("convnet", pool="cls")
    with pytest.raises(OptionError, match=r"'resnet18' has no option 'width': known: pretrained, small_stem"):
        _build("resnet18", width=3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heads": 5}, "heads=5 does not divide width=192"),
        ({"width": 30, "heads": 3}, "divisible by 4, not 30: take 28 or 32"),
        ({"depth": 0}, "depth must be a whole number of at least 1, not 0"),
        ({"width": 19.5}, "width must be a whole number"),
        ({"pool": "max"}, "pool must be 'mean' or 'cls', not 'max'"),
    ],
)
def test_options_outside_their_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        _build("vit", **options)


@pytest.mark.parametrize("name", TOKEN_ENCODERS)
def test_a_size_that_the_patch_does_not_divide_is_refused_with_the_nearest(name: str) -> None:
    with pytest.raises(OptionError, match="size 30 is not divisible by the patch size 4: take size 28 or 32"):
        _build(name, size=(32, 30), patch=4)


def test_vit_without_a_patch_is_refused() -> None:
    with pytest.raises(OptionError, match="say patch="):
        _build("vit", patch=None)


def test_wrong_images_are_refused() -> None:
    for name in ALL:
        encoder = _build(name)
        with pytest.raises(OptionError, match="3 bands and got images of 4"):
            encoder(torch.rand(2, 4, 32, 32))
        with pytest.raises(OptionError, match="batch, bands, height, width"):
            encoder(torch.rand(3, 32, 32))
    with pytest.raises(OptionError, match="2 bands need as many means"):
        encoders.build("convnet", size=(8, 8), bands=2, mean=MEAN, std=STD)
    with pytest.raises(OptionError, match="deviation above 0"):
        encoders.build("convnet", size=(8, 8), bands=3, mean=MEAN, std=[1, 0, 1])
