"""One run on Lightning's Trainer."""

from __future__ import annotations

import errno
import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from unlabeled.errors import CheckpointError, Interrupted, OptionError, RunError
from unlabeled.training.callbacks import Progress, Watch
from unlabeled.training.checkpoint import Checkpoint
from unlabeled.training.engine import Engine
from unlabeled.training.estimate import duration, estimate, free_memory
from unlabeled.training.precision import lightning_name, resolve_precision
from unlabeled.training.validate import Held


@dataclass(frozen=True)
class Machine:
    """Where a run takes place: Lightning's words, passed through."""

    devices: Any = "auto"
    num_nodes: int = 1
    strategy: str = "auto"
    precision: str = "auto"


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    main: bool
    """whether this is the process that writes"""
    finished: bool
    """False where the time limit stopped it"""


def fit(
    engine: Engine,
    folder: Path,
    machine: Machine,
    *,
    held: Held | None,
    limit: float | None,
    on_collapse: str,
    resume: bool,
    say: Callable[[str], None],
    begin: Callable[[], None] = lambda: None,
    callbacks: Sequence[L.Callback] = (),
) -> Ended:
    """Trains until the plan, the time limit or a signal ends it; `last.ckpt` is then in the folder.

    `begin` is called when nothing that was asked for can be refused any more, before anything is written.
    `callbacks` are Lightning's, called after the metrics are written and before the checkpoint.
    """
    last = folder / "last.ckpt"
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    precision = resolve_precision(machine.precision, device)
    checkpoint, watch = Checkpoint(folder, limit), Watch(folder, on_collapse, held)
    with _quiet():
        try:
            trainer = L.Trainer(
                accelerator=device.type,
                devices=1 if machine.devices == "auto" and device.type == "cpu" else machine.devices,
                num_nodes=machine.num_nodes,
                strategy=machine.strategy,
                precision=lightning_name(precision),  # type: ignore[arg-type]
                max_epochs=1,
                max_steps=engine.plan.steps,
                gradient_clip_val=engine.plan.recipe.clip,
                callbacks=[watch, Progress(watch), *callbacks, checkpoint],
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                use_distributed_sampler=False,
                num_sanity_val_steps=0,
                default_root_dir=folder,
            )
        except (MisconfigurationException, ValueError, TypeError) as error:
            raise OptionError(
                f"Lightning refuses devices={machine.devices!r}, num_nodes={machine.num_nodes!r}, "
                f"strategy={machine.strategy!r}: {error}"
            ) from error
        if engine.source.whole and trainer.world_size > 1:
            raise OptionError(
                f"the rows of this data cannot be taken apart, so {trainer.world_size} processes cannot share "
                "them: use devices=1"
            )
        if engine.plan.batch_size % trainer.world_size:
            raise OptionError(
                f"batch_size {engine.plan.batch_size} cannot be shared by {trainer.world_size} processes: "
                f"give a multiple of {trainer.world_size}"
            )
        done = _steps_done(last, engine) if resume and last.exists() else 0
        if trainer.is_global_zero:
            expected = estimate(
                engine, trainer.strategy.root_device, precision, trainer.world_size, done=done
            )
            left = engine.plan.steps - done
            say(f"expected: {expected}, {left} steps, precision {precision}")
            if expected.memory > (free := free_memory(trainer.strategy.root_device)):
                say(f"warning: only {free / 2**30:.1f} GiB are free: a smaller batch_size needs less")
            if limit is not None and expected.seconds > limit:
                fits = max(1, int(left / engine.plan.per_epoch * limit / expected.seconds))
                say(
                    f"max_time will stop it after {duration(limit)}; about {fits} epochs would run to their end"
                )
        begin()
        try:
            trainer.fit(engine, ckpt_path=last if resume and last.exists() else None, weights_only=True)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise CheckpointError(
                f"{folder} could not be written ({error}); its last.ckpt is untouched: free some space and resume"
            ) from error
    if checkpoint.signal:
        raise Interrupted(checkpoint.signal, f"step {engine.moved} of {engine.plan.steps} in {folder}")
    return Ended(trainer.is_global_zero, not checkpoint.out_of_time)


def _steps_done(last: Path, engine: Engine) -> int:
    """The steps a checkpoint holds; refused where it is of another method, or none of ours."""
    try:
        held = torch.load(last, map_location="cpu", weights_only=True, mmap=True)["unlabeled"]
        method, done = held["method"], int(held["moved"])
    except Exception as error:
        raise RunError(f"{last} is not a checkpoint this library can resume ({error})") from error
    if method != engine.method.name:
        raise RunError(
            f"{last} is a checkpoint of {method!r}, not of {engine.method.name!r}: choose another out="
        )
    return done


class _quiet:
    """Lightning's remarks about choices made here on purpose are not for the user."""

    def __enter__(self) -> None:
        self.levels = {}
        for name in ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero"):
            logger = logging.getLogger(name)
            self.levels[logger] = logger.level
            logger.setLevel(logging.ERROR)
        self.filter = warnings.catch_warnings()
        self.filter.__enter__()
        warnings.filterwarnings("ignore", module="lightning.*")
        warnings.filterwarnings(
            "ignore", message=".*(num_workers|does not have many workers|GPU available).*"
        )

    def __exit__(self, *exc: object) -> None:
        for logger, level in self.levels.items():
            logger.setLevel(level)
        self.filter.__exit__(*exc)  # type: ignore[arg-type]
