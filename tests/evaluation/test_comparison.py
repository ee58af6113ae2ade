import math

import numpy as np
import pytest

from unlabeled.errors import DataError, OptionError
from unlabeled.evaluation import Classification, compare


def predicted(y, wrong):
    """The labels, but for the rows in `wrong`, which get another class."""
    found = y.copy()
    found[wrong] = (y[wrong] + 1) % 3
    return Classification(found, y)


def pair(n=300, seed=0):
    generator = np.random.default_rng(seed)
    y = generator.choice(3, n, p=[0.7, 0.2, 0.1])
    return predicted(y, generator.random(n) < 0.2), predicted(y, generator.random(n) < 0.35)


def slow_mcnemar(b, c):
    n = b + c
    each = [math.comb(n, k) / 2**n for k in range(n + 1)]
    return min(1.0, sum(p for p in each if p <= each[b] * (1 + 1e-9)))


def test_differences_and_counts_are_those_of_the_two():
    a, b = pair()
    found = compare(a, b)
    assert found.accuracy.value == pytest.approx(a.accuracy - b.accuracy, abs=1e-12)
    assert found.balanced_accuracy.value == pytest.approx(
        a.balanced_accuracy - b.balanced_accuracy, abs=1e-12
    )
    assert found.both + found.only_a == a.correct
    assert found.both + found.only_b == b.correct
    assert found.both + found.only_a + found.only_b + found.neither == 300


@pytest.mark.parametrize("seed", range(4))
def test_p_is_the_binomial_of_the_samples_that_one_alone_got_right(seed):
    found = compare(*pair(60, seed))
    assert found.p == pytest.approx(slow_mcnemar(found.only_a, found.only_b))


def test_a_known_table_has_its_known_p():
    y = np.zeros(20, dtype=int)
    found = compare(predicted(y, np.array([0])), predicted(y, np.arange(1, 10)))
    assert (found.only_a, found.only_b) == (9, 1)
    assert found.p == pytest.approx(2 * (1 + 10) / 2**10)


def test_the_interval_is_that_of_drawing_the_samples_of_each_class_again():
    a, b = pair()
    found = compare(a, b, resamples=4000)
    generator = np.random.default_rng(1)
    right_a, right_b = a.predictions == a.labels, b.predictions == b.labels
    plain, balanced = [], []
    for _ in range(2000):
        drawn = [generator.choice(np.flatnonzero(a.labels == c), (a.labels == c).sum()) for c in range(3)]
        rows = np.concatenate(drawn)
        plain.append(right_a[rows].mean() - right_b[rows].mean())
        balanced.append(np.mean([right_a[r].mean() - right_b[r].mean() for r in drawn]))
    for made, slow in ((found.accuracy, plain), (found.balanced_accuracy, balanced)):
        assert (made.low, made.high) == pytest.approx(np.quantile(slow, [0.025, 0.975]), abs=0.015)
        assert made.low < made.value < made.high


def test_the_same_predictions_differ_by_nothing():
    a, _ = pair()
    found = compare(a, a)
    for made in (found.accuracy, found.balanced_accuracy):
        assert (made.value, made.low, made.high) == (0, 0, 0)
    assert (found.p, found.only_a, found.only_b) == (1, 0, 0)


def test_exchanged_they_change_sign_and_the_same_seed_repeats():
    a, b = pair()
    there, back = compare(a, b), compare(b, a)
    assert back.accuracy.value == -there.accuracy.value
    assert (back.accuracy.low, back.accuracy.high) == pytest.approx(
        (-there.accuracy.high, -there.accuracy.low), abs=0.02
    )
    assert back.p == there.p
    assert compare(a, b) == there
    assert compare(a, b, seed=1).accuracy.low != there.accuracy.low


def test_pairing_is_used_two_that_err_together_are_told_apart_more_finely():
    generator = np.random.default_rng(0)
    y = generator.integers(0, 3, 600)
    wrong = generator.random(600) < 0.3
    more = wrong.copy()
    more[np.flatnonzero(~wrong)[:12]] = True
    paired = compare(predicted(y, wrong), predicted(y, more))
    unpaired = compare(predicted(y, wrong), predicted(y, generator.permutation(more)))
    assert paired.accuracy.low > 0
    assert paired.p < 0.001
    assert unpaired.accuracy.low < 0 < unpaired.accuracy.high


def test_the_interval_holds_the_true_difference_as_often_as_it_says():
    """Two classifiers with known chances of being right, on 300 test sets drawn anew."""
    generator = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [120, 50, 30])
    held = {"accuracy": 0, "balanced_accuracy": 0}
    chance_a, chance_b = np.array([0.9, 0.7, 0.5]), np.array([0.8, 0.7, 0.6])
    true = {
        "accuracy": float((chance_a - chance_b) @ np.bincount(y) / len(y)),
        "balanced_accuracy": float((chance_a - chance_b).mean()),
    }
    for trial in range(300):
        draw = generator.random(len(y))  # shared: the two err together
        found = compare(
            predicted(y, draw > chance_a[y]), predicted(y, draw > chance_b[y]), resamples=500, seed=trial
        )
        for name in held:
            made = getattr(found, name)
            held[name] += made.low <= true[name] <= made.high
    for share in held.values():
        assert 0.90 <= share / 300 <= 0.985


def test_names_of_classes_may_be_strings():
    a, b = pair()
    names = np.array(["ape", "bee", "cat"])
    named = [Classification(names[c.predictions], names[c.labels]) for c in (a, b)]
    assert compare(*named) == compare(a, b)


@pytest.mark.parametrize(
    ("b", "message"),
    [
        (Classification(np.arange(2), np.arange(2)), "a has 3 test samples and b 2"),
        (Classification(np.arange(3), np.array([0, 1, 1])), "differ, first at row 2"),
        (Classification(np.arange(2), np.arange(3)), r"b has \(2,\) predictions and \(3,\) labels"),
    ],
)
def test_predictions_for_other_samples_are_refused(b, message):
    with pytest.raises(DataError, match=message):
        compare(Classification(np.arange(3), np.arange(3)), b)


@pytest.mark.parametrize("options", [{"resamples": 10}, {"confidence": 1.0}, {"confidence": 95}])
def test_options_outside_their_range_are_refused(options):
    with pytest.raises(OptionError):
        compare(*pair(), **options)
