"""Which samples each batch holds is a function of the seed and the batch's number."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np

from unlabeled.training.order import Order

ROWS = np.arange(100, 150)


def batches(**how: Any) -> list[list[int]]:
    order = Order(ROWS, **{"batch_size": 8, "epochs": 3, "seed": 0, **how})
    return [batch.tolist() for batch in order]


def test_every_epoch_is_a_new_permutation_of_the_rows() -> None:
    made = batches()
    assert len(made) == 3 * 6
    epochs = [list(chain(*made[e * 6 : (e + 1) * 6])) for e in range(3)]
    for epoch in epochs:
        assert len(epoch) == len(set(epoch)) == 48  # what does not fill a batch is left out
        assert set(epoch) <= set(ROWS.tolist())
    assert epochs[0] != epochs[1] != epochs[2]
    assert len({frozenset(epoch) for epoch in epochs}) > 1  # not always the same two


def test_the_seed_decides() -> None:
    assert batches() == batches()
    assert batches() != batches(seed=1)


def test_a_run_can_start_anywhere() -> None:
    for start in (0, 1, 6, 17, 18):
        assert batches(start=lambda start=start: start) == batches()[start:]


def test_shares_of_processes_make_the_batch() -> None:
    first, second = batches(rank=0, world=2), batches(rank=1, world=2)
    assert [a + b for a, b in zip(first, second, strict=True)] == batches()


def test_its_length_is_that_of_the_whole_run() -> None:
    assert len(Order(ROWS, batch_size=8, epochs=3, seed=0, start=lambda: 5)) == 18
