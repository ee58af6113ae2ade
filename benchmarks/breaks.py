"""Ways to break a method on purpose: what its paper says keeps it from collapsing is taken away.

Each is a subclass of the method, made only where it is measured; none is registered with the package.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unlabeled.data.batch import Batch, View
from unlabeled.methods import Facts, Output, lookup, names
from unlabeled.methods.clustered import SwAV
from unlabeled.methods.contract import Method
from unlabeled.methods.contrastive import SimCLR
from unlabeled.methods.distilled import BYOL, SimSiam
from unlabeled.parts import Clock, Encoder, joint


def agree(a: Tensor, b: Tensor) -> Tensor:
    """Mean cosine distance with gradients into both: nothing keeps the rows apart."""
    return (1 - F.cosine_similarity(a, b)).mean()


class SimSiamWithoutStopGradient(SimSiam):
    """Chen & He 2020, figure 2."""

    def forward(self, views: tuple[View, ...], batch: Batch, clock: Clock) -> Output:
        z1, z2 = (self.projector(h) for h in joint(self.encoder, *views))
        return Output(
            {"agree": (agree(self.predictor(z1), z2) + agree(self.predictor(z2), z1)) / 2}, (z1, z2)
        )


class SimSiamWithoutPredictor(SimSiam):
    """Chen & He 2020, table 1: the symmetric loss then has the gradient of one without a stop."""

    def __init__(self, encoder: Encoder, facts: Facts, **options: Any) -> None:
        super().__init__(encoder, facts, **options)
        self.predictor = nn.Identity()  # type: ignore[assignment]


class BYOLWithoutPredictor(BYOL):
    """Grill et al. 2020, table 5: the teacher still follows."""

    def __init__(self, encoder: Encoder, facts: Facts, **options: Any) -> None:
        super().__init__(encoder, facts, **options)
        self.predictor = nn.Identity()  # type: ignore[assignment]


class BYOLWithoutTeacher(BYOL):
    """No predictor and no teacher: both views go through the student, with gradients."""

    def forward(self, views: tuple[View, ...], batch: Batch, clock: Clock) -> Output:
        z1, z2 = (self.projector(h) for h in joint(self.encoder, *views))
        return Output({"agree": agree(z1, z2)}, (z1, z2))


class SimCLRWithoutNegatives(SimCLR):
    """The two views of a sample are drawn together; other samples are not pushed away."""

    def forward(self, views: tuple[View, ...], batch: Batch, clock: Clock) -> Output:
        z1, z2 = joint(lambda x: self.projector(self.encoder(x)), *views)
        return Output({"agree": agree(z1, z2)}, (z1, z2))


class SwAVWithoutEqualPartition(SwAV):
    """The codes are the sharpened scores themselves: nothing spreads them over the prototypes."""

    @torch.no_grad()
    def codes(self, scores: list[Tensor], clock: Clock) -> list[Tensor]:
        return [(s.detach() / self.epsilon).softmax(dim=1) for s in scores]


def twice(method: str) -> type[Method]:
    """The method with one strong view shown twice in place of two."""
    base: Any = lookup(method).cls

    class Twice(base):  # type: ignore[misc]
        def forward(self, views: tuple[View, ...], batch: Batch, clock: Clock) -> Output:
            return super().forward((views[0], views[0], *views[2:]), batch, clock)

    return Twice


@dataclass(frozen=True)
class Break:
    """One broken method."""

    method: str
    what: str
    """what is taken away or done wrong"""
    cls: type[Method] | None = None
    """None: the method's own class"""
    options: Mapping[str, Any] = field(default_factory=dict)
    rate: float = 1.0
    """factor on the recipe's learning rate"""


UNSHARPENED = {"teacher_temperature": 0.1, "final_teacher_temperature": 0.1}
PARTS: dict[str, Break] = {
    "simsiam-no_stop": Break("simsiam", "no stop-gradient", SimSiamWithoutStopGradient),
    "simsiam-no_predictor": Break("simsiam", "no predictor", SimSiamWithoutPredictor),
    "byol-no_predictor": Break("byol", "no predictor", BYOLWithoutPredictor),
    "byol-no_teacher": Break("byol", "no predictor and no teacher", BYOLWithoutTeacher),
    "simclr-no_negatives": Break("simclr", "no negatives", SimCLRWithoutNegatives),
    "vicreg-no_variance": Break("vicreg", "no variance term", options={"variance": 0.0}),
    "vicreg-no_covariance": Break("vicreg", "no covariance term", options={"covariance": 0.0}),
    "vicreg-no_either": Break(
        "vicreg", "no variance and no covariance term", options={"variance": 0.0, "covariance": 0.0}
    ),
    "barlow_twins-no_off_diagonal": Break("barlow_twins", "no off-diagonal term", options={"lambd": 0.0}),
    "dino-no_centring": Break("dino", "no centring", options={"centre_momentum": 1.0}),
    "dino-no_sharpening": Break("dino", "no sharpening", options=UNSHARPENED),
    "dino-no_either": Break(
        "dino", "no centring and no sharpening", options={"centre_momentum": 1.0, **UNSHARPENED}
    ),
    "swav-no_partition": Break("swav", "no equal partition (Sinkhorn)", SwAVWithoutEqualPartition),
}
BREAKS: dict[str, Break] = {
    **PARTS,
    **{f"{name}-rate_x100": Break(name, "learning rate × 100", rate=100.0) for name in names()},
    **{
        f"{name}-one_view": Break(name, "one view shown twice", twice(name))
        for name in names()
        if len(lookup(name).cls.plan) == 2 or name in ("dino", "swav")
    },
}
