"""Every prediction meets the targets made of the other views."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def other_views(
    loss: Callable[[Tensor, Tensor], Tensor], predictions: Sequence[Tensor], targets: Sequence[Tensor]
) -> Tensor:
    """The mean of `loss(prediction, target)` over all pairs of different views; targets are of the first views."""
    losses = [loss(p, t) for a, t in enumerate(targets) for b, p in enumerate(predictions) if a != b]
    return torch.stack(losses).mean()
