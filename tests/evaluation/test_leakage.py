import numpy as np
import pytest
import torch

from unlabeled.errors import DataError
from unlabeled.evaluation import leakage, leakage_details


def test_equal_rows_are_counted_and_placed():
    generator = np.random.default_rng(0)
    train, test = generator.normal(size=(50, 7)), generator.normal(size=(20, 7))
    assert leakage(train, test) == 0
    test[3], test[11], train[40] = train[40], train[5], train[5]
    test[3] = train[8]
    assert leakage(train, test) == 2
    assert leakage_details(train, test).tolist() == [[3, 8], [11, 5]]


def test_a_loop_over_all_pairs_finds_the_same():
    generator = np.random.default_rng(1)
    train, test = generator.integers(0, 3, (40, 3)), generator.integers(0, 3, (30, 3))
    slow = [
        (i, next(j for j, row in enumerate(train) if (row == one).all()))
        for i, one in enumerate(test)
        if any((row == one).all() for row in train)
    ]
    assert leakage_details(train, test).tolist() == [list(pair) for pair in slow]
    assert slow


def test_types_zeros_blocks_and_rows_of_any_length(monkeypatch):
    train = np.array([[0.0, 1.5], [2.0, 3.0]])
    assert leakage(train, np.array([[-0.0, 1.5]])) == 1
    assert leakage(train.astype(np.float32), train) == 2
    assert leakage(torch.tensor(train).bfloat16(), train) == 2
    assert leakage(np.array([[2, 3]]), train) == 1
    assert leakage(np.ones((3, 100_000)), np.ones((2, 100_000))) == 2
    monkeypatch.setattr("unlabeled.evaluation.arrays.CHUNK", 2)
    assert leakage(train, train[::-1]) == 2


def test_rows_that_differ_by_the_least_are_not_the_same():
    train = np.ones((1, 1000), dtype=np.float32)
    test = train.copy()
    test[0, 999] = np.nextafter(np.float32(1), np.float32(2))
    assert leakage(train, test) == 0


def test_bad_data_is_refused():
    with pytest.raises(DataError, match="columns"):
        leakage(np.ones((2, 3)), np.ones((2, 2)))
    with pytest.raises(DataError, match="NaN"):
        leakage(np.ones((2, 3)), np.ones((2, 3)) * np.nan)
