"""What is looked at beside the loss: held-out data, and labels that were given. Neither is trained on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from unlabeled.data.draws import Draws
from unlabeled.data.rows import Rows, features
from unlabeled.data.source import Source
from unlabeled.errors import DataError
from unlabeled.evaluation import effective_rank, knn, linear_probe
from unlabeled.parts.gather import gather
from unlabeled.training.engine import Engine, total

NO_ROWS: np.ndarray = np.empty(0, dtype=np.int64)
NEIGHBOURS = 20
PENALTIES, STEPS = (0.1,), 50
"""of the linear probe while training: one strength, and an optimum near enough to draw a curve from"""
REFERENCES, QUERIES = 4000, 1000
"""labelled samples that neighbours are searched among, and searched for, at most"""


class Held:
    """Held-out data and watched labels, and what they say of an engine now and then.

    `validation_loss` is the method's own loss on held-out views, drawn alike every time. A method that
    needs each sample's place in the training set has none: `validation_effective_rank` of the held-out
    features stands in its place. `knn` is the accuracy of 20 neighbours among the labelled samples, and
    `linear_probe` that of a logistic regression fitted anew to the same frozen features: no gradient of it
    reaches the encoder, and it leaves nothing behind that a resumed run would have to bring back.
    """

    def __init__(
        self, validation: tuple[Source, np.ndarray] | None, watched_y: np.ndarray | None, seed: int
    ) -> None:
        self.validation, self.seed = validation, seed
        self.references, self.queries = NO_ROWS, NO_ROWS
        if watched_y is not None:
            self.references, self.queries = _split(watched_y, seed)
        self.watched_y = watched_y
        if watched_y is not None and len(np.unique(watched_y[self.references])) < 2:
            raise DataError(
                f"labels= names {int((watched_y >= 0).sum())} samples: too few, or too few classes among them, to "
                "watch neighbours while training; give more labels, or none"
            )

    def look(self, engine: Engine) -> dict[str, float]:
        """The figures now."""
        values: dict[str, float] = {}
        if self.validation is not None:
            source, y = self.validation
            if engine.method.requires.index:
                z = features(engine.method.kept, source, prepare=engine.modality.plain, device=engine.device)
                values["validation_effective_rank"] = effective_rank(z)
            else:
                values["validation_loss"] = self._loss(engine, source, y)
        if self.watched_y is not None:
            chosen = np.concatenate([self.references, self.queries])
            z = features(
                engine.method.kept,
                engine.source,
                prepare=engine.modality.plain,
                device=engine.device,
                rows=chosen,
            )
            cut, y = len(self.references), self.watched_y[chosen]
            known, asked = (z[:cut], y[:cut]), (z[cut:], y[cut:])
            values["knn"] = knn(*known, *asked, k=min(NEIGHBOURS, cut))
            values["linear_probe"] = linear_probe(*known, *asked, penalties=PENALTIES, steps=STEPS)
        return values

    @staticmethod
    def score(values: dict[str, float]) -> float | None:
        """What makes a checkpoint the best, larger is better; None without held-out data."""
        if "validation_loss" in values:
            return -values["validation_loss"]
        return values.get("validation_effective_rank")

    @torch.no_grad()
    def _loss(self, engine: Engine, source: Source, y: np.ndarray) -> float:
        engine.method.eval()
        try:
            losses = []
            for number, (positions, size) in enumerate(self._shares(engine, source, y)):
                rank = engine.trainer.global_rank
                draws = Draws(
                    self.seed,
                    number,
                    total=size,
                    rows=slice(rank * len(positions), (rank + 1) * len(positions)),
                    rank=rank,
                    device=engine.device,
                    name="validation",
                )
                batch = Rows(source, y)[positions].to(engine.device)
                with torch.autocast(engine.device.type, enabled=False):
                    losses.append(total(engine.step(batch, draws)).float())
        finally:
            engine.method.train()
        return float(gather(torch.stack(losses)).mean())

    def _shares(self, engine: Engine, source: Source, y: np.ndarray) -> Iterator[tuple[np.ndarray, int]]:
        """This process's positions of each whole batch, and the whole batch's size."""
        world, rank = engine.trainer.world_size, engine.trainer.global_rank
        rows = (
            np.flatnonzero(y >= 0)
            if engine.method.requires.sampler == "labelled" and not source.whole
            else np.arange(len(source))
        )
        size = min(engine.plan.batch_size, len(rows)) // world * world
        if source.whole:
            size = len(rows)
        for first in range(0, len(rows) - size + 1, size):
            share = size // world
            yield rows[first + rank * share : first + (rank + 1) * share], size


def _split(y: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labelled rows to search among and to search for, a fifth of them the latter."""
    known = np.random.default_rng(seed).permutation(np.flatnonzero(y >= 0))
    cut = max(1, len(known) // 5)
    return known[cut:][:REFERENCES], known[:cut][:QUERIES]
