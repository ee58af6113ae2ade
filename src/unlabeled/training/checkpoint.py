"""Checkpoints that a full disk or a signal cannot spoil, and why a run ended."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import lightning as L
import torch

from unlabeled.errors import CheckpointError
from unlabeled.training.engine import Engine

EVERY = 60.0
"""seconds between checkpoints while a run goes well"""


def save(trainer: L.Trainer, path: Path) -> None:
    """Writes a checkpoint beside the old one and puts it in its place only when it is whole."""
    part = path.with_name(path.name + ".part")
    try:
        trainer.save_checkpoint(part)
        if trainer.is_global_zero:
            part.replace(path)
    except (OSError, RuntimeError) as error:
        part.unlink(missing_ok=True)
        kept = f"the previous {path.name} is untouched" if path.exists() else "there is no earlier one"
        raise CheckpointError(
            f"{path} could not be written ({error}); {kept}: free some space and resume"
        ) from error


class Closing(L.Callback):
    """Closes what it opened, however the run ends.

    Lightning's `teardown` would not do: after an error it is not called, and else only when Lightning has
    given the signals back already.
    """

    def close(self) -> None:
        raise NotImplementedError

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.close()

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        self.close()


class Checkpoint(Closing):
    """Keeps `last.ckpt`: now and then, at the end, and where a signal or the time limit stops the run.

    SIGTERM and Ctrl-C take the same path: the step that runs is finished, saved, and the run stops.
    """

    def __init__(
        self, folder: Path, limit: float | None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.path = folder / "last.ckpt"
        self.limit, self.now = limit, clock
        self.signal: int | None = None
        self.out_of_time = False
        self._before: dict[int, Any] = {}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.began = self.saved = self.now()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = number

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        now = self.now()
        over = self.limit is not None and now - self.began >= self.limit
        number, late, due = self._agree(trainer, pl_module, self.signal or 0, over, now - self.saved >= EVERY)
        assert isinstance(pl_module, Engine)
        finished = pl_module.moved >= pl_module.plan.steps
        if number or late or due or finished:
            save(trainer, self.path)
            self.saved = self.now()
        if number:  # one that arrives while this checkpoint is written is met after the next step
            self.signal = number
        self.out_of_time = bool(late) and not finished
        if number or late:
            trainer.should_stop = True

    def _agree(self, trainer: L.Trainer, module: L.LightningModule, *mine: float) -> tuple[int, int, int]:
        """The same decision on every process: a signal may reach only one of them."""
        if trainer.world_size > 1:
            told = torch.tensor([float(m) for m in mine], device=module.device)
            torch.distributed.all_reduce(told, op=torch.distributed.ReduceOp.MAX)
            mine = tuple(told.tolist())
        number, late, due = (int(m) for m in mine)
        return number, late, due

    def close(self) -> None:
        """Gives the signals back to whom they belonged."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()
