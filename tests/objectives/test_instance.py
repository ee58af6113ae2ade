import math

import pytest
import torch

from unlabeled.objectives import diet

torch.set_num_threads(1)


def draw(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def slow_diet(logits, index, smoothing):
    total = 0.0
    for row, wanted in zip(logits.tolist(), index.tolist(), strict=True):
        normaliser = math.log(sum(math.exp(x) for x in row))
        for k, x in enumerate(row):
            total -= ((1 - smoothing) * (k == wanted) + smoothing / len(row)) * (x - normaliser)
    return total / len(logits)


@pytest.mark.parametrize("smoothing", [0.0, 0.3, 0.8])
def test_diet_is_its_formula(smoothing):
    logits, index = draw(4, 9), torch.tensor([0, 8, 3, 3])
    expected = slow_diet(logits, index, smoothing)
    assert diet(logits, index, label_smoothing=smoothing).item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("smoothing", [0.0, 0.8])
def test_diet_is_torchs_cross_entropy(smoothing):
    logits, index = draw(4, 9), torch.tensor([0, 8, 3, 3])
    expected = torch.nn.functional.cross_entropy(logits, index, label_smoothing=smoothing)
    torch.testing.assert_close(diet(logits, index, label_smoothing=smoothing), expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.5, 0.9])
def test_equal_logits_cost_log_of_the_set_whatever_the_smoothing(smoothing):
    loss = diet(torch.full((3, 50), 2.0), torch.tensor([0, 1, 49]), label_smoothing=smoothing)
    assert loss.item() == pytest.approx(math.log(50), rel=1e-6)


def test_without_smoothing_a_confident_right_answer_costs_nothing():
    logits = 100 * torch.eye(4, dtype=torch.float64)
    assert diet(logits, torch.arange(4), label_smoothing=0.0).item() == pytest.approx(0, abs=1e-12)


def test_with_smoothing_the_least_loss_is_the_entropy_of_the_target():
    target = torch.full((4, 4), 0.8 / 4, dtype=torch.float64) + 0.2 * torch.eye(4, dtype=torch.float64)
    loss = diet(target.log(), torch.arange(4), label_smoothing=0.8)
    torch.testing.assert_close(loss, -(target * target.log()).sum(1).mean())
    assert diet(100 * torch.eye(4, dtype=torch.float64), torch.arange(4), label_smoothing=0.8) > loss


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
def test_the_index_may_be_whole_numbers_of_any_width(dtype):
    logits, index = draw(4, 9), torch.tensor([0, 8, 3, 3])
    expected = diet(logits, index, label_smoothing=0.1)
    assert diet(logits, index.to(dtype), label_smoothing=0.1) == expected
