"""Samples in words, kind by kind: what a person reads where a picture says nothing, or not enough."""

import datetime

import numpy as np
import pyarrow as pa
import pytest
import torch

from unlabeled.data.batch import Tokens
from unlabeled.modalities import MODALITIES, Modality
from unlabeled.modalities.covered import CHEQUERS, HIDDEN, cover

FIVE = pa.table(
    {
        "age": [39, 50, None, 28, 61],
        "pay": [15000.0, 77516.0, 83311.0, 338409.0, 2_000_000.0],
        "job": ["clerk", "clerk", "guard", None, "clerk"],
        "left": [True, False, True, True, None],
        "since": [datetime.date(1990 + i, 1 + i, 3) for i in range(5)],
    }
)
HERE = pa.concat_tables([FIVE] * 4)  # what occurs once is rare


@pytest.mark.parametrize("scaling", ["quantile", "standard"])
def test_a_row_is_its_cells(scaling):
    modality = MODALITIES["table"].measure(HERE, scaling=scaling)
    x = modality.read(HERE).fetch(np.arange(5))
    said = modality.describe(x)
    assert said[0].startswith("age 39, pay 15000, job clerk, left True, since 1990-01-03")
    assert said[2].startswith("age –, pay 83311, job guard, left True, since 1992-03-03")
    assert said[3].startswith("age 28, pay 338409, job –, left True, since 1993-04-03")
    assert "left –" in said[4]
    with pytest.warns(UserWarning, match="never saw"):
        odd = modality.read(pa.concat_tables([FIVE.slice(0, 1).set_column(2, "job", [["pilot"]])] * 4))
    assert "job –" in modality.describe(odd.fetch([0]))[0]  # never seen in training
    hidden = torch.zeros(5, len(modality.columns), dtype=torch.bool)
    hidden[0, 1] = True
    assert modality.describe(x, hidden)[0].startswith(f"age 39, pay {HIDDEN}, job clerk")
    assert modality.describe(x, hidden)[1:] == said[1:]


def test_a_zero_is_told_as_zero_and_a_small_number_as_itself():
    ink = np.random.default_rng(0).normal(0.3, 0.2, 40).astype(np.float32)
    ink[::4], ink[1] = 0.0, 0.003
    table = pa.table({"ink": ink, "rest": 1 - ink})
    modality = MODALITIES["table"].measure(table, scaling="standard")
    said = [row.split(",")[0] for row in modality.describe(modality.read(table).fetch(np.arange(5)))]
    assert said[0] == said[4] == "ink 0" and said[1] == "ink 0.003"


def test_parts_of_days_are_told_as_times_of_day_and_durations():
    table = pa.table(
        {
            "at": pa.array([datetime.time(9, 30), datetime.time(23, 5), datetime.time(0, 0)]),
            "took": pa.array(
                [datetime.timedelta(hours=12), datetime.timedelta(days=3), datetime.timedelta(0)]
            ),
            "when": pa.array([datetime.datetime(2020, 1, day, 7, 30) for day in (1, 2, 4)]),
        }
    )
    modality = MODALITIES["table"].measure(table)
    said = modality.describe(modality.read(table).fetch(np.arange(3)))
    assert said[0].startswith("at 09:30, took 0.5 days, when 2020-01-01T07:30:00")
    assert said[1].startswith("at 23:05, took 3 days, when 2020-01-02T07:30:00")
    assert said[2].startswith("at 00:00, took 0 days")


def test_a_text_is_itself_and_hidden_tokens_are_blocks():
    texts = ["The cat sat.", "A dog ran far away, and then it came back."] * 4
    modality = MODALITIES["text"].measure(texts, vocabulary=300)
    x = modality.read(texts).fetch(np.arange(2))
    assert modality.describe(x) == ["the cat sat.", "a dog ran far away, and then it came back."]
    hidden = torch.zeros_like(x, dtype=torch.bool)
    hidden[0, 1:3] = True
    words = modality.describe(x, hidden)[0].split()
    assert words.count(HIDDEN) == 2
    assert modality.describe(x, hidden)[1] == modality.describe(x)[1]


def test_one_graph_is_told_node_by_node():
    data = {
        "edges": pa.table({"source": [0, 1], "target": [1, 2]}),
        "nodes": pa.table({"id": [0, 1, 2], "a": [1.0, 1.0, 0.0], "b": [0.0, 1.0, 0.0]}),
    }
    modality = MODALITIES["graph"].measure(data, scaling="none")
    graph = modality.read(data).fetch([0])
    assert modality.describe(graph) == [
        "1 of 2 features, 1 edge",
        "2 of 2 features, 2 edges",
        "0 of 2 features, 1 edge",
    ]
    hidden = torch.tensor([[False, True, False]])
    assert modality.describe(graph, hidden)[1] == f"{HIDDEN}, 2 edges"


