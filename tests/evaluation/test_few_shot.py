import numpy as np
import pytest
import torch
from tests.clouds import clouds, digits

from unlabeled.errors import DataError, OptionError
from unlabeled.evaluation import few_shot, few_shot_details, linear_probe, seed_interval
from unlabeled.evaluation.ridge import Ridge

HEADS = ["ridge", "nearest_mean", "logistic"]


def slow_ridge(train, y, test, classes):
    """big_vision's solution, as written: standardise, add 100, solve."""
    mean, deviation = train.mean(0), train.std(0) + 1e-5
    x = np.hstack([(train - mean) / deviation, 100 * np.ones((len(train), 1))])
    asked = np.hstack([(test - mean) / deviation, 100 * np.ones((len(test), 1))])
    targets = np.array([[1.0 if label == c else -1.0 for c in range(classes)] for label in y])
    weight = np.linalg.inv(x.T @ x + 1024 * np.eye(x.shape[1])) @ x.T @ targets
    return (asked @ weight).argmax(1)


def slow_nearest_mean(train, y, test, classes):
    def unit(row):
        return row / np.sqrt(sum(v * v for v in row))

    means = [
        unit(sum(unit(row) for row, label in zip(train, y, strict=True) if label == c))
        for c in range(classes)
    ]
    return np.array([np.argmax([unit(row) @ mean for mean in means]) for row in test])


@pytest.mark.parametrize(("head", "slow"), [("ridge", slow_ridge), ("nearest_mean", slow_nearest_mean)])
@pytest.mark.parametrize("dim", [4, 30])
def test_every_draw_is_the_head_fitted_on_the_drawn_rows(head, slow, dim):
    (train, y), (test, truth) = clouds(80, dim, apart=0.7), clouds(60, dim, seed=1, apart=0.7)
    found = few_shot_details(train, y, test, truth, shots=4, draws=3, head=head)
    for rows, accuracy in zip(found.rows, found.accuracies, strict=True):
        assert accuracy == pytest.approx(np.mean(slow(train[rows], y[rows], test, 3) == truth))
    assert few_shot(train, y, test, truth, shots=4, draws=3, head=head) == pytest.approx(
        np.mean(found.accuracies)
    )


def test_the_logistic_head_is_the_linear_probe_of_the_drawn_rows():
    (train, y), (test, truth) = clouds(80), clouds(60, seed=1)
    found = few_shot_details(train, y, test, truth, shots=6, draws=2, head="logistic")
    for rows, accuracy in zip(found.rows, found.accuracies, strict=True):
        assert accuracy == linear_probe(train[rows], y[rows], test, truth)


@pytest.mark.parametrize("rows", [5, 30])
def test_both_forms_of_the_ridge_solve_the_same_equations(rows):
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(rows, 12)) + 3, generator.normal(size=(rows, 2))
    primal = np.linalg.solve(x.T @ x + 0.7 * np.eye(12), x.T @ y)
    dual = x.T @ np.linalg.solve(x @ x.T + 0.7 * np.eye(rows), y)
    found, bias = Ridge.of(x, y, intercept=False).fit(0.7)
    np.testing.assert_allclose(found, primal, atol=1e-8)
    np.testing.assert_allclose(found, dual, atol=1e-8)
    assert (bias == 0).all()


def test_draws_depend_on_labels_and_seed_only_so_encoders_meet_the_same_samples():
    (train, y), (test, truth) = clouds(90), clouds(40, seed=1)
    one = few_shot_details(train, y, test, truth, shots=3, draws=4, head="ridge")
    other = few_shot_details(
        train[:, :2] ** 2, y, test[:, :2] ** 2, truth, shots=3, draws=4, head="nearest_mean"
    )
    assert (one.rows == other.rows).all()
    more = few_shot_details(train, y, test, truth, shots=5, draws=4)
    for few, many in zip(one.rows, more.rows, strict=True):
        assert set(few) < set(many)
    again = few_shot_details(train, y, test, truth, shots=3, draws=4, seed=1)
    assert (again.rows != one.rows).any()


