import math
import sys
import tracemalloc

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from tests.clouds import clouds, digits

from unlabeled.errors import DataError, MissingExtraError, OptionError
from unlabeled.evaluation import arrays, knn, knn_details, linear_probe, linear_probe_details
from unlabeled.evaluation.approximate import ApproximateNeighbours
from unlabeled.evaluation.linear import LogisticRegression as Regression
from unlabeled.evaluation.linear import held_out
from unlabeled.evaluation.neighbours import nearest

torch.set_num_threads(1)

PROBES = [knn, linear_probe]


@pytest.fixture(scope="module")
def raw_digits():
    return digits()


def slow_knn(train, y, test, k, weigh):
    predicted = []
    for row in test:
        cosines = [float(row @ t) / math.sqrt(float(row @ row) * float(t @ t)) for t in train]
        order = sorted(range(len(train)), key=lambda j: -cosines[j])[:k]
        scores = {}
        for j in order:
            scores[y[j]] = scores.get(y[j], 0.0) + weigh(cosines[j])
        predicted.append(max(scores, key=scores.get))
    return np.array(predicted)


@pytest.mark.parametrize("k", [1, 4, 20])
@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_knn_equals_its_slow_definition(k, temperature):
    (train, y), (test, truth) = clouds(60), clouds(40, seed=1)
    found = knn_details(train, y, test, truth, k=k, temperature=temperature)
    expected = slow_knn(train, y, test, k, lambda cosine: math.exp(cosine / temperature))
    assert (found.predictions == expected).all()
    assert found.accuracy == knn(train, y, test, truth, k=k, temperature=temperature)
    assert found.accuracy == pytest.approx(float(np.mean(expected == truth)))


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 3, 15])
def test_majority_vote_equals_scikit_learn_where_votes_are_not_tied(metric, k):
    (train, y), (test, truth) = clouds(200, classes=2), clouds(80, classes=2, seed=1)
    theirs = KNeighborsClassifier(k, metric=metric).fit(train, y).predict(test)
    ours = knn_details(train, y, test, truth, k=k, weights="majority", metric=metric)
    assert (ours.predictions == theirs).all()


def test_euclidean_neighbours_weigh_by_inverse_distance_as_in_scikit_learn():
    (train, y), (test, truth) = clouds(200), clouds(80, seed=1)
    theirs = KNeighborsClassifier(9, weights=lambda d: 1 / (d + 1e-5)).fit(train, y).predict(test)
    assert (knn_details(train, y, test, truth, k=9, metric="euclidean").predictions == theirs).all()
    far = knn_details(train + 1e6, y, test + 1e6, truth, k=9, metric="euclidean")
    assert (far.predictions == theirs).all()


def test_knn_on_raw_digits_reaches_the_known_figure(raw_digits):
    assert knn(*raw_digits, k=20) == pytest.approx(0.98, abs=0.01)


def test_a_small_temperature_is_the_nearest_neighbour_and_a_large_one_the_majority():
    (train, y), (test, truth) = clouds(80, classes=2, apart=0.4), clouds(60, classes=2, seed=1, apart=0.4)
    nearest = knn_details(train, y, test, truth, k=1).predictions
    assert (knn_details(train, y, test, truth, k=9, temperature=1e-5).predictions == nearest).all()
    majority = knn_details(train, y, test, truth, k=9, weights="majority").predictions
    assert (knn_details(train, y, test, truth, k=9, temperature=1e5).predictions == majority).all()
    assert (majority != nearest).any()


