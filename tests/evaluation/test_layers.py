import numpy as np
import pytest
from tests.clouds import clouds

from unlabeled.errors import DataError
from unlabeled.evaluation import compare, layer_probe, linear_probe_details


def layers(n, seed):
    """Three layers: weak, clear, weak."""
    z, y = clouds(n, seed=seed)
    noise = np.random.default_rng(seed + 50).normal(size=z.shape)
    return {"stem": z * 0.3 + noise, "middle": np.c_[z, z**2], "head": 0.5 * z + noise}, y


@pytest.fixture(scope="module")
def found():
    (train, y), (test, truth) = layers(200, 0), layers(300, 1)
    return layer_probe(train, y, test, truth), (train, y, test, truth)


def test_every_layer_gets_its_linear_probe_in_order(found):
    probe, (train, y, test, truth) = found
    assert list(probe) == ["stem", "middle", "head"]
    for name, mine in probe.items():
        expected = linear_probe_details(train[name], y, test[name], truth)
        assert (mine.predictions == expected.predictions).all()
        assert mine.chosen == expected.chosen


def test_the_best_layer_is_named_and_compared_with_the_last_by_pairs(found):
    probe, _ = found
    assert (probe.best, probe.last) == ("middle", "head")
    assert probe.against_last == compare(probe["middle"], probe["head"])
    assert probe.against_last.accuracy.low > 0


def test_the_test_set_never_chooses_the_layer(found):
    probe, (train, y, test, truth) = found
    wrong = layer_probe(train, y, {**test, "middle": -test["middle"]}, truth)
    assert wrong.held_out == probe.held_out
    assert wrong.best == "middle"
    assert wrong.against_last.accuracy.value < 0


def test_equal_layers_give_the_last_and_no_difference():
    (train, y), (test, truth) = clouds(100), clouds(50, seed=1)
    probe = layer_probe([train, train], y, [test, test], truth)
    assert list(probe) == ["0", "1"]
    assert probe.best == probe.last == "1"
    assert (probe.against_last.accuracy.low, probe.against_last.accuracy.high) == (0, 0)


@pytest.mark.parametrize(
    ("train", "y", "test", "message"),
    [
        ({}, [0, 1], {}, "train_layers is empty"),
        ({"a": np.eye(2)}, [0, 1], {"b": np.eye(2)}, "layers a and test_layers b"),
        (
            {"a": np.eye(2), "b": np.eye(2) * np.nan},
            [0, 1],
            {"a": np.eye(2), "b": np.eye(2)},
            "single sample",
        ),
        ([np.eye(4), np.eye(4) * np.nan], [0, 1, 0, 1], [np.eye(4)] * 2, "layer 1: train has NaN"),
        ([np.eye(4)], [0, 0, 0, 0], [np.eye(4)], "one class only"),
    ],
)
def test_bad_data_is_refused_by_the_layers_name(train, y, test, message):
    with pytest.raises(DataError, match=message):
        layer_probe(train, y, test, y)
