"""Every figure beside chance, the raw input and the untrained encoder."""

import itertools
import sys

import numpy as np
import pytest
import torch

from unlabeled import evaluation
from unlabeled.errors import DataError, OptionError
from unlabeled.evaluation import Seen, jackknife_interval, left_out, score
from unlabeled.evaluation.account import LEAST, PAIRS_ROWS, SPECTRUM_ROWS, WIDEST, random_precision

UNLABELLED = [
    *("effective_rank", "rankme", "participation_ratio", "alpha_req", "feature_spread", "uniformity"),
    *("self_cluster", "intrinsic_dimension", "cluster_learnability"),
]
LABELLED = ["knn", "linear_probe", "few_shot", "retrieval", "clustering"]


def sets(seed=0, n=300, dim=40, classes=3):
    generator = np.random.default_rng(seed)
    y = np.arange(n) % classes
    return np.eye(dim)[y] * 3 + generator.normal(size=(n, dim)), y


def views(z, count=4, noise=0.3):
    generator = np.random.default_rng(9)
    return z[:100, None] + noise * generator.normal(size=(100, count, z.shape[1]))


@pytest.fixture(scope="module")
def three():
    (train, y), (test, truth) = sets(), sets(1, 120)
    seen = [
        Seen(z(train), z(test), views(z(train))) for z in (np.array, lambda a: a[:, 1:], lambda a: a[:, :32])
    ]
    return seen, y, truth


@pytest.fixture(scope="module")
def card(three):
    (learned, untrained, raw), y, truth = three
    return score(learned, y, truth, raw=raw, untrained=untrained, k=7)


def test_every_figure_that_the_data_allows_is_there_in_the_order_of_its_kind(card):
    assert list(card) == [*LABELLED, *UNLABELLED, "alignment", "lidar"]


def test_a_figure_is_what_its_function_gives_of_each_of_the_three(card, three):
    (learned, untrained, raw), y, truth = three
    for name, options in (("knn", {"k": 7}), ("linear_probe", {})):
        function = getattr(evaluation, name)
        for field, one in (("value", learned), ("raw", raw), ("untrained", untrained)):
            assert getattr(card[name], field) == function(one.train, y, one.test, truth, **options)
    for name in ("effective_rank", "rankme", "alpha_req", "uniformity", "self_cluster", "feature_spread"):
        function = getattr(evaluation, name)
        for field, one in (("value", learned), ("raw", raw), ("untrained", untrained)):
            assert getattr(card[name], field) == pytest.approx(function(one.train), rel=1e-9)
    assert card["lidar"].raw == pytest.approx(evaluation.lidar(raw.views))
    assert card["alignment"].value == pytest.approx(
        np.mean([evaluation.alignment(learned.views[:, i], learned.views[:, i + 1]) for i in range(3)])
    )


def test_chance_is_what_guessing_reaches(card, three):
    _, _, truth = three
    assert card["knn"].chance == card["linear_probe"].chance
    assert card["few_shot"].chance == pytest.approx(1 / 3)
    assert card["knn"].chance == pytest.approx(np.bincount(truth).max() / len(truth))
    assert card["clustering"].chance == 0
    assert all(card[name].chance is None for name in UNLABELLED)


def test_every_figure_has_an_interval_that_holds_its_value(card):
    for name, figure in card.items():
        assert figure.interval is not None, name
        low, high = figure.interval
        assert low <= figure.value <= high and high > low, name


def test_intervals_of_figures_without_labels_come_from_leaving_a_tenth_out(card, three):
    z = torch.from_numpy(three[0][0].train)
    value = evaluation.rankme(z)
    expected = jackknife_interval(value, [evaluation.rankme(z[rows]) for rows in left_out(len(z))])
    assert card["rankme"].interval == pytest.approx(expected)