def test_a_tied_vote_goes_to_the_nearer_class():
    train, y = np.array([[1.0, 0.3], [1.0, 0.2], [1.0, 0.1], [1.0, 0.4]]), np.array([0, 1, 2, 3])
    details = knn_details(train, y, np.array([[1.0, 0.0]]), np.array([2]), k=4, weights="majority")
    assert details.predictions.tolist() == [2]


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_blocks_do_not_change_knn(metric, monkeypatch):
    (train, y), (test, truth) = clouds(150), clouds(70, seed=1)
    whole = knn_details(train, y, test, truth, k=7, metric=metric).predictions
    for module in ("arrays", "neighbours"):
        monkeypatch.setattr(f"unlabeled.evaluation.{module}.CHUNK", 60)
    assert arrays.CHUNK == 60
    assert (knn_details(train, y, test, truth, k=7, metric=metric).predictions == whole).all()


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_an_approximate_index_finds_nearly_the_same_and_says_how_much(metric):
    pytest.importorskip("usearch")
    (train, y), (test, truth) = clouds(2000, dim=16), clouds(300, dim=16, seed=1)
    exact = knn_details(train, y, test, truth, metric=metric)
    found = knn_details(train, y, test, truth, metric=metric, index="usearch")
    assert exact.chosen == {"index": "exact"}
    assert found.chosen["index"] == "usearch"
    assert 0.9 < found.chosen["recall"] <= 1
    assert np.mean(found.predictions == exact.predictions) > 0.98
    again = knn_details(train, y, test, truth, metric=metric, index="usearch")
    assert (again.predictions == found.predictions).all()
    far = knn_details(train + 1e6, y, test + 1e6, truth, metric=metric, index="usearch")
    if metric == "euclidean":
        assert np.mean(far.predictions == exact.predictions) > 0.98


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_the_recall_of_an_index_is_the_share_of_true_neighbours_it_found(metric):
    pytest.importorskip("usearch")
    (train, _), (test, _) = clouds(1500, dim=64, apart=0), clouds(200, dim=64, apart=0, seed=1)
    known, asked = torch.from_numpy(train), torch.from_numpy(test)
    graph = ApproximateNeighbours(known, 10, metric)
    graph.index.expansion_search = 10  # few candidates, so that some neighbours are missed
    true, found = nearest(asked, known, 10, metric)[1], graph.nearest(asked)[1]
    shared = [len(set(a.tolist()) & set(b.tolist())) / 10 for a, b in zip(true, found, strict=True)]
    assert graph.recall(asked) == pytest.approx(np.mean(shared), abs=1e-6)
    assert 0.3 < np.mean(shared) < 1


def test_an_approximate_index_takes_one_row_equal_rows_and_rows_of_zeros():
    pytest.importorskip("usearch")
    train, y = np.zeros((300, 6)), np.arange(300) % 2
    train[:150] = 1
    found = knn_details(train, y, np.ones((1, 6)), [1], k=100, index="usearch")
    assert found.chosen["recall"] == 1
    (train, y), (test, truth) = clouds(40), clouds(20, seed=1)
    whole = knn_details(train, y, test, truth, k=40, index="usearch")
    assert (whole.predictions == knn_details(train, y, test, truth, k=40).predictions).all()


def test_an_index_without_its_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    with pytest.raises(MissingExtraError, match=r"unlabeled\[neighbours\]"):
        knn(X, Y, X, Y, k=1, index="usearch")


def test_cosine_neighbours_ignore_the_length_of_rows_and_rotations():
    (train, y), (test, truth) = clouds(100), clouds(50, seed=1)
    expected = knn_details(train, y, test, truth).predictions
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(6, 6)))[0]
    stretch = np.random.default_rng(4).uniform(0.1, 10, size=(100, 1))
    assert (knn_details(train * stretch, y, test, truth).predictions == expected).all()
    assert (knn_details(train @ turn, y, test @ turn, truth).predictions == expected).all()
    assert (knn_details(train * 1e200, y, test * 1e-200, truth).predictions == expected).all()


def test_rows_of_zeros_are_counted_and_do_not_break_the_vote():
    train, y = clouds(40)
    train[0] = 0
    assert 0 <= knn(train, y, np.zeros((3, 6)), y[:3]) <= 1


