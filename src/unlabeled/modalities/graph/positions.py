"""Where a node sits in its graph: structural coordinates, so that a decoder can tell hidden nodes apart.

They are computed once, on the unchanged graph. At node level they are eigenvectors of the Laplacian (Dwivedi &
Bresson 2020, arXiv 2012.09699), at graph level these and the probabilities that a random walk is back after
2, 3, … steps (Dwivedi et al. 2021, arXiv 2110.07875).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sparse
from jaxtyping import Float, Int

EIGENVECTORS = 8
STEPS = tuple(range(2, 10))
"""after one step no walk is back: loops are left out"""
REACH = 10.0
"""coordinates go from −REACH to REACH"""
DENSE = 512
"""nodes up to which a connected component is solved as a dense matrix"""
CELLS = 2**23
"""numbers of a dense block held at once"""

AXES = {"node": EIGENVECTORS, "graph": EIGENVECTORS + len(STEPS)}


def positions(
    pairs: Int[np.ndarray, "2 pairs"], sizes: Int[np.ndarray, " graphs"], level: str
) -> Float[np.ndarray, "nodes axes"]:
    """(nodes, 8) at node level, (nodes, 16) at graph level, each from −10 to 10. Edges have no direction here."""
    walk = adjacency(pairs, int(sizes.sum()))
    eigen = eigenvectors(walk)
    if level == "node":
        return eigen
    return np.concatenate([eigen, returns(walk, sizes)], axis=1)


def adjacency(
    pairs: Int[np.ndarray, "2 pairs"], nodes: int, weight: Float[np.ndarray, " pairs"] | None = None
) -> sparse.csr_matrix:
    """D^−½ A D^−½, each edge in both directions; rows of isolated nodes are zero."""
    both = np.concatenate([pairs, pairs[::-1]], axis=1)
    values = np.ones(pairs.shape[1]) if weight is None else weight.astype(np.float64)
    a = sparse.coo_matrix((np.tile(values, 2), (both[0], both[1])), shape=(nodes, nodes)).tocsr()
    degree = np.asarray(a.sum(axis=1)).ravel()
    root = sparse.diags_array(np.where(degree > 0, 1 / np.sqrt(np.where(degree > 0, degree, 1)), 0.0))
    return sparse.csr_matrix(root @ a @ root)


def eigenvectors(walk: sparse.csr_matrix) -> Float[np.ndarray, "nodes 8"]:
    """The eigenvectors of the smallest eigenvalues above zero of the Laplacian I − D⁻¹A, of each connected
    component by itself.

    Each is divided by its largest size and spread out by a square root that keeps the sign (most entries of
    one are tiny beside the largest), its largest entry is positive. Zeros at isolated nodes, and where a
    component has fewer nodes than it takes.
    """
    out = np.zeros((walk.shape[0], EIGENVECTORS), np.float32)
    count, component = sparse.csgraph.connected_components(walk, directed=False)
    size = np.bincount(component, minlength=count)
    order = np.argsort(component, kind="stable")
    start = np.cumsum(size) - size
    for s in np.unique(size[size > 1]):
        alike = np.flatnonzero(size == s)
        step = max(1, CELLS // int(s) ** 2)
        for first in range(0, len(alike), step):
            nodes = order[start[alike[first : first + step], None] + np.arange(s)]  # (components, s)
            out[nodes.ravel(), : min(s - 1, EIGENVECTORS)] = _spread(_solve(walk, nodes)).reshape(
                nodes.size, -1
            )
    return out


def _solve(
    walk: sparse.csr_matrix, nodes: Int[np.ndarray, "parts size"]
) -> Float[np.ndarray, "parts size axes"]:
    parts, size = nodes.shape
    wanted = min(size - 1, EIGENVECTORS)
    block = walk[nodes.ravel()][:, nodes.ravel()]
    # from those of D^−½ A D^−½ to those of D⁻¹A, which are smooth along edges whatever the degrees
    root = np.sqrt(np.diff(block.indptr)).reshape(parts, size, 1)
    if size > DENSE:
        # the start is the same every time, so are the eigenvectors
        _, found = sparse.linalg.eigsh(block, k=wanted + 1, which="LA", v0=np.ones(size), tol=1e-6)
        return found[None, :, ::-1][:, :, 1:] / root
    dense = np.zeros((parts, size, size))
    block = block.tocoo()
    dense[block.row // size, block.row % size, block.col % size] = block.data
    return np.linalg.eigh(dense)[1][:, :, ::-1][:, :, 1 : wanted + 1] / root


def _spread(vectors: Float[np.ndarray, "parts size axes"]) -> Float[np.ndarray, "parts size axes"]:
    # rounding: of entries as large as each other the first decides
    largest = (np.abs(vectors) > np.abs(vectors).max(axis=1, keepdims=True) * (1 - 1e-6)).argmax(axis=1)
    top = np.take_along_axis(vectors, largest[:, None], axis=1)
    scaled = vectors / np.where(top == 0, 1, top)
    return REACH * np.sign(scaled) * np.sqrt(np.abs(scaled))


def returns(walk: sparse.csr_matrix, sizes: Int[np.ndarray, " graphs"]) -> Float[np.ndarray, "nodes 8"]:
    """The probability of being back after each of STEPS random steps, from 0 to 10."""
    out = np.zeros((walk.shape[0], len(STEPS)), np.float32)
    for nodes, columns in blocks(sizes):
        own, place = np.flatnonzero(columns >= 0), columns[columns >= 0]
        part = walk[nodes][:, nodes]
        reached = np.zeros((len(nodes), columns.max() + 1))
        reached[own, place] = 1
        for step in range(1, STEPS[-1] + 1):
            reached = part @ reached  # the powers of D^−½ A D^−½ and of the walk have the same diagonal
            if step in STEPS:
                out[nodes[own], STEPS.index(step)] = REACH * reached[own, place]
    return out


def blocks(
    sizes: Int[np.ndarray, " graphs"],
) -> Iterator[tuple[Int[np.ndarray, " nodes"], Int[np.ndarray, " nodes"]]]:
    """Graphs of like size together, as the nodes of a block and the column that each node has in it.

    Every graph has the columns 0, 1, … of its own nodes, so a block of m nodes is a matrix (m, largest size)
    and not (m, m). A graph too large for one block comes several times, with −1 where a node has no column.
    """
    start = np.cumsum(sizes) - sizes
    order = np.argsort(sizes, kind="stable")
    reach = np.cumsum(sizes[order])
    first = 0
    while first < len(order):
        # sizes grow, so do the cells of a block that ends at each graph
        cells = (reach[first:] - (reach[first] - sizes[order[first]])) * sizes[order[first:]]
        last = first + max(1, int(np.searchsorted(cells, CELLS, side="right")))
        graphs = order[first:last]
        many = sizes[graphs]
        place = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
        nodes = np.repeat(start[graphs], many) + place
        width = max(1, CELLS // max(1, len(nodes)))
        for low in range(0, int(many.max()), width):
            yield nodes, np.where((place >= low) & (place < low + width), place - low, -1)
        first = last
