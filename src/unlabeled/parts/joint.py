"""One forward pass for several views where their tensors stack."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from unlabeled.data.batch import View


def joint(f: Callable[[Any], Tensor], *views: View | Tensor) -> tuple[Tensor, ...]:
    """`f` of every view, in order. Views of one shape go through `f` together, others one each.

    Stacked views share batch-norm moments, as in SimCLR and DINO.
    """
    inputs = [v.x if isinstance(v, View) else v for v in views]
    outputs: list[Tensor | None] = [None] * len(inputs)
    for places in _alike(inputs):
        if len(places) == 1:
            outputs[places[0]] = f(inputs[places[0]])
        else:
            stacked = f(torch.cat([inputs[p] for p in places]))
            for place, part in zip(places, stacked.chunk(len(places)), strict=True):
                outputs[place] = part
    return tuple(o for o in outputs if o is not None)


def _alike(inputs: list[Any]) -> list[list[int]]:
    groups: dict[Any, list[int]] = {}
    for place, x in enumerate(inputs):
        key = (x.shape, x.dtype) if isinstance(x, Tensor) else place
        groups.setdefault(key, []).append(place)
    return list(groups.values())
