"""The edges of a data set, checked and brought into one form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from unlabeled.errors import DataError

NAMED = 5
"""how many of a kind of mistake a message names"""


@dataclass(frozen=True)
class Structure:
    """Every edge once, sorted by its first end; the graphs' nodes numbered through."""

    pairs: Int[np.ndarray, "2 pairs"]
    weight: Float[np.ndarray, " pairs"] | None
    loops: int
    """edges from a node to itself, which were left out: encoders add their own"""
    repeats: int
    """edges named more than once (both directions of an undirected edge are one), kept once"""

    def degrees(self, nodes: int) -> Int[np.ndarray, " nodes"]:
        """Edges at each node, in whichever direction."""
        return np.bincount(self.pairs.ravel(), minlength=nodes)


def tidy(
    edges: Int[np.ndarray, "2 edges"],
    weight: Float[np.ndarray, " edges"] | None,
    nodes: int,
    *,
    directed: bool,
) -> Structure:
    """Without loops and repeats; undirected unless asked otherwise.

    Of an edge that is named several times the largest weight stays.
    """
    loop = edges[0] == edges[1]
    edges = edges[:, ~loop].astype(np.int64)
    ends = edges if directed else np.sort(edges, axis=0)
    number = ends[0] * nodes + ends[1]
    unique, where = np.unique(number, return_inverse=True)
    kept = None
    if weight is not None:
        kept = np.zeros(len(unique), np.float32)
        np.maximum.at(kept, where, weight[~loop].astype(np.float32))
    # undirected edges usually come in both directions: that is how they are written, not a repeat
    distinct = len(unique) if directed else len(np.unique(edges[0] * nodes + edges[1]))
    return Structure(
        np.stack(np.divmod(unique, max(nodes, 1))), kept, int(loop.sum()), int(edges.shape[1] - distinct)
    )


def check_ends(
    edges: Int[np.ndarray, "2 edges"],
    graph: Int[np.ndarray, " edges"],
    sizes: Int[np.ndarray, " graphs"],
    what: str,
) -> None:
    """Refuses edges to nodes that do not exist. `edges`: numbered within their graph, which `graph` names."""
    wrong = np.flatnonzero(((edges < 0) | (edges >= sizes[graph])).any(axis=0))
    if not len(wrong):
        return
    several = len(sizes) > 1

    def told(i: int) -> str:
        where = f"in graph {graph[i]} of {sizes[graph[i]]} nodes " if several else ""
        return f"{where}{edges[0, i]} → {edges[1, i]}"

    first = "; ".join(told(i) for i in wrong[:NAMED]) + ("; …" if len(wrong) > NAMED else "")
    of = "" if several else f": its {sizes[0]:,} nodes are numbered 0 to {sizes[0] - 1:,}"
    raise DataError(
        f"{len(wrong):,} of the {edges.shape[1]:,} edges of {what} lead to nodes that do not exist ({first}){of}"
    )


def check_weights(weight: Float[np.ndarray, " edges"] | None, what: str) -> None:
    """Refuses weights that are negative or not finite."""
    if weight is None:
        return
    wrong = np.flatnonzero(~(np.isfinite(weight) & (weight >= 0)))
    if len(wrong):
        first = ", ".join(f"{weight[i]} at edge {i}" for i in wrong[:NAMED])
        raise DataError(
            f"{len(wrong):,} edges of {what} have a weight that is negative or not finite ({first}): "
            "correct them, or leave the weights out"
        )
