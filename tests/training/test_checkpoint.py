"""Checkpoints that a full disk, a signal or a time limit cannot spoil."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from torch import Tensor

from tests.contract.conftest import Bench
from unlabeled.errors import CheckpointError, Interrupted, NonFiniteError, RunError
from unlabeled.training import checkpoint
from unlabeled.training.callbacks import Metrics
from unlabeled.training.engine import Engine
from unlabeled.training.fit import Ended, Machine, fit


def weights(engine: Engine) -> dict[str, Tensor]:
    return {name: t.detach().clone() for name, t in engine.method.state_dict().items()}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture
def whole(bench: Bench) -> dict[str, Tensor]:
    """The weights of a run that nothing disturbed."""
    return weights(bench.train(bench.engine("barlow_twins"), "whole"))


def full_disk(monkeypatch: pytest.MonkeyPatch, at: int, error: Exception) -> None:
    """Every step is saved; at the `at`-th time the disk is full when half is written."""
    monkeypatch.setattr(checkpoint, "EVERY", 0.0)
    write, calls = L.Trainer.save_checkpoint, []

    def failing(trainer: L.Trainer, path: Path, *args: Any, **kwargs: Any) -> None:
        calls.append(path)
        write(trainer, path, *args, **kwargs)
        if len(calls) == at:
            Path(path).write_bytes(Path(path).read_bytes()[: Path(path).stat().st_size // 2])
            raise error

    monkeypatch.setattr(L.Trainer, "save_checkpoint", failing)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("PytorchStreamWriter failed writing file"),
    ],
    ids=["system", "torch"],
)
def test_a_full_disk_leaves_the_previous_checkpoint(
    error: Exception, bench: Bench, whole: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        full_disk(patch, at=4, error=error)
        with pytest.raises(CheckpointError, match=r"the previous last\.ckpt is untouched: free some space"):
            bench.train(bench.engine("barlow_twins"), "run")
    folder = bench.folder / "run"
    assert not list(folder.glob("*.part"))
    assert torch.load(folder / "last.ckpt", weights_only=True)["unlabeled"]["moved"] == 3
    resumed = bench.train(bench.engine("barlow_twins"), "run", resume=True)
    assert same(weights(resumed), whole)


def test_a_disk_that_was_full_from_the_start(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    full_disk(monkeypatch, at=1, error=OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(CheckpointError, match="there is no earlier one"):
        bench.train(bench.engine("barlow_twins"), "run")
    assert not list((bench.folder / "run").glob("*.*ckpt*"))


def test_metrics_on_a_full_disk_are_the_same_error(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Metrics, "write", full)
    with pytest.raises(CheckpointError, match="No space left on device"):
        bench.train(bench.engine("barlow_twins"), "run")


def ended(bench: Bench, engine: Engine, limit: float | None, resume: bool, said: list[str]) -> Ended:
    folder = bench.folder / "limited"
    folder.mkdir(exist_ok=True)
    return fit(
        engine,
        folder,
        Machine(devices=1, precision="32"),
        held=None,
        limit=limit,
        on_collapse="warn",
        resume=resume,
        say=said.append,
    )


def test_max_time_stops_saves_and_can_be_resumed(bench: Bench, whole: dict[str, Tensor]) -> None:
    said: list[str] = []
    engine = bench.engine("barlow_twins")
    assert not ended(bench, engine, 1e-9, False, said).finished
    assert engine.moved == 1
    assert any(line.startswith("max_time will stop it") for line in said)
    again = bench.engine("barlow_twins")
    assert not ended(bench, again, 1e-9, True, said).finished
    assert again.moved == 2  # the limit is that of each call
    said.clear()
    last = bench.engine("barlow_twins")
    assert ended(bench, last, 3600.0, True, said).finished
    assert same(weights(last), whole)
    assert "6 steps" in said[0]  # what is expected is what is left


def test_a_finished_run_gives_the_signals_back(bench: Bench) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    bench.train(bench.engine("barlow_twins", epochs=1), "run")
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_ctrl_c_takes_the_same_path_as_a_termination(bench: Bench, whole: dict[str, Tensor]) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    engine = bench.engine("barlow_twins")
    step = engine.step

    def interrupted(batch: Any, draws: Any) -> Any:
        if engine.moved == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return step(batch, draws)

    engine.step = interrupted  # type: ignore[method-assign]
    with pytest.raises(Interrupted, match=r"SIGINT at step 3 of 8 .* resume=True") as stopped:
        bench.train(engine, "run")
    assert stopped.value.signal == 2
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    resumed = bench.train(bench.engine("barlow_twins"), "run", resume=True)
    assert same(weights(resumed), whole)


def test_a_signal_while_a_checkpoint_is_written_is_not_lost(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "EVERY", 0.0)
    write = L.Trainer.save_checkpoint

    def signalled(trainer: L.Trainer, *args: Any, **kwargs: Any) -> None:
        write(trainer, *args, **kwargs)
        if trainer.lightning_module.moved == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(L.Trainer, "save_checkpoint", signalled)
    with pytest.raises(Interrupted, match="step 3 of 8"):
        bench.train(bench.engine("barlow_twins"), "run")


def test_after_an_error_ctrl_c_works_again(bench: Bench) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    engine = bench.engine("barlow_twins")

    def broken(batch: Any, draws: Any) -> Any:
        raise NonFiniteError("a loss")

    engine.step = broken  # type: ignore[method-assign]
    with pytest.raises(NonFiniteError):
        bench.train(engine, "run")
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_nothing_in_a_checkpoint_is_executed(bench: Bench) -> None:
    folder = bench.folder / "run"
    folder.mkdir()
    trap = bench.folder / "executed"
    torch.save(
        {"unlabeled": {"method": "barlow_twins", "moved": 1, "bomb": Bomb(trap)}}, folder / "last.ckpt"
    )
    with pytest.raises(RunError, match=r"last\.ckpt is not a checkpoint this library can resume"):
        bench.train(bench.engine("barlow_twins"), "run", resume=True)
    assert not trap.exists()
    torch.load(folder / "last.ckpt", weights_only=False)
    assert trap.exists()  # the bomb was a real one


def test_a_checkpoint_of_another_method_or_cut_short_is_refused(bench: Bench) -> None:
    bench.train(bench.engine("barlow_twins", epochs=1), "run")
    with pytest.raises(RunError, match="is a checkpoint of 'barlow_twins', not of 'simclr'"):
        bench.train(bench.engine("simclr", epochs=1), "run", resume=True)
    last = bench.folder / "run" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.raises(RunError, match="is not a checkpoint this library can resume"):
        bench.train(bench.engine("barlow_twins", epochs=1), "run", resume=True)
