import math

import pytest
import torch

from unlabeled import objectives
from unlabeled.errors import ObjectiveError
from unlabeled.objectives import masked_classification, masked_reconstruction

torch.set_num_threads(1)


def draw(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def hide(*shape, share=0.5, seed=0):
    mask = torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) < share
    mask.view(-1)[0] = True
    return mask


def slow_reconstruction(prediction, target, mask, normalise):
    total, hidden = 0.0, 0
    for i in range(mask.shape[0]):
        for j in range(mask.shape[1]):
            if not mask[i, j]:
                continue
            p, t = prediction[i, j].tolist(), target[i, j].tolist()
            if normalise:
                mean = sum(t) / len(t)
                variance = sum((x - mean) ** 2 for x in t) / (len(t) - 1)
                t = [(x - mean) / math.sqrt(variance + 1e-6) for x in t]
            total += sum((a - b) ** 2 for a, b in zip(p, t, strict=True)) / len(t)
            hidden += 1
    return total / hidden


def slow_classification(logits, target, mask):
    losses = [
        math.log(sum(math.exp(x) for x in row.tolist())) - float(row[wanted])
        for row, wanted, hidden in zip(logits.flatten(0, 1), target.flatten(), mask.flatten(), strict=True)
        if hidden
    ]
    return sum(losses) / len(losses)


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("channels", [2, 12])
def test_masked_reconstruction_is_its_formula(channels, normalise):
    prediction, target = draw(3, 5, channels), 4 * draw(3, 5, channels, seed=1) + 2
    mask = hide(3, 5)
    expected = slow_reconstruction(prediction, target, mask, normalise)
    loss = masked_reconstruction(prediction, target, mask, normalise=normalise)
    assert loss.item() == pytest.approx(expected, rel=1e-10)


def test_targets_are_normalised_unless_told_otherwise():
    prediction, target, mask = draw(3, 5, 4), draw(3, 5, 4, seed=1), hide(3, 5)
    loss = masked_reconstruction(prediction, target, mask)
    assert loss == masked_reconstruction(prediction, target, mask, normalise=True)
    assert loss != masked_reconstruction(prediction, target, mask, normalise=False)


@pytest.mark.parametrize("channels", [2, 16, 48])
def test_predicting_zero_scores_one_less_than_the_channels_over_the_channels(channels):
    target, mask = 10 * draw(4, 6, channels), hide(4, 6)
    loss = masked_reconstruction(torch.zeros_like(target), target, mask)
    assert loss.item() == pytest.approx((channels - 1) / channels, rel=1e-5)


def test_a_perfect_prediction_costs_nothing():
    target, mask = draw(2, 6, 5), hide(2, 6)
    assert masked_reconstruction(target, target, mask, normalise=False) == 0
    standard = (target - target.mean(-1, keepdim=True)) / (target.var(-1, keepdim=True) + 1e-6).sqrt()
    assert masked_reconstruction(standard, target, mask).item() == pytest.approx(0, abs=1e-20)


@pytest.mark.parametrize("junk", [7.0, math.inf, math.nan])
def test_visible_predictions_have_no_part_in_loss_or_gradient(junk):
    prediction, target, mask = draw(3, 5, 4), draw(3, 5, 4, seed=1), hide(3, 5)
    spoilt = prediction.clone()
    spoilt[~mask] = junk
    spoilt.requires_grad_()
    loss = masked_reconstruction(spoilt, target, mask)
    loss.backward()
    assert loss == masked_reconstruction(prediction, target, mask)
    assert not spoilt.grad[~mask].any()
    assert spoilt.grad[mask].isfinite().all() and spoilt.grad[mask].any()


def test_every_hidden_token_of_the_batch_weighs_the_same():
    prediction, target, mask = draw(3, 5, 4), draw(3, 5, 4, seed=1), hide(3, 5)
    merged = masked_reconstruction(prediction.flatten(0, 1), target.flatten(0, 1), mask.flatten())
    torch.testing.assert_close(merged, masked_reconstruction(prediction, target, mask))


