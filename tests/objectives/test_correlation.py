import math

import pytest
import torch

from unlabeled.objectives import barlow_twins, vicreg

torch.set_num_threads(1)
WEIGHTS = {"invariance": 25.0, "variance": 25.0, "covariance": 1.0}


def draw(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def white(n, dim, *, unbiased):
    """Embeddings whose dimensions are exactly uncorrelated, with variance 1."""
    z = draw(n, dim)
    q = torch.linalg.qr(z - z.mean(0)).Q
    return q * math.sqrt(n - 1 if unbiased else n)


def columns(z):
    return [z[:, j].tolist() for j in range(z.shape[1])]


def slow_barlow_twins(z1, z2, lambd):
    def standardise(column):
        mean = sum(column) / len(column)
        variance = sum((x - mean) ** 2 for x in column) / len(column)
        return [(x - mean) / math.sqrt(variance + 1e-5) for x in column]

    a, b = ([standardise(column) for column in columns(z)] for z in (z1, z2))
    total = 0.0
    for i in range(len(a)):
        for j in range(len(b)):
            c = sum(x * y for x, y in zip(a[i], b[j], strict=True)) / len(z1)
            total += (1 - c) ** 2 if i == j else lambd * c**2
    return total


def slow_vicreg(z1, z2, invariance, variance, covariance):
    n, dim = z1.shape
    close = sum((float(z1[i, j]) - float(z2[i, j])) ** 2 for i in range(n) for j in range(dim)) / (n * dim)
    hinge = energy = 0.0
    for z in (z1, z2):
        centred = [[x - sum(column) / n for x in column] for column in columns(z)]
        for i in range(dim):
            for j in range(dim):
                c = sum(x * y for x, y in zip(centred[i], centred[j], strict=True)) / (n - 1)
                if i == j:
                    hinge += max(0.0, 1 - math.sqrt(c + 1e-4)) / dim
                else:
                    energy += c**2 / dim
    return invariance * close + variance * hinge / 2 + covariance * energy


@pytest.mark.parametrize(("n", "dim", "lambd"), [(2, 2, 0.005), (6, 4, 0.0051), (5, 7, 1.0), (8, 1, 0.0)])
def test_barlow_twins_is_its_formula(n, dim, lambd):
    z1, z2 = 2 * draw(n, dim) + 1, draw(n, dim, seed=1)
    expected = slow_barlow_twins(z1, z2, lambd)
    assert barlow_twins(z1, z2, lambd=lambd).item() == pytest.approx(expected, rel=1e-10)


def test_barlow_twins_of_equal_white_views_is_zero():
    z = white(16, 4, unbiased=False)
    assert barlow_twins(z, z, lambd=0.005).item() == pytest.approx(0, abs=1e-8)


def test_barlow_twins_ignores_shift_and_positive_scale_of_any_dimension_of_either_view():
    z1, z2 = 100 * draw(12, 5), 100 * draw(12, 5, seed=1)
    scale, shift = draw(5, seed=2).exp(), 50 * draw(5, seed=3)
    loss = barlow_twins(z1, z2, lambd=0.1)
    torch.testing.assert_close(barlow_twins(z1 * scale + shift, z2, lambd=0.1), loss, rtol=1e-6, atol=0)
    torch.testing.assert_close(barlow_twins(z1, z2 * scale + shift, lambd=0.1), loss, rtol=1e-6, atol=0)


@pytest.mark.parametrize("value", [0.0, 3.0, -1e4])
def test_barlow_twins_of_a_constant_view_is_the_number_of_dimensions(value):
    constant = torch.full((8, 6), value, dtype=torch.float64)
    assert barlow_twins(constant, draw(8, 6), lambd=0.005).item() == pytest.approx(6, rel=1e-9)


def test_barlow_twins_is_symmetric_in_the_views():
    z1, z2 = draw(6, 4), draw(6, 4, seed=1)
    torch.testing.assert_close(barlow_twins(z1, z2, lambd=0.1), barlow_twins(z2, z1, lambd=0.1))


@pytest.mark.parametrize(("n", "dim"), [(2, 2), (6, 4), (5, 7), (8, 1)])
def test_vicreg_is_its_formula(n, dim):
    z1, z2 = 0.7 * draw(n, dim), 0.5 * draw(n, dim, seed=1) + 2
    expected = slow_vicreg(z1, z2, **WEIGHTS)
    assert vicreg(z1, z2, **WEIGHTS).item() == pytest.approx(expected, rel=1e-10)


def test_vicreg_of_equal_views_with_identity_covariance_is_zero():
    z = white(16, 4, unbiased=True)
    assert vicreg(z, z, **WEIGHTS).item() == pytest.approx(0, abs=1e-10)


def test_vicreg_of_a_constant_costs_99_hundredths_of_the_variance_weight():
    z = torch.full((8, 4), 2.0, dtype=torch.float64)
    assert vicreg(z, z, **WEIGHTS).item() == pytest.approx(25 * 0.99, rel=1e-9)


def test_each_vicreg_term_is_switched_off_by_its_own_coefficient():
    z1, z2 = 0.5 * draw(6, 4), 0.5 * draw(6, 4, seed=1)
    off = dict.fromkeys(WEIGHTS, 0.0)
    parts = [vicreg(z1, z2, **{**off, name: weight}) for name, weight in WEIGHTS.items()]
    torch.testing.assert_close(sum(parts), vicreg(z1, z2, **WEIGHTS))
    assert all(part > 0 for part in parts)
    assert vicreg(z1, z2, **off) == 0


def test_vicreg_ignores_a_shift_common_to_both_views_but_not_the_scale():
    z1, z2 = draw(6, 4), draw(6, 4, seed=1)
    loss = vicreg(z1, z2, **WEIGHTS)
    torch.testing.assert_close(vicreg(z1 + 3, z2 + 3, **WEIGHTS), loss)
    assert vicreg(2 * z1, 2 * z2, **WEIGHTS) > loss


@pytest.mark.parametrize(
    "objective", [lambda a, b: barlow_twins(a, b, lambd=0.1), lambda a, b: vicreg(a, b, **WEIGHTS)]
)
def test_gradient_flows_through_both_views(objective):
    z1, z2 = draw(6, 4).requires_grad_(), draw(6, 4, seed=1).requires_grad_()
    objective(z1, z2).backward()
    assert z1.grad.any() and z2.grad.any()
