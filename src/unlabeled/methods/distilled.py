"""Methods whose target is another pass of (nearly) the same network."""

from __future__ import annotations

from functools import partial
from typing import cast

import torch
from torch import Tensor

from unlabeled.data.batch import Batch, View
from unlabeled.methods.contract import Branch, Facts, Method, Output, check_range
from unlabeled.methods.pairs import other_views
from unlabeled.methods.recipe import Group, Recipe
from unlabeled.methods.registry import register
from unlabeled.objectives import cosine_regression, dino
from unlabeled.parts import Centre, Clock, Cosine, Encoder, Linear, PrototypeHead, Teacher, joint, mlp


@register("byol", paper="Grill et al. 2020, arXiv 2006.07733", family="distillation")
class BYOL(Method):
    """A predictor meets, from one view, what a moving-average teacher makes of the other.

    Paper: projector and predictor 4096-256, momentum 0.996 to 1 (0.99 for short runs), two views of
    different strength, LARS 0.2 · batch / 256.
    """

    plan = (Branch("strong", variant=1), Branch("strong", variant=2))
    recipe = Recipe()

    def __init__(
        self, encoder: Encoder, facts: Facts, *, momentum: float = 0.99, hidden: int = 1024, width: int = 256
    ) -> None:
        super().__init__(encoder, facts)
        self.momentum = Cosine(check_range(self.name, "momentum", momentum, 0, 1), 1.0)
        self.projector = mlp(encoder.dim, hidden, width)
        self.predictor = mlp(width, hidden, width)
        self.teacher = Teacher(encoder, self.projector)

    def forward(self, views: tuple[View, ...], batch: Batch, clock: Clock) -> Output:
        z1, z2 = (self.projector(h) for h in joint(self.encoder, *views))
        t1, t2 = self.teacher.each(*views)
        loss = cosine_regression(self.predictor(z1), t2) + cosine_regression(self.predictor(z2), t1)
        return Output({"cosine_regression": loss}, (z1, z2))

    def after_step(self, clock: Clock) -> None:
        self.teacher.follow(self.encoder, self.projector, momentum=self.momentum(clock))


@register("simsiam", paper="Chen & He 2020, arXiv 2011.10566", family="distillation")
class SimSiam(Method):
    """BYOL without a teacher: the stop-gradient alone prevents collapse. Loss −½ (cos + cos), in [−1, 1].

    Paper: projector of three layers of 2048 (the last norm without affine), predictor 2048-512-2048
    whose rate stays constant, SGD 0.05 · batch / 256, no warm-up.
    """

    plan = (Branch("strong"), Branch("strong"))
    recipe = Recipe(groups=(Group("predictor.*", constant=True),))

    def __init__(self, encoder: Encoder, facts: Facts, *, width: int = 1024, hidden: int = 256) -> None:
        super().__init__(encoder, facts)
        check_range(self.name, "width", width, 2)
        self.projector = mlp(encoder.dim, width, width, width, last="norm_without_affine")
        self.predictor = mlp(width, hidden, width)

    def forward(self, views: tuple[View, ...], batch: Batch, clock: Clock) -> Output:
        z1, z2 = (self.projector(h) for h in joint(self.encoder, *views))
        regressions = cosine_regression(self.predictor(z1), z2) + cosine_regression(self.predictor(z2), z1)
        return Output({"negative_cosine": regressions / 4 - 1}, (z1, z2))


@register("dino", paper="Caron et al. 2021, arXiv 2104.14294", family="distillation")
class DINO(Method):
    """Every crop predicts the teacher's centred and sharpened assignment of the other large crops.

    Paper: 2 large and 8 small crops, head 2048-2048-256 and 65,536 prototypes, τ 0.1, teacher τ 0.04
    (to 0.07), centre momentum 0.9, teacher momentum 0.996 to 1, AdamW 5e-4 · batch / 256, weight
    decay 0.04 to 0.4, clip 3, last layer frozen for an epoch. The teacher is kept.
    """

    recipe = Recipe(weight_decay=Cosine(0.04, 0.4), clip=3.0, groups=(Group("head.prototypes", frozen=0.03),))

    def __init__(
        self,
        encoder: Encoder,
        facts: Facts,
        *,
        local_views: int = 4,
        prototypes: int = 1024,
        student_temperature: float = 0.1,
        teacher_temperature: float = 0.04,
        final_teacher_temperature: float = 0.04,
        momentum: float = 0.99,
        centre_momentum: float = 0.9,
        hidden: int = 1024,
        bottleneck: int = 256,
        norm: bool = True,
    ) -> None:
        super().__init__(encoder, facts)
        check_range(self.name, "local_views", local_views, 0)
        large = {"low": 0.4}
        self.plan = (
            Branch("strong", 1, options=large),
            Branch("strong", 2, options=large),
            *[Branch("local")] * local_views,
        )
        self.student_temperature = check_range(
            self.name, "student_temperature", student_temperature, 0, open_low=True
        )
        for name, value in (("teacher", teacher_temperature), ("final_teacher", final_teacher_temperature)):
            check_range(self.name, f"{name}_temperature", value, 0, student_temperature, open_low=True)
        self.teacher_temperature = Linear(teacher_temperature, final_teacher_temperature, share=0.3)
        self.momentum = Cosine(check_range(self.name, "momentum", momentum, 0, 1), 1.0)
        self.head = PrototypeHead(
            encoder.dim, hidden=hidden, bottleneck=bottleneck, count=prototypes, norm=norm
        )
        self.teacher = Teacher(encoder, self.head)
        self.centre = Centre(
            prototypes, momentum=check_range(self.name, "centre_momentum", centre_momentum, 0, 1)
        )
        self.seen: tuple[Tensor, ...] = ()

    def forward(self, views: tuple[View, ...], batch: Batch, clock: Clock) -> Output:
        features = joint(self.encoder, *views)
        students = [self.head(h) for h in features]
        teachers = self.seen = self.teacher.each(*views[:2])
        temperature = self.teacher_temperature(clock)
        loss = partial(
            dino,
            center=self.centre.value,
            student_temperature=self.student_temperature,
            teacher_temperature=temperature,
        )
        return Output({"dino": other_views(loss, students, teachers)}, features[:2])

    def after_step(self, clock: Clock) -> None:
        self.centre.update(torch.cat(self.seen))
        self.teacher.follow(self.encoder, self.head, momentum=self.momentum(clock))

    @property
    def kept(self) -> Encoder:
        return cast(Encoder, self.teacher.stages[0])
