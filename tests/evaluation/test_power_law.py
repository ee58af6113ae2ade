import math

import numpy as np
import pytest

from unlabeled.errors import DataError, OptionError
from unlabeled.evaluation import alpha_req, alpha_req_details, decompose


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def with_eigenvalues(values, samples=2000):
    """Embeddings whose covariance has exactly these eigenvalues."""
    centred = draw(samples, len(values))
    left = np.linalg.qr(centred - centred.mean(0))[0]
    return left * np.sqrt(values) * math.sqrt(samples - 1) @ np.linalg.qr(draw(len(values), len(values)))[0]


def slow_alpha(eigenvalues, first, last):
    """Weighted normal equations, solved by hand."""
    xx = x1 = one = xy = y1 = 0.0
    for j in range(first, last + 1):
        x, y, w = -math.log(j), math.log(eigenvalues[j - 1]), 1 / j
        xx, x1, one, xy, y1 = xx + w * x * x, x1 + w * x, one + w, xy + w * x * y, y1 + w * y
    alpha = (xy * one - x1 * y1) / (xx * one - x1 * x1)
    constant = (y1 - alpha * x1) / one
    mean = y1 / one
    left = sum(
        (math.log(eigenvalues[j - 1]) + alpha * math.log(j) - constant) ** 2 / j
        for j in range(first, last + 1)
    )
    spread = sum((math.log(eigenvalues[j - 1]) - mean) ** 2 / j for j in range(first, last + 1))
    return alpha, 1 - left / spread


@pytest.mark.parametrize("exponent", [0.5, 1, 2])
def test_an_exact_power_law_is_recovered_exactly(exponent):
    found = alpha_req_details(with_eigenvalues(np.arange(1, 121.0) ** -exponent) + 5)
    assert found.alpha == pytest.approx(exponent, rel=1e-8)
    assert found.r2 == pytest.approx(1, abs=1e-10)
    assert (found.first, found.last) == (12, 100)
    assert found.eigenvalues == pytest.approx(np.arange(1, 121.0) ** -exponent, rel=1e-8)


@pytest.mark.parametrize("exponent", [0.5, 1, 2])
def test_a_sampled_power_law_is_recovered_within_five_hundredths(exponent):
    z = draw(5000, 512) * np.arange(1, 513.0) ** (-exponent / 2)
    assert alpha_req(z) == pytest.approx(exponent, abs=0.05)


def test_the_fit_equals_its_slow_definition():
    values = np.sort(np.random.default_rng(1).uniform(0.1, 5, 60))[::-1]
    found = alpha_req_details(with_eigenvalues(values), first=4, last=50)
    alpha, r2 = slow_alpha(values, 4, 50)
    assert found.alpha == pytest.approx(alpha, rel=1e-8)
    assert found.r2 == pytest.approx(r2, rel=1e-8)
    assert alpha_req(with_eigenvalues(values), first=4, last=50) == found.alpha


def test_a_flat_spectrum_has_alpha_zero():
    found = alpha_req_details(with_eigenvalues(np.ones(60)))
    assert found.alpha == pytest.approx(0, abs=1e-10)


def test_the_range_ends_with_the_eigenvalues_that_stand_above_rounding():
    values = np.arange(1, 121.0) ** -1.0
    values[50:] = 0
    for dtype in (np.float64, np.float32):
        found = alpha_req_details(with_eigenvalues(values).astype(dtype))
        assert (found.first, found.last) == (12, 50)
        assert found.alpha == pytest.approx(1, rel=1e-3)


def test_embeddings_and_their_spectrum_give_the_same():
    z = with_eigenvalues(np.arange(1, 61.0) ** -1.5)
    assert alpha_req(decompose(z)) == alpha_req(z)


def test_too_few_samples_for_the_range_are_said():
    with pytest.warns(UserWarning, match="fewer than 1000 samples"):
        alpha_req(draw(999, 120))


@pytest.mark.parametrize(
    ("z", "message"),
    [
        (draw(99, 120), "99 samples give no 100 eigenvalues"),
        (draw(400, 30), "vary in 30 of 30 dimensions, which leaves 19 eigenvalues"),
        (draw(400, 5) @ draw(5, 64), "vary in 5 of 64 dimensions, which leaves 0 eigenvalues"),
        (np.ones((400, 64)), "vary in 0 of 64 dimensions"),
    ],
)
def test_a_spectrum_too_short_for_a_line_is_refused(z, message):
    with pytest.raises(DataError, match=message):
        alpha_req(z)


@pytest.mark.parametrize("span", [(0, 100), (12, 30), (50, 12)])
def test_a_range_that_is_none_is_refused(span):
    with pytest.raises(OptionError, match="first is"):
        alpha_req(draw(400, 64), first=span[0], last=span[1])