def test_every_draw_has_as_many_samples_of_every_class_none_twice():
    (train, y), (test, truth) = clouds(90), clouds(40, seed=1)
    for rows in few_shot_details(train, y, test, truth, shots=7, draws=5).rows:
        assert len(set(rows.tolist())) == 21
        assert np.bincount(y[rows]).tolist() == [7, 7, 7]


@pytest.mark.parametrize(
    ("head", "known"),
    [("nearest_mean", (0.64, 0.84, 0.88, 0.89)), ("ridge", (0.56, 0.78, 0.84, 0.89))],
)
def test_raw_digits_reach_the_known_figures(head, known):
    data = digits()
    for shots, figure, tolerance in zip((1, 5, 10, 25), known, (0.05, 0.03, 0.02, 0.02), strict=True):
        assert few_shot(*data, shots=shots, draws=5, head=head) == pytest.approx(figure, abs=tolerance)


@pytest.mark.parametrize("head", HEADS)
def test_shuffled_labels_give_chance(head):
    (train, y), (test, truth) = clouds(300), clouds(600, seed=1)
    generator = np.random.default_rng(0)
    y, truth = generator.permutation(y), generator.permutation(truth)
    assert few_shot(train, y, test, truth, shots=20, draws=8, head=head) == pytest.approx(1 / 3, abs=0.04)


def test_the_interval_is_that_of_the_mean_over_draws_inside_0_and_1():
    (train, y), (test, truth) = clouds(90), clouds(40, seed=1)
    found = few_shot_details(train, y, test, truth, shots=2, draws=6)
    assert found.interval == pytest.approx(seed_interval(found.accuracies.tolist()))
    far = few_shot_details(*clouds(90, apart=50), *clouds(40, seed=1, apart=50), shots=2, draws=6)
    assert far.interval == (1.0, 1.0)


@pytest.mark.parametrize("head", HEADS)
def test_names_torch_and_float32_change_nothing_and_a_class_only_test_has_is_wrong(head):
    (train, y), (test, truth) = clouds(90, apart=4), clouds(40, seed=1, apart=4)
    names = np.array(["zebra", "ape", "cat"])
    expected = few_shot(train, y, test, truth, shots=5, draws=3, head=head)
    as_torch = [torch.from_numpy(a).float() for a in (train, test)]
    assert few_shot(as_torch[0], y, as_torch[1], truth, shots=5, draws=3, head=head) == pytest.approx(
        expected, abs=0.03
    )
    assert few_shot(train, names[y], test, names[truth], shots=5, draws=3, head=head) > 0.9
    strange = np.where(np.arange(40) < 20, 9, truth)
    assert few_shot(train, y, test, strange, shots=5, draws=3, head=head) <= 0.5


def test_a_class_with_too_few_samples_is_refused_with_its_name_and_count():
    train, y = np.ones((9, 2)), np.array(["cat"] * 6 + ["ape"] * 2 + ["zebra"])
    with pytest.raises(
        DataError, match=r"2 of 3 classes have fewer than 3 samples .*\(ape has 2, zebra has 1\)"
    ):
        few_shot(train, y, train, y, shots=3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shots": 0}, "shots is 0"),
        ({"draws": 1}, "draws is 1: at least 2"),
        ({"head": "ridg"}, "did you mean 'ridge'"),
    ],
)
def test_options_outside_their_range_are_refused(options, message):
    train, y = clouds(60)
    with pytest.raises(OptionError, match=message):
        few_shot(train, y, train, y, **{"shots": 2, **options})


@pytest.mark.parametrize(
    ("train", "y", "message"),
    [
        (np.ones((4, 2)) * np.nan, [0, 0, 1, 1], "NaN"),
        (np.ones((4, 2)), [0, 0, 0, 0], "one class only"),
        (np.ones((4, 2)), [0, 0, 1, -1], "unlabelled"),
        (np.ones((4, 3)), [0, 0, 1, 1], "columns"),
    ],
)
def test_bad_data_is_refused(train, y, message):
    with pytest.raises(DataError, match=message):
        few_shot(train, y, np.ones((2, 2)), [0, 1], shots=1)
