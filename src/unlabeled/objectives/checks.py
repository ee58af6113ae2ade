"""What the objectives refuse: each check names the value it met and says what to do about it.

Checks look at shapes, types and plain numbers, which costs a device nothing. Values of a tensor are looked at
only on the CPU, where that does not make anyone wait.
"""

import math

import torch
from torch import Tensor

from unlabeled.errors import ObjectiveError

LEAST_DIVISOR = 1e-12
"""Smallest temperature or epsilon accepted: scores divided by less may overflow float32 and give NaN."""


def matrices(least_rows: int = 1, least_columns: int = 1, **named: Tensor) -> None:
    """Refuses anything but floating matrices of one shape and type, with enough rows and columns."""
    for name, value in named.items():
        floating(**{name: value})
        if value.ndim != 2:
            raise ObjectiveError(
                f"{name} has shape {tuple(value.shape)}: two dimensions are needed, one row a sample; "
                "flatten or pool the others first"
            )
    alike(**named)
    for name, value in named.items():
        if len(value) < least_rows:
            raise ObjectiveError(
                f"{name} has {len(value)} rows, at least {least_rows} are needed: "
                "use a larger batch, and drop an incomplete last one"
            )
        if value.shape[1] < least_columns:
            raise ObjectiveError(
                f"{name} has {value.shape[1]} columns, at least {least_columns} are needed: "
                "widen the output of the head"
            )


def floating(**named: Tensor) -> None:
    """Refuses what is not a tensor of floating numbers."""
    for name, value in named.items():
        if not isinstance(value, Tensor) or not value.is_floating_point():
            kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
            raise ObjectiveError(f"{name} is {kind}: give a torch tensor of floating numbers")


def alike(**named: Tensor) -> None:
    """Refuses tensors that differ in shape or in type."""
    (first, one), *others = named.items()
    for name, other in others:
        if other.shape != one.shape:
            raise ObjectiveError(
                f"{first} has shape {tuple(one.shape)} and {name} {tuple(other.shape)}: "
                "they are compared entry by entry, so give the same shape"
            )
        same_type(**{first: one, name: other})


def same_width(**named: Tensor) -> None:
    """Refuses tensors whose rows cannot be compared: of different lengths or types."""
    (first, one), *others = named.items()
    for name, other in others:
        if other.shape[-1] != one.shape[-1]:
            raise ObjectiveError(
                f"rows of {first} hold {one.shape[-1]} numbers and those of {name} {other.shape[-1]}: "
                "take both from heads of one width"
            )
        same_type(**{first: one, name: other})


def same_type(**named: Tensor) -> None:
    """Refuses floating tensors of different types, which torch mixes in some operations only."""
    (first, one), *others = named.items()
    for name, other in others:
        if other.dtype != one.dtype:
            raise ObjectiveError(
                f"{first} is {one.dtype} and {name} {other.dtype}: cast one to the other's type"
            )


def positive(**named: float) -> None:
    """Refuses divisors (temperatures, epsilons) that are not finite and above zero."""
    for name, value in named.items():
        if not LEAST_DIVISOR <= value < math.inf:
            raise ObjectiveError(
                f"{name} is {value}: scores are divided by it, so give a number above 0 "
                f"(finite, and at least {LEAST_DIVISOR:g})"
            )


def non_negative(**named: float) -> None:
    """Refuses weights that are negative or not finite: a negative weight turns a penalty into a reward."""
    for name, value in named.items():
        if not 0 <= value < math.inf:
            raise ObjectiveError(
                f"{name} is {value}: give a finite weight of 0 (which switches it off) or more"
            )


def hidden(mask: Tensor, **named: Tensor) -> None:
    """Refuses a mask that is not boolean, or has not one entry for each token (last axis) of `named`."""
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        kind = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
        raise ObjectiveError(f"mask is {kind}: give a torch.bool tensor, True where a token is hidden")
    for name, value in named.items():
        if value.ndim < 2 or mask.shape != value.shape[:-1]:
            raise ObjectiveError(
                f"mask has shape {tuple(mask.shape)} and {name} {tuple(value.shape)}: "
                "the mask needs one entry a token, that is the shape without the last axis"
            )


def some_hidden(tokens: Tensor) -> None:
    """Refuses an empty choice of tokens (rows): the mean over none of them is 0 / 0."""
    if not len(tokens):
        raise ObjectiveError("mask hides no token, so the mean over them is 0 / 0: raise the mask ratio")


def class_index(classes: int, **named: Tensor) -> None:
    """Refuses indices that are not whole numbers in [0, classes). The range is looked at on the CPU only."""
    if classes < 2:
        raise ObjectiveError(f"the logits have {classes} classes, at least 2 are needed: widen the head")
    for name, index in named.items():
        if not isinstance(index, Tensor) or index.is_floating_point() or index.dtype == torch.bool:
            kind = index.dtype if isinstance(index, Tensor) else type(index).__name__
            raise ObjectiveError(f"{name} is {kind}: give a tensor of whole numbers, such as torch.int64")
        if index.device.type == "cpu" and index.numel():
            low, high = int(index.min()), int(index.max())
            if low < 0 or high >= classes:
                raise ObjectiveError(
                    f"{name} runs from {low} to {high} where the logits have {classes} classes: "
                    f"give positions from 0 to {classes - 1}, or logits with one column for each class"
                )


def counted(**named: int) -> None:
    """Refuses numbers of repetitions below 1."""
    for name, value in named.items():
        if value < 1:
            raise ObjectiveError(f"{name} is {value}: at least 1 is needed")


def fraction(**named: float) -> None:
    """Refuses shares outside [0, 1)."""
    for name, value in named.items():
        if not 0 <= value < 1:
            raise ObjectiveError(f"{name} is {value}: give a number from 0 up to, not including, 1")
