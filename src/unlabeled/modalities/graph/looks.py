"""What the kinds of view mean for graphs, in numbers, and how a branch's options overrule them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

from unlabeled.methods.contract import Branch
from unlabeled.modalities.amounts import Amount, check_kept, check_variant, given


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
    check_variant("graphs", branch, {kind: len(variants) for kind, variants in LOOKS[level].items()})
    made = LOOKS[level][branch.kind][branch.variant]
    largest = {name: float("inf") if name == "noise" else 1.0 for name in OPTIONS}
    options = given("graphs", branch, largest, rows, device)
    if ("low" in options) != ("high" in options):
        options.setdefault("high", 1.0 if made.high is None else made.high)
        options.setdefault(
            "low", torch.as_tensor(options["high"]).clamp(max=0.5 if made.low is None else made.low)
        )
    made = replace(made, **options)  # type: ignore[arg-type]
    if made.low is not None and made.high is not None:
        check_kept("graphs", branch, made.low, made.high, "the nodes")
    return made