def test_a_constant_token_stays_finite():
    target = torch.full((1, 3, 4), 7.0, dtype=torch.float64)
    prediction = torch.ones_like(target).requires_grad_()
    loss = masked_reconstruction(prediction, target, torch.ones(1, 3, dtype=torch.bool))
    loss.backward()
    assert loss.item() == pytest.approx(1) and prediction.grad.isfinite().all()


def test_one_number_a_token_is_fine_without_normalising():
    prediction, target, mask = draw(3, 5, 1), draw(3, 5, 1, seed=1), hide(3, 5)
    expected = (prediction - target)[mask].square().mean()
    torch.testing.assert_close(masked_reconstruction(prediction, target, mask, normalise=False), expected)


@pytest.mark.parametrize("classes", [2, 9])
def test_masked_classification_is_its_formula(classes):
    logits, mask = draw(3, 5, classes), hide(3, 5)
    target = torch.arange(15).view(3, 5) % classes
    expected = slow_classification(logits, target, mask)
    assert masked_classification(logits, target, mask).item() == pytest.approx(expected, rel=1e-10)


def test_equal_logits_cost_log_of_the_classes():
    logits = torch.ones(2, 3, 8, dtype=torch.float64)
    target = torch.zeros(2, 3, dtype=torch.long)
    loss = masked_classification(logits, target, hide(2, 3))
    assert loss.item() == pytest.approx(math.log(8), rel=1e-12)


def test_logits_and_targets_of_visible_tokens_are_never_read():
    logits, mask = draw(3, 5, 4), hide(3, 5)
    target = torch.arange(15).view(3, 5) % 4
    spoilt, filler = logits.clone(), target.clone()
    spoilt[~mask], filler[~mask] = math.nan, -100
    spoilt.requires_grad_()
    loss = masked_classification(spoilt, filler, mask)
    loss.backward()
    assert loss == masked_classification(logits, target, mask)
    assert not spoilt.grad[~mask].any() and spoilt.grad[mask].isfinite().all()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
def test_classes_may_be_whole_numbers_of_any_width(dtype):
    logits, mask = draw(2, 4, 3), hide(2, 4)
    target = torch.arange(8).view(2, 4) % 3
    expected = masked_classification(logits, target, mask)
    assert masked_classification(logits, target.to(dtype), mask) == expected


def test_masked_tokens_weighs_every_hidden_token_alike_whatever_it_is():
    generator = torch.Generator().manual_seed(3)
    prediction = torch.randn(3, 4, 7, generator=generator, dtype=torch.float64)
    numbers = torch.randn(3, 4, 2, generator=generator, dtype=torch.float64)
    codes = torch.tensor([[-1, 3, 0, -1], [4, -1, 2, -1], [-1, -1, 1, 0]])
    mask = torch.tensor([[1, 1, 0, 1], [0, 1, 1, 0], [1, 0, 1, 1]], dtype=torch.bool)
    losses = []
    for row in range(3):
        for token in range(4):
            if not mask[row, token]:
                continue
            p = prediction[row, token].tolist()
            if codes[row, token] >= 0:
                total = sum(math.exp(v) for v in p[2:])
                losses.append(math.log(total) - p[2 + int(codes[row, token])])
            else:
                wanted = numbers[row, token].tolist()
                losses.append(sum((a - b) ** 2 for a, b in zip(p[:2], wanted, strict=True)) / 2)
    found = objectives.masked_tokens(prediction, numbers, codes, mask, normalise=False)
    assert float(found) == pytest.approx(sum(losses) / len(losses), abs=1e-12)


def test_masked_tokens_of_one_kind_is_that_kind_s_loss():
    generator = torch.Generator().manual_seed(4)
    mask = torch.tensor([[True, False], [True, True]])
    prediction, numbers = (torch.randn(2, 2, 5, generator=generator) for _ in range(2))
    codes = torch.tensor([[1, 2], [0, 4]])
    assert torch.equal(
        objectives.masked_tokens(prediction, numbers, None, mask),
        objectives.masked_reconstruction(prediction, numbers, mask),
    )
    assert torch.equal(
        objectives.masked_tokens(prediction, None, codes, mask),
        objectives.masked_classification(prediction, codes, mask),
    )
    with pytest.raises(ObjectiveError, match="numbers or codes"):
        objectives.masked_tokens(prediction, None, None, mask)
