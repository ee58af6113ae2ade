import math
import sys

import numpy as np
import pytest
import torch
from tests.clouds import clouds

from unlabeled import evaluation
from unlabeled.errors import DataError, OptionError
from unlabeled.evaluation import (
    map_at_r,
    mean_average_precision,
    mrr,
    ndcg,
    paired_retrieval,
    paired_retrieval_details,
    precision_at_1,
    recall_at_k,
    retrieval,
    retrieval_details,
)

FIGURES = [mean_average_precision, map_at_r, precision_at_1, recall_at_k, mrr, ndcg]


def slow(gallery, y, queries, truth, metric="cosine", alone=False):
    """Every figure of every query, from the formulas."""
    rows = []
    for place, (query, label) in enumerate(zip(queries, truth, strict=True)):

        def close(j, query=query):
            if metric == "euclidean":
                return -math.dist(query, gallery[j])
            return float(query @ gallery[j]) / math.sqrt(
                float(query @ query) * float(gallery[j] @ gallery[j])
            )

        order = sorted(
            (j for j in range(len(gallery)) if not (alone and j == place)), key=lambda j: -close(j)
        )
        relevant = [y[j] == label for j in order]
        total = sum(relevant)
        if not total:
            continue
        precision = [sum(relevant[: i + 1]) / (i + 1) for i in range(len(order))]
        ideal = sum(1 / math.log2(i + 2) for i in range(min(total, 10)))
        rows.append(
            {
                "query": place,
                "ap": sum(p for p, r in zip(precision, relevant, strict=True) if r) / total,
                "map_at_r": sum(p for p, r in zip(precision[:total], relevant[:total], strict=True) if r)
                / total,
                "precision_at_r": sum(relevant[:total]) / total,
                "precision_at_1": float(relevant[0]),
                "recall": float(any(relevant[:3])),
                "set_recall": sum(relevant[:3]) / total,
                "first": relevant.index(True) + 1,
                "ndcg": sum(r / math.log2(i + 2) for i, r in enumerate(relevant[:10])) / ideal,
            }
        )
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("chunk", [5_000_000, 100])
def test_every_figure_equals_its_slow_definition(metric, alone, chunk, monkeypatch):
    module = sys.modules[retrieval_details.__module__]  # its name in the package is that of the function
    monkeypatch.setattr(module, "CHUNK", chunk)
    monkeypatch.setattr(module, "LEAST_QUERIES", 1)
    (gallery, y), (queries, truth) = clouds(50, classes=4), clouds(30, classes=5, seed=1)
    y = y.copy()
    y[7] = 99  # the only one of its class
    if alone:
        queries, truth, arguments = gallery, y, (gallery, y)
    else:
        arguments = (gallery, y, queries, truth)
    expected = slow(gallery, y, queries, truth, metric, alone)
    found = retrieval_details(*arguments, metric=metric)
    assert found.queries.tolist() == expected["query"].tolist()
    assert found.excluded == len(queries) - len(expected["query"]) > 0
    assert found.gallery == len(gallery) - alone
    np.testing.assert_allclose(found.average_precision, expected["ap"])
    np.testing.assert_allclose(found.average_precision_at_r, expected["map_at_r"])
    np.testing.assert_allclose(found.precision_at_r, expected["precision_at_r"])
    assert found.first.tolist() == expected["first"].tolist()
    assert found.set_recall_at_k(3) == pytest.approx(expected["set_recall"].mean())

    means = {name: values.mean() for name, values in expected.items()}
    assert mean_average_precision(*arguments, metric=metric) == pytest.approx(means["ap"])
    assert map_at_r(*arguments, metric=metric) == pytest.approx(means["map_at_r"])
    assert precision_at_1(*arguments, metric=metric) == pytest.approx(means["precision_at_1"])
    assert recall_at_k(*arguments, k=3, metric=metric) == pytest.approx(means["recall"])
    assert mrr(*arguments, metric=metric) == pytest.approx((1 / expected["first"]).mean())
    cut = np.where(expected["first"] <= 2, 1 / expected["first"], 0)
    assert mrr(*arguments, cutoff=2, metric=metric) == pytest.approx(cut.mean())
    assert ndcg(*arguments, k=10, metric=metric) == pytest.approx(means["ndcg"])


