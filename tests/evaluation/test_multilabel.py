import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.metrics import average_precision_score
from sklearn.preprocessing import StandardScaler

from unlabeled.errors import DataError, OptionError
from unlabeled.evaluation import multilabel_probe, multilabel_probe_details


def tagged(n, dim=10, classes=4, seed=0, noise=1.0):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, dim))
    scores = x @ np.random.default_rng(9).normal(size=(dim, classes))
    return x, scores + noise * generator.normal(size=scores.shape) > np.arange(classes)


def slow_average_precision(scores, labels):
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    right, total = 0, 0.0
    for rank, i in enumerate(order, 1):
        if labels[i]:
            right += 1
            total += right / rank
    return total / right


def test_the_figure_is_the_mean_over_classes_of_a_slow_average_precision():
    (train, y), (test, truth) = tagged(200), tagged(90, seed=1)
    found = multilabel_probe_details(train, y, test, truth)
    slow = [slow_average_precision(found.scores[:, c], truth[:, c]) for c in range(4)]
    assert list(found.per_class.values()) == pytest.approx(slow)
    assert found.mean_average_precision == pytest.approx(np.mean(slow))
    assert multilabel_probe(train, y, test, truth) == found.mean_average_precision
    assert found.mean_average_precision == pytest.approx(
        average_precision_score(truth, found.scores, average="macro")
    )


def test_the_scores_are_those_of_scikit_learns_ridge_to_plus_and_minus_1():
    (train, y), (test, truth) = tagged(200), tagged(90, seed=1)
    scaled = StandardScaler().fit(train)
    theirs = Ridge(alpha=0.1 * 200).fit(scaled.transform(train), 2.0 * y - 1).predict(scaled.transform(test))
    found = multilabel_probe_details(train, y, test, truth, penalties=(0.1,))
    np.testing.assert_allclose(found.scores, theirs, rtol=1e-7, atol=1e-9)


def test_clean_tags_are_found_and_shuffled_ones_reach_chance():
    (train, y), (test, truth) = tagged(2000, noise=0), tagged(1500, noise=0, seed=1)
    assert multilabel_probe(train, y, test, truth) > 0.97
    shuffled = np.random.default_rng(0).permutation(y)
    found = multilabel_probe_details(train, shuffled, test, np.random.default_rng(1).permutation(truth))
    assert found.mean_average_precision == pytest.approx(found.chance, abs=0.05)


def test_classes_that_no_test_sample_has_are_left_out_and_named():
    (train, y), (test, truth) = tagged(200), tagged(90, seed=1)
    truth = truth.copy()
    truth[:, [1, 3]] = False
    found = multilabel_probe_details(train, y, test, truth)
    assert found.excluded == [1, 3]
    assert list(found.per_class) == [0, 2]
    assert found.mean_average_precision == pytest.approx(np.mean(list(found.per_class.values())))


def test_a_class_that_no_train_sample_has_counts_with_the_precision_of_equal_scores():
    (train, y), (test, truth) = tagged(200), tagged(90, seed=1)
    y = y.copy()
    y[:, 2] = False
    found = multilabel_probe_details(train, y, test, truth)
    assert found.per_class[2] == pytest.approx(truth[:, 2].mean(), abs=1e-6)


def test_the_penalty_is_chosen_without_the_test_set_and_types_do_not_matter():
    (train, y), (test, truth) = tagged(100), tagged(90, seed=1)
    found = multilabel_probe_details(train, y, test, truth)
    other = multilabel_probe_details(train, y, test, truth[::-1])
    assert found.chosen == other.chosen
    assert (found.scores == other.scores).all()
    as_torch = [torch.from_numpy(a) for a in (train, y, test, truth)]
    assert multilabel_probe(*as_torch) == found.mean_average_precision
    assert multilabel_probe(train, y.astype(float), test, truth.astype(int)) == found.mean_average_precision


X, Y = np.eye(4), np.array([[1, 0], [0, 1], [1, 1], [0, 0]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((X, Y[:3], X, Y), "train has 4 rows and train_labels 3"),
        ((X, Y, X, Y[:, :1]), "train_labels has 2 classes and test_labels 1"),
        ((X, Y * 2, X, Y), "train_labels is 2 at row 0, class 0: give 0 or 1"),
        ((X, Y, X, np.where(Y, np.nan, 0)), "test_labels is nan at row 0"),
        ((X, Y * 0, X, Y), "train_labels has no sample with any class"),
        ((X, Y, X, Y * 0), "test_labels has no sample"),
        ((X, Y[:, 0], X, Y), r"train_labels has shape \(4,\)"),
        ((X * np.nan, Y, X, Y), "train has NaN"),
        ((X, Y, X[:, :2], Y), "4 columns and test 2"),
    ],
)
def test_bad_data_is_refused(arguments, message):
    with pytest.raises(DataError, match=message):
        multilabel_probe(*arguments)


def test_penalties_without_a_solution_are_refused():
    with pytest.raises(OptionError, match="penalties"):
        multilabel_probe(X, Y, X, Y, penalties=(-1.0,))
