"""How fast the variance falls from one principal component to the next."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from unlabeled.errors import DataError, OptionError
from unlabeled.evaluation.arrays import Features
from unlabeled.evaluation.decomposition import Spectrum, decompose

LEAST_EIGENVALUES = 20
"""a line through fewer points in the log-log plane says little"""


@dataclass(frozen=True, eq=False)
class PowerLaw:
    """λ_j ∝ j^-alpha, fitted to the eigenvalues of rank `first` to `last`."""

    alpha: float
    r2: float
    """share of the (weighted) variance of ln λ that the line explains: near 1 where there is a power law"""
    first: int
    last: int
    """ranks of the fit, counted from 1; last may be less than was asked for, where the eigenvalues end"""
    eigenvalues: Float[np.ndarray, " rank"]
    """all of them, largest first"""


def alpha_req(z: Features | Spectrum, *, first: int = 12, last: int = 100) -> float:
    """α-ReQ: the exponent α of λ_j ∝ j^-α, with λ the eigenvalues of the covariance, largest first.

    Least squares of ln λ_j on -ln j and a constant over the ranks j from `first` to `last` (counted from 1),
    with weights 1 / j. Good encoders tend to lie near 1; a large α is a spectrum in which few directions count,
    a small one resembles noise. α does not change when the embeddings are scaled or rotated.

    Shapes: (samples, dim), or the `Spectrum` of `decompose`. The range ends where the eigenvalues sink below
    rounding.
    Known values: a for λ_j = j^-a, exactly.
    Warned of: fewer than 10 samples for each rank of the fit; λ are then distorted by the sampling.
    Refused: fewer than 20 eigenvalues above rounding in the range, fewer samples than ranks asked for, NaN,
    infinity.
    Source: Agrawal, Mondal, Ghosh, Richards, "α-ReQ: assessing representation quality in self-supervised
    learning by measuring eigenspectrum decay", NeurIPS 2022; the fit: Stringer et al., Nature 2019.
    """
    return _fit(z, first, last).alpha


def alpha_req_details(z: Features | Spectrum, *, first: int = 12, last: int = 100) -> PowerLaw:
    """As `alpha_req`, with how well the line fits, the ranks it was fitted to and the eigenvalues."""
    return _fit(z, first, last)


def _fit(z: Features | Spectrum, first: int, last: int) -> PowerLaw:
    if not 1 <= first <= last - LEAST_EIGENVALUES + 1:
        raise OptionError(
            f"first is {first} and last {last}: give ranks from 1 on, at least {LEAST_EIGENVALUES} of them"
        )
    spectrum = z if isinstance(z, Spectrum) else decompose(z)
    asked = min(last, spectrum.dim)
    if spectrum.samples < asked:
        raise DataError(
            f"{spectrum.samples} samples give no {asked} eigenvalues: give more samples, or a smaller last"
        )
    last = min(asked, spectrum.rank)
    if last - first + 1 < LEAST_EIGENVALUES:
        raise DataError(
            f"the embeddings vary in {spectrum.rank} of {spectrum.dim} dimensions, which leaves "
            f"{max(0, last - first + 1)} eigenvalues from rank {first} on and {LEAST_EIGENVALUES} are needed: "
            "the encoder is narrow or has collapsed"
        )
    if spectrum.samples < 10 * last:
        warnings.warn(
            f"alpha_req of {spectrum.samples} samples over ranks {first} to {last}: with fewer than "
            f"{10 * last} samples the small eigenvalues are too small, and alpha too large",
            stacklevel=3,
        )
    rank = np.arange(first, last + 1)
    x, y = -np.log(rank), np.log(spectrum.variance_shares[first - 1 : last])
    weight = 1 / rank
    x_mean, y_mean = np.average(x, weights=weight), np.average(y, weights=weight)
    alpha = (weight * (x - x_mean) * (y - y_mean)).sum() / (weight * (x - x_mean) ** 2).sum()
    left = (weight * (y - y_mean - alpha * (x - x_mean)) ** 2).sum()
    spread = (weight * (y - y_mean) ** 2).sum()
    # a flat spectrum is met exactly by alpha = 0
    r2 = 1 - left / spread if spread > 0 else 1.0
    return PowerLaw(float(alpha), float(r2), first, last, spectrum.eigenvalues)
