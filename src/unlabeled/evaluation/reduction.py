"""In how many numbers a sample is said: principal components, or an unfolding by UMAP."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float

from unlabeled.errors import DataError, OptionError, missing
from unlabeled.evaluation.arrays import Features, exact, features

UMAP_NEIGHBOURS = 30
UMAP_DIMENSIONS = 50
"""at most; fewer where z has fewer, or fewer samples"""


def reduced(
    z: Features, to: float | Literal["umap"], *, zscore: bool | None = None, seed: int = 0
) -> Float[np.ndarray, "samples reduced"]:
    """`z` in fewer dimensions, float64.

    `to`: a share in (0, 1) for the principal components that hold this share of the variance, a whole number
    for so many components, or "umap" (n_neighbors 30, min_dist 0, up to 50 dimensions; needs the extra
    `map`). `zscore`: whether columns are standardised first, a constant one to 0; None: before principal
    components only.

    Shapes: z (samples, dim). The same seed gives the same result; UMAP's differs between machines.
    Refused: fewer than 3 samples, samples that are all alike, more components than samples or columns, NaN.
    Source: Lowe, Haurum, Oore, Moeslund, Taylor, "An empirical study into clustering of unseen datasets with
    self-supervised encoders", 2024, arXiv:2406.02465; UMAP: McInnes, Healy, Melville, 2018, arXiv:1802.03426.
    """
    x = exact(features(z, "z", least_rows=3)).cpu().numpy()
    if (x == x[0]).all():
        raise DataError("all rows of z are the same: there is no direction to keep")
    if to == "umap":
        return _umap(standardised(x) if zscore else x, seed)
    if isinstance(to, bool) or not isinstance(to, int | float) or not to > 0:
        raise OptionError(f"reduce is {to!r}: give a share such as 0.95, a number of components, or 'umap'")
    if to >= 1 and (to > min(x.shape) or to != int(to)):
        raise OptionError(
            f"reduce is {to}: of z, {x.shape}, 1 to {min(x.shape)} components can be kept, or a share below 1"
        )
    from sklearn.decomposition import PCA

    return PCA(int(to) if to >= 1 else to, random_state=seed).fit_transform(
        standardised(x) if zscore in (None, True) else x
    )


def standardised(x: Float[np.ndarray, "samples dim"]) -> Float[np.ndarray, "samples dim"]:
    """Every column with mean 0 and deviation 1; a constant one is 0."""
    from sklearn.preprocessing import StandardScaler

    return StandardScaler().fit_transform(x)


def _umap(x: Float[np.ndarray, "samples dim"], seed: int) -> Float[np.ndarray, "samples reduced"]:
    try:
        from umap import UMAP
    except ImportError as error:
        raise missing("umap-learn", "map") from error
    samples, dim = x.shape
    # its first layout is spectral, which has no more than samples - 2 directions
    fitted = UMAP(
        n_neighbors=min(UMAP_NEIGHBOURS, samples - 1),
        min_dist=0.0,
        n_components=max(1, min(UMAP_DIMENSIONS, dim, samples - 2)),
        random_state=seed,
        n_jobs=1,
    )
    return fitted.fit_transform(x).astype(np.float64)
