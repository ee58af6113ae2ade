"""What single dimensions of the embeddings do: whether they vary, repeat each other, and how far they spread."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from unlabeled.errors import DataError, OptionError
from unlabeled.evaluation.arrays import Features, blocks, exact, features, largest, mean_row, unit_rows


def dead_units(z: Features, *, below: float = 1e-5) -> float:
    """Share of the dimensions whose standard deviation over the samples is less than `below`, in [0, 1].

    Shapes: (samples, dim); z as it is, so that the figure changes with its scale. Divided by samples.
    Refused: below outside (0, inf), fewer than 2 samples, NaN, infinity.
    """
    if not 0 < below < float("inf"):
        raise OptionError(f"below is {below}: give a standard deviation above 0, such as 1e-5")
    tensor = features(z, "z", least_rows=2)
    return float((_deviation(tensor) < below).double().mean())


def feature_correlation(z: Features) -> float:
    """Mean over pairs of different dimensions of |correlation|, from 0 to 1 (each repeats the others).

    Shapes: (samples, dim). Dimensions that do not vary have no correlation and are left out.
    Known values: 0 for whitened embeddings; 1 for rank one; about sqrt(2 / (π samples)) for independent
    dimensions.
    Refused: fewer than 2 dimensions that vary, fewer than 2 samples, NaN, infinity.
    Source: the off-diagonal terms of Zbontar et al., 2021, arXiv:2103.03230, as a figure.
    """
    tensor = features(z, "z", least_rows=2)
    mean, deviation = mean_row(tensor), _deviation(tensor)
    alive = deviation > 0
    units = int(alive.sum())
    if units < 2:
        raise DataError(
            f"{units} of {tensor.shape[1]} dimensions of z vary, so there is no pair to correlate: "
            "the encoder has collapsed, or z is too narrow"
        )
    correlation = torch.zeros(units, units, dtype=torch.float64, device=mean.device)
    for _, rows in blocks(tensor):
        standard = ((exact(rows) - mean) / deviation)[:, alive]
        correlation += standard.T @ standard / len(tensor)
    size = correlation.abs().clamp(max=1)
    return float((size.sum() - size.trace()) / (units * (units - 1)))


def feature_spread(z: Features) -> float:
    """How far the directions of the rows are spread: 1 for directions all around, 0 when all rows agree.

    With ẑ the rows at length 1 and std over the samples (divided by their number): mean over dimensions of
    std(ẑ) · sqrt(dim).

    Shapes: (samples, dim). A row of zeros has no direction and counts as the zero vector.
    Known values: 1 for isotropic rows; sqrt(1 - 1/d) for the d unit vectors; 0 for equal rows, and for rows
    that differ in length only.
    Refused: fewer than 2 samples, NaN, infinity.
    Source: the collapse curve of Chen, He, "Exploring simple Siamese representation learning", 2020,
    arXiv:2011.10566 (figure 2, middle), there as std against 1 / sqrt(dim).
    """
    tensor = features(z, "z", least_rows=2)
    mean = sum(unit_rows(exact(rows)).sum(0) for _, rows in blocks(tensor)) / len(tensor)
    variance = sum((unit_rows(exact(rows)) - mean).square().sum(0) for _, rows in blocks(tensor)) / len(
        tensor
    )
    return float((torch.as_tensor(variance).sqrt() * tensor.shape[1] ** 0.5).mean())


def _deviation(z: Tensor) -> Float[Tensor, " dim"]:
    """Standard deviation of each column, 0 exactly for a constant one."""
    scale, mean = largest(z) or 1.0, mean_row(z)
    squares = torch.zeros_like(mean)
    for _, rows in blocks(z):
        squares += ((exact(rows) - mean) / scale).square().sum(0)
    return (squares / len(z)).sqrt() * scale
