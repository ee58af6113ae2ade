import math

import numpy as np
import pytest
import torch

from unlabeled.errors import DataError, OptionError
from unlabeled.evaluation import arrays, dead_units, feature_correlation, feature_spread

torch.set_num_threads(1)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def slow_feature_spread(z):
    unit = [[v / math.sqrt(sum(w * w for w in row)) for v in row] for row in z]
    stds = []
    for column in zip(*unit, strict=True):
        mean = sum(column) / len(column)
        stds.append(math.sqrt(sum((v - mean) ** 2 for v in column) / len(column)))
    return sum(stds) / len(stds) * math.sqrt(len(stds))


def slow_feature_correlation(z):
    dim = z.shape[1]
    pairs = [(a, b) for a in range(dim) for b in range(dim) if a != b]
    total = 0.0
    for a, b in pairs:
        x, y = z[:, a] - z[:, a].mean(), z[:, b] - z[:, b].mean()
        total += abs(float((x * y).sum() / math.sqrt((x * x).sum() * (y * y).sum())))
    return total / len(pairs)


def test_feature_spread_equals_its_slow_definition():
    z = draw(40, 7) + 0.5
    assert feature_spread(z) == pytest.approx(slow_feature_spread(z), rel=1e-12)


def test_feature_spread_is_one_for_isotropic_rows_and_zero_when_collapsed():
    assert feature_spread(draw(20_000, 16)) == pytest.approx(1, abs=0.01)
    assert feature_spread(np.vstack([np.eye(9), -np.eye(9)])) == pytest.approx(1, rel=1e-12)
    assert feature_spread(np.eye(9)) == pytest.approx(math.sqrt(1 - 1 / 9), rel=1e-12)
    assert feature_spread(np.tile(draw(1, 16), (30, 1))) == pytest.approx(0, abs=1e-7)


def test_feature_spread_looks_at_directions_only():
    z = draw(50, 6)
    assert feature_spread(z * np.abs(draw(50, 1, seed=2))) == pytest.approx(feature_spread(z), rel=1e-12)
    assert feature_spread(np.outer(np.arange(1, 20), draw(6))) == pytest.approx(0, abs=1e-7)
    assert feature_spread(z * 1e300) == pytest.approx(feature_spread(z), rel=1e-12)
    assert math.isfinite(feature_spread(np.zeros((3, 3))))


def test_feature_spread_does_not_depend_on_blocks(monkeypatch):
    z = draw(100, 6) + 1
    whole = feature_spread(z)
    monkeypatch.setattr(arrays, "CHUNK", 50)
    assert feature_spread(z) == pytest.approx(whole, rel=1e-12)


def test_feature_correlation_equals_its_slow_definition():
    z = draw(50, 5) @ draw(5, 7, seed=1) + 3
    assert feature_correlation(z) == pytest.approx(slow_feature_correlation(z), rel=1e-12)
    assert feature_correlation(z) == pytest.approx((np.abs(np.corrcoef(z.T)).sum() - 7) / 42, rel=1e-12)


def test_feature_correlation_is_zero_when_whitened_one_when_repeated_small_when_independent():
    sign = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])
    assert feature_correlation(sign) == 0
    assert feature_correlation(np.outer(draw(40), draw(6, seed=1))) == pytest.approx(1, rel=1e-12)
    assert feature_correlation(draw(2000, 30)) == pytest.approx(math.sqrt(2 / (math.pi * 2000)), rel=0.1)


def test_feature_correlation_leaves_out_what_does_not_vary_and_ignores_scale():
    z = draw(50, 4) @ draw(4, 6, seed=1)
    found = feature_correlation(z)
    assert feature_correlation(np.hstack([z, np.full((50, 3), 0.1)])) == pytest.approx(found, rel=1e-12)
    assert feature_correlation(z * np.logspace(-100, 30, 6) + 0.0) == pytest.approx(found, rel=1e-9)


@pytest.mark.parametrize("z", [np.ones((9, 4)), np.hstack([draw(9, 1), np.ones((9, 3))]), draw(9, 1)])
def test_no_pair_that_varies_is_refused(z):
    with pytest.raises(DataError, match="no pair to correlate"):
        feature_correlation(z)


def test_dead_units_are_counted_exactly():
    z = draw(60, 8)
    assert dead_units(z) == 0
    z[:, 1], z[:, 4] = 0.1, 1e6
    z[:, 6] = 7 + 1e-6 * draw(60, seed=1)
    assert dead_units(z) == 3 / 8
    assert dead_units(z, below=1e-7) == 2 / 8
    assert dead_units(z, below=100) == 1
    assert dead_units(np.zeros((4, 4))) == 1


def test_dead_units_equal_their_slow_definition():
    z = draw(40, 20) * np.logspace(-8, 0, 20)
    assert dead_units(z) == sum(float(np.std(column)) < 1e-5 for column in z.T) / 20


@pytest.mark.parametrize("below", [0, -1, float("inf"), float("nan")])
def test_a_deviation_that_is_none_is_refused(below):
    with pytest.raises(OptionError, match="below is"):
        dead_units(draw(9, 3), below=below)
