"""The encoders of images: a small convolutional net, a small ViT, any timm model, a user's own module.

Every one takes (batch, bands, height, width), uint8 or floating point from 0 to 1, and normalises inside.
`build` opens them by name.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from unlabeled.errors import OptionError, missing, nearest
from unlabeled.modalities.image.tokens import patchify, unit
from unlabeled.parts.encoder import (
    Encoded,
    Encoder,
    FeatureEncoder,
    Wrapped,
    at_least_float32,
    check_at_least,
    check_options,
    refuse_custom,
    width_of,
)
from unlabeled.parts.transformer import initialise, sincos
from unlabeled.parts.trunk import TokenEncoder, check_tokens, hide

OWN = ("convnet", "vit")
SMALL = 64
"""up to this many pixels a side, timm models get a stem that does not throw the image away"""


def build(
    name: str,
    *,
    size: tuple[int, int],
    bands: int,
    mean: Sequence[float],
    std: Sequence[float],
    patch: int | None = None,
    **options: Any,
) -> Encoder:
    """The encoder called `name` for images of `size` (height, width) with `bands` bands.

    `mean` and `std`: one number a band, of pixels from 0 to 1. `patch`: side of a token in pixels, for
    encoders that have tokens. `build(**encoder.spec, size=…, …)` builds the same architecture again.

    Refused: an unknown name or option (with the nearest known), 'custom', a size that the patch does not
    divide.
    """
    refuse_custom(name)
    standardise = Standardise(bands, mean, std)
    if name == "convnet":
        check_options(name, options, ConvNet)
        return ConvNet(standardise, size=size, **options)
    if name == "vit":
        check_options(name, options, VisionTransformer)
        return VisionTransformer(standardise, size=size, patch=patch, **options)
    if not _in_timm(name):
        raise OptionError(f"unknown encoder {name!r}: {_nearest_encoder(name)}")
    if _is_plain_transformer(name):
        check_options(name, options, TimmTransformer)
        return TimmTransformer(name, standardise, size=size, patch=patch, **options)
    check_options(name, options, Timm)
    return Timm(name, standardise, size=size, **options)


def wrap(
    module: nn.Module,
    example_x: Tensor,
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Encoder:
    """A user's own module as an encoder; one that already is an `Encoder` comes back as it is.

    `example_x`: a few images (batch, bands, height, width), to find out how wide the features are. `mean` and
    `std`, one number a band: the module then sees standardised pixels; without them, pixels from 0 to 1.
    """
    if isinstance(module, Encoder):
        return module
    bands = example_x.shape[1]
    standardise = Standardise(
        bands, [0.0] * bands if mean is None else mean, [1.0] * bands if std is None else std
    )
    return Wrapped(module, example_x, standardise)


class Standardise(nn.Module):
    """Pixels (uint8, or floats from 0 to 1) to numbers around zero: minus mean, over deviation, per band."""

    mean: Tensor
    std: Tensor

    def __init__(self, bands: int, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        if bands < 1 or len(mean) != bands or len(std) != bands:
            raise OptionError(
                f"{bands} bands need as many means and deviations, not {len(mean)} and {len(std)}"
            )
        if not all(value > 0 for value in std):
            raise OptionError(f"every band needs a standard deviation above 0, not {list(std)}")
        self.bands = bands
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).reshape(1, bands, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).reshape(1, bands, 1, 1))

    def forward(self, x: Tensor) -> Float[Tensor, "batch bands height width"]:
        if x.ndim != 4:
            raise OptionError(f"images come as (batch, bands, height, width), not {tuple(x.shape)}")
        if x.shape[1] != self.bands:
            raise OptionError(f"this encoder was built for {self.bands} bands and got images of {x.shape[1]}")
        # the order of memory in which convolutions and patches are fast; cheapest to reach from uint8
        return (unit(x.contiguous(memory_format=torch.channels_last)) - self.mean) / self.std


class ConvNet(FeatureEncoder):
    """A small net for small images, fast on a processor: most of its work is done on small maps.

    A stem at full size, then one strided convolution for every halving down to 4 pixels (at most three),
    each twice as wide as the one before, then a residual block; features are the mean over the last map.
    Images of 64 pixels and more are halved in the stem first, as often as it takes. `width` is that of the
    first stage. `layers` are the stages' maps; `tokens` the places of the last map, row by row: they can be
    looked at, but not left out.
    """

    def __init__(self, standardise: Standardise, *, size: tuple[int, int], width: int = 64) -> None:
        super().__init__()
        check_at_least("convnet", "width", width, 2)
        self.spec = {"name": "convnet", "width": width}
        self.standardise = standardise
        side = min(size)
        shrink = 1
        while side // shrink >= 2 * 32:
            shrink *= 2
        halvings = 3 if side >= 16 else 1
        # at a few pixels a full stem costs nothing
        stem = width // 2 if halvings == 3 else width
        self.stem = nn.Sequential(
            _conv(standardise.bands, stem, 3 if shrink == 1 else 2 * shrink - 1, stride=shrink),
            nn.ReLU(inplace=True),
        )
        widths = [stem * 2**i for i in range(halvings + 1)]
        strided = [
            nn.Sequential(_conv(before, after, 3, stride=2), nn.ReLU(inplace=True))
            for before, after in pairwise(widths)
        ]
        self.stages = nn.ModuleList([*strided, Residual(widths[-1])])
        self.dim = widths[-1]
        self.to(memory_format=torch.channels_last)

    def compute(self, x: Any) -> Encoded:
        x = self.stem(self.standardise(x))
        layers = []
        for stage in self.stages:
            x = stage(x)
            layers.append(x)
        return Encoded(at_least_float32(x).mean((2, 3)), x.flatten(2).transpose(1, 2), tuple(layers))


class Residual(nn.Module):
    """Two 3×3 convolutions and a way around them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _conv(width, width, 3)
        self.second = _conv(width, width, 3)
        self.activation = nn.ReLU(inplace=True)

    def forward(
        self, x: Float[Tensor, "batch width height columns"]
    ) -> Float[Tensor, "batch width height columns"]:
        return self.activation(self.second(self.activation(self.first(x))) + x)


