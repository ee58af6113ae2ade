"""How alike two representations of the same samples are: two layers of an encoder, or two encoders."""

from __future__ import annotations

import math
import warnings

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from unlabeled.errors import DataError, OptionError
from unlabeled.evaluation.arrays import Features, blocks, exact, features, largest, mean_row
from unlabeled.evaluation.sample import SAMPLE_SIZE, Estimate, draw


def cka(a: Features, b: Features) -> float:
    """Linear centred kernel alignment, from 0 (unrelated) to 1 (the same up to rotation, scale and offset).

    With A, B the columns minus their means: ‖BᵀA‖² / (‖AᵀA‖ ‖BᵀB‖), Frobenius norms. Linear maps other than
    rotations change it.

    Shapes: a (samples, dim_a), b (samples, dim_b); row i of both is the same sample. Any number of samples:
    computed in float64 from products of columns over blocks of rows, or from products of rows where there
    are fewer rows.
    Known values: exactly 1 for identical ones. It is biased: with fewer samples than dimensions it comes near
    1 for unrelated ones too, which a warning says; take `cka_debiased` then.
    Refused: unequal numbers of rows, fewer than 2, a representation that is the same for every sample, NaN,
    infinity.
    Source: Kornblith, Norouzi, Lee, Hinton, 2019, arXiv:1905.00414.
    """
    one, other = _paired(a, b, least_rows=2)
    widest = max(one.shape[1], other.shape[1])
    mean, other_mean = mean_row(one), mean_row(other)
    scale, other_scale = largest(one), largest(other)
    if len(one) < widest:
        warnings.warn(
            f"cka of {len(one)} samples in {widest} dimensions comes near 1 for unrelated representations too: "
            "take cka_debiased",
            stacklevel=2,
        )
        left, right = (exact(one) - mean) / scale, (exact(other) - other_mean) / other_scale
        rows, other_rows = left @ left.T, right @ right.T
        return _ratio((rows * other_rows).sum(), rows.square().sum(), other_rows.square().sum())
    across = mean.new_zeros(len(other_mean), len(mean))
    columns = mean.new_zeros(len(mean), len(mean))
    other_columns = mean.new_zeros(len(other_mean), len(other_mean))
    for start, part in blocks(one, width=widest):
        left = (exact(part) - mean) / scale
        right = (exact(other[start : start + len(part)]) - other_mean) / other_scale
        across += right.T @ left
        columns += left.T @ left
        other_columns += right.T @ right
    return _ratio(across.square().sum(), columns.square().sum(), other_columns.square().sum())


