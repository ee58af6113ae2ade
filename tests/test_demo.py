import json
import re

import numpy as np
import pytest
import torch

from unlabeled import demo as demonstration
from unlabeled.demo import ALONE, LEARNED, RAW, UNTRAINED, demo, digits, few, prepared

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def shortened(tmp_path_factory):
    """The whole demonstration with a tenth of the training: folder, what it printed, and what was trained on."""
    patch = pytest.MonkeyPatch()
    patch.setattr("unlabeled.report.projection.UMAP_FROM", 10**9)
    patch.setattr(demonstration, "EPOCHS", 10)
    patch.setattr(demonstration, "DRAWS", 2)
    patch.setattr(demonstration, "LABEL_STEPS", 5)
    from unlabeled import api

    asked = {}

    def watched(data, **options):
        asked.update(options, data=data)
        return pretrain(data, **options)

    pretrain = api.pretrain
    patch.setattr(api, "pretrain", watched)
    said = []
    patch.setattr("builtins.print", lambda *words, **_: said.append(" ".join(map(str, words))))
    folder = tmp_path_factory.mktemp("demo") / "run"
    report = demo(out=folder)
    first = (folder / demonstration.FIGURES).read_text()
    demo(out=folder)
    patch.undo()
    assert report == folder / "report.html"
    return folder, "\n".join(said), asked, first


def test_the_split_is_fixed_and_nothing_is_in_both_parts():
    pool, pool_y, test, test_y = digits()
    assert (len(pool), len(test)) == (1297, 500) == (len(pool_y), len(test_y))
    assert pool.dtype == np.uint8 and pool.shape[1:] == (8, 8) and pool.max() == 255
    again = digits()
    assert all((a == b).all() for a, b in zip((pool, pool_y, test, test_y), again, strict=True))
    both = np.concatenate([pool, test]).reshape(1797, -1)
    assert len(np.unique(both, axis=0)) == 1797
    assert np.bincount(test_y).min() > 30


@pytest.mark.parametrize("shots", [1, 5, 10])
def test_a_draw_has_as_many_labels_of_every_class_as_it_says(shots):
    y = digits()[1]
    rows = few(y, shots, draw=3)
    assert np.bincount(y[rows]).tolist() == [shots] * 10
    assert len(set(rows)) == 10 * shots
    assert (rows == few(y, shots, draw=3)).all()
    assert set(rows) != set(few(y, shots, draw=4))


def test_features_are_prepared_without_a_look_at_the_test_set():
    generator = np.random.default_rng(0)
    pool, test = generator.normal(size=(20, 4)) + 3, generator.normal(size=(9, 4))
    one, many = prepared(pool, test)[1][:1], prepared(pool, test[:1])[1]
    assert np.allclose(one, many)
    assert np.allclose(np.linalg.norm(prepared(pool, test)[0], axis=1), 1)


def test_nothing_but_the_images_of_the_pool_is_learned_from(shortened):
    asked = shortened[2]
    assert (asked["data"] == digits()[0]).all()
    assert "labels" not in asked and "validation" not in asked


def test_learning_without_labels_pays_off_even_in_a_tenth_of_the_time(shortened):
    accuracy = json.loads((shortened[0] / demonstration.FIGURES).read_text())
    mean = {name: {shots: np.mean(a) for shots, a in by_shots.items()} for name, by_shots in accuracy.items()}
    for shots in ("1", "5", "10"):
        assert mean[LEARNED][shots] > mean[UNTRAINED][shots] + 0.05
        assert mean[RAW][shots] > 0.5


def test_the_table_is_printed_and_is_in_the_report(shortened):
    folder, said, _, _ = shortened
    page = (folder / "report.html").read_text()
    for name in (RAW, UNTRAINED, ALONE, LEARNED):
        (line, *_) = [line for line in said.splitlines() if line.startswith(name)]
        cells = re.findall(r"[\d.]+ ± [\d.]+", line)
        assert len(cells) == 3
        for cell in cells:
            assert f'<td class="number">{cell}</td>' in page
    assert str(folder / "report.html") in said


def test_the_report_has_curves_and_a_map_of_the_digits(shortened):
    page = (shortened[0] / "report.html").read_text()
    assert re.search(r'alt="Loss from', page)
    assert re.search(r'aria-label="Map of 500 samples drawn as small pictures, coloured by label: 0, 1', page)
    assert not re.search(r"https?://", page)


def test_a_second_call_takes_up_the_same_run_and_gives_the_same_figures(shortened):
    folder, _, _, first = shortened
    assert (folder / demonstration.FIGURES).read_text() == first
