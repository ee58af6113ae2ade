"""Held-out data and labels are looked at and change nothing."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.contract.conftest import METHODS, Bench, digits
from unlabeled.data.source import Source
from unlabeled.errors import DataError
from unlabeled.methods import lookup
from unlabeled.training.engine import Engine
from unlabeled.training.fit import Machine, fit
from unlabeled.training.validate import Held


def held_out(engine: Engine) -> tuple[Source, np.ndarray]:
    x, y = digits(100)
    return engine.modality.read(x[64:]), y[64:]


def train(bench: Bench, engine: Engine, out: str, held: Held | None) -> dict[str, Tensor]:
    folder = bench.folder / out
    folder.mkdir()
    fit(
        engine,
        folder,
        Machine(devices=1, precision="32"),
        held=held,
        limit=None,
        on_collapse="warn",
        resume=False,
        say=lambda line: None,
    )
    return {n: t.clone() for n, t in engine.method.state_dict().items()}


def column(folder: Path, name: str) -> list[float]:
    with (folder / "metrics.csv").open(newline="") as file:
        return [float(row[name]) for row in csv.DictReader(file)]


@pytest.mark.parametrize("name", METHODS)
def test_looking_changes_nothing(name: str, bench: Bench) -> None:
    """The same weights, bit for bit, with held-out data and watched labels as without."""
    alone = train(bench, bench.engine(name, epochs=1), "alone", None)
    engine = bench.engine(name, epochs=1)
    held = Held(held_out(engine), digits(64)[1], seed=0)
    watched = train(bench, engine, "watched", held)
    assert [n for n in alone if not torch.equal(alone[n], watched[n])] == []
    index = lookup(name).cls.requires.index
    score = "validation_effective_rank" if index else "validation_loss"
    assert np.isfinite(column(bench.folder / "watched", score)).all()
    assert all(0 <= value <= 1 for value in column(bench.folder / "watched", "knn"))
    assert (bench.folder / "watched" / "best.ckpt").exists()
    assert not (bench.folder / "alone" / "best.ckpt").exists()


def test_the_best_checkpoint_holds_the_weights_of_the_best_reading(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = bench.engine("barlow_twins", epochs=1)
    held = Held(held_out(engine), None, seed=0)
    losses = iter([3.0, 1.0, 2.0, 1.5])
    seen: list[dict[str, Tensor]] = []

    def look(of: Engine) -> dict[str, float]:
        seen.append({n: t.clone() for n, t in of.state_dict().items()})
        return {"validation_loss": next(losses)}

    monkeypatch.setattr(held, "look", look)
    train(bench, engine, "run", held)
    for name, place in (("best.ckpt", 1), ("last.ckpt", 3)):
        kept = torch.load(bench.folder / "run" / name, weights_only=True)
        assert kept["unlabeled"]["moved"] == place + 1
        assert all(torch.equal(kept["state_dict"][n], seen[place][n]) for n in seen[place])
    assert column(bench.folder / "run", "validation_loss") == [3.0, 1.0, 2.0, 1.5]


def test_held_out_views_are_the_same_every_time(bench: Bench) -> None:
    engine = bench.engine("barlow_twins", epochs=1, lr=1e-30)  # which moves nothing but batch statistics
    for module in engine.method.modules():
        if hasattr(module, "momentum") and hasattr(module, "running_mean"):
            module.momentum = 0.0
    train(bench, engine, "run", Held(held_out(engine), None, seed=0))
    losses = column(bench.folder / "run", "validation_loss")
    assert losses == [losses[0]] * 4


def test_the_method_is_in_training_again_after_a_look(bench: Bench) -> None:
    engine = bench.engine("barlow_twins", epochs=1)
    train(bench, engine, "run", None)
    held = Held(held_out(engine), digits(64)[1], seed=0)
    before = {n: m.training for n, m in engine.method.named_modules()}
    held.look(engine)
    assert {n: m.training for n, m in engine.method.named_modules()} == before
    assert all(before.values())


@pytest.mark.parametrize(
    ("values", "score"),
    [
        ({"validation_loss": 2.0, "knn": 0.5}, -2.0),
        ({"validation_effective_rank": 3.0}, 3.0),
        ({"knn": 0.5}, None),
    ],
)
def test_only_held_out_data_chooses_the_best(values: dict[str, float], score: float | None) -> None:
    assert Held.score(values) == score


@pytest.mark.parametrize("y", [[3], [3, 3, 3, 3, -1], [0, 1]])
def test_labels_too_few_to_watch_are_refused_at_once(y: Any) -> None:
    with pytest.raises(DataError, match="too few"):
        Held(None, np.array(y), seed=0)


def test_neighbours_are_searched_among_labelled_samples_only() -> None:
    y = np.array([0, 1, -1] * 20)
    held = Held(None, y, seed=0)
    chosen = np.concatenate([held.references, held.queries])
    assert len(set(chosen.tolist())) == len(chosen) == 40
    assert (y[chosen] >= 0).all()
    assert len(held.queries) == 8
