"""One training step of any method, on Lightning's Trainer.

The engine owns two counters, `batches` and `moved` (optimiser steps). Order, views, seeds, schedules
and refreshes are functions of them, never of Lightning's progress: so a run resumes bit for bit.
A run is one pass over one stream of batches; epochs exist only in the clock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from unlabeled.data.batch import Batch
from unlabeled.data.draws import Draws, derive_seed
from unlabeled.data.rows import features
from unlabeled.data.source import Source
from unlabeled.errors import NonFiniteError
from unlabeled.methods.contract import Method, Output
from unlabeled.modalities.contract import Modality
from unlabeled.parts.norm import globalise
from unlabeled.parts.schedules import Clock
from unlabeled.training.optimisers import Rates
from unlabeled.training.order import Order, loader
from unlabeled.training.plan import Plan


class Engine(L.LightningModule):
    """Carries out a plan for a method on a modality's source."""

    def __init__(
        self,
        method: Method,
        modality: Modality,
        source: Source,
        y: np.ndarray,
        plan: Plan,
        *,
        rows: np.ndarray | None = None,
        workers: int = 0,
    ) -> None:
        super().__init__()
        self.method = method.train()
        self.modality, self.source, self.y, self.plan = modality, source, y, plan
        self.rows = np.arange(len(source)) if rows is None else rows
        self.workers = workers
        self.batches = 0
        self.moved = 0
        self.rates = Rates(method, plan.recipe, plan.lr)
        self.output: Output | None = None

    @property
    def clock(self) -> Clock:
        return Clock(self.moved, self.plan.steps, self.moved // self.plan.per_epoch, self.plan.epochs)

    # data
    def setup(self, stage: str) -> None:
        if self.trainer.world_size > 1:
            globalise(self.method)

    def train_dataloader(self) -> DataLoader[Batch]:
        order = Order(
            self.rows,
            batch_size=self.plan.batch_size,
            epochs=self.plan.epochs,
            seed=self.plan.seed,
            start=lambda: self.batches,
            rank=self.trainer.global_rank,
            world=self.trainer.world_size,
        )
        return loader(self.source, self.y, order, self.workers, pin=False)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        return batch.to(device)

    # a step
    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        every = self.plan.recipe.refresh_every * self.plan.per_epoch
        if every and self.batches % every == 0:
            self.method.refresh(self.embed_all, self.clock)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        rank = self.trainer.global_rank
        torch.manual_seed(derive_seed(self.plan.seed, self.batches, rank, "step"))
        share = self.plan.batch_size // self.trainer.world_size
        draws = Draws(
            self.plan.seed,
            self.batches,
            total=self.plan.batch_size,
            rows=slice(rank * share, (rank + 1) * share),
            rank=rank,
            device=self.device,
        )
        output = self.step(batch, draws)
        self.output = output
        self.batches += 1
        return total(output)

    def step(self, batch: Batch, draws: Draws) -> Output:
        """Views, then the method; a term that is not finite is an error that names it."""
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            views = self.modality.make_views(batch, self.method.plan, draws)
        output = self.method(views, batch, self.clock)
        for name, term in output.terms.items():
            if not bool(torch.isfinite(term)):
                raise NonFiniteError(
                    f"the term {name!r} became {float(term)} at step {self.moved + 1} of {self.plan.steps}: "
                    "try a lower learning rate (lr=) or precision='32'"
                )
        return output

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        self.rates.hold(self.clock)
        self.method.before_step(self.clock)

    def optimizer_step(
        self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Callable[[], Any] | None = None
    ) -> None:
        self.rates.set(optimizer.optimizer if hasattr(optimizer, "optimizer") else optimizer, self.clock)
        optimizer.step(closure=optimizer_closure)
        self.moved += 1
        self.method.after_step(self.clock)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self.rates.optimiser()

    # what a checkpoint holds beside weights and optimiser
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["unlabeled"] = {"batches": self.batches, "moved": self.moved, "method": self.method.name}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.batches, self.moved = checkpoint["unlabeled"]["batches"], checkpoint["unlabeled"]["moved"]

    # the whole set
    def embed_all(self) -> Tensor:
        """Features of the kept encoder for every sample of the source, in its order."""
        return features(self.method.kept, self.source, prepare=self.modality.plain, device=self.device)


def total(output: Output) -> Tensor:
    """The number that is minimised."""
    return torch.stack(list(output.terms.values())).sum()
