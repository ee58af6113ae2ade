"""Held-out data and labels are looked at and change nothing."""

from __future__ import annotations

import csv
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.contract.conftest import METHODS, Bench, digits
from unlabeled.data.source import Source
from unlabeled.errors import DataError, Interrupted
from unlabeled.methods import lookup
from unlabeled.training import validate
from unlabeled.training.engine import Engine
from unlabeled.training.fit import Machine, fit
from unlabeled.training.validate import Held


def held_out(engine: Engine) -> tuple[Source, np.ndarray]:
    x, y = digits(100)
    return engine.modality.read(x[64:]), y[64:]


def train(
    bench: Bench, engine: Engine, out: str, held: Held | None, *, resume: bool = False
) -> dict[str, Tensor]:
    folder = bench.folder / out
    folder.mkdir(exist_ok=resume)
    fit(
        engine,
        folder,
        Machine(devices=1, precision="32"),
        held=held,
        limit=None,
        on_collapse="warn",
        resume=resume,
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
    for figure in ("knn", "linear_probe"):
        found = column(bench.folder / "watched", figure)
        assert len(found) == 4 and all(0 <= value <= 1 for value in found)
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


def test_the_linear_probe_sends_no_gradient_and_moves_no_statistics(bench: Bench) -> None:
    engine = bench.engine("barlow_twins", epochs=1)
    train(bench, engine, "run", None)
    for parameter in engine.method.parameters():
        parameter.grad = None
    before = {n: t.clone() for n, t in engine.method.state_dict().items()}
    assert any("running_mean" in name for name in before)
    assert 0 <= Held(None, digits(64)[1], seed=0).look(engine)["linear_probe"] <= 1
    assert [n for n, t in engine.method.state_dict().items() if not torch.equal(t, before[n])] == []
    assert all(parameter.grad is None for parameter in engine.method.parameters())


def test_the_linear_probe_reads_the_classes_off_the_frozen_features(bench: Bench) -> None:
    """Of features that hold the class it makes no mistake, of features without it no more than chance."""
    engine = bench.engine("barlow_twins", epochs=1)
    train(bench, engine, "run", None)
    y = digits(64)[1] % 2
    held = Held(None, y, seed=0)
    told = torch.randn(64, 16) + 20 * torch.from_numpy(y)[:, None]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validate, "features", lambda *given, rows, **named: told[rows])
        assert held.look(engine)["linear_probe"] == 1
        patch.setattr(validate, "features", lambda *given, rows, **named: torch.ones(len(rows), 16))
        commonest = np.bincount(y[held.references]).argmax()
        assert held.look(engine)["linear_probe"] == pytest.approx(np.mean(y[held.queries] == commonest))


def test_watched_figures_are_the_same_for_the_same_seed_and_after_a_resume(bench: Bench) -> None:
    def held() -> Held:
        return Held(None, digits(64)[1], seed=0)

    def figures(out: str) -> list[list[float]]:
        names = ("knn", "linear_probe", "teacher_agreement", "effective_rank")
        return [column(bench.folder / out, name) for name in names]

    for out in ("whole", "again"):
        train(bench, bench.engine("byol"), out, held())
    stopped = bench.engine("byol")
    inner = stopped.step

    def noted(batch: Any, draws: Any) -> Any:
        if stopped.moved + 1 == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return inner(batch, draws)

    stopped.step = noted  # type: ignore[method-assign]
    with pytest.raises(Interrupted):
        train(bench, stopped, "pieces", held())
    train(bench, bench.engine("byol"), "pieces", held(), resume=True)
    assert len(figures("whole")[0]) == 8
    assert figures("whole") == figures("again") == figures("pieces")


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
