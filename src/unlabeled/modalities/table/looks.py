"""What the kinds of view mean for tables, in numbers, and how a branch's options overrule them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from unlabeled.errors import OptionError, nearest
from unlabeled.methods.contract import Branch

Amount = float | Tensor


@dataclass(frozen=True)
class Look:
    """How a view is made; every number may be one a row."""

    share: Amount = 0.0
    """of the cells, that are drawn anew from their column's own values"""
    low: Amount = 1.0
    high: Amount = 1.0
    """smallest and largest share of the known cells that stays; the rest is missing"""
    noise: Amount = 0.0
    """standard deviation of what is added to scaled numbers"""


OPTIONS = tuple(Look.__dataclass_fields__)

# SCARF (Bahri et al. 2021, arXiv 2106.15147) draws 0.6 of the cells of one of two views anew. Methods here make
# both views of a pair strong, and two views with 0.6 have a sixth of their cells in common. Tried with SimCLR and
# the MLP (150 to 200 steps, 3,000 rows, one seed): letters, nearest neighbours, 0.73 untrained: 0.69 with 0.6, 0.73
# with 0.3, 0.72 with 0.2; Adult, 0.82 untrained: 0.83 and 0.84. With 0.3 half of the cells are in common.
SHARE = 0.3
NOISE = 0.05
LOOKS: Mapping[tuple[str, int], Look] = {
    ("raw", 0): Look(),
    ("weak", 0): Look(share=0.1, noise=NOISE),
    # what is hidden is to be told from what is shown: both as they are
    ("weak", 1): Look(),
    ("strong", 0): Look(share=SHARE, noise=NOISE),
    # a subset of the columns (SubTab, Ucar et al. 2021, arXiv 2110.04361) against more corruption; letters with
    # this pair in SimCLR: 0.72, with subsets of half to nine tenths in both views 0.69
    ("strong", 1): Look(share=0.1, low=0.6, noise=NOISE),
    ("strong", 2): Look(share=0.4, noise=NOISE),
    ("local", 0): Look(low=0.2, high=0.4, noise=NOISE),
}


def look(branch: Branch, rows: int, device: torch.device) -> Look:
    """How the view is made that a branch asks for, of so many rows.

    `OptionError`: no such kind, variant or option; a share outside [0, 1]; not 0 < low ≤ high ≤ 1; noise below 0.
    """
    kinds = sorted({kind for kind, _ in LOOKS})
    if branch.kind not in kinds:
        raise OptionError(f"tables have no view of kind {branch.kind!r}: {nearest(branch.kind, kinds)}")
    if (branch.kind, branch.variant) not in LOOKS:
        count = sum(kind == branch.kind for kind, _ in LOOKS)
        raise OptionError(
            f"tables have no variant {branch.variant} of a {branch.kind} view: choose from 0 to {count - 1}"
        )
    name = f"{branch.kind} view of tables"
    numbers: dict[str, Amount] = {}
    for option, value in branch.options.items():
        if option not in OPTIONS:
            raise OptionError(f"{name}: unknown option {option!r}; {nearest(option, OPTIONS)}")
        if branch.kind == "raw":
            raise OptionError(f"{name}: nothing is changed, so {option!r} cannot be set; choose 'weak'")
        if not isinstance(value, int | float | Tensor):
            raise OptionError(f"{name}: {option} must be a number or a tensor of them, not {value!r}")
        if isinstance(value, Tensor) and value.shape not in ((), (rows,)):
            raise OptionError(
                f"{name}: {option} must be one number or one a row, ({rows},), not of shape {tuple(value.shape)}"
            )
        numbers[option] = value.to(device, torch.float32) if isinstance(value, Tensor) else value
    made = replace(LOOKS[branch.kind, branch.variant], **numbers)
    share, noise = torch.as_tensor(made.share), torch.as_tensor(made.noise)
    low, high = torch.as_tensor(made.low), torch.as_tensor(made.high)
    if not bool(((share >= 0) & (share <= 1)).all()):
        raise OptionError(f"{name}: share is a share of the cells, from 0 to 1, not {made.share}")
    if not bool((noise >= 0).all()):
        raise OptionError(f"{name}: noise is a standard deviation of at least 0, not {made.noise}")
    if not bool(((low > 0) & (low <= high) & (high <= 1)).all()):
        raise OptionError(
            f"{name}: from low to high of the columns stay, 0 < low ≤ high ≤ 1, not {made.low} to {made.high}"
        )
    return made


def possible(amount: Amount) -> bool:
    """Whether a change can happen at all. (A tensor counts as yes: looking would wait for the device.)"""
    return isinstance(amount, Tensor) or amount > 0
