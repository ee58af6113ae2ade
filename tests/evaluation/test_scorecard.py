import json

import numpy as np
import pytest

from unlabeled.errors import DataError
from unlabeled.evaluation import (
    Figure,
    Scorecard,
    effective_rank,
    knn,
    linear_probe,
    score,
    wilson_interval,
)


def sets(seed=0, n=60, dim=5):
    generator = np.random.default_rng(seed)
    y = np.arange(n) % 3
    return np.eye(dim)[y] * 3 + generator.normal(size=(n, dim)), y


@pytest.fixture(scope="module")
def card():
    (train, y), (test, truth) = sets(), sets(1, 30)
    truth[0] = 1
    return score(
        train, y, test, truth, raw=(train[:, :2], test[:, :2]), untrained=(train[:, 1:], test[:, 1:]), k=7
    )


def test_every_figure_stands_beside_chance_raw_input_and_untrained_encoder(card):
    (train, y), (test, truth) = sets(), sets(1, 30)
    truth[0] = 1
    assert list(card) == ["knn", "linear_probe", "effective_rank"]
    assert card["knn"].value == knn(train, y, test, truth, k=7)
    assert card["knn"].raw == knn(train[:, :2], y, test[:, :2], truth, k=7)
    assert card["linear_probe"].untrained == linear_probe(train[:, 1:], y, test[:, 1:], truth)
    assert card["knn"].chance == card["linear_probe"].chance == pytest.approx(11 / 30)
    low, high = card["knn"].interval
    assert low < card["knn"].value <= high
    assert card["effective_rank"] == Figure(
        effective_rank(train), raw=effective_rank(train[:, :2]), untrained=effective_rank(train[:, 1:])
    )


def test_without_labels_only_the_effective_rank_is_given():
    train, _ = sets()
    card = score(train, None, None, None, untrained=(train * 2, None))
    assert list(card) == ["effective_rank"]
    assert card["effective_rank"].untrained == pytest.approx(card["effective_rank"].value)


def test_fewer_train_samples_than_k_all_vote_and_a_note_says_so():
    (train, y), (test, truth) = sets(n=9), sets(1, 30)
    card = score(train, y, test, truth)
    assert card["knn"].value == knn(train, y, test, truth, k=9)
    assert any("k is 9 instead of 20" in note for note in card.notes)


def test_a_saved_scorecard_is_read_back_equal(card, tmp_path):
    path = card.save(tmp_path / "new" / "card.json")
    again = Scorecard.load(path)
    assert dict(again) == dict(card)
    assert again.notes == card.notes
    assert json.loads(path.read_text())["knn"]["value"] == card["knn"].value


def test_the_table_is_aligned_and_names_every_figure(card):
    lines = card.table().splitlines()
    assert len({len(line) for line in lines[:5]}) == 1
    assert [line.split()[0] for line in lines[2:5]] == list(card)
    assert lines[5:] == list(card.notes)
    assert "untrained" in lines[0] and str(card) == card.table()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[1, 2]",
        '{"knn": {"height": 2}}',
        '{"knn": 3}',
        '{"knn": {"value": "high"}}',
        '{"knn": {"value": 1, "interval": 2}}',
    ],
)
def test_a_file_that_is_no_scorecard_is_refused_by_name(text, tmp_path):
    path = tmp_path / "card.json"
    path.write_text(text)
    with pytest.raises(DataError, match="scorecard"):
        Scorecard.load(path)


def test_scores_of_unequal_sets_are_refused():
    (train, y), (test, truth) = sets(), sets(1, 30)
    with pytest.raises(DataError, match="that of untrained 59"):
        score(train, y, test, truth, untrained=(train[:59], test))
    with pytest.raises(DataError, match="that of raw 29"):
        score(train, y, test, truth, raw=(train, test[:29]))
    with pytest.raises(DataError, match="only one of train_labels and test_labels"):
        score(train, y, test, None)
    with pytest.raises(DataError, match="test is None"):
        score(train, y, None, truth)


@pytest.mark.parametrize(
    ("correct", "total", "expected"),
    [(5, 10, (0.2366, 0.7634)), (0, 10, (0.0, 0.2775)), (10, 10, (0.7225, 1.0)), (80, 100, (0.7112, 0.8666))],
)
def test_wilson_interval_gives_the_textbook_values(correct, total, expected):
    assert wilson_interval(correct, total) == pytest.approx(expected, abs=1e-4)


def test_wilson_interval_is_symmetric_and_narrows():
    low, high = wilson_interval(3, 20)
    assert wilson_interval(17, 20) == pytest.approx((1 - high, 1 - low))
    wide, narrow = wilson_interval(50, 100, confidence=0.99), wilson_interval(500, 1000)
    assert wide[1] - wide[0] > narrow[1] - narrow[0]


def test_wilson_interval_covers_the_true_share_about_as_often_as_it_says():
    correct = np.random.default_rng(0).binomial(50, 0.3, size=4000)
    covered = [low <= 0.3 <= high for low, high in (wilson_interval(int(c), 50) for c in correct)]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize(
    ("correct", "total", "confidence"), [(1, 0, 0.95), (5, 4, 0.95), (-1, 4, 0.95), (1, 4, 1.0)]
)
def test_impossible_counts_have_no_interval(correct, total, confidence):
    with pytest.raises(DataError):
        wilson_interval(correct, total, confidence=confidence)
