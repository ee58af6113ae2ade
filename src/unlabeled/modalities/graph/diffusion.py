"""A graph diffused by personalised PageRank: who is reached from a node by short random walks, and how often."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sparse
from jaxtyping import Float, Int

from unlabeled.modalities.graph.positions import adjacency, blocks

RESTART = 0.2
"""probability of starting again (Hassani & Khasahmadi 2020, arXiv 2006.05582)"""
ROUNDS = 12
"""what is left out weighs (1 − RESTART)^ROUNDS = 7 %"""
NEAREST = 16
"""edges kept a node; not from a paper: what keeps a pass about as cheap as on the graph itself"""


def diffuse(
    pairs: Int[np.ndarray, "2 pairs"],
    weight: Float[np.ndarray, " pairs"] | None,
    sizes: Int[np.ndarray, " graphs"],
) -> tuple[Int[np.ndarray, "2 far"], Float[np.ndarray, " far"]]:
    """The pairs of the diffused graph, sorted, and their weights.

    S = Σ_k α (1 − α)^k (D^−½ A D^−½)^k, A with loops, by ROUNDS power iterations; each node keeps its NEAREST
    largest entries, and a pair stays that either end keeps. Weights are S_ij / √(S_ii S_jj), so that the loop
    of weight 1 that encoders add stands for S_ii (Hassani & Khasahmadi 2020, arXiv 2006.05582; sparsified as by
    Klicpera et al. 2019, arXiv 1911.05485). Takes ROUNDS · edges · nodes steps for one large graph.
    """
    nodes = int(sizes.sum())
    walk = _with_loops(pairs, weight, nodes)
    own = np.zeros(nodes)
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for members, columns in blocks(sizes):
        part = walk[members][:, members]
        mine = np.flatnonzero(columns >= 0)
        start = np.zeros((len(members), columns.max() + 1))
        start[mine, columns[mine]] = RESTART
        reached = start
        for _ in range(ROUNDS):
            reached = start + (1 - RESTART) * (part @ reached)
        own[members[mine]] = reached[mine, columns[mine]]
        reached[mine, columns[mine]] = 0
        found.append(_nearest(reached, members, columns, np.repeat(np.arange(len(sizes)), sizes)[members]))
    a, b, value = (np.concatenate(parts) for parts in zip(*found, strict=True))
    low, high = np.minimum(a, b), np.maximum(a, b)
    number, first = np.unique(low * nodes + high, return_index=True)
    far = np.stack(np.divmod(number, nodes))
    scale = np.sqrt(own[far[0]] * own[far[1]])
    return far, (value[first] / np.where(scale > 0, scale, 1)).astype(np.float32)


def _nearest(
    reached: np.ndarray, members: np.ndarray, columns: np.ndarray, graph: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each node's largest entries: from, to, value. One graph may be there with some of its columns only, and
    as S is symmetric these are looked through; of several graphs all columns are there."""
    first = np.zeros(graph.max() + 1, np.int64)
    first[graph[columns == 0]] = members[columns == 0]
    one = graph[0] == graph[-1]
    table = reached.T if one else reached
    kept = min(NEAREST, table.shape[1])
    top = np.argpartition(-table, kept - 1, axis=1)[:, :kept].ravel()
    row = np.repeat(np.arange(len(table)), kept)
    value = table[row, top]
    row, top, value = row[value > 0], top[value > 0], value[value > 0]
    if one:
        return first[graph[0]] + row, members[top], value
    return members[row], first[graph[row]] + top, value


def _with_loops(pairs: np.ndarray, weight: np.ndarray | None, nodes: int) -> sparse.csr_matrix:
    loops = np.tile(np.arange(nodes), (2, 1))
    ones = np.ones(pairs.shape[1]) if weight is None else weight
    # `adjacency` writes each pair in both directions: a loop of ½ becomes one of 1
    return adjacency(
        np.concatenate([pairs, loops], axis=1), nodes, np.concatenate([ones, np.full(nodes, 0.5)])
    )
