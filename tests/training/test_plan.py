"""The numbers of a run: chosen and said, or refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from unlabeled.errors import OptionError
from unlabeled.methods import Recipe
from unlabeled.training.plan import RATES, WHOLE_STEPS, Plan, resolve, seconds


def plan(
    rows: int = 1000, least_batch: int = 2, recipe: Recipe | None = None, **asked: Any
) -> tuple[Plan, list[str]]:
    numbers = {
        "epochs": None,
        "batch_size": None,
        "lr": None,
        "optimiser": None,
        "weight_decay": None,
        "seed": 0,
    }
    return resolve(recipe or Recipe(), rows=rows, least_batch=least_batch, **{**numbers, **asked})


def test_few_samples_shrink_the_batch_and_it_is_said() -> None:
    made, said = plan(rows=100)
    assert (made.batch_size, made.per_epoch) == (100, 1)
    assert any("batch size 100" in line and "only 100 samples" in line for line in said)


def test_few_samples_for_a_batch_that_was_given_are_refused() -> None:
    with pytest.raises(OptionError, match=r"batch_size 128 .* 100 samples .* give 100 or less"):
        plan(rows=100, batch_size=128)


@pytest.mark.parametrize(("rows", "batch_size"), [(1000, 3), (3, None)])
def test_a_batch_below_the_method_s_least_is_refused(rows: int, batch_size: int | None) -> None:
    with pytest.raises(OptionError, match="a batch of 3 is too small: this method needs at least 4"):
        plan(rows=rows, batch_size=batch_size, least_batch=4)


def test_what_could_not_be_read_is_named_where_too_few_are_left_and_only_there() -> None:
    unread = (79, 80)
    with pytest.raises(
        OptionError, match=r"at least 2 samples in each; 79 of the 80 samples could not be read$"
    ):
        plan(rows=1, unread=unread)
    with pytest.raises(OptionError, match=r"give 1 or less; 79 of the 80 samples could not be read$"):
        plan(rows=1, batch_size=8, unread=unread)
    with pytest.raises(OptionError, match=r"at least 2 samples in each$"):
        plan(rows=10, batch_size=1, unread=unread)


@pytest.mark.parametrize(
    ("rows", "epochs"), [(50_000, 30), (10_000, 150), (1_500, 400), (20, 400), (1_000_000, 20)]
)
def test_epochs_come_from_the_size_of_the_data(rows: int, epochs: int) -> None:
    made, said = plan(rows=rows)
    assert made.epochs == epochs
    assert any(line.startswith(f"epochs {epochs} ") for line in said)


def test_the_rate_scales_with_the_batch_unless_it_is_given() -> None:
    made, said = plan(recipe=Recipe(lr=0.01), batch_size=64)
    assert made.lr == pytest.approx(0.0025)
    assert any("learning rate 0.0025" in line for line in said)
    made, said = plan(lr=0.5, batch_size=64)
    assert made.lr == 0.5
    assert not any("rate" in line for line in said)


def test_nothing_is_said_of_what_was_given() -> None:
    assert plan(epochs=3, batch_size=10, lr=0.1)[1] == []


@pytest.mark.parametrize("name", RATES)
def test_another_optimiser_brings_its_own_rate(name: str) -> None:
    made, _ = plan(optimiser=name, recipe=Recipe(lr=123.0, optimiser="adamw"), batch_size=256)
    assert made.recipe.optimiser == name
    assert made.lr == (123.0 if name == "adamw" else RATES[name])


def test_weight_decay_that_is_given_replaces_the_recipe_s() -> None:
    assert plan(weight_decay=0)[0].recipe.weight_decay == 0
    assert plan()[0].recipe.weight_decay == Recipe().weight_decay


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"epochs": 0}, "epochs must be at least 1, not 0"),
        ({"epochs": -3}, "not -3"),
        ({"epochs": 1.5}, "epochs must be a whole number, not 1.5"),
        ({"epochs": "ten"}, "epochs must be a whole number, not 'ten'"),
        ({"epochs": True}, "epochs must be a whole number"),
        ({"batch_size": 0}, "batch_size must be at least 1, not 0"),
        ({"batch_size": 16.0}, "batch_size must be a whole number"),
        ({"lr": 0}, "lr must be a positive number, not 0"),
        ({"lr": -1.0}, "lr must be a positive number"),
        ({"lr": float("nan")}, "lr must be a positive number"),
        ({"lr": float("inf")}, "lr must be a positive number"),
        ({"lr": "fast"}, "lr must be a number, not 'fast'"),
        ({"weight_decay": -0.1}, "weight_decay must be a number of at least 0"),
        ({"weight_decay": float("nan")}, "weight_decay must be a number of at least 0"),
        ({"optimiser": "adam"}, "optimiser must be one of adamw, sgd, lars, not 'adam'"),
        ({"seed": "x"}, "seed must be a whole number, not 'x'"),
    ],
)
def test_numbers_out_of_range_are_refused_by_name(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        plan(**asked)


def test_numbers_of_numpy_are_taken_as_plain_ones() -> None:
    made, _ = plan(epochs=np.int64(3), lr=np.float32(0.5), seed=np.int32(7))
    assert (type(made.epochs), type(made.lr), type(made.seed)) == (int, float, int)


@pytest.mark.parametrize(
    ("text", "total"),
    [
        (None, None),
        (90, 90.0),
        (0.5, 0.5),
        ("90", 90.0),
        ("90s", 90.0),
        ("30m", 1800.0),
        ("1h30m", 5400.0),
        ("1.5h", 5400.0),
        ("2d", 172_800.0),
        (" 1H ", 3600.0),
        (timedelta(minutes=2), 120.0),
    ],
)
def test_times(text: Any, total: float | None) -> None:
    assert seconds(text) == total


@pytest.mark.parametrize(
    "text", ["soon", "", "1x", "h", "1h30", "-5m", True, "0", 0, -1, "nan", timedelta(0)]
)
def test_what_is_no_time_is_refused(text: Any) -> None:
    with pytest.raises(OptionError, match="max_time"):
        seconds(text)


def test_data_that_cannot_be_taken_apart_is_one_batch() -> None:
    made, said = plan(rows=2708, whole=True)
    assert (made.batch_size, made.per_epoch, made.steps) == (2708, 1, WHOLE_STEPS)
    assert made.lr == Recipe().lr  # not scaled to a batch that nobody chose
    assert any("one step over the whole" in line for line in said)


def test_another_batch_of_data_that_cannot_be_taken_apart_is_refused() -> None:
    with pytest.raises(OptionError, match="leave batch_size= out"):
        plan(rows=2708, whole=True, batch_size=256)
    assert plan(rows=2708, whole=True, batch_size=2708)[0].batch_size == 2708