def test_shuffled_labels_bring_every_figure_to_chance():
    (train, y), (test, truth) = sets(n=400), sets(1, 400)
    generator = np.random.default_rng(0)
    shuffled = score(Seen(train, test), generator.permutation(y), generator.permutation(truth))
    for name in LABELLED:
        assert shuffled[name].value == pytest.approx(shuffled[name].chance, abs=0.08), name


def test_the_precision_of_a_random_order_is_the_mean_over_all_orders():
    gallery, queries = np.array([0, 0, 1, 2, 1]), np.array([0, 1, 2, 7])
    expected = []
    for query in queries[:3]:
        found = []
        for order in itertools.permutations(gallery == query):
            hits = np.flatnonzero(order)
            found.append(np.mean([(i + 1) / (place + 1) for i, place in enumerate(hits)]))
        expected.append(np.mean(found))
    assert random_precision(gallery, queries) == pytest.approx(np.mean(expected))


def test_without_labels_the_others_are_given():
    card = score(Seen(sets()[0]))
    assert list(card) == UNLABELLED
    assert card["rankme"].untrained is None and card["rankme"].raw is None


def test_quantities_are_met_by_a_regression():
    (train, y), (test, truth) = sets(), sets(1, 120)
    card = score(Seen(train, test), y + train[:, 5], truth + test[:, 5])
    assert list(card) == ["regression_probe", *UNLABELLED]
    assert card["regression_probe"].value > 0.8 and card["regression_probe"].chance == 0
    low, high = card["regression_probe"].interval
    assert low < card["regression_probe"].value < high


def test_few_samples_all_vote_and_what_cannot_be_computed_is_said():
    (train, y), (test, truth) = sets(n=30), sets(1, 30)
    card = score(Seen(train, test), y, truth, k=40)
    assert any("k is 30 instead of 40" in note for note in card.notes)
    assert "intrinsic_dimension" not in card
    assert any(note.startswith("intrinsic_dimension: not computed: z has 30") for note in card.notes)
    assert card["rankme"].interval is None and len(train) < LEAST


def test_a_rare_class_lowers_the_shots_and_one_of_a_single_sample_is_no_fault():
    (train, y), (test, truth) = sets(), sets(1, 120)
    rare = np.where(np.arange(len(y)) < 3, 7, y)
    assert any("few_shot with 3 labels a class" in n for n in score(Seen(train, test), rare, truth).notes)
    rare = np.where(np.arange(len(y)) < 1, 7, y)
    card = score(Seen(train, test), rare, truth)
    assert set(LABELLED) <= set(card)


def test_samples_in_both_parts_are_reported():
    (train, y), (test, truth) = sets(), sets(1, 120)
    test = np.concatenate([test[:-4], train[:4]])
    card = score(Seen(train, test), y, truth, raw=Seen(train, test))
    assert any(note.startswith("leakage: 4 of 120 test samples") for note in card.notes)
    clean = score(Seen(train, sets(1, 120)[0]), y, truth, raw=Seen(train, sets(1, 120)[0]))
    assert not any("leakage" in note for note in clean.notes)


def test_a_very_wide_raw_input_gets_no_spectrum():
    (train, y), (test, truth) = sets(n=60), sets(1, 30)
    wide = [np.concatenate([a, np.zeros((len(a), WIDEST))], axis=1) for a in (train, test)]
    card = score(Seen(train, test), y, truth, raw=Seen(*wide))
    assert card["rankme"].raw is None
    assert card["linear_probe"].raw is not None and card["uniformity"].raw is not None
    assert any(f"more than {WIDEST}" in note for note in card.notes)