@pytest.mark.parametrize("probe", PROBES)
def test_order_of_train_rows_and_names_of_classes_do_not_matter(probe):
    (train, y), (test, truth) = clouds(150), clouds(60, seed=1)
    accuracy = probe(train, y, test, truth)
    names = np.array(["zebra", "cat", "ape"])
    assert probe(train, names[y], test, names[truth]) == pytest.approx(accuracy, abs=0.02)
    assert probe(train, list(names[y]), test, names[truth].astype(object)) == pytest.approx(
        accuracy, abs=0.02
    )
    assert probe(train, y * 7 + 3, test, truth * 7 + 3) == accuracy
    if probe is knn:
        assert probe(train[::-1], y[::-1], test, truth) == accuracy


@pytest.mark.parametrize("probe", PROBES)
def test_torch_numpy_and_every_floating_type_agree(probe):
    (train, y), (test, truth) = clouds(150), clouds(60, seed=1)
    accuracy = probe(train, y, test, truth)
    as_torch = [torch.from_numpy(a) for a in (train, y, test, truth)]
    as_torch[0].requires_grad_()
    assert probe(*as_torch) == accuracy
    for dtype in (torch.float32, torch.float16):
        assert probe(as_torch[0].to(dtype), y, as_torch[2].to(dtype), truth) == pytest.approx(
            accuracy, abs=0.05
        )


@pytest.mark.parametrize("probe", PROBES)
def test_shuffled_labels_give_chance(probe):
    (train, y), (test, truth) = clouds(600, dim=4), clouds(900, dim=4, seed=1)
    generator = np.random.default_rng(0)
    accuracy = probe(train, generator.permutation(y), test, generator.permutation(truth))
    assert accuracy == pytest.approx(1 / 3, abs=0.07)


def cross_entropy(weight, bias, x, y, penalty, counts=1.0):
    """Σ w · cross-entropy + |W|² / 2C, as written."""
    losses = np.logaddexp.reduce(x @ weight + bias, axis=1) - (x @ weight + bias)[np.arange(len(y)), y]
    return float((counts * losses).sum() + (weight**2).sum() / (2 * penalty))


@pytest.mark.parametrize("penalty", [0.001, 0.1, 10.0])
@pytest.mark.parametrize("shape", [(200, 6), (40, 90)])
@pytest.mark.parametrize("balanced", [False, True])
def test_linear_probe_finds_the_optimum_that_scikit_learn_finds(penalty, shape, balanced):
    n, dim = shape
    (train, y), (test, truth) = clouds(n, dim, apart=0.5), clouds(200, dim, seed=1, apart=0.5)
    keep = (y != 0) | (np.arange(n) % 3 == 0)  # one class rarer than the others
    train, y = train[keep], y[keep]
    class_weight = "balanced" if balanced else None
    scaled = StandardScaler().fit(train)
    theirs = LogisticRegression(C=penalty, max_iter=5000, tol=1e-10, class_weight=class_weight)
    theirs.fit(scaled.transform(train), y)
    ours = linear_probe_details(train, y, test, truth, penalties=(penalty,), class_weight=class_weight)
    assert (ours.predictions == theirs.predict(scaled.transform(test))).all()

    regression = Regression(scaled.transform(train), y, 3, 300, balanced)
    counts = len(y) / 3 / np.bincount(y)[y] if balanced else 1.0
    weight, bias = regression.fit(penalty, len(y))
    reached = cross_entropy(weight, bias, scaled.transform(train), y, penalty, counts)
    least = cross_entropy(theirs.coef_.T, theirs.intercept_, scaled.transform(train), y, penalty, counts)
    assert reached == pytest.approx(least, rel=2e-5 if penalty < 1 else 1e-3)


def test_the_curvature_of_wide_features_is_not_needed_for_the_same_optimum(monkeypatch):
    (train, y), (test, truth) = clouds(300, 40, apart=0.5), clouds(200, 40, seed=1, apart=0.5)
    expected = linear_probe_details(train, y, test, truth)
    monkeypatch.setattr("unlabeled.evaluation.linear.WIDEST_CURVATURE", 10)
    found = linear_probe_details(train, y, test, truth)
    assert (found.predictions == expected.predictions).all()
    assert found.chosen == expected.chosen


