"""How many directions the features use: their singular values, drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from unlabeled.report.charts import COLOURS, spectrum
from unlabeled.report.page import Block, Image, Legend, Paragraph

FLOOR = 1e-7
"""singular values below this share of the largest are rounding"""


def singular_values(z: Any) -> Float[np.ndarray, " rank"]:
    """Singular values of (samples, dim) features minus their mean, over the largest; zeros where all are equal.

    The logarithms of these, falling to nothing, are the dimensional collapse of Jing et al. 2021
    (arXiv:2110.09348).
    """
    wide = np.asarray(z, dtype=np.float64)
    scale = np.abs(wide).max()
    if scale == 0:
        return np.zeros(min(wide.shape))
    centred = wide / scale - (wide / scale).mean(axis=0)
    sigma: np.ndarray = np.linalg.svd(centred, compute_uv=False)
    return sigma / sigma[0] if sigma[0] > FLOOR else np.zeros_like(sigma)


def spectrum_blocks(features: Mapping[str, Any]) -> list[Block]:
    """A drawing of the singular values of each; name → (samples, dim) features, the first being what it is about."""
    lines = {name: singular_values(z) for name, z in features.items() if len(z) > 1}
    first = next(iter(lines), None)
    if first is None:
        return [Paragraph("No spectrum: it needs at least 2 samples.")]
    if not lines[first].any():
        return [Paragraph("No spectrum: all embeddings are the same. The encoder has collapsed.")]
    shown = {name: np.where(sigma > FLOOR, sigma, np.nan) for name, sigma in lines.items() if sigma.any()}
    said = ", ".join(f"{name} {tenth(sigma)} of {len(sigma)}" for name, sigma in lines.items())
    caption = (
        "Singular values of the features minus their mean, over the largest, on a logarithmic scale. A slow fall: "
        "many directions are used; a cliff: the rest is unused, a collapse of dimensions. "
        f"Directions with at least a tenth of the largest: {said}."
    )
    image = Image(
        spectrum(shown),
        alt=f"Singular values in falling order; at least a tenth of the largest: {said}",
        caption=caption,
    )
    return [Legend(list(zip(shown, COLOURS, strict=False))), image] if len(shown) > 1 else [image]


def tenth(sigma: Float[np.ndarray, " rank"]) -> int:
    """How many are at least a tenth of the largest."""
    return int((sigma >= 0.1).sum())
