"""Embeddings on a plane: the same input gives the same positions."""

from __future__ import annotations

import importlib.util
import warnings

import numpy as np
from jaxtyping import Float

Rows = Float[np.ndarray, "samples dim"]
Positions = Float[np.ndarray, "samples 2"]

UMAP_FROM = 16
"""samples that UMAP needs, whose neighbourhoods have 15; fewer go to t-SNE"""
WIDTH = 50
"""dimensions that PCA keeps for the layouts of neighbourhoods"""


def principal(z: Rows) -> tuple[Positions, float]:
    """Position on the two principal components, and the share of the variance that they keep.

    Each component points where its largest entry is positive. Embeddings that are all the same lie on one spot.
    """
    scores, variances = components(z, 2)
    total = float(variances.sum())
    return scores, float(variances[:2].sum() / total) if total > 0 else 1.0


def components(z: Rows, width: int) -> tuple[Float[np.ndarray, "samples width"], Float[np.ndarray, " rank"]]:
    """Scores on the first principal components, zeros beyond the last there is; and all variances."""
    centred = z.astype(np.float64) - z.mean(axis=0, dtype=np.float64)
    scores = np.zeros((len(z), width))
    if np.abs(centred).max() <= 1e-6 * np.abs(z).max():
        return scores, np.zeros(min(z.shape))
    u, sigma, v = np.linalg.svd(centred, full_matrices=False)
    signs = np.sign(v[np.arange(len(v)), np.abs(v).argmax(axis=1)])
    found = (u * sigma * signs)[:, :width]
    scores[:, : found.shape[1]] = found
    return scores, sigma**2


def neighbourhoods(z: Rows, *, seed: int = 0) -> tuple[str, Positions]:
    """(name, positions) of a layout that keeps near ones near: UMAP where it is installed, else t-SNE. It spans 1
    along each axis.

    Both start from PCA. McInnes, Healy, Melville 2018 (arXiv:1802.03426); van der Maaten, Hinton, "Visualizing
    data using t-SNE", JMLR 2008.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    reduced, variances = components(z, min(WIDTH, *z.shape))
    umap = len(z) >= UMAP_FROM and importlib.util.find_spec("umap") is not None
    name = "UMAP" if umap else "t-SNE"
    if not variances.any():
        return name, np.zeros((len(z), 2))
    reduced = reduced / reduced[:, 0].std()
    start = np.random.default_rng(seed).normal(size=(len(z), 2)) * 1e-2
    start[:, : reduced.shape[1]] += reduced[:, :2]
    # one thread: several add up forces in an order of their own, and both magnify the difference
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layout = _umap if umap else _tsne
        positions = layout(reduced.astype(np.float32), start, seed)
    # its axes mean nothing: each may fill the drawing
    span = np.ptp(positions, axis=0)
    return name, positions / np.where(span > 0, span, 1)


def _tsne(reduced: Rows, start: Positions, seed: int) -> Positions:
    from sklearn.manifold import TSNE

    tsne = TSNE(
        2,
        perplexity=min(30.0, (len(reduced) - 1) / 3),
        init=(start * 1e-4).astype(np.float32),
        learning_rate="auto",
        max_iter=500,
        random_state=seed,
    )
    positions: Positions = tsne.fit_transform(reduced)
    return positions


def _umap(reduced: Rows, start: Positions, seed: int) -> Positions:
    from umap import UMAP

    # its own starts are within 10; a larger least distance than its 0.1 leaves room to see samples
    start = (start * (10 / np.abs(start).max())).astype(np.float32)
    found = UMAP(n_neighbors=15, min_dist=0.5, init=start, random_state=seed, n_jobs=1)
    positions: Positions = found.fit_transform(reduced)
    return positions