def test_blocks_do_not_change_the_linear_probe(monkeypatch):
    (train, y), (test, truth) = clouds(150), clouds(70, seed=1)
    expected = linear_probe_details(train, y, test, truth, penalties=(0.1, 1.0)).predictions
    monkeypatch.setattr("unlabeled.evaluation.arrays.CHUNK", 60)
    monkeypatch.setattr("unlabeled.evaluation.standard.BLOCK", 60)
    found = linear_probe_details(train, y, test, truth, penalties=(0.1, 1.0)).predictions
    assert (found == expected).all()


def test_float32_features_are_copied_once_and_never_whole_in_float64(monkeypatch):
    monkeypatch.setattr("unlabeled.evaluation.arrays.CHUNK", 20_000)
    monkeypatch.setattr("unlabeled.evaluation.standard.BLOCK", 20_000)
    train = np.random.default_rng(0).normal(size=(10_000, 128)).astype(np.float32)
    y = np.arange(10_000) % 2
    tracemalloc.start()
    linear_probe(train, y, train[:10], y[:10], penalties=(0.1,))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert train.nbytes < peak < 1.5 * train.nbytes


def test_balanced_classes_find_the_rare_one_and_choose_the_penalty_by_balanced_accuracy():
    generator = np.random.default_rng(0)
    y, truth = np.arange(400) % 20 == 0, np.arange(2000) % 20 == 0
    train, test = (generator.normal(size=(len(t), 3)) + 1.2 * t[:, None] for t in (y, truth))
    plain = linear_probe_details(train, y, test, truth)
    balanced = linear_probe_details(train, y, test, truth, class_weight="balanced")
    assert balanced.balanced_accuracy > plain.balanced_accuracy + 0.1
    assert plain.accuracy > balanced.accuracy


def test_a_linear_probe_short_of_its_optimum_warns():
    (train, y), (test, truth) = clouds(150), clouds(70, seed=1)
    with pytest.warns(UserWarning, match="not at its optimum after 1 steps"):
        linear_probe(train, y, test, truth, steps=1)


def test_linear_probe_on_raw_digits_reaches_the_known_figure(raw_digits):
    assert linear_probe(*raw_digits) == pytest.approx(0.97, abs=0.015)


def test_linear_probe_repeats_exactly_and_chooses_without_the_test_set():
    (train, y), (test, truth) = clouds(120, dim=30, apart=0.4), clouds(50, dim=30, seed=1, apart=0.4)
    first = linear_probe_details(train, y, test, truth)
    again = linear_probe_details(train, y, test, truth)
    other = linear_probe_details(train, y, test, np.roll(truth, 7))
    assert (first.predictions == again.predictions).all()
    assert first.chosen == again.chosen == other.chosen
    assert (first.predictions == other.predictions).all()


def test_linear_probe_ignores_scale_and_shift_of_columns_and_constant_columns():
    (train, y), (test, truth) = clouds(120), clouds(50, seed=1)
    expected = linear_probe_details(train, y, test, truth).predictions
    stretch, shift = np.array([1e-6, 1, 5, 1e6, 2, 3]), np.array([7, 0, -3, 1e7, 1, 1])
    moved = linear_probe_details(train * stretch + shift, y, test * stretch + shift, truth).predictions
    assert (moved == expected).all()
    constant = linear_probe_details(
        np.c_[train, np.full(120, 0.1)], y, np.c_[test, np.full(50, 0.1)], truth
    ).predictions
    assert (constant == expected).all()


def test_a_fifth_of_every_class_is_held_out_but_never_its_only_sample():
    y = np.array([0] * 10 + [1] * 4 + [2])
    held = held_out(y, seed=0)
    assert [int(held[y == c].sum()) for c in range(3)] == [2, 1, 0]
    assert (held_out(y, seed=0) == held).all()


def test_one_label_a_class_is_enough_for_a_linear_probe():
    train, y = clouds(60, apart=8)
    first = [int(np.flatnonzero(y == c)[0]) for c in range(3)]
    details = linear_probe_details(train[first], y[first], train, y)
    assert details.chosen == {"C": 1.0}
    assert details.accuracy > 0.9


