"""Tokens of a log-mel spectrogram: pieces of time, each all bands of `patch` frames."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor


def patches(
    x: Float[Tensor, "n mels frames"], there: Bool[Tensor, "n frames"], patch: int
) -> tuple[Float[Tensor, "n tokens values"], Bool[Tensor, "n tokens"]]:
    """The numbers of each token, band by band and frame by frame inside, and which tokens are there.

    A token is there when at least half of its frames are, and the first when any is. The last is filled up
    with zeros where `patch` does not divide the frames.
    """
    n, mels, frames = x.shape
    tokens = (frames + patch - 1) // patch
    x = F.pad(x, (0, tokens * patch - frames))
    counts = F.pad(there, (0, tokens * patch - frames)).reshape(n, tokens, patch).sum(dim=2)
    present = 2 * counts >= patch
    present[:, 0] |= counts[:, 0] > 0
    return x.reshape(n, mels, tokens, patch).transpose(1, 2).flatten(2), present


def places(tokens: int, device: torch.device) -> Float[Tensor, "tokens 1"]:
    """Position of each token in time, in tokens."""
    return torch.arange(tokens, device=device, dtype=torch.float32)[:, None]


def auto_patch(frames: int) -> int:
    """Frames a token: about 24 tokens a recording, none longer than 16 frames."""
    return min(16, max(1, round(frames / 24)))
