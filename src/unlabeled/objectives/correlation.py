"""Make the dimensions of two views agree, and differ from one another."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from unlabeled.objectives import checks
from unlabeled.objectives.moments import covariance as covariance_of
from unlabeled.objectives.moments import diagonal, off_diagonal, standardised
from unlabeled.objectives.precision import at_least_float32


@at_least_float32
def barlow_twins(
    z1: Float[Tensor, "batch dim"], z2: Float[Tensor, "batch dim"], *, lambd: float
) -> Float[Tensor, ""]:
    """Bring the cross-correlation of two views to the identity.

    With each view standardised and C = z1ᵀ z2 / n: sum_i (1 - C_ii)² + lambd · sum_{i≠j} C_ij². Sums, not
    means; some recipes multiply the whole by a scale, which belongs to the method.

    Shapes: both (batch, dim), row i of each from sample i; the result is a scalar.
    Normalised: each dimension over the batch, mean 0 and *biased* variance 1 with 1e-5 under the root, as
    in batch norm without affine, here; so the loss ignores shifts and positive scales of any dimension.
    Gradient: flows through both views.
    Refused: fewer than 2 samples (no variance), lambd negative, unequal shapes or types. A dimension that is
    constant over the batch stays finite: its correlations are 0 and it costs 1.
    Known values: 0 for equal views with uncorrelated dimensions; dim when one view is constant.
    Source: Zbontar, Jing, Misra, LeCun, Deny, 2021, arXiv:2103.03230. Ports that standardise by the unbiased
    deviation and still divide by n cannot bring the diagonal above (n - 1) / n.
    """
    checks.matrices(least_rows=2, z1=z1, z2=z2)
    checks.non_negative(lambd=lambd)
    correlation = standardised(z1).T @ standardised(z2) / len(z1)
    cost = torch.where(diagonal(correlation), (1 - correlation).square(), lambd * correlation.square())
    return cost.sum()


@at_least_float32
def vicreg(
    z1: Float[Tensor, "batch dim"],
    z2: Float[Tensor, "batch dim"],
    *,
    invariance: float,
    variance: float,
    covariance: float,
) -> Float[Tensor, ""]:
    """Variance, invariance, covariance: views close, dimensions spread, dimensions uncorrelated.

    invariance · s + variance · ½ (v(z1) + v(z2)) + covariance · (c(z1) + c(z2)), where s is the mean of (z1
    - z2)² over all entries, and v and c are `variance_hinge` and `covariance_energy`.

    Shapes: both (batch, dim), row i of each from sample i; the result is a scalar.
    Normalised: nothing; the scale of the embeddings matters, since the spread is pushed up to 1.
    Gradient: flows through both views.
    Refused: fewer than 2 samples (no variance), a negative coefficient, unequal shapes or types.
    Known value: 0 for equal views whose covariance is the identity.
    Source: Bardes, Ponce, LeCun, 2021, arXiv:2105.04906 (25, 25 and 1 on ImageNet). The ½ on the variance
    term is that of the authors' code, whose coefficients these are; for a form without it, double `variance`.
    """
    checks.matrices(least_rows=2, z1=z1, z2=z2)
    checks.non_negative(invariance=invariance, variance=variance, covariance=covariance)
    spread = (variance_hinge(z1) + variance_hinge(z2)) / 2
    energy = covariance_energy(z1) + covariance_energy(z2)
    return invariance * F.mse_loss(z1, z2) + variance * spread + covariance * energy


def variance_hinge(z: Float[Tensor, "batch dim"]) -> Float[Tensor, ""]:
    """Mean over dimensions of max(0, 1 - sqrt(unbiased variance + 1e-4)); 0.99 for a constant."""
    return F.relu(1 - (z.var(0) + 1e-4).sqrt()).mean()


def covariance_energy(z: Float[Tensor, "batch dim"]) -> Float[Tensor, ""]:
    """Sum of the squared off-diagonal entries of the unbiased covariance, divided by dim."""
    return off_diagonal(covariance_of(z)).square().sum() / z.shape[1]
