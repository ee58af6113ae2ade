import numpy as np
import pytest
from scipy.stats import t
from sklearn.metrics import balanced_accuracy_score

from unlabeled.errors import DataError, OptionError
from unlabeled.evaluation import (
    Classification,
    balanced_accuracy_interval,
    bootstrap_interval,
    seed_interval,
)


def imbalanced(n=200, seed=0):
    generator = np.random.default_rng(seed)
    y = np.repeat([0, 1, 2], [n * 7 // 10, n * 2 // 10, n // 10])
    wrong = generator.random(n) < np.array([0.1, 0.3, 0.5])[y]
    return Classification(np.where(wrong, (y + 1) % 3, y), y)


def test_the_bootstrap_of_a_mean_is_near_the_normal_interval():
    x = np.random.default_rng(0).normal(size=2000)
    half = 1.96 * x.std() / len(x) ** 0.5
    assert bootstrap_interval(x, resamples=4000) == pytest.approx(
        (x.mean() - half, x.mean() + half), abs=0.006
    )


def test_the_bootstrap_equals_drawing_samples_again_for_any_statistic():
    x = np.random.default_rng(0).exponential(size=200)
    generator = np.random.default_rng(1)
    slow = [np.median(generator.choice(x, len(x))) for _ in range(3000)]
    found = bootstrap_interval(x, np.median, resamples=3000)
    assert found == pytest.approx(np.quantile(slow, [0.025, 0.975]), abs=0.03)
    assert found == bootstrap_interval(x.tolist(), np.median, resamples=3000)
    wide = bootstrap_interval(x, np.median, confidence=0.99)
    assert wide[0] < found[0] < found[1] < wide[1]


def test_batches_do_not_change_the_bootstrap(monkeypatch):
    x = np.random.default_rng(0).normal(size=50)
    whole = bootstrap_interval(x)
    monkeypatch.setattr("unlabeled.evaluation.intervals.CHUNK", 1000)
    assert bootstrap_interval(x) == whole


@pytest.mark.parametrize("statistic", [np.mean, np.median])
def test_the_bootstrap_holds_the_truth_as_often_as_it_says(statistic):
    generator = np.random.default_rng(0)
    held = 0
    for trial in range(300):
        low, high = bootstrap_interval(generator.normal(2, 1, 60), statistic, resamples=300, seed=trial)
        held += low <= 2 <= high
    assert 0.90 <= held / 300 <= 0.985


def test_values_that_are_all_equal_have_an_interval_of_no_width():
    assert bootstrap_interval(np.ones(10)) == (1, 1)


def test_balanced_accuracy_is_that_of_scikit_learn_and_lies_in_its_interval():
    found = imbalanced()
    assert found.balanced_accuracy == pytest.approx(balanced_accuracy_score(found.labels, found.predictions))
    low, high = balanced_accuracy_interval(found)
    assert low < found.balanced_accuracy < high
    assert found.balanced_accuracy < found.accuracy


def test_on_balanced_classes_balanced_accuracy_is_accuracy_and_the_majority_scores_one_in_c():
    y = np.tile([0, 1, 2, 3], 30)
    found = Classification(np.where(np.arange(120) % 7 == 0, (y + 1) % 4, y), y)
    assert found.balanced_accuracy == pytest.approx(found.accuracy)
    skewed = np.repeat([0, 1, 2, 3], [90, 6, 6, 6])
    majority = Classification(np.zeros_like(skewed), skewed)
    assert majority.balanced_accuracy == pytest.approx(1 / 4)
    assert balanced_accuracy_interval(majority) == (0.25, 0.25)


def test_its_interval_is_that_of_drawing_the_samples_of_each_class_again():
    found = imbalanced()
    right = found.predictions == found.labels
    generator = np.random.default_rng(1)
    rows = [np.flatnonzero(found.labels == c) for c in range(3)]
    slow = [np.mean([right[generator.choice(r, len(r))].mean() for r in rows]) for _ in range(3000)]
    assert balanced_accuracy_interval(found, resamples=5000) == pytest.approx(
        np.quantile(slow, [0.025, 0.975]), abs=0.01
    )
    assert balanced_accuracy_interval(found) == balanced_accuracy_interval(found)


def test_the_interval_of_balanced_accuracy_holds_the_truth_as_often_as_it_says():
    held = 0
    for trial in range(300):
        low, high = balanced_accuracy_interval(imbalanced(400, trial), resamples=400, seed=trial)
        held += low <= (0.9 + 0.7 + 0.5) / 3 <= high
    assert 0.90 <= held / 300 <= 0.985


def test_the_interval_over_seeds_is_students():
    values = [0.71, 0.74, 0.69, 0.75]
    mean, error = np.mean(values), np.std(values, ddof=1) / 2
    expected = t.interval(0.95, 3, mean, error)
    assert seed_interval(values) == pytest.approx(expected)
    assert seed_interval([0.5, 0.5]) == (0.5, 0.5)


def test_one_seed_is_no_finding():
    with pytest.raises(DataError, match="at least 2 seeds"):
        seed_interval([0.7])


@pytest.mark.parametrize(
    ("values", "message"),
    [([1.0], "at least 2 samples"), ([1.0, np.nan], "first at 1"), (np.ones((3, 2)), r"shape \(3, 2\)")],
)
def test_values_without_an_interval_are_refused(values, message):
    with pytest.raises(DataError, match=message):
        bootstrap_interval(values)


@pytest.mark.parametrize("options", [{"resamples": 99}, {"confidence": 0.0}, {"confidence": 95}])
def test_options_outside_their_range_are_refused(options):
    with pytest.raises(OptionError):
        bootstrap_interval([0.0, 1.0], **options)
    with pytest.raises(OptionError):
        balanced_accuracy_interval(imbalanced(), **options)
