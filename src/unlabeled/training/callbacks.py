"""What is written and shown while a run goes on."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning as L
from tqdm import tqdm

from unlabeled.errors import CollapseError
from unlabeled.methods.contract import Output
from unlabeled.parts.gather import gather
from unlabeled.training.checkpoint import Closing, save
from unlabeled.training.engine import Engine, total
from unlabeled.training.validate import Held
from unlabeled.training.watch import ADVICE, PATIENCE, Reading, prototype_use, read, teacher_agreement

READINGS = 200
"""rows of metrics.csv in a run, about"""
VALIDATIONS = 20
"""times that held-out data, labels and the teacher are looked at in a run, about"""


def every(engine: Engine, times: int) -> int:
    return max(1, engine.plan.steps // times)


class Metrics:
    """`metrics.csv` and TensorBoard. A resumed run drops the rows after its checkpoint and goes on below."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "metrics.csv"
        self.folder = folder
        self.rows: list[dict[str, str]] = []
        self.board: Any = None

    def open(self, step: int) -> None:
        if self.path.exists():
            with self.path.open(newline="") as file:
                whole = [row for row in csv.DictReader(file) if None not in row.values()]
            self.rows = [row for row in whole if int(row["step"]) <= step]
            # the file too: what a killed run wrote after its checkpoint would come twice
            if self.rows:
                self._rewrite()
            else:
                self.path.unlink()
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return
        self.board = SummaryWriter(str(self.folder / "tensorboard"), purge_step=step + 1)  # type: ignore[no-untyped-call]

    def write(self, step: int, values: Mapping[str, float]) -> None:
        known = {name for row in self.rows for name in row}
        row = {"step": str(step)} | {name: f"{value:.6g}" for name, value in values.items()}
        self.rows.append(row)
        if set(row) <= known and self.path.exists():
            with self.path.open("a", newline="") as file:
                csv.DictWriter(file, self._header()).writerow(row)
        else:
            self._rewrite()
        if self.board is not None:
            for name, value in values.items():
                self.board.add_scalar(name, value, step)

    def _header(self) -> list[str]:
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def _rewrite(self) -> None:
        part = self.path.with_suffix(".part")
        with part.open("w", newline="") as file:
            writer = csv.DictWriter(file, self._header())
            writer.writeheader()
            writer.writerows(self.rows)
        part.replace(self.path)

    def close(self) -> None:
        if self.board is not None:
            self.board.close()


class Watch(Closing):
    """Reads the embeddings now and then, writes the metrics, and stops a collapsed run."""

    def __init__(self, folder: Path, on_collapse: str, held: Held | None) -> None:
        self.metrics = Metrics(folder)
        self.on_collapse, self.held = on_collapse, held
        self.folder = folder
        self.low = 0
        self.warned = False
        self.best: float | None = None
        self.first: Reading | None = None
        self.reading: Reading | None = None
        self.latest: dict[str, float] = {}

    def state_dict(self) -> dict[str, Any]:
        first = None if self.first is None else asdict(self.first)
        return {"low": self.low, "warned": self.warned, "best": self.best, "first": first}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.low, self.warned, self.best = state_dict["low"], state_dict["warned"], state_dict["best"]
        self.first = None if state_dict["first"] is None else Reading(**state_dict["first"])

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        assert isinstance(pl_module, Engine)
        if trainer.is_global_zero:
            self.metrics.open(pl_module.moved)
        self.since, self.steps = time.monotonic(), pl_module.moved

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        assert isinstance(pl_module, Engine)
        step, last = pl_module.moved, pl_module.moved >= pl_module.plan.steps
        values: dict[str, float] = {}
        if step % every(pl_module, READINGS) == 0 or step == 1 or last:
            values |= self._readings(trainer, pl_module)
        if step % every(pl_module, VALIDATIONS) == 0 or last:
            agreement = teacher_agreement(pl_module.method, pl_module.modality.plain(batch.x))
            if agreement is not None:
                values["teacher_agreement"] = agreement
            if self.held is not None:
                values |= trainer.strategy.broadcast(self.held.look(pl_module))
                self._keep_best(trainer, self.held.score(values))
        if values:
            self.latest |= values
            if trainer.is_global_zero:
                self.metrics.write(step, values)
            self._judge(trainer, pl_module)

    def _readings(self, trainer: L.Trainer, engine: Engine) -> dict[str, float]:
        assert engine.output is not None
        # the rows of all processes, and one process's word on them: each by its own would stop at another step
        use = prototype_use(engine.method)
        self.reading = trainer.strategy.broadcast(read(_whole(engine.output), use))
        self.first = self.first or self.reading
        self.low = self.low + 1 if self.reading.trouble(self.first) else 0
        now, done = time.monotonic(), engine.moved - self.steps
        speed = done * engine.plan.batch_size / max(now - self.since, 1e-9)
        self.since, self.steps = now, engine.moved
        values = {
            "epoch": engine.moved / engine.plan.per_epoch,
            "loss": float(total(engine.output).detach()),
            **{name: float(term.detach()) for name, term in engine.output.terms.items()},
            "effective_rank": self.reading.effective_rank,
            "feature_spread": self.reading.feature_spread,
            "participation_ratio": self.reading.participation_ratio,
            "lr": engine.rates.ordinary(engine.clock),
            "samples_per_second": speed,
        }
        if self.reading.class_entropy is not None:
            values["class_entropy"] = self.reading.class_entropy
        if self.reading.prototype_use is not None:
            values["prototype_use"] = self.reading.prototype_use
        return values

    def _keep_best(self, trainer: L.Trainer, score: float | None) -> None:
        if score is not None and (self.best is None or score > self.best):
            self.best = score
            save(trainer, self.folder / "best.ckpt")

    def _judge(self, trainer: L.Trainer, engine: Engine) -> None:
        if self.low < PATIENCE or self.reading is None or self.warned:
            return
        said = f"collapsed at step {engine.moved} of {engine.plan.steps}: {self.reading.trouble(self.first)}"
        if self.on_collapse == "warn":
            self.warned = True
            if trainer.is_global_zero:
                print(f"warning: {said}; going on (on_collapse='warn')", file=sys.stderr)
            return
        save(trainer, self.folder / "last.ckpt")
        raise CollapseError(f"{said}; {ADVICE}")

    def close(self) -> None:
        self.metrics.close()


def _whole(output: Output) -> Output:
    """The first view's embeddings and the logits of every process, for a reading; other views only count."""
    first = gather(output.embeddings[0].detach().float())
    logits = None if output.logits is None else gather(output.logits.detach().float())
    return Output(output.terms, (first, *output.embeddings[1:]), logits)


class Progress(Closing):
    """One bar for the whole run: loss terms, effective rank, time left."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.bar: Any = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        assert isinstance(pl_module, Engine)
        if trainer.is_global_zero:
            quiet = not sys.stderr.isatty()
            self.bar = tqdm(
                total=pl_module.plan.steps,
                initial=pl_module.moved,
                unit="step",
                dynamic_ncols=True,
                mininterval=20.0 if quiet else 0.2,
                desc=pl_module.method.name,
            )

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self.bar is not None:
            assert isinstance(pl_module, Engine)
            names = [
                *(pl_module.output.terms if pl_module.output else ()),
                "effective_rank",
                "knn",
                "validation_loss",
            ]
            shown = {
                n.replace("effective_", ""): self.watch.latest[n] for n in names if n in self.watch.latest
            }
            self.bar.set_postfix({n: f"{v:.3g}" for n, v in shown.items()}, refresh=False)
            self.bar.update()

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
