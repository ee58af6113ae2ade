"""What a branch asks of its view, checked: a kind, a variant, and options that are numbers, or one a row."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from unlabeled.errors import OptionError, nearest
from unlabeled.methods.contract import Branch

Amount = float | Tensor
"""a number for the whole batch, or (rows,) one a row"""


def check_variant(what: str, branch: Branch, variants: Mapping[str, int]) -> None:
    """Refuses a kind or a variant that `what` (a plural: "images") have not; `variants`: how many each kind has."""
    if branch.kind not in variants:
        raise OptionError(f"{what} have no view of kind {branch.kind!r}: {nearest(branch.kind, variants)}")
    if not 0 <= branch.variant < variants[branch.kind]:
        raise OptionError(
            f"{what} have no variant {branch.variant} of a {branch.kind} view: "
            f"choose from 0 to {variants[branch.kind] - 1}"
        )


def given(
    what: str, branch: Branch, largest: Mapping[str, float], rows: int, device: torch.device
) -> dict[str, Amount]:
    """The branch's options: floats, or float32 tensors on the device.

    `largest`: the options there are, each with its largest value; the smallest is 0. Refused: an unknown
    name, anything set on a raw view, what is no number, a tensor that is neither one number nor one a row,
    a value outside its range.
    """
    name = f"{branch.kind} view of {what}"
    found: dict[str, Amount] = {}
    for option, value in branch.options.items():
        if option not in largest:
            raise OptionError(f"{name}: unknown option {option!r}; {nearest(option, largest)}")
        if branch.kind == "raw":
            raise OptionError(f"{name}: nothing is changed, so {option!r} cannot be set; choose 'weak'")
        if isinstance(value, bool) or not isinstance(value, int | float | Tensor):
            raise OptionError(f"{name}: {option} must be a number or a tensor of them, not {value!r}")
        if isinstance(value, Tensor) and value.shape not in ((), (rows,)):
            raise OptionError(
                f"{name}: {option} must be one number or one a row, ({rows},), not of shape {tuple(value.shape)}"
            )
        numbers, most = torch.as_tensor(value, dtype=torch.float32), largest[option]
        if not bool(((numbers >= 0) & (numbers <= most) & numbers.isfinite()).all()):
            said = "0 or more" if most == float("inf") else f"from 0 to {most:g}"
            raise OptionError(f"{name}: {option} must be {said}, not {value}")
        found[option] = numbers.to(device) if isinstance(value, Tensor) else float(value)
    return found


def check_kept(what: str, branch: Branch, low: Amount, high: Amount, of: str) -> None:
    """Refuses a share to keep that is not 0 < low ≤ high ≤ 1; `of`: of what ("the columns")."""
    lows, highs = torch.as_tensor(low), torch.as_tensor(high)
    if not bool(((lows > 0) & (lows <= highs) & (highs <= 1)).all()):
        raise OptionError(
            f"{branch.kind} view of {what}: from low to high of {of} stays, 0 < low ≤ high ≤ 1, not {low} to {high}"
        )


def possible(amount: Amount) -> bool:
    """Whether a change can happen at all. (A tensor counts as yes: looking would wait for the device.)"""
    return isinstance(amount, Tensor) or amount > 0