def cka_debiased(a: Features, b: Features, *, batch_size: int = 256, seed: int = 0) -> float:
    """Linear CKA without the bias of few samples, from sums over minibatches; about 0 for unrelated ones.

    With K, L the products of the rows of a and of b in a batch of n, their diagonals set to zero,
    HSIC(K, L) = [tr(KL) + (1ᵀK1)(1ᵀL1) / ((n - 1)(n - 2)) - 2 / (n - 2) · 1ᵀKL1] / (n (n - 3)):
    Σ HSIC(K, L) / sqrt(Σ HSIC(K, K) · Σ HSIC(L, L)), each sum over the batches. At most 1; slightly below 0 by
    chance.

    Shapes: a (samples, dim_a), b (samples, dim_b); row i of both is the same sample. The rows are dealt into
    samples // batch_size batches (one, where there are fewer samples) in an order made from `seed`, since files
    are often sorted. A few thousand samples are enough.
    Known values: 1 for identical ones; rotation, one factor for all dimensions and an offset change nothing.
    Refused: unequal numbers of rows, fewer than 4, a batch_size below 4, a representation that is the same for
    every sample, NaN, infinity.
    Source: Nguyen, Raghu, Kornblith, 2020, arXiv:2010.15327; HSIC: Song et al., JMLR 2012.
    """
    one, other = _paired(a, b, least_rows=4)
    if batch_size < 4:
        raise OptionError(f"batch_size is {batch_size}: HSIC needs at least 4 samples, give 256")
    if seed < 0:
        raise OptionError(f"seed is {seed}: give a whole number from 0 on")
    mean, other_mean = mean_row(one), mean_row(other)
    scale, other_scale = largest(one), largest(other)
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(one)))
    sums = torch.zeros(3, dtype=torch.float64)
    for batch in order.tensor_split(max(1, len(one) // batch_size)):
        left = (exact(one[batch.to(one.device)]) - mean) / scale
        right = (exact(other[batch.to(other.device)]) - other_mean) / other_scale
        k, h = (rows @ rows.T for rows in (left, right))
        k.fill_diagonal_(0)
        h.fill_diagonal_(0)
        sums += torch.stack([_hsic(k, h), _hsic(k, k), _hsic(h, h)]).cpu()
    if not (sums[1:] > 0).all():
        raise DataError(
            f"within every batch of {batch_size} a representation is the same for all samples, so nothing can "
            "be compared: raise batch_size"
        )
    return _ratio(*sums)


def cka_rbf(
    a: Features, b: Features, *, bandwidth: float = 1.0, sample_size: int = SAMPLE_SIZE, seed: int = 0
) -> float:
    """CKA with Gaussian kernels, from 0 to 1: near samples count more than far ones.

    With distances d between rows, s = bandwidth · median d (of each representation by itself),
    K = exp(-d² / 2s²), H = I - 11ᵀ / n: tr(KHLH) / sqrt(tr(KHKH) tr(LHLH)). Biased, as `cka`, which it
    becomes as the bandwidth grows.

    Shapes: a (samples, dim_a), b (samples, dim_b); row i of both is the same sample. Exact up to `sample_size`
    rows; of more, as many are drawn with `seed` (`cka_rbf_details` says so).
    Known values: exactly 1 for identical ones; rotation, one factor for all dimensions and an offset change
    nothing.
    Refused: unequal numbers of rows, fewer than 2, a representation in which half of the pairs of samples
    are equal (the median is 0), a bandwidth or sample_size out of range, NaN, infinity.
    Source: Kornblith, Norouzi, Lee, Hinton, 2019, arXiv:1905.00414 (bandwidths 0.2 to 0.8 there).
    """
    return cka_rbf_details(a, b, bandwidth=bandwidth, sample_size=sample_size, seed=seed).value


def cka_rbf_details(
    a: Features, b: Features, *, bandwidth: float = 1.0, sample_size: int = SAMPLE_SIZE, seed: int = 0
) -> Estimate:
    """As `cka_rbf`, with the rows it was computed from."""
    one, other = _paired(a, b, least_rows=2)
    if not 0 < bandwidth < math.inf:
        raise OptionError(f"bandwidth is {bandwidth}: give a share of the median distance, such as 1")
    (left, drawn), (right, _) = draw(one, sample_size, seed), draw(other, sample_size, seed)
    k, h = _gaussian(left, "a", bandwidth), _gaussian(right, "b", bandwidth).to(left.device)
    value = _ratio((k * h).sum(), k.square().sum(), h.square().sum())
    return Estimate(value, len(one), len(left), drawn)


def _paired(a: Features, b: Features, *, least_rows: int) -> tuple[Tensor, Tensor]:
    one, other = (features(z, name, least_rows=least_rows) for z, name in ((a, "a"), (b, "b")))
    if len(one) != len(other):
        raise DataError(
            f"a has {len(one)} rows and b {len(other)}: give two representations of the same samples, in one "
            "order"
        )
    for name, z in (("a", one), ("b", other)):
        if not any(bool((rows != z[0]).any()) for _, rows in blocks(z)):
            raise DataError(
                f"every row of {name} is the same, so nothing can be compared: the encoder has collapsed"
            )
    return one, other.to(one.device)


def _ratio(across: Tensor, own: Tensor, other: Tensor) -> float:
    """across / sqrt(own · other): exactly 1 where all three are equal; what rounding adds to 1 is cut off."""
    return min(1.0, float(across / (own * other).sqrt()))


def _hsic(k: Tensor, h: Tensor) -> Tensor:
    """HSIC of products of rows without their diagonal, unbiased."""
    n = len(k)
    trace = (k * h).sum()
    sums = k.sum() * h.sum() / ((n - 1) * (n - 2))
    both = 2 / (n - 2) * (k.sum(0) @ h.sum(0))
    return (trace + sums - both) / (n * (n - 3))


def _gaussian(rows: Float[Tensor, "used dim"], name: str, bandwidth: float) -> Float[Tensor, "used used"]:
    """The centred kernel H K H."""
    # centred first: distances come from |a|² + |b|² - 2ab, which loses digits far from 0
    centred = rows - mean_row(rows)
    centred = centred / largest(centred)
    distance = torch.cdist(centred, centred)
    median = distance[tuple(torch.triu_indices(len(rows), len(rows), 1))].median()
    # equal rows are as far apart as the rounding of |a|² + |b|² - 2ab
    if median <= 1e-7 * torch.linalg.vector_norm(centred, dim=1).max():
        raise DataError(f"half of the pairs of rows of {name} are equal, so the median distance is 0")
    kernel = (-0.5 * (distance / (bandwidth * median)).square()).exp()
    return kernel - kernel.mean(0) - kernel.mean(1, keepdim=True) + kernel.mean()
