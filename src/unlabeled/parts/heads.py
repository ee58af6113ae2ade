"""Multi-layer heads: projectors, predictors, expanders."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from torch import nn

from unlabeled.errors import OptionError


def mlp(
    *widths: int,
    last: Literal["plain", "norm", "norm_without_affine"] = "plain",
    activation: type[nn.Module] = nn.ReLU,
    norm: bool = True,
) -> nn.Sequential:
    """Linear layers of the given widths, input first, with batch norm and an activation between them.

    `last` says what follows the last linear layer: nothing, a batch norm, or one without scale and
    shift (SimSiam, GroCo). A linear layer before a batch norm carries no bias: the norm removes it.
    """
    if len(widths) < 2 or min(widths) < 1:
        raise OptionError(f"a head needs an input and an output width, each at least 1, not {widths}")
    layers: list[nn.Module] = []
    for width, following in pairwise(widths[:-1]):
        layers.append(nn.Linear(width, following, bias=not norm))
        if norm:
            layers.append(nn.BatchNorm1d(following))
        layers.append(activation())
    layers.append(nn.Linear(widths[-2], widths[-1], bias=last == "plain"))
    if last != "plain":
        layers.append(nn.BatchNorm1d(widths[-1], affine=last == "norm"))
    return nn.Sequential(*layers)
