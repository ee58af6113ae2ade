"""How many directions tell samples apart once those in which views of one sample vary are set aside."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from scipy.linalg import LinAlgError, cholesky, solve_triangular
from scipy.special import entr

from unlabeled.errors import DataError, OptionError
from unlabeled.evaluation.arrays import Features, blocks, exact, features, mean_row

LIDAR_EPSILON = 1e-8


def lidar(views: Features, *, delta: float = 1e-4) -> float:
    """LiDAR: effective rank of the linear discriminant in which every sample is a class and its views its rows.

    With μ_i the mean of the q views of sample i, μ the mean of all, Σ_b = Σ_i (μ_i - μ)(μ_i - μ)ᵀ / (n - 1),
    Σ_w = Σ_ij (e_ij - μ_i)(e_ij - μ_i)ᵀ / (n (q - 1)) + δI, λ the eigenvalues of Σ_w^-½ Σ_b Σ_w^-½ and
    p = λ / Σλ + 1e-8: exp(-Σ p ln p), from 1 to min(dim, n - 1).

    Shapes: views (samples, views, dim), the views of a sample along the second axis; the paper takes
    1,000 samples with 50 views each of the projector's output. Nothing is normalised.
    δ is added to variances as they are: with δ well below them, invertible linear maps of the embeddings
    change nothing.
    Known values: the dimension of the subspace in which samples differ, for equal variances in it. Samples
    with equal means: 0, with a warning.
    Refused: rows not grouped by sample (two axes), fewer than 2 samples or 2 views, δ below 0, δ = 0 where
    the views of a sample do not vary in every direction (as with dim > n (q - 1)), NaN, infinity.
    Source: Thilak, Huang, Saremi, Dinh, Goh, Nakkiran, Susskind, Littwin, 2023, arXiv:2312.04000.
    """
    views = views if isinstance(views, torch.Tensor) else np.asarray(views)
    shape = tuple(views.shape)
    if len(shape) != 3 or shape[0] < 2 or shape[1] < 2:
        raise DataError(
            f"views has shape {shape}: (samples, views, dim) is needed, at least 2 views of at least 2 samples, "
            "the views of one sample along the second axis"
        )
    if not 0 <= delta < float("inf"):
        raise OptionError(f"delta is {delta}: give a number from 0 on, such as 1e-4")
    samples, per_sample, dim = shape
    rows = features(views.reshape(samples * per_sample, dim), "views")
    grouped = rows.reshape(samples, per_sample, dim)

    means = torch.empty(samples, dim, dtype=torch.float64)
    within = torch.zeros(dim, dim, dtype=torch.float64)
    for start, some in blocks(grouped, width=per_sample * dim):
        views_of = exact(some).cpu()
        # from the first view on, so that equal views differ by nothing
        change = views_of - views_of[:, :1]
        mean = change.mean(1, keepdim=True)
        means[start : start + len(some)] = (views_of[:, :1] + mean)[:, 0]
        left = (change - mean).reshape(-1, dim)
        within += left.T @ left
    within = within / (samples * (per_sample - 1)) + delta * torch.eye(dim, dtype=torch.float64)
    between = (means - mean_row(means)) / (samples - 1) ** 0.5
    if not between.any():
        warnings.warn(
            "the mean of its views is the same for every sample, so LiDAR is 0: the encoder has collapsed",
            stacklevel=2,
        )
        return 0.0
    root = _root(within.numpy())
    if root is None:
        raise DataError(
            f"the views of a sample do not vary in every one of {dim} directions, so LiDAR needs a delta above "
            f"{delta}: give delta=1e-4, or more views"
        )
    # the λ are the squares of the singular values of Σ_w^-½ (μ_i - μ): no rounding below zero
    sigma = np.linalg.svd(solve_triangular(root, between.numpy().T, lower=True), compute_uv=False)
    share = sigma**2 / (sigma**2).sum() + LIDAR_EPSILON
    return float(np.exp(entr(share).sum()))


def _root(within: np.ndarray) -> np.ndarray | None:
    """Lower triangular L with L Lᵀ = within, or None where that is singular up to rounding."""
    try:
        root = cholesky(within, lower=True)
    except LinAlgError:
        return None
    least = len(within) * np.finfo(np.float64).eps * within.diagonal().max()
    return root if root.diagonal().min() ** 2 > least else None
