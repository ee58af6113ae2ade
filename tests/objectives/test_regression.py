import math

import pytest
import torch

from unlabeled.objectives import cosine_regression

torch.set_num_threads(1)


def draw(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def slow(prediction, target):
    total = 0.0
    for p, t in zip(prediction.tolist(), target.tolist(), strict=True):
        inner = sum(a * b for a, b in zip(p, t, strict=True))
        total += 2 - 2 * inner / (math.sqrt(sum(a * a for a in p)) * math.sqrt(sum(b * b for b in t)))
    return total / len(prediction)


@pytest.mark.parametrize(("n", "dim"), [(1, 2), (4, 3), (9, 16)])
def test_cosine_regression_is_its_formula(n, dim):
    prediction, target = draw(n, dim), draw(n, dim, seed=1)
    assert cosine_regression(prediction, target).item() == pytest.approx(slow(prediction, target), rel=1e-10)


def test_it_is_the_squared_distance_of_unit_rows():
    prediction, target = draw(6, 5), draw(6, 5, seed=1)
    units = [z / z.norm(dim=1, keepdim=True) for z in (prediction, target)]
    expected = (units[0] - units[1]).square().sum(1).mean()
    torch.testing.assert_close(cosine_regression(prediction, target), expected)


@pytest.mark.parametrize(("factor", "expected"), [(3.0, 0.0), (-0.5, 4.0), (0.0, 2.0)])
def test_same_opposite_and_absent_directions_cost_0_4_and_2(factor, expected):
    target = draw(4, 3)
    assert cosine_regression(factor * target, target).item() == pytest.approx(expected, abs=1e-12)


def test_no_gradient_reaches_the_target():
    prediction, target = draw(4, 3).requires_grad_(), draw(4, 3, seed=1).requires_grad_()
    cosine_regression(prediction, target).backward()
    assert target.grad is None
    assert prediction.grad.abs().sum() > 0


def test_a_zero_row_gets_no_gradient_and_leaves_that_of_others_alone():
    prediction = draw(3, 4)
    prediction[1] = 0
    prediction.requires_grad_()
    cosine_regression(prediction, draw(3, 4, seed=1)).backward()
    assert not prediction.grad[1].any()
    assert prediction.grad[[0, 2]].isfinite().all() and prediction.grad[[0, 2]].any()
