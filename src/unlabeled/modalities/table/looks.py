"""What the kinds of view mean for tables, in numbers, and how a branch's options overrule them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

from unlabeled.methods.contract import Branch
from unlabeled.modalities.amounts import Amount, check_kept, check_variant, given


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


LARGEST: Mapping[str, float] = {"share": 1.0, "low": 1.0, "high": 1.0, "noise": float("inf")}
"""largest value of each option"""
VARIANTS: Mapping[str, int] = {"raw": 1, "weak": 2, "strong": 3, "local": 1}
"""how many variants each kind has"""

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
    check_variant("tables", branch, VARIANTS)
    options = given("tables", branch, LARGEST, rows, device)
    made = replace(LOOKS[branch.kind, branch.variant], **options)
    check_kept("tables", branch, made.low, made.high, "the columns")
    return made
