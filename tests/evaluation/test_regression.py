import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.preprocessing import StandardScaler

from unlabeled.errors import DataError, OptionError
from unlabeled.evaluation import Regression, regression_probe, regression_probe_details


def linear(n, dim=8, seed=0, noise=0.5):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, dim)) * np.arange(1, dim + 1) + 5
    return x, x @ np.random.default_rng(9).normal(size=dim) / dim**0.5 + noise * generator.normal(size=n)


@pytest.mark.parametrize("shape", [(200, 8), (30, 60)])
@pytest.mark.parametrize("penalty", [1e-3, 0.1, 10.0])
def test_one_penalty_gives_the_ridge_of_scikit_learn(shape, penalty):
    n, dim = shape
    (train, y), (test, truth) = linear(n, dim), linear(100, dim, seed=1)
    scaled = StandardScaler().fit(train)
    theirs = Ridge(alpha=penalty * n).fit(scaled.transform(train), y).predict(scaled.transform(test))
    found = regression_probe_details(train, y, test, truth, penalties=(penalty,))
    np.testing.assert_allclose(found.predictions, theirs, rtol=1e-8)
    assert found.chosen == {"penalty": penalty}
    assert found.r2 == pytest.approx(r2_score(truth, theirs))
    assert found.rmse == pytest.approx(root_mean_squared_error(truth, theirs))
    assert found.mae == pytest.approx(mean_absolute_error(truth, theirs))


def test_linear_targets_reach_1_and_shuffled_ones_about_0():
    (train, y), (test, truth) = linear(400, noise=0), linear(200, noise=0, seed=1)
    assert regression_probe(train, y, test, truth) == pytest.approx(1, abs=1e-6)
    shuffled = np.random.default_rng(0).permutation(y)
    assert regression_probe(train, shuffled, test, truth) == pytest.approx(0, abs=0.08)


def test_the_penalty_is_chosen_without_the_test_set_and_is_strong_for_noise():
    (train, y), (test, truth) = linear(60, 40, noise=30), linear(50, 40, noise=30, seed=1)
    found = regression_probe_details(train, y, test, truth)
    other = regression_probe_details(train, y, test, truth[::-1])
    assert found.chosen == other.chosen
    assert (found.predictions == other.predictions).all()
    assert found.chosen["penalty"] >= 0.1
    sharp = regression_probe_details(*linear(400, noise=0), *linear(50, seed=1))
    assert sharp.chosen["penalty"] <= 1e-4


def test_scale_shift_type_and_blocks_do_not_matter(monkeypatch):
    (train, y), (test, truth) = linear(150), linear(60, seed=1)
    expected = regression_probe(train, y, test, truth)
    assert regression_probe(train * 1e5 - 7, y, test * 1e5 - 7, truth) == pytest.approx(expected, abs=1e-6)
    assert regression_probe(train, y * 3 + 2, test, truth * 3 + 2) == pytest.approx(expected, abs=1e-6)
    half = [torch.from_numpy(a).float() for a in (train, y, test, truth)]
    assert regression_probe(*half) == pytest.approx(expected, abs=1e-4)
    monkeypatch.setattr("unlabeled.evaluation.arrays.CHUNK", 50)
    monkeypatch.setattr("unlabeled.evaluation.standard.BLOCK", 50)
    assert regression_probe(train, y, test, truth) == pytest.approx(expected, abs=1e-9)


def test_the_interval_holds_r2_and_shrinks_with_more_test_samples():
    train, y = linear(200, noise=3)
    widths = []
    for n in (50, 800):
        found = regression_probe_details(train, y, *linear(n, noise=3, seed=1))
        low, high = found.interval
        assert low < found.r2 < high <= 1
        assert found.interval == (low, high)
        widths.append(high - low)
    assert widths[1] < widths[0] / 2


def test_the_interval_is_the_one_of_a_loop_over_drawn_samples():
    generator = np.random.default_rng(4)
    targets = generator.normal(size=30) + 100
    found = Regression(targets + generator.normal(size=30) / 2, targets, {})
    drawn, again = [], np.random.default_rng(0)
    for _ in range(1000):
        rows = again.integers(0, 30, 30)
        drawn.append(r2_score(targets[rows], found.predictions[rows]))
    assert found.interval == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])))


X, Y = np.eye(4), np.array([0.5, 1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((X, Y[:3], X, Y), "train has 4 rows and train_targets 3 targets"),
        ((X, Y, X, Y[:3]), "test has 4 rows and test_targets 3"),
        ((X, Y * 0 + 2, X, Y), "train_targets is 2.0 in every row"),
        ((X, Y, X, Y * 0), "test_targets is 0.0 in every row"),
        ((X, np.array([0, np.nan, 1, 2]), X, Y), "train_targets has NaN or infinite numbers, first in row 1"),
        ((X + np.inf, Y, X, Y), "train has NaN"),
        ((X, Y, X[:, :2], Y), "4 columns and test 2"),
        ((X, ["a", "b", "c", "d"], X, Y), "train_targets is not numbers"),
        ((X, Y[:, None], X, Y), r"train_targets has shape \(4, 1\)"),
        ((X[:1], Y[:1], X, Y), "at least 2 rows"),
    ],
)
def test_bad_data_is_refused(arguments, message):
    with pytest.raises(DataError, match=message):
        regression_probe(*arguments)


@pytest.mark.parametrize("penalties", [(), (0.0,), (float("inf"),)])
def test_penalties_without_a_solution_are_refused(penalties):
    with pytest.raises(OptionError, match="penalties"):
        regression_probe(X, Y, X, Y, penalties=penalties)