def test_of_many_samples_figures_without_labels_take_a_seeded_draw():
    z = np.random.default_rng(0).normal(size=(SPECTRUM_ROWS + 500, 8)).astype(np.float32)
    card = score(Seen(z), seed=2)
    (note,) = (note for note in card.notes if note.startswith("without labels"))
    assert f"{SPECTRUM_ROWS} of {len(z)} samples" in note and f"{PAIRS_ROWS} of {len(z)}" in note
    assert "(seed 2)" in note
    order = np.random.default_rng(2).permutation(len(z))
    drawn = z[np.sort(order[:SPECTRUM_ROWS])]
    assert card["participation_ratio"].value == pytest.approx(evaluation.participation_ratio(drawn))
    drawn = z[np.sort(order[:PAIRS_ROWS])]
    assert card["uniformity"].value == pytest.approx(evaluation.uniformity(drawn))


def test_of_very_many_samples_neighbours_are_searched_in_a_seeded_draw(monkeypatch):
    account = sys.modules["unlabeled.evaluation.account"]
    monkeypatch.setattr(account, "NEIGHBOURS", (150, 50))
    monkeypatch.setattr(account, "RANKED", (100, 40))
    (train, y), (test, truth) = sets(), sets(1, 120)
    card = score(Seen(train, test), y, truth, seed=3)

    def drawn(samples, most):
        return np.sort(np.random.default_rng(3).permutation(samples)[:most])

    known, asked = drawn(300, 150), drawn(120, 50)
    assert card["knn"].value == evaluation.knn(train[known], y[known], test[asked], truth[asked])
    assert any(
        "knn: 50 of 120 samples of test, 150 of 300 samples of train (seed 3)" in n for n in card.notes
    )
    known, asked = drawn(300, 100), drawn(120, 40)
    assert card["retrieval"].value == evaluation.retrieval(train[known], y[known], test[asked], truth[asked])
    assert card["linear_probe"].value == evaluation.linear_probe(train, y, test, truth)


@pytest.mark.parametrize(
    "name", ["intrinsic_dimension", "cluster_learnability", "uniformity", "self_cluster"]
)
def test_intervals_are_as_wide_as_the_figure_moves_over_fresh_samples(name):
    cards = [score(Seen(np.random.default_rng(s).normal(size=(300, 6)))) for s in range(12)]
    spread = np.std([card[name].value for card in cards], ddof=1)
    half = np.mean([(card[name].interval[1] - card[name].interval[0]) / 2 for card in cards]) / 1.96
    assert 0.5 < half / spread < 2


def test_a_figure_that_a_tenth_less_is_too_few_for_keeps_its_value():
    z = np.random.default_rng(0).normal(size=(105, 128))
    with pytest.warns(UserWarning, match="alpha_req"):
        value = evaluation.alpha_req(z)
    card = score(Seen(z))
    assert card["alpha_req"].value == pytest.approx(value) and card["alpha_req"].interval is None


def test_the_same_input_gives_the_same_card(card, three):
    (learned, untrained, raw), y, truth = three
    again = score(learned, y, truth, raw=raw, untrained=untrained, k=7)
    assert dict(again) == dict(card) and again.notes == card.notes


def test_what_cannot_be_compared_is_refused():
    (train, y), (test, truth) = sets(), sets(1, 30)
    with pytest.raises(DataError, match="that of untrained 299"):
        score(Seen(train, test), y, truth, untrained=Seen(train[:299], test))
    with pytest.raises(DataError, match="that of raw 29"):
        score(Seen(train, test), y, truth, raw=Seen(train, test[:29]))
    with pytest.raises(DataError, match="only one of train_labels and test_labels"):
        score(Seen(train, test), y, None)
    with pytest.raises(DataError, match="no test features"):
        score(Seen(train), y, truth)
    with pytest.raises(DataError, match="train has NaN or infinite"):
        score(Seen(np.where(np.arange(40) == 3, np.nan, train), test), y, truth)
    with pytest.raises(DataError, match="test has NaN or infinite"):
        score(Seen(train, np.where(np.arange(40) == 3, np.inf, test)), y, truth)
    with pytest.raises(DataError, match="one class only"):
        score(Seen(train, test), np.zeros(300), np.zeros(30))
    with pytest.raises(OptionError, match="k is 0"):
        score(Seen(train, test), y, truth, k=0)
