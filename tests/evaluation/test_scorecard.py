import json

import numpy as np
import pytest

from unlabeled.errors import DataError
from unlabeled.evaluation import Figure, Scorecard, wilson_interval


@pytest.fixture(scope="module")
def card():
    figures = {
        "knn": Figure(0.812, (0.75, 0.86), 0.1, 0.62, 0.55),
        "effective_rank": Figure(31.25, (30.0, 32.5), None, 80.5, None),
        "uniformity": Figure(-2.5),
    }
    return Scorecard(figures, ["200 samples", "seed 0"])


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
