import math

import pytest
import torch

from unlabeled.objectives import sinkhorn, swapped_prediction

torch.set_num_threads(1)


def draw(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def slow_sinkhorn(scores, epsilon, iterations):
    n, k = scores.shape
    top = float(scores.max())
    q = [[math.exp((float(s) - top) / epsilon) for s in row] for row in scores]
    total = sum(map(sum, q))
    q = [[x / total for x in row] for row in q]
    for _ in range(iterations):
        for j in range(k):
            mass = sum(row[j] for row in q)
            for row in q:
                row[j] /= mass * k
        q = [[x / (sum(row) * n) for x in row] for row in q]
    return torch.tensor([[x / sum(row) for x in row] for row in q], dtype=torch.float64)


def slow_swapped_prediction(scores, codes, temperature):
    total = 0.0
    for row, code in zip(scores.tolist(), codes.tolist(), strict=True):
        normaliser = math.log(sum(math.exp(s / temperature) for s in row))
        total -= sum(q * (s / temperature - normaliser) for s, q in zip(row, code, strict=True))
    return total / len(scores)


@pytest.mark.parametrize(
    ("n", "k", "epsilon", "iterations"), [(6, 3, 0.5, 3), (4, 9, 0.1, 1), (1, 2, 1.0, 3)]
)
def test_sinkhorn_is_its_iteration(n, k, epsilon, iterations):
    scores = draw(n, k).tanh()
    expected = slow_sinkhorn(scores, epsilon, iterations)
    torch.testing.assert_close(sinkhorn(scores, epsilon=epsilon, iterations=iterations), expected)


@pytest.mark.parametrize("iterations", [1, 3, 10])
def test_each_code_sums_to_one(iterations):
    codes = sinkhorn(draw(7, 5), epsilon=0.05, iterations=iterations)
    torch.testing.assert_close(codes.sum(1), torch.ones(7, dtype=torch.float64))
    assert (codes >= 0).all()


@pytest.mark.parametrize(("n", "k"), [(12, 4), (4, 12)])
def test_prototypes_share_the_batch_evenly_after_many_iterations(n, k):
    codes = sinkhorn(draw(n, k), epsilon=0.5, iterations=500)
    torch.testing.assert_close(codes.sum(0), torch.full((k,), n / k, dtype=torch.float64))


def test_a_large_epsilon_gives_uniform_codes():
    codes = sinkhorn(draw(6, 4), epsilon=1e6, iterations=3)
    torch.testing.assert_close(codes, torch.full((6, 4), 0.25, dtype=torch.float64), rtol=1e-5, atol=0)


def test_codes_ignore_a_constant_added_to_a_prototype_or_to_all_scores():
    scores = draw(6, 4)
    codes = sinkhorn(scores, epsilon=0.3, iterations=3)
    shifted = scores + draw(1, 4, seed=1) + 7
    torch.testing.assert_close(sinkhorn(shifted, epsilon=0.3, iterations=3), codes)


@pytest.mark.parametrize("spread", [1.0, 1e4])
def test_codes_stay_finite_when_epsilon_is_far_below_the_range_of_scores(spread):
    codes = sinkhorn(spread * draw(8, 3).float(), epsilon=1e-4, iterations=3)
    assert codes.isfinite().all()
    torch.testing.assert_close(codes.sum(1), torch.ones(8))


def test_codes_carry_no_gradient():
    assert not sinkhorn(draw(4, 3).requires_grad_(), epsilon=0.05, iterations=3).requires_grad


def test_sinkhorn_leaves_its_input_alone():
    scores = draw(4, 3)
    before = scores.clone()
    sinkhorn(scores, epsilon=0.05, iterations=3)
    assert torch.equal(scores, before)


@pytest.mark.parametrize(("n", "k"), [(1, 2), (5, 7)])
def test_swapped_prediction_is_its_formula(n, k):
    scores, codes = draw(n, k), draw(n, k, seed=1).softmax(1)
    expected = slow_swapped_prediction(scores, codes, 0.1)
    assert swapped_prediction(scores, codes, temperature=0.1).item() == pytest.approx(expected, rel=1e-10)


def test_uniform_scores_cost_log_k_whatever_the_code():
    codes = draw(5, 7).softmax(1)
    loss = swapped_prediction(torch.ones_like(codes), codes, temperature=0.1)
    assert loss.item() == pytest.approx(math.log(7), rel=1e-12)


def test_swapped_prediction_is_least_where_it_predicts_the_code():
    codes = draw(5, 7).softmax(1)
    entropy = -(codes * codes.log()).sum(1).mean()
    torch.testing.assert_close(swapped_prediction(0.1 * codes.log(), codes, temperature=0.1), entropy)
    assert swapped_prediction(draw(5, 7, seed=2), codes, temperature=0.1) > entropy


def test_no_gradient_reaches_the_codes():
    scores, codes = draw(4, 3).requires_grad_(), draw(4, 3).softmax(1).requires_grad_()
    swapped_prediction(scores, codes, temperature=0.1).backward()
    assert codes.grad is None and scores.grad.any()
