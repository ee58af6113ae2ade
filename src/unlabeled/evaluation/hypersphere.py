"""How the directions of the embeddings lie on the sphere: close for two views, spread out for all."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from unlabeled.errors import DataError
from unlabeled.evaluation.arrays import Features, blocks, exact, features, same_width, unit_rows
from unlabeled.evaluation.sample import SAMPLE_SIZE, Estimate, draw


def alignment(z1: Features, z2: Features) -> float:
    """Mean squared distance between the directions of two views of each sample, from 0 (equal) to 4 (opposite).

    With ẑ rows at length 1: mean_i ‖ẑ1_i - ẑ2_i‖². Rows are normalised inside. A low value is good only beside
    a low `uniformity`: collapsed embeddings have 0.

    Shapes: both (samples, dim); row i of both is the same sample. A row of zeros counts as the zero vector.
    Known values: 0 for identical views; about 2 for unrelated ones.
    Refused: unequal shapes, rows of zeros only, NaN, infinity.
    Source: Wang, Isola, 2020, arXiv:2005.10242 (α = 2).
    """
    one, other = features(z1, "z1"), features(z2, "z2")
    same_width(z1=one, z2=other)
    if len(one) != len(other):
        raise DataError(
            f"z1 has {len(one)} rows and z2 {len(other)}: give two views of the same samples, in one order"
        )
    _some_direction(z1=one, z2=other)
    total = 0.0
    for start, rows in blocks(one):
        views = unit_rows(exact(rows)), unit_rows(exact(other[start : start + len(rows)].to(rows.device)))
        total += float((views[0] - views[1]).square().sum())
    return total / len(one)


def alignment_of_views(views: Float[Tensor, "samples views dim"]) -> float:
    """`alignment` over neighbouring views of each sample: as many pairs as there are views, less one.

    Shapes: (samples, views, dim), the views of a sample along the second axis, as `lidar` takes them.
    Refused: other shapes, fewer than 2 views, and what `alignment` refuses.
    """
    if views.ndim != 3 or views.shape[1] < 2:
        raise DataError(
            f"views has shape {tuple(views.shape)}: (samples, views, dim) with at least 2 views is needed"
        )
    return alignment(views[:, :-1].flatten(0, 1), views[:, 1:].flatten(0, 1))


def uniformity(z: Features, *, sample_size: int = SAMPLE_SIZE, seed: int = 0) -> float:
    """How evenly the directions cover the sphere: 0 when all agree, about -4 + 8 / dim when spread at random.

    With ẑ rows at length 1: ln of the mean over pairs i < j of exp(-2 ‖ẑ_i - ẑ_j‖²). Rows are normalised
    inside. Lower is more uniform.

    Shapes: (samples, dim). Exact up to `sample_size` rows; of more, as many are drawn with `seed`
    (`uniformity_details` says so). A row of zeros counts as the zero vector.
    Refused: fewer than 2 samples, rows of zeros only, a sample_size below 2, NaN, infinity.
    Source: Wang, Isola, 2020, arXiv:2005.10242 (t = 2).
    """
    return uniformity_details(z, sample_size=sample_size, seed=seed).value


def uniformity_details(z: Features, *, sample_size: int = SAMPLE_SIZE, seed: int = 0) -> Estimate:
    """As `uniformity`, with the rows it was computed from."""
    tensor = features(z, "z", least_rows=2)
    _some_direction(z=tensor)
    rows, drawn = draw(tensor, sample_size, seed)
    unit = unit_rows(rows)
    length = unit.square().sum(1)
    total = 0.0
    for start, block in blocks(unit, width=max(unit.shape)):
        # the pairs of a block among itself and with what follows
        later = unit[start:]
        square = length[start : start + len(block), None] + length[start:] - 2 * block @ later.T
        total += float((-2 * square.clamp(min=0)).exp().triu(1).sum())
    pairs = len(unit) * (len(unit) - 1) / 2
    return Estimate(min(0.0, math.log(total / pairs)), len(tensor), len(unit), drawn)


def self_cluster(z: Features) -> float:
    """How much the directions clump: 0 for random directions, 1 when all agree (or are opposite).

    With Z the n rows at length 1 in d dimensions and r = n + n (n - 1) / d, which random directions give on
    average: (‖Z Zᵀ‖² - r) / (n² - r). Rows are normalised inside. Slightly below 0 for directions more even
    than random ones.

    Shapes: (samples, dim), any length: computed from the smaller of ZᵀZ and ZZᵀ, over blocks of rows. A row
    of zeros counts as the zero vector.
    Refused: fewer than 2 samples or 2 dimensions, rows of zeros only, NaN, infinity.
    Source: Tsitsulin, Munkhoeva, Perozzi, 2023, arXiv:2305.16562.
    """
    tensor = features(z, "z", least_rows=2)
    samples, dim = tensor.shape
    if dim < 2:
        raise DataError("z has 1 column, in which all directions agree or are opposite: give at least 2")
    _some_direction(z=tensor)
    if samples < dim:
        unit = unit_rows(exact(tensor))
        gram = unit @ unit.T
    else:
        units = (unit_rows(exact(rows)) for _, rows in blocks(tensor))
        gram = torch.as_tensor(sum(unit.T @ unit for unit in units))
    random = samples + samples * (samples - 1) / dim
    return (float(gram.square().sum()) - random) / (samples**2 - random)


def _some_direction(**named: Tensor) -> None:
    for name, z in named.items():
        if not any(bool(rows.any()) for _, rows in blocks(z)):
            raise DataError(f"every row of {name} is zero and has no direction: the encoder has collapsed")
