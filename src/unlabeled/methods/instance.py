"""Methods whose target is the sample's own place in the data."""

from __future__ import annotations

from torch import nn

from unlabeled.data.batch import Batch, View
from unlabeled.methods.contract import Branch, Facts, Method, Output, Requires, check_range
from unlabeled.methods.recipe import Recipe
from unlabeled.methods.registry import register
from unlabeled.objectives import diet
from unlabeled.parts import Clock, Encoder


@register("diet", paper="Balestriero 2023, arXiv 2302.10260", family="instance")
class DIET(Method):
    """Every sample is its own class: a linear layer says which sample a view is of.

    Paper: label smoothing 0.8, AdamW 1e-3, weight decay 0.05, long training.
    """

    plan = (Branch("strong"),)
    requires = Requires(index=True)
    recipe = Recipe(weight_decay=0.05)

    def __init__(self, encoder: Encoder, facts: Facts, *, label_smoothing: float = 0.8) -> None:
        super().__init__(encoder, facts)
        self.label_smoothing = check_range(
            self.name, "label_smoothing", label_smoothing, 0, 1, open_high=True
        )
        self.head = nn.Linear(encoder.dim, facts.samples, bias=False)

    def forward(self, views: tuple[View, ...], batch: Batch, clock: Clock) -> Output:
        features = self.encoder(views[0].x)
        loss = diet(self.head(features), batch.index, label_smoothing=self.label_smoothing)
        return Output({"diet": loss}, (features,))
