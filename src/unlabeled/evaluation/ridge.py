"""Ridge regression in closed form, for several strengths of its penalty from one pass over the rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from unlabeled.evaluation.standard import float64_blocks


@dataclass(frozen=True)
class Ridge:
    """The least Σ |y - x w - b|² + λ |w|²: w = (xᵀx + λ)⁻¹ xᵀy, or as well xᵀ (x xᵀ + λ)⁻¹ y.

    Of the two systems the smaller one is solved. With an intercept x and y are centred first and b restores
    their means; without one b is 0.
    """

    matrix: Float[np.ndarray, "size size"]
    """xᵀx, or x xᵀ where there are fewer rows than columns"""
    right: Float[np.ndarray, "size targets"]
    rows: Float[np.ndarray, "rows dim"] | None
    """x, where x xᵀ is the smaller matrix"""
    mean: Float[np.ndarray, " dim"]
    target_mean: Float[np.ndarray, " targets"]

    @classmethod
    def of(
        cls,
        x: Float[np.ndarray, "rows dim"],
        y: Float[np.ndarray, "rows targets"],
        *,
        intercept: bool = True,
    ) -> Ridge:
        rows, dim = x.shape
        mean, target_mean = np.zeros(dim), np.zeros(y.shape[1])
        if intercept:
            mean = sum((block.sum(0) for _, block in float64_blocks(x)), start=mean) / rows
            target_mean = y.mean(0)
        y = y - target_mean
        if rows < dim:
            centred = x - mean
            return cls(centred @ centred.T, y, centred, mean, target_mean)
        matrix, right = np.zeros((dim, dim)), np.zeros((dim, y.shape[1]))
        for place, block in float64_blocks(x):
            centred = block - mean
            matrix += centred.T @ centred
            right += centred.T @ y[place]
        return cls(matrix, right, None, mean, target_mean)

    def fit(self, penalty: float) -> tuple[Float[np.ndarray, "dim targets"], Float[np.ndarray, " targets"]]:
        """w and b for this λ."""
        from scipy.linalg import solve

        found = solve(self.matrix + penalty * np.eye(len(self.matrix)), self.right, assume_a="pos")
        weight = found if self.rows is None else self.rows.T @ found
        return weight, self.target_mean - self.mean @ weight
