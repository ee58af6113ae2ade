"""What a running centre promises."""

from __future__ import annotations

import torch

from unlabeled.parts import Centre


def test_after_one_update_it_is_one_minus_momentum_of_the_mean() -> None:
    centre, outputs = Centre(5, momentum=0.9), torch.randn(12, 5) + 4
    assert torch.equal(centre.value, torch.zeros(5))
    centre.update(outputs)
    torch.testing.assert_close(centre.value, 0.1 * outputs.mean(0))


def test_later_updates_follow_the_moving_average() -> None:
    centre, expected = Centre(5, momentum=0.7), torch.zeros(5, dtype=torch.float64)
    for _ in range(6):
        outputs = torch.randn(12, 5)
        centre.update(outputs)
        expected = 0.7 * expected + 0.3 * outputs.double().mean(0)
    torch.testing.assert_close(centre.value.double(), expected, rtol=1e-5, atol=1e-6)


def test_it_is_a_saved_buffer_written_in_place() -> None:
    centre = Centre(5)
    held = centre.value
    centre.update(torch.randn(4, 5, requires_grad=True))
    assert centre.value is held and not held.requires_grad
    other = Centre(5)
    other.load_state_dict(centre.state_dict())
    assert torch.equal(other.value, held)


def test_half_precision_outputs_are_averaged_in_float32() -> None:
    centre = Centre(2, momentum=0.0)
    outputs = torch.tensor([[1.0, 256.0], [1.0078125, 258.0]], dtype=torch.bfloat16)
    centre.update(outputs)
    assert torch.equal(centre.value, torch.tensor([1.00390625, 257.0]))