def _conv(before: int, after: int, kernel: int, *, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(conv, nn.BatchNorm2d(after))


class VisionTransformer(TokenEncoder):
    """A small ViT that computes only the tokens it is asked for.

    Patches of `patch` pixels become tokens through a linear layer, with fixed sine-cosine positions; the class
    token is at position zero. Images of another size than `size` are spread over the same grid: their
    positions are scaled to it, so that a crop's corner sits at the grid's corner.
    """

    position: Tensor

    def __init__(
        self,
        standardise: Standardise,
        *,
        size: tuple[int, int],
        patch: int | None,
        width: int = 192,
        depth: int = 4,
        heads: int = 3,
        pool: str = "mean",
        dropout: float = 0.0,
    ) -> None:
        super().__init__("vit", width, depth, heads, pool=pool, dropout=dropout)
        self.standardise = standardise
        self.patch = _check_patch("vit", size, patch)
        self.grid = (size[0] // self.patch, size[1] // self.patch)
        self.patch_embed = nn.Linear(standardise.bands * self.patch**2, width)
        # follows from the size of the images, so it is not part of what is saved
        self.register_buffer("position", self._positions(self.grid), persistent=False)
        self.apply(initialise)

    def embed(
        self, x: Any
    ) -> tuple[Float[Tensor, "batch tokens dim"], Float[Tensor, "tokens dim"], Tensor | None]:
        x = self.standardise(x)
        grid = _grid("vit", x, self.patch)
        position = self.position if grid == self.grid else self._positions(grid, x.device)
        return self.patch_embed(patchify(x, self.patch)), position, None

    def _positions(
        self, grid: tuple[int, int], device: torch.device | None = None
    ) -> Float[Tensor, "tokens dim"]:
        axes = [
            (torch.arange(count, device=device) + 0.5) * (native / count) - 0.5
            for count, native in zip(grid, self.grid, strict=True)
        ]
        return sincos(torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, 2), self.dim)


class Timm(FeatureEncoder):
    """Any model of timm that is not a plain ViT: features as timm pools them, and the places of its last map.

    `tokens` can be looked at, but not left out. `small_stem` keeps the first layers at full size; by default
    for images up to 64 pixels, unless `pretrained`: a pretrained stem is worth more than its resolution.
    `pretrained`: True, timm's weights, which it fetches where they are not cached, or the path of a file of weights.
    """

    def __init__(
        self,
        name: str,
        standardise: Standardise,
        *,
        size: tuple[int, int],
        pretrained: bool | str = False,
        small_stem: bool | None = None,
    ) -> None:
        super().__init__()
        small = max(size) <= SMALL and not pretrained if small_stem is None else small_stem
        # `pretrained` says where weights came from, not what the net is: building it again downloads none
        self.spec = {"name": name, "small_stem": small}
        self.standardise = standardise
        self.net = _create(name, pretrained, in_chans=standardise.bands, **_fixed_size(name, size))
        # whether it is no longer the net that timm builds under this name
        self.altered = small and _small_stem(self.net)
        self.to(memory_format=torch.channels_last)
        self.dim = _timm_width(self, size)

    def compute(self, x: Any) -> Encoded:
        x = self.standardise(x)
        last = self.net.forward_features(x)
        return Encoded(at_least_float32(self.net.forward_head(last)), self._tokens(last))

    def _tokens(self, last: Tensor) -> Float[Tensor, "batch tokens dim"] | None:
        if last.ndim == 3:
            return last[:, int(getattr(self.net, "num_prefix_tokens", 0)) :]
        if last.ndim != 4:
            return None
        channels_last = getattr(self.net, "output_fmt", "NCHW") == "NHWC"
        return last.flatten(1, 2) if channels_last else last.flatten(2).transpose(1, 2)


class TimmTransformer(Encoder):
    """A plain ViT of timm: its tokens are the modality's patches, and can be hidden or left out.

    Crops of another size go through as well, with timm's own resampling of the positions.
    """

    leaves_out = True

    def __init__(
        self,
        name: str,
        standardise: Standardise,
        *,
        size: tuple[int, int],
        patch: int | None,
        pretrained: bool | str = False,
    ) -> None:
        super().__init__()
        self.spec = {"name": name}
        self.standardise = standardise
        shape = {} if patch is None else {"patch_size": _check_patch(name, size, patch)}
        self.net = _create(
            name, pretrained, in_chans=standardise.bands, img_size=size, dynamic_img_size=True, **shape
        )
        self.dim = _timm_width(self, size)

    def encode(
        self,
        x: Any,
        *,
        keep: Int[Tensor, "batch kept"] | None = None,
        mask: Bool[Tensor, "batch tokens"] | None = None,
        mask_token: Float[Tensor, " dim"] | None = None,
        present: Bool[Tensor, "batch tokens"] | None = None,
    ) -> Encoded:
        net, name = self.net, str(self.spec["name"])
        if present is not None:
            raise OptionError(f"encoder {name!r} cannot be told which tokens are present: choose 'vit'")
        x = self.standardise(x)
        rows, columns = _grid(name, x, int(net.patch_embed.patch_size[0]))
        tokens = net.patch_embed(x).reshape(len(x), rows * columns, -1)
        check_tokens(name, tokens, keep=keep, mask=mask)
        tokens = hide(tokens, mask, mask_token)
        tokens = net._pos_embed(tokens.reshape(len(x), rows, columns, -1))
        extra = int(net.num_prefix_tokens)
        if keep is not None:
            tokens = torch.cat([tokens[:, :extra], _choose(tokens[:, extra:], keep)], dim=1)
        tokens = net.norm_pre(tokens)
        layers = []
        for block in net.blocks:
            tokens = block(tokens)
            layers.append(tokens[:, extra:])
        tokens = net.norm(tokens)
        return Encoded(at_least_float32(net.forward_head(tokens)), tokens[:, extra:], tuple(layers))


# tokens


def _choose(tokens: Tensor, keep: Tensor) -> Float[Tensor, "batch kept dim"]:
    return tokens.gather(1, keep[:, :, None].expand(-1, -1, tokens.shape[2]))


# checks


def _check_patch(name: str, size: tuple[int, int], patch: int | None) -> int:
    if patch is None:
        raise OptionError(
            f"encoder {name!r} cuts images into patches: say patch=, a divisor of {size[0]} and {size[1]}"
        )
    check_at_least(name, "patch", patch, 1)
    for side in size:
        if side % patch:
            lower, upper = side // patch * patch, (side // patch + 1) * patch
            near = f"{lower} or {upper}" if lower else f"{upper}"
            raise OptionError(
                f"{name}: image size {side} is not divisible by the patch size {patch}: "
                f"take size {near}, or another patch"
            )
    return patch


def _grid(name: str, x: Tensor, patch: int) -> tuple[int, int]:
    size = (int(x.shape[2]), int(x.shape[3]))
    _check_patch(name, size, patch)
    return size[0] // patch, size[1] // patch


# timm


def _in_timm(name: str) -> bool:
    if find_spec("timm") is None:
        raise missing("timm", "image")
    import timm

    return bool(timm.is_model(name))


def _nearest_encoder(name: str) -> str:
    import timm

    models = [*OWN, *timm.list_models()]
    # timm has more than a thousand names: without a near one, only our own are worth printing
    if difflib.get_close_matches(name, models, n=1, cutoff=0.5):
        return nearest(name, models)
    return f"{nearest(name, OWN)}, or any name of timm.list_models()"


def _is_plain_transformer(name: str) -> bool:
    import timm
    from timm.models.vision_transformer import VisionTransformer as Plain

    with torch.device("meta"):
        return isinstance(timm.create_model(name.partition(".")[0]), Plain)


def _create(name: str, pretrained: bool | str, **options: Any) -> Any:
    """`pretrained`: whether weights are fetched, or the file of weights that are here already."""
    import timm

    if isinstance(pretrained, str):
        options["pretrained_cfg_overlay"] = {"file": pretrained}
    return timm.create_model(name, pretrained=bool(pretrained), num_classes=0, **options)


def _fixed_size(name: str, size: tuple[int, int]) -> dict[str, Any]:
    """Some models of timm (Swin and others) have to know the size of the images; others refuse to be told."""
    import timm

    return {"img_size": size} if timm.models.get_pretrained_cfg_value(name, "fixed_input_size") else {}


def _timm_width(encoder: Timm | TimmTransformer, size: tuple[int, int]) -> int:
    try:
        return width_of(encoder, torch.zeros(1, encoder.standardise.bands, *size))
    except (RuntimeError, AssertionError, ValueError) as error:
        side = f"{size[0]} × {size[1]} px"
        raise OptionError(
            f"encoder {encoder.spec['name']!r} does not take images of {side}: {error}"
        ) from error


def _small_stem(net: nn.Module) -> bool:
    """First convolution 3 × 3 at full size, and no pooling after it, as is usual for images of 32 pixels.

    Only where the stem is of the residual nets' kind, a strided convolution with overlapping windows: says
    whether it is.
    """
    place, first = next((n, m) for n, m in net.named_modules() if isinstance(m, nn.Conv2d))
    if max(first.stride) < 2 or min(first.kernel_size) <= max(first.stride):
        return False
    net.set_submodule(
        place, nn.Conv2d(first.in_channels, first.out_channels, 3, 1, 1, bias=first.bias is not None)
    )
    pooling = next((n for n, m in net.named_modules() if isinstance(m, nn.MaxPool2d)), None)
    if pooling is not None:
        net.set_submodule(pooling, nn.Identity())
    return True
