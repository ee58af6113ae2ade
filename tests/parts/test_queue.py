"""What a queue of embeddings promises."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from unlabeled.errors import OptionError
from unlabeled.parts import Queue


def _batch(number: int, rows: int = 3) -> Tensor:
    """Rows that say which push they came from and which of it they were: (number, row)."""
    return torch.stack([torch.full((rows,), float(number)), torch.arange(rows).float()], dim=1)


def _content(queue: Queue) -> set[tuple[float, float]]:
    return {(float(a), float(b)) for a, b in queue.filled()}


def test_slots_never_written_are_never_handed_out() -> None:
    queue = Queue(8, 2)
    assert queue.filled().shape == (0, 2)
    for pushed in (1, 2):
        queue.push(_batch(pushed))
        assert queue.filled().shape == (3 * pushed, 2)
        assert (queue.filled()[:, 0] > 0).all()
    queue.push(_batch(3))
    assert queue.filled().shape == (8, 2)


@pytest.mark.parametrize("size", [3, 7, 8, 9])
def test_holds_exactly_the_last_rows_also_where_the_size_is_no_multiple_of_the_batch(size: int) -> None:
    queue, history = Queue(size, 2), []
    for number in range(1, 12):
        queue.push(_batch(number))
        history += [(float(number), float(row)) for row in range(3)]
        assert _content(queue) == set(history[-size:])
        assert len(queue.filled()) == min(size, len(history))


def test_batches_may_differ_in_size() -> None:
    queue, history = Queue(5, 2), []
    for number, rows in enumerate((2, 5, 1, 4, 3), start=1):
        queue.push(_batch(number, rows))
        history += [(float(number), float(row)) for row in range(rows)]
        assert _content(queue) == set(history[-5:])


def test_keeps_numbers_and_no_graph() -> None:
    queue = Queue(4, 2)
    rows = torch.randn(2, 2, requires_grad=True)
    queue.push(rows * 2)
    assert not queue.filled().requires_grad
    assert torch.equal(queue.filled(), rows.detach() * 2)


def test_half_precision_rows_are_stored_in_the_type_of_the_queue() -> None:
    queue = Queue(4, 2)
    queue.push(torch.ones(2, 2, dtype=torch.bfloat16))
    assert queue.filled().dtype == torch.float32


def test_all_its_state_is_saved() -> None:
    queue, other = Queue(5, 2), Queue(5, 2)
    queue.push(_batch(1)), queue.push(_batch(2))
    other.load_state_dict(queue.state_dict())
    for held in (queue, other):
        held.push(_batch(3))
    assert torch.equal(queue.filled(), other.filled())
    assert _content(other) == {(3.0, 0.0), (3.0, 1.0), (3.0, 2.0), (2.0, 1.0), (2.0, 2.0)}


def test_a_batch_larger_than_the_queue_is_refused() -> None:
    with pytest.raises(OptionError, match="queue of 2 cannot take a batch of 3"):
        Queue(2, 2).push(_batch(1))


def test_rows_of_another_width_are_refused() -> None:
    with pytest.raises(OptionError, match="width 2, not 5"):
        Queue(4, 2).push(torch.zeros(3, 5))


@pytest.mark.parametrize(("size", "dim"), [(0, 2), (-1, 2), (2, 0)])
def test_an_empty_queue_is_refused(size: int, dim: int) -> None:
    with pytest.raises(OptionError, match="at least 1"):
        Queue(size, dim)
