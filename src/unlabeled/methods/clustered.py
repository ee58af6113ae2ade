"""Methods whose target is a cluster assignment."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from unlabeled.data.batch import Batch, View
from unlabeled.methods.contract import Branch, Facts, Method, Output, check_range
from unlabeled.methods.pairs import other_views
from unlabeled.methods.recipe import Group, Recipe
from unlabeled.methods.registry import register
from unlabeled.objectives import sinkhorn, swapped_prediction
from unlabeled.parts import Clock, Encoder, Prototypes, Queue, gather, joint, mlp


@register("swav", paper="Caron et al. 2020, arXiv 2006.09882", family="clustering")
class SwAV(Method):
    """Each crop predicts the balanced cluster assignment (Sinkhorn-Knopp code) of the other large crops.

    Paper: 2 large and 6 small crops, projector 2048-128, 3000 prototypes frozen for an epoch, τ 0.1,
    ε 0.05, a queue where the batch is smaller than the prototypes are many.
    """

    recipe = Recipe(groups=(Group("prototypes.*", frozen=0.03),))

    def __init__(
        self,
        encoder: Encoder,
        facts: Facts,
        *,
        local_views: int = 0,
        prototypes: int = 256,
        temperature: float = 0.1,
        epsilon: float = 0.05,
        iterations: int = 3,
        queue: int = 0,
        queue_from: float = 0.1,
        hidden: int = 1024,
        width: int = 128,
    ) -> None:
        super().__init__(encoder, facts)
        check_range(self.name, "local_views", local_views, 0)
        self.plan = (Branch("strong"), Branch("strong"), *[Branch("local")] * local_views)
        self.temperature = check_range(self.name, "temperature", temperature, 0, open_low=True)
        self.epsilon = check_range(self.name, "epsilon", epsilon, 0, open_low=True)
        self.iterations = int(check_range(self.name, "iterations", iterations, 1))
        self.queue_from = check_range(self.name, "queue_from", queue_from, 0, 1)
        self.projector = mlp(encoder.dim, hidden, width)
        self.prototypes = Prototypes(width, prototypes)
        size = int(check_range(self.name, "queue", queue, 0))
        self.queues = torch.nn.ModuleList([Queue(size, width) for _ in range(2)] if size else [])
        self.seen: list[Tensor] = []

    def forward(self, views: tuple[View, ...], batch: Batch, clock: Clock) -> Output:
        embeddings = [self.projector(h) for h in joint(self.encoder, *views)]
        scores = [gather(self.prototypes(z)) for z in embeddings]
        self.seen = [z.detach() for z in embeddings[:2]]
        loss = partial(swapped_prediction, temperature=self.temperature)
        codes = self.codes(scores[:2], clock)
        return Output({"swapped_prediction": other_views(loss, scores, codes)}, tuple(embeddings))

    @torch.no_grad()
    def codes(self, scores: list[Tensor], clock: Clock) -> list[Tensor]:
        """The large crops' balanced assignments; queued embeddings take part in the balance."""
        use = len(self.queues) and clock.progress >= self.queue_from
        stored = [self.prototypes(q.filled()) for q in self.queues] if use else [s[:0] for s in scores]  # type: ignore[operator]
        joined = [torch.cat([s, old]) for s, old in zip(scores, stored, strict=True)]
        made = [sinkhorn(s, epsilon=self.epsilon, iterations=self.iterations) for s in joined]
        return [code[: s.shape[0]] for code, s in zip(made, scores, strict=True)]

    def after_step(self, clock: Clock) -> None:
        self.prototypes.normalise()
        for queue, z in zip(self.queues, self.seen, strict=False):
            queue.push(gather(z))  # type: ignore[operator]
