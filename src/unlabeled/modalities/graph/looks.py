"""What the kinds of view mean for graphs, in numbers, and how a branch's options overrule them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from unlabeled.errors import OptionError, nearest
from unlabeled.methods.contract import Branch

Amount = float | Tensor


@dataclass(frozen=True)
class Look:
    """How a view is made: plain numbers, or one a row of the batch."""

    edges: Amount = 0.0
    """probability that an edge is dropped, both of its directions together"""
    features: Amount = 0.0
    """probability that a column of features is zero, everywhere in the graph; where nodes have one tag each,
    that a node's tag is hidden"""
    nodes: Amount = 0.0
    """probability that a node is dropped; at node level it loses its edges and features, as rows must stay"""
    low: Amount | None = None
    high: Amount | None = None
    """at graph level the share of the nodes that stays, grown from a random one along random edges; at node level
    the share of the edges that stays, drawn once a view, in place of `edges`. None: everything stays"""
    noise: Amount = 0.0
    """standard deviation of what is added to features"""
    diffused: bool = False
    """the diffused graph in place of the graph, where the modality has one"""


OPTIONS = ("edges", "features", "nodes", "low", "high", "noise")
"""what a branch's options can overrule"""

# Node level, strong: the two rates of GRACE on Cora (Zhu et al. 2020, arXiv 2006.04131), and between them for the
# ordinary view. Graph level: GraphCL changes 0.1 to 0.2 of a graph in one of four ways (You et al. 2020, arXiv
# 2010.13902) and leaves 0.2 of the nodes in its small subgraphs; here the ways are mixed, each about as strong.
# Weak views and local ones at node level are no paper's.
LOOKS: Mapping[str, Mapping[str, tuple[Look, ...]]] = {
    "node": {
        "raw": (Look(),),
        "weak": (Look(edges=0.1, features=0.1), Look()),
        "strong": (
            Look(edges=0.3, features=0.3),
            Look(edges=0.2, features=0.3),
            Look(edges=0.4, features=0.4, diffused=True),
        ),
        "local": (Look(edges=0.6, features=0.5),),
    },
    "graph": {
        "raw": (Look(),),
        "weak": (Look(edges=0.05, features=0.05), Look()),
        "strong": (
            Look(edges=0.1, features=0.1, nodes=0.1, low=0.7, high=1.0),
            Look(features=0.2, low=0.7, high=1.0),
            Look(edges=0.2, nodes=0.2, diffused=True),
        ),
        "local": (Look(edges=0.1, features=0.1, low=0.2, high=0.5),),
    },
}
"""by level, kind and variant; the second weak view, for methods that hide nodes, changes nothing else (as in
GraphMAE, Hou et al. 2022, arXiv 2205.10803)"""


def look(branch: Branch, level: str, rows: int, device: torch.device) -> Look:
    """How the view that `branch` asks for is made. Refuses a kind, variant or option that graphs do not have."""
    kinds = LOOKS[level]
    if branch.kind not in kinds:
        raise OptionError(f"graphs have no view of kind {branch.kind!r}: {nearest(branch.kind, kinds)}")
    variants = kinds[branch.kind]
    if not 0 <= branch.variant < len(variants):
        raise OptionError(
            f"graphs have no variant {branch.variant} of a {branch.kind} view: choose from 0 to {len(variants) - 1}"
        )
    made = variants[branch.variant]
    given: dict[str, Any] = {
        name: _checked(branch, name, value, rows, device) for name, value in branch.options.items()
    }
    if ("low" in given) != ("high" in given):
        given.setdefault("high", 1.0 if made.high is None else made.high)
        given.setdefault(
            "low", torch.as_tensor(given["high"]).clamp(max=0.5 if made.low is None else made.low)
        )
    made = replace(made, **given)
    if made.low is not None and made.high is not None:
        low, high = torch.as_tensor(made.low), torch.as_tensor(made.high)
        if not bool(((low > 0) & (low <= high) & (high <= 1)).all()):
            raise OptionError(
                f"{branch.kind} view of graphs: from low to high stays, 0 < low ≤ high ≤ 1, "
                f"not {made.low} to {made.high}"
            )
    return made


def _checked(branch: Branch, name: str, value: object, rows: int, device: torch.device) -> Amount:
    what = f"{branch.kind} view of graphs"
    if name not in OPTIONS:
        raise OptionError(f"{what}: unknown option {name!r}; {nearest(name, OPTIONS)}")
    if branch.kind == "raw":
        raise OptionError(f"{what}: nothing is changed, so {name!r} cannot be set; choose 'weak'")
    if not isinstance(value, int | float | Tensor) or isinstance(value, bool):
        raise OptionError(f"{what}: {name} must be a number or a tensor of them, not {value!r}")
    if isinstance(value, Tensor):
        if value.shape not in ((), (rows,)):
            raise OptionError(
                f"{what}: {name} must be one number or one a row, ({rows},), not of shape {tuple(value.shape)}"
            )
        value = value.to(device, torch.float32)
    least, most = 0.0, float("inf") if name == "noise" else 1.0
    if not bool(((torch.as_tensor(value) >= least) & (torch.as_tensor(value) <= most)).all()):
        raise OptionError(f"{what}: {name} must be from {least:g} to {most:g}, not {value}")
    return value


def possible(amount: Amount) -> bool:
    """Whether a change can happen at all. (A tensor counts as yes: looking would wait for the device.)"""
    return isinstance(amount, Tensor) or amount > 0
