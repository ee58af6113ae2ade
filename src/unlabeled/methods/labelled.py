"""Methods that learn from labels alone."""

from __future__ import annotations

from torch import nn
from torch.nn import functional as F

from unlabeled.data.batch import Batch, View
from unlabeled.methods.contract import Branch, Facts, Method, Output, Requires, check_range
from unlabeled.methods.recipe import Recipe
from unlabeled.methods.registry import register
from unlabeled.parts import Clock, Encoder


@register("supervised", paper="cross-entropy on the labelled rows; the baseline", family="labelled")
class Supervised(Method):
    """A classifier trained on the labelled rows only: what unlabelled data has to beat."""

    plan = (Branch("weak"),)
    requires = Requires(labels=True, sampler="labelled")
    recipe = Recipe(weight_decay=0.05)

    def __init__(self, encoder: Encoder, facts: Facts, *, label_smoothing: float = 0.0) -> None:
        super().__init__(encoder, facts)
        self.label_smoothing = check_range(
            self.name, "label_smoothing", label_smoothing, 0, 1, open_high=True
        )
        self.head = nn.Linear(encoder.dim, facts.classes or 0)

    def forward(self, views: tuple[View, ...], batch: Batch, clock: Clock) -> Output:
        features = self.encoder(views[0].x)
        y = batch.y[views[0].rows]
        # one graph cannot be taken apart: its unlabelled nodes are in the batch too
        logits, y = self.head(features).float()[y >= 0], y[y >= 0]
        loss = F.cross_entropy(logits, y, label_smoothing=self.label_smoothing)
        return Output({"cross_entropy": loss}, (features,), logits)

    @property
    def classifier(self) -> nn.Linear:
        return self.head
