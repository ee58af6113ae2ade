"""The encoders of audio: a small convolutional net and a spectrogram transformer.

Both take waveforms (batch, samples) or log-mel spectrograms (batch, mels, frames), NaN after the end of each,
and standardise inside. What lies after a recording's end changes no feature of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from unlabeled.modalities.audio.spectrogram import Standardise
from unlabeled.modalities.audio.tokens import patches, places
from unlabeled.parts.encoder import (
    Encoded,
    Encoder,
    FeatureEncoder,
    Makers,
    at_least_float32,
    check_at_least,
    make,
)
from unlabeled.parts.transformer import initialise, sincos
from unlabeled.parts.trunk import TokenEncoder


def build(name: str, *, standardise: Standardise, patch: int, **options: Any) -> Encoder:
    """The encoder called `name`; `build(**encoder.spec, …)` builds the same architecture again.

    Refused: an unknown name or option (with the nearest known), 'custom'.
    """
    makers: Makers = {"convnet": (ConvNet, {}), "transformer": (SpectrogramTransformer, {"patch": patch})}
    return make(name, makers, standardise, **options)


class ConvNet(FeatureEncoder):
    """Convolutions over time and frequency, then all bands of a moment together, then mean plus maximum over time.

    A 5×5 and two 3×3 convolutions, each halving both axes, the latter doubling the width, then a linear layer
    over all bands that are left: about 0.7 million parameters at width 64. Pooling is that of BYOL-A (Niizumi
    et al. 2021, arXiv 2103.06695). Batch norm sees only moments that are there, and what lies after the end is
    zero before every convolution. `width` is that of the first layer; `tokens` are the moments of the last map:
    they can be looked at, but not left out. `layers` are the maps (batch, channels, time, bands).
    """

    def __init__(self, standardise: Standardise, *, width: int = 64) -> None:
        super().__init__()
        check_at_least("convnet", "width", width, 1)
        self.spec = {"name": "convnet", "width": width}
        self.standardise = standardise
        self.dim = 4 * width
        self.convolutions = nn.ModuleList(
            [Halving(1, width, 5), Halving(width, 2 * width, 3), Halving(2 * width, 4 * width, 3)]
        )
        bands = standardise.log_mel.mels
        for _ in self.convolutions:
            bands = -(-bands // 2)
        self.merge = nn.Linear(bands * 4 * width, 4 * width, bias=False)
        self.norm = nn.BatchNorm1d(4 * width)
        self.activation = nn.ReLU()
        nn.init.kaiming_normal_(self.merge.weight, nonlinearity="relu")
        self.to(memory_format=torch.channels_last)

    def compute(self, x: Any) -> Encoded:
        x, there = self.standardise(x)
        x = x.transpose(1, 2)[:, :, :, None]
        maps = []
        for convolution in self.convolutions:
            x, there = convolution(x, there)
            maps.append(x.permute(0, 3, 1, 2))
        moments = _where(
            there,
            x,
            lambda values: self.activation(self.norm(self.merge(values.flatten(1)))),
            training=self.training,
        )
        # absent moments are zero, and none is below: they change neither sum nor maximum
        moments = at_least_float32(moments)
        features = moments.sum(1) / there.sum(1, keepdim=True).clamp(min=1) + moments.amax(1)
        return Encoded(features, moments, tuple(maps))


class Halving(nn.Module):
    """A convolution that halves time and frequency, batch norm over the moments that are there, ReLU."""

    def __init__(self, before: int, after: int, kernel: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(before, after, kernel, 2, kernel // 2, bias=False)
        self.norm = nn.BatchNorm1d(after)
        self.activation = nn.ReLU()
        nn.init.kaiming_normal_(self.convolution.weight, mode="fan_out", nonlinearity="relu")

    def forward(
        self, x: Float[Tensor, "batch time bands channels"], there: Bool[Tensor, "batch time"]
    ) -> tuple[Float[Tensor, "batch halved bands channels"], Bool[Tensor, "batch halved"]]:
        x = self.convolution(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        # a copy: whether every other moment lies densely in memory would depend on how many there are
        there = there[:, ::2].clone(memory_format=torch.contiguous_format)
        return _where(
            there,
            x,
            lambda values: self.activation(self.norm(values.flatten(0, 1))).reshape(values.shape),
            training=self.training,
        ), there


def _where(
    there: Bool[Tensor, "batch time"], x: Tensor, change: Callable[[Tensor], Tensor], *, training: bool
) -> Float[Tensor, "batch time *shape"]:
    """What `change` makes of the moments that are there, (moments, …); zero at the others.

    Only the statistics of a batch ask which moments it holds: outside of training all are computed, so that no
    shape depends on the data and the encoder can be exported.
    """
    if not training:
        values = change(x.flatten(0, 1))
        absent = ~there.reshape(*there.shape, *[1] * (values.ndim - 1))
        return values.reshape(*there.shape, *values.shape[1:]).masked_fill(absent, 0.0)
    places = there.flatten().nonzero()[:, 0]
    values = change(x.flatten(0, 1).index_select(0, places))
    out = values.new_zeros(there.numel(), *values.shape[1:]).index_copy(0, places, values)
    return out.reshape(*there.shape, *values.shape[1:])


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
        dropout: float = 0.0,
    ) -> None:
        super().__init__("transformer", width, depth, heads, pool=pool, dropout=dropout)
        self.standardise, self.patch = standardise, patch
        self.embedding = nn.Linear(standardise.log_mel.mels * patch, width)
        self.apply(initialise)

    def embed(
        self, x: Any
    ) -> tuple[Float[Tensor, "batch tokens dim"], Float[Tensor, "tokens dim"], Tensor | None]:
        spectra, frames = self.standardise(x)
        tokens, there = patches(spectra, frames, self.patch)
        return self.embedding(tokens), sincos(places(tokens.shape[1], tokens.device), self.dim), there
