"""What is written and watched while a run goes on."""

from __future__ import annotations

import csv
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.contract.conftest import Bench
from unlabeled.errors import Interrupted
from unlabeled.methods import Output
from unlabeled.training import callbacks
from unlabeled.training.callbacks import READINGS, Metrics, Watch, every
from unlabeled.training.watch import LEAST_ROWS, PATIENCE, read


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def stopped_at(bench: Bench, step: int, out: str) -> None:
    engine = bench.engine("vicreg")
    inner = engine.step

    def noted(batch: Any, draws: Any) -> Any:
        if engine.moved + 1 == step:
            os.kill(os.getpid(), signal.SIGTERM)
        return inner(batch, draws)

    engine.step = noted  # type: ignore[method-assign]
    with pytest.raises(Interrupted):
        bench.train(engine, out)


def test_metrics_have_one_row_a_reading(bench: Bench) -> None:
    bench.train(bench.engine("vicreg"), "run")
    found = rows(bench.folder / "run")
    assert [int(row["step"]) for row in found] == list(range(1, 9))
    assert [float(row["epoch"]) for row in found] == [step / 4 for step in range(1, 9)]
    for row in found:
        assert set(row) == {
            "step",
            "epoch",
            "loss",
            "vicreg",
            "effective_rank",
            "feature_spread",
            "participation_ratio",
            "lr",
            "samples_per_second",
        }
        assert float(row["loss"]) == pytest.approx(float(row["vicreg"]))
        assert 1 <= float(row["effective_rank"]) <= 16
    assert float(found[-1]["lr"]) < float(found[1]["lr"])


@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("byol", {"teacher_agreement"}),
        ("moco_v3", {"teacher_agreement"}),
        ("dino", {"teacher_agreement", "prototype_use"}),
        ("swav", {"prototype_use"}),
        ("simclr", set()),
    ],
)
def test_teachers_and_prototypes_are_read_where_there_are_any(
    method: str, more: set[str], bench: Bench
) -> None:
    bench.train(bench.engine(method, epochs=1), "run")
    found = rows(bench.folder / "run")
    assert set(found[0]) & {"teacher_agreement", "prototype_use"} == more
    for row in found:
        for name in more:
            assert (-1 if name == "teacher_agreement" else 0) <= float(row[name]) <= 1


def test_long_runs_are_read_about_two_hundred_times() -> None:
    for steps, apart in ((8, 1), (200, 1), (1000, 5), (100_000, 500)):
        assert every(SimpleNamespace(plan=SimpleNamespace(steps=steps)), READINGS) == apart  # type: ignore[arg-type]


def test_a_classifier_s_readings_hold_the_entropy_of_its_classes(bench: Bench) -> None:
    bench.train(bench.engine("supervised", epochs=1), "run")
    assert all(0 < float(row["class_entropy"]) <= 1 for row in rows(bench.folder / "run"))


@pytest.mark.parametrize("killed", [False, True], ids=["stopped", "killed"])
def test_a_resumed_run_neither_repeats_nor_loses_rows(killed: bool, bench: Bench) -> None:
    """Killed outright, a run has written rows after its last checkpoint, the last of them cut short."""
    bench.train(bench.engine("vicreg"), "whole")
    stopped_at(bench, 5, "pieces")
    if killed:
        with (bench.folder / "pieces" / "metrics.csv").open("a") as file:
            file.write("6,1.5,9,9,9,9,9,9\n7,1.75,9,9,9,9,9,9\n8,2")
    bench.train(bench.engine("vicreg"), "pieces", resume=True)
    whole, pieces = rows(bench.folder / "whole"), rows(bench.folder / "pieces")
    for row in [*whole, *pieces]:
        row.pop("samples_per_second")
    assert pieces == whole


def test_a_column_that_comes_later_finds_its_place(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path)
    metrics.write(1, {"loss": 1.0})
    metrics.write(2, {"loss": 0.5, "knn": 0.25})
    metrics.write(3, {"loss": 0.4})
    assert rows(tmp_path) == [
        {"step": "1", "loss": "1", "knn": ""},
        {"step": "2", "loss": "0.5", "knn": "0.25"},
        {"step": "3", "loss": "0.4", "knn": ""},
    ]


def test_tensorboard_files_are_written_where_it_is_installed(bench: Bench) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    bench.train(bench.engine("vicreg", epochs=1), "run")
    board = EventAccumulator(str(bench.folder / "run" / "tensorboard"))
    board.Reload()
    assert [event.step for event in board.Scalars("loss")] == [1, 2, 3, 4]
    values = [event.value for event in board.Scalars("loss")]
    assert values == pytest.approx([float(row["loss"]) for row in rows(bench.folder / "run")], rel=1e-5)


def test_a_batch_of_two_is_not_called_collapsed(bench: Bench) -> None:
    """Two points always lie on a line."""
    bench.rows = 2 * (PATIENCE + 1)
    engine = bench.train(bench.engine("simclr", epochs=1, batch_size=2), "run", on_collapse="stop")
    assert engine.moved == PATIENCE + 1


def test_what_the_run_began_with_survives_a_checkpoint(tmp_path: Path) -> None:
    """Few directions are judged against the first reading: a resumed run must know it."""
    watch = Watch(tmp_path, "stop", None)
    assert Watch(tmp_path, "stop", None).first is None
    for first in (None, read(Output({}, (torch.randn(32, 4),), torch.randn(32, 3)))):
        watch.first = first
        resumed = Watch(tmp_path, "stop", None)
        resumed.load_state_dict(watch.state_dict())
        assert resumed.first == first


def test_the_first_step_is_always_read(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callbacks, "READINGS", 2)
    bench.train(bench.engine("vicreg"), "run")
    assert [int(row["step"]) for row in rows(bench.folder / "run")] == [1, 4, 8]


def test_what_is_called_a_collapse() -> None:
    torch.manual_seed(0)
    line = torch.randn(LEAST_ROWS, 1) * torch.ones(1, 16) + 1e-3 * torch.randn(LEAST_ROWS, 16)
    point = torch.ones(LEAST_ROWS, 16) + 1e-4 * torch.randn(LEAST_ROWS, 16)
    for z, said in (
        (line, "to a line"),
        (point, "to one point"),
        (torch.ones(LEAST_ROWS, 16), "to one point"),
    ):
        assert said in (read(Output({}, (z,))).trouble() or "")
    assert read(Output({}, (torch.randn(LEAST_ROWS, 16),))).trouble() is None
