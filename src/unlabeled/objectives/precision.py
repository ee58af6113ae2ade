"""In which precision an objective computes: float32 or better, whatever the caller trains in."""

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor

P = ParamSpec("P")
R = TypeVar("R")


def at_least_float32(objective: Callable[P, R]) -> Callable[P, R]:
    """Raises half types among the arguments to float32 and switches autocast off inside `objective`.

    float32 and float64 pass untouched (a cast of float64 would spoil `gradcheck`), gradients come back in the
    type of the caller's tensor, and the result is float32 where the input was half. Autocast has to be off as
    well: it would otherwise cast the matrix products back down.
    """

    @wraps(objective)
    def precise(*args: P.args, **kwargs: P.kwargs) -> R:
        device = next((tensor.device.type for tensor in _tensors((args, kwargs))), "cpu")
        positional: Any = _raised(args)
        named: Any = _raised(kwargs)
        if not torch.amp.is_autocast_available(device):
            return objective(*positional, **named)
        with torch.autocast(device, enabled=False):
            return objective(*positional, **named)

    return precise


def _raised(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.float() if value.is_floating_point() and value.element_size() < 4 else value
    if isinstance(value, dict):
        return {name: _raised(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_raised(item) for item in value)
    return value


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)