def test_a_ranking_by_hand():
    """Five items on an arc, nearest to farthest from the first query as they stand, the other way for the second."""
    angles = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    gallery, y = np.c_[np.cos(angles), np.sin(angles)], ["a", "b", "a", "c", "a"]
    queries, truth = np.array([[1.0, 0.0], [np.cos(0.6), np.sin(0.6)], [1.0, 0.0]]), ["a", "b", "none"]
    found = retrieval_details(gallery, y, queries, truth, depth=5)
    assert found.hits.tolist() == [[True, False, True, False, True], [False, False, False, True, False]]
    assert found.average_precision == pytest.approx([(1 + 2 / 3 + 3 / 5) / 3, 1 / 4])
    assert found.average_precision_at_r == pytest.approx([(1 + 2 / 3) / 3, 0])
    assert found.precision_at_r == pytest.approx([2 / 3, 0])
    assert found.precision_at_1 == 0.5
    assert [found.recall_at_k(k) for k in (1, 3, 4)] == [0.5, 0.5, 1.0]
    assert found.set_recall_at_k(3) == pytest.approx((2 / 3 + 0) / 2)
    assert found.mrr() == pytest.approx((1 + 1 / 4) / 2)
    assert found.mrr(3) == pytest.approx(1 / 2)
    gain = 1 + 1 / math.log2(4) + 1 / math.log2(6)
    best = 1 + 1 / math.log2(3) + 1 / math.log2(4)
    assert found.ndcg(5) == pytest.approx((gain / best + 1 / math.log2(5)) / 2)
    assert found.excluded == 1
    assert set(found.table()) >= {"query", "relevant", "first", "average_precision"}
    assert found.table()["query"].tolist() == [0, 1]


def test_equal_items_are_ranked_by_their_place():
    found = retrieval_details(np.ones((4, 2)), [0, 1, 1, 0], np.ones((1, 2)), [1], depth=4)
    assert found.hits.tolist() == [[False, True, True, False]]


def test_an_item_is_never_found_by_itself():
    assert precision_at_1(np.eye(4), [0, 1, 0, 1], np.eye(4), [0, 1, 0, 1]) == 1
    found = retrieval_details(np.array([[1.0, 0], [0, 1.0], [1.0, 0.1], [0.1, 1.0]]), [0, 1, 1, 0])
    assert found.first.tolist() == [2, 2, 3, 3]
    assert found.gallery == 3


def test_separate_classes_reach_1_and_features_without_sense_reach_chance():
    far, y = clouds(60, apart=50)
    for figure in FIGURES:
        assert figure(far, y) == pytest.approx(1)
    generator = np.random.default_rng(0)
    noise, items = generator.normal(size=(400, 8)), generator.normal(size=(200, 8))
    found = paired_retrieval_details(noise[:200], items)
    assert found.recall_at_k(10) == pytest.approx(10 / 200, abs=0.04)
    labels, asked = generator.integers(0, 4, 200), generator.integers(0, 4, 400)
    assert retrieval(items, labels, noise, asked) == pytest.approx(1 / 4, abs=0.03)


def test_retrieval_is_the_mean_average_precision_the_scorecard_names():
    (gallery, y), (queries, truth) = clouds(50), clouds(30, seed=1)
    assert retrieval(gallery, y, queries, truth) == mean_average_precision(gallery, y, queries, truth)
    assert callable(evaluation.retrieval)


