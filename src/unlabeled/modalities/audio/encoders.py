"""The encoders of audio: a small convolutional net and a spectrogram transformer.

Both take waveforms (batch, samples) or log-mel spectrograms (batch, mels, frames), NaN after the end of each,
and standardise inside. What lies after a recording's end changes no feature of it.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from unlabeled.errors import OptionError, nearest
from unlabeled.modalities.audio.spectrogram import Standardise
from unlabeled.modalities.audio.tokens import patches, places
from unlabeled.parts.encoder import Encoded, Encoder, at_least_float32, check_at_least, check_options
from unlabeled.parts.transformer import initialise, sincos
from unlabeled.parts.trunk import TokenEncoder

OWN = ("convnet", "transformer")


def build(name: str, *, standardise: Standardise, patch: int, **options: Any) -> Encoder:
    """The encoder called `name`; `build(**encoder.spec, …)` builds the same architecture again.

    Refused: an unknown name or option (with the nearest known), 'custom'.
    """
    if name == "custom":
        raise OptionError(
            "this encoder is a module of your own, and code is never read from a run: pass the module again, "
            "as in ul.load(path, encoder=module)"
        )
    if name == "convnet":
        check_options(name, options, ConvNet)
        return ConvNet(standardise, **options)
    if name == "transformer":
        check_options(name, options, SpectrogramTransformer)
        return SpectrogramTransformer(standardise, patch=patch, **options)
    raise OptionError(f"unknown encoder {name!r}: {nearest(name, OWN)}")


class ConvNet(Encoder):
    """Convolutions over time and frequency, then all bands of a moment together, then mean plus maximum over time.

    A 5×5 and two 3×3 convolutions, each halving both axes and the latter doubling the width, then one over all
    bands that are left: about 0.7 million parameters at width 64. Pooling is that of BYOL-A (Niizumi et al.
    2021, arXiv 2103.06695). Batch norm sees only frames that are there, and what lies after the end is zero
    before every convolution. `width` is that of the first layer; `tokens` are the moments of the last map: they
    can be looked at, but not left out.
    """

    def __init__(self, standardise: Standardise, *, width: int = 64) -> None:
        super().__init__()
        check_at_least("convnet", "width", width, 1)
        self.spec = {"name": "convnet", "width": width}
        self.standardise = standardise
        self.dim = 4 * width
        left = standardise.log_mel.mels
        for _ in range(3):
            left = -(-left // 2)
        self.layers = nn.ModuleList(
            [
                Layer(1, width, (5, 5), (2, 2)),
                Layer(width, 2 * width, (3, 3), (2, 2)),
                Layer(2 * width, 4 * width, (3, 3), (2, 2)),
                Layer(4 * width, 4 * width, (1, left), (1, left)),
            ]
        )
        self.to(memory_format=torch.channels_last)

    def encode(
        self,
        x: Any,
        *,
        keep: Int[Tensor, "batch kept"] | None = None,
        mask: Bool[Tensor, "batch tokens"] | None = None,
        mask_token: Float[Tensor, " dim"] | None = None,
        present: Bool[Tensor, "batch tokens"] | None = None,
    ) -> Encoded:
        self.refuse(keep=keep, mask=mask, present=present)
        x, there = self.standardise(x)
        x = x.transpose(1, 2)[:, None]
        maps = []
        for layer in self.layers:
            x, there = layer(x, there)
            maps.append(x)
        moments = at_least_float32(x)[:, :, :, 0].transpose(1, 2)
        # absent moments are zero, and none is below: they change neither sum nor maximum
        features = moments.sum(1) / there.sum(1, keepdim=True).clamp(min=1) + moments.amax(1)
        return Encoded(features, moments, tuple(maps))


class Layer(nn.Module):
    """Convolution over (time, frequency), batch norm over the moments that are there, ReLU; zero elsewhere."""

    def __init__(self, before: int, after: int, kernel: tuple[int, int], stride: tuple[int, int]) -> None:
        super().__init__()
        # a kernel as wide as its stride sees every band once and needs no edge
        pad = (kernel[0] // 2, kernel[1] // 2 if stride[1] < kernel[1] else 0)
        self.conv = nn.Conv2d(before, after, kernel, stride, pad, bias=False)
        self.norm = nn.BatchNorm1d(after)
        self.every = stride[0]
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(
        self, x: Float[Tensor, "batch channels time bands"], there: Bool[Tensor, "batch time"]
    ) -> tuple[Float[Tensor, "batch channels time bands"], Bool[Tensor, "batch time"]]:
        x, there = self.conv(x).permute(0, 2, 3, 1), there[:, :: self.every]
        values = x[there]
        values = self.norm(values.flatten(0, 1)).relu().reshape(values.shape)
        out = values.new_zeros(x.shape)
        out[there] = values
        return out.permute(0, 3, 1, 2), there


class SpectrogramTransformer(TokenEncoder):
    """A transformer over pieces of time (all bands of `patch` frames) with fixed sine-cosine positions.

    It computes only the tokens it is asked for.
    """

    def __init__(
        self,
        standardise: Standardise,
        *,
        patch: int,
        width: int = 128,
        depth: int = 4,
        heads: int = 4,
        pool: str = "mean",
    ) -> None:
        super().__init__("transformer", width, depth, heads, pool=pool)
        self.spec = {"name": "transformer", "width": width, "depth": depth, "heads": heads, "pool": pool}
        self.standardise, self.patch = standardise, patch
        self.embedding = nn.Linear(standardise.log_mel.mels * patch, width)
        self.apply(initialise)

    def embed(
        self, x: Any
    ) -> tuple[Float[Tensor, "batch tokens dim"], Float[Tensor, "tokens dim"], Tensor | None]:
        spectra, frames = self.standardise(x)
        tokens, there = patches(spectra, frames, self.patch)
        return self.embedding(tokens), sincos(places(tokens.shape[1], tokens.device), self.dim), there