def test_a_graph_is_its_size():
    import networkx

    graphs = [networkx.path_graph(2), networkx.cycle_graph(5), networkx.star_graph(3)] * 2
    modality = MODALITIES["graph"].measure(graphs)
    x = modality.read(graphs).fetch(np.arange(3))
    assert modality.describe(x) == ["2 nodes, 1 edge", "5 nodes, 5 edges", "4 nodes, 3 edges"]
    hidden = torch.zeros(3, 5, dtype=torch.bool)
    hidden[1, :2] = True
    assert modality.describe(x, hidden)[1] == "5 nodes, 5 edges, 2 nodes hidden"


def test_a_series_is_its_length_its_channels_and_what_is_missing():
    data = [np.ones((2, 30), np.float32) * np.arange(30, dtype=np.float32), np.ones((2, 20), np.float32)]
    data[0][0, 5:8] = np.nan
    modality = MODALITIES["series"].measure(data)
    assert modality.describe(modality.read(data).fetch([0, 1])) == [
        "30 steps, 2 channels, 5% missing",
        "20 steps, 2 channels",
    ]
    one = [row[:1] for row in data]
    modality = MODALITIES["series"].measure(one)
    assert modality.describe(modality.read(one).fetch([0, 1])) == ["30 steps, 10% missing", "20 steps"]


def test_hidden_patches_of_a_series_are_chequered_where_they_are():
    data = [np.random.default_rng(0).normal(size=(1, 40)).astype(np.float32), np.ones((1, 20), np.float32)]
    modality = MODALITIES["series"].measure(data, patch=10)
    x = modality.read(data).fetch([0, 1])
    hidden = torch.tensor([[False, True, False, False], [True, False, False, False]])
    covered = np.isin(modality.show(x, hidden), CHEQUERS).all(axis=3).all(axis=1)
    width = covered.shape[1]
    for row, (first, last) in enumerate([(0.25, 0.5), (0, 0.5)]):  # the second ends after two patches
        places = np.flatnonzero(covered[row]) / width
        assert places.min() == pytest.approx(first, abs=0.03) and places.max() == pytest.approx(
            last, abs=0.03
        )


def test_a_recording_is_its_seconds_as_waveform_and_as_spectrogram():
    data = {
        "array": [np.random.default_rng(0).normal(size=n).astype(np.float32) / 9 for n in (4000, 8000)],
        "rate": 8000,
    }
    modality = MODALITIES["audio"].measure(data)
    x = modality.read(data).fetch([0, 1])
    assert modality.describe(x) == ["0.50 seconds", "1.00 seconds"]
    told = [float(said.split()[0]) for said in modality.describe(modality.plain(x))]
    assert told == pytest.approx([0.5, 1.0], abs=0.02)


def test_hidden_frames_of_a_recording_are_chequered_where_they_are():
    data = {"array": [np.random.default_rng(0).normal(size=8000).astype(np.float32) / 9] * 2, "rate": 8000}
    modality = MODALITIES["audio"].measure(data, patch=10)
    x = modality.plain(modality.read(data).fetch([0, 1]))
    tokens = modality.tokenise(x)
    assert isinstance(tokens, Tokens)
    hidden = torch.zeros(2, tokens.positions.shape[-2], dtype=torch.bool)
    hidden[0, 3] = True
    shown = modality.show(x, hidden)
    covered = np.isin(shown, CHEQUERS).all(axis=3).all(axis=1)
    assert np.flatnonzero(covered[0]).tolist() == list(range(30, 40)) and not covered[1].any()


def test_an_image_is_its_size_and_its_bands_where_they_are_not_colours():
    for bands, said in ((1, "9 × 6 pixels"), (3, "9 × 6 pixels"), (5, "9 × 6 pixels, 5 bands")):
        data = np.random.default_rng(0).integers(0, 255, (4, bands, 6, 9)).astype(np.uint8)
        modality = MODALITIES["image"].measure(data, size=(6, 9), patch=3)
        assert modality.describe(modality.read(data).fetch([0, 1])) == [said] * 2


def test_hidden_patches_of_an_image_are_chequered_and_the_others_untouched():
    data = np.random.default_rng(0).integers(0, 60, (4, 3, 6, 9)).astype(np.uint8)
    modality = MODALITIES["image"].measure(data, size=(6, 9), patch=3)
    x = modality.read(data).fetch([0])
    hidden = torch.tensor([[False, False, True, True, False, False]])
    bare, shown = modality.show(x)[0], modality.show(x, hidden)[0]
    covered = np.zeros((6, 9), bool)
    covered[:3, 6:] = covered[3:, :3] = True
    assert ((shown != bare).any(axis=2) == covered).all()
    assert (shown[~covered] == bare[~covered]).all()


def test_covered_pixels_alternate():
    out = cover(np.zeros((1, 2, 2, 3), np.uint8), np.ones((1, 2, 2), bool))[0]
    assert (
        (out[0, 0] == out[1, 1]).all() and (out[0, 1] == out[1, 0]).all() and (out[0, 0] != out[0, 1]).any()
    )


def test_a_kind_of_data_that_says_nothing_is_told_by_its_shape():
    assert Modality.describe(None, torch.zeros(2, 3, 4)) == ["3 × 4"] * 2
    assert Modality.describe(None, [1, 2]) == ["", ""]