def test_length_and_rotation_types_and_names_change_nothing():
    (gallery, y), (queries, truth) = clouds(50), clouds(30, seed=1)
    expected = retrieval(gallery, y, queries, truth)
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(6, 6)))[0]
    assert retrieval(gallery @ turn * 7, y, queries @ turn, truth) == pytest.approx(expected)
    names = np.array(["zebra", "ape", "cat"])
    assert retrieval(gallery, names[y], queries, list(names[truth])) == expected
    half = torch.from_numpy(gallery).half(), torch.from_numpy(y), torch.from_numpy(queries).float(), truth
    assert retrieval(*half) == pytest.approx(expected, abs=0.01)


def test_pairs_find_the_item_of_their_own_place():
    generator = np.random.default_rng(0)
    items = generator.normal(size=(40, 6))
    assert paired_retrieval(items * 2, items) == 1
    texts = items + generator.normal(size=items.shape)
    by_label = retrieval(items, np.arange(40), texts, np.arange(40))
    assert paired_retrieval(texts, items) == pytest.approx(by_label)
    details = paired_retrieval_details(texts, items)
    assert details.mean_average_precision == pytest.approx(details.mrr())


def test_sets_of_relevant_items_are_those_that_are_listed():
    (gallery, y), (queries, truth) = clouds(50), clouds(30, seed=1)
    sets = [np.flatnonzero(y == label).tolist() for label in truth]
    sets[4] = []
    rows = [i for i in range(30) if i != 4]
    found = paired_retrieval_details(queries, gallery, sets)
    expected = retrieval_details(gallery, y, queries[rows], truth[rows])
    assert found.excluded == 1
    assert found.queries.tolist() == rows
    np.testing.assert_allclose(found.average_precision, expected.average_precision)


X, Y = np.eye(4) + 1, np.array([0, 1, 0, 1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: retrieval(X, Y[:3]), "gallery has 4 rows and gallery_labels 3"),
        (lambda: retrieval(X, Y, X), "only one of queries and query_labels"),
        (lambda: retrieval(X, Y, X, Y[:3]), "queries has 4 rows and query_labels 3"),
        (lambda: retrieval(X, Y, X[:, :2], Y), "gallery has 4 columns and queries 2"),
        (lambda: retrieval(X * np.nan, Y), "gallery has NaN"),
        (lambda: retrieval(X, Y, X * np.inf, Y), "queries has NaN"),
        (lambda: retrieval(X, [0, 1, 2, 3]), "no query has a relevant item"),
        (lambda: retrieval(X, Y, X, Y + 10), "no query has a relevant item"),
        (lambda: retrieval(X, Y, X, Y.astype(str)), "strings and query_labels numbers"),
        (lambda: retrieval(X, [0, 1, -1, 0]), "gallery_labels is -1 at row 2"),
        (lambda: paired_retrieval(X, X[:3]), "queries has 4 rows and gallery 3"),
        (lambda: paired_retrieval(X, X, [[0]]), "queries has 4 rows and relevant 1 lists"),
        (lambda: paired_retrieval(X, X, [[0], [1], [4], [2]]), r"relevant\[2\] names a place outside"),
        (lambda: paired_retrieval(X, X, [[0], [1, 1], [3], [2]]), r"relevant\[1\] names a place twice"),
    ],
)
def test_bad_data_is_refused(call, message):
    with pytest.raises(DataError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: recall_at_k(X, Y, k=4), "k is 4: give 1 <= k <= 3"),
        (lambda: recall_at_k(X, Y, X, Y, k=0), "k is 0"),
        (lambda: ndcg(X, Y, X, Y, k=5), "give 1 <= k <= 4"),
        (lambda: retrieval_details(X, Y, depth=2).ndcg(3), "k is 3: give 1 <= k <= 2"),
        (lambda: mrr(X, Y, cutoff=0), "cutoff is 0"),
        (lambda: retrieval(X, Y, metric="dot"), "'cosine' or 'euclidean'"),
    ],
)
def test_options_outside_their_range_are_refused(call, message):
    with pytest.raises(OptionError, match=message):
        call()