def test_details_hold_the_accuracy_of_each_class_and_an_interval():
    (train, y), (test, truth) = clouds(100), clouds(50, seed=1)
    details = knn_details(train, y, test, truth)
    assert set(details.per_class) == {0, 1, 2}
    counts = [(truth == c).mean() for c in details.per_class]
    assert np.dot(counts, list(details.per_class.values())) == pytest.approx(details.accuracy)
    assert details.balanced_accuracy == pytest.approx(np.mean(list(details.per_class.values())))
    low, high = details.interval
    assert low < details.accuracy < high


@pytest.mark.parametrize("probe", PROBES)
def test_a_class_that_only_the_test_set_has_counts_as_wrong(probe):
    train, y = clouds(90, classes=2, apart=8)
    test, truth = clouds(40, classes=2, seed=1, apart=8)
    truth = truth.copy()
    truth[:10] = 5
    assert probe(train, y, test, truth) == pytest.approx(0.75)


X, Y = np.eye(4) + 1, np.array([0, 1, 0, 1])


@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((X, Y[:3], X, Y), "train has 4 rows and train_labels 3 labels"),
        ((X, Y, X, Y[:3]), "test has 4 rows and test_labels 3 labels"),
        ((X[:0], Y[:0], X, Y), r"train has shape \(0, 4\)"),
        ((X, Y, X[:0], Y[:0]), r"test has shape \(0, 4\)"),
        ((X, Y, X[:, :2], Y), "train has 4 columns and test 2"),
        ((X * np.nan, Y, X, Y), "train has NaN or infinite numbers, first in row 0"),
        ((X, Y, X * np.inf, Y), "test has NaN or infinite"),
        ((X, Y * 0, X, Y), "one class only"),
        ((X, Y + 10, X, Y), "no class of test_labels"),
        ((X, Y.astype(str), X, Y), "strings and test_labels numbers"),
        ((X, np.array([0, 1, -1, 0]), X, Y), "train_labels is -1 at row 2, which means unlabelled"),
        ((X, ["a", None, "b", "a"], X, Y), "train_labels is None at row 1"),
        ((X, np.array([0, 1, np.nan, 0]), X, Y), "train_labels is NaN at row 2"),
        ((X, ["a", "", "b", "a"], X, Y), "train_labels is empty at row 1"),
        ((X, Y + 0.5, X, Y), "fractions such as 0.5"),
        ((X, np.array(["a", 1, "b", "a"], dtype=object), X, Y), "mixes strings and numbers"),
        ((X, Y[:, None], X, Y), r"train_labels has shape \(4, 1\)"),
        ((X[0], Y, X, Y), r"train has shape \(4,\)"),
    ],
)
def test_bad_input_is_refused_by_name(probe, arguments, message):
    extra = {"k": 1} if probe is knn else {}
    with pytest.raises(DataError, match=message):
        probe(*arguments, **extra)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 5}, "k is 5 and train has 4 rows: give 1 <= k <= 4"),
        ({"k": 0}, "k is 0"),
        ({"k": 1, "temperature": 0.0}, "temperature is 0.0"),
        ({"k": 1, "weights": "uniform"}, "'similarity' or 'majority'"),
        ({"k": 1, "metric": "manhattan"}, "'cosine' or 'euclidean'"),
        ({"k": 1, "index": "faiss"}, "'exact' or 'usearch'"),
    ],
)
def test_options_of_knn_outside_their_range_are_refused(options, message):
    with pytest.raises(OptionError, match=message):
        knn(X, Y, X, Y, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"penalties": ()}, "penalties"),
        ({"penalties": (0.0,)}, "penalties"),
        ({"steps": 0}, "steps is 0"),
        ({"class_weight": "equal"}, "'balanced' or None"),
    ],
)
def test_options_of_the_linear_probe_outside_their_range_are_refused(options, message):
    with pytest.raises(OptionError, match=message):
        linear_probe(X, Y, X, Y, **options)
