"""Methods that tell a sample's own views from other samples."""

from __future__ import annotations

from unlabeled.data.batch import Batch, View
from unlabeled.methods.contract import Branch, Facts, Method, Output, check_range
from unlabeled.methods.recipe import Group, Recipe
from unlabeled.methods.registry import register
from unlabeled.objectives import info_nce, nt_xent
from unlabeled.parts import Clock, Cosine, Encoder, Teacher, gather, joint, mlp


@register("simclr", paper="Chen, Kornblith, Norouzi & Hinton 2020, arXiv 2002.05709", family="contrastive")
class SimCLR(Method):
    """Two views of a sample find each other among all views of the batch.

    Paper: projector 2048-2048-128, τ 0.1 (0.2–0.5 on small images), LARS 0.3 · batch / 256.
    """

    plan = (Branch("strong"), Branch("strong"))
    recipe = Recipe()

    def __init__(
        self,
        encoder: Encoder,
        facts: Facts,
        *,
        temperature: float = 0.2,
        hidden: int = 1024,
        width: int = 128,
    ) -> None:
        super().__init__(encoder, facts)
        self.temperature = check_range(self.name, "temperature", temperature, 0, open_low=True)
        self.projector = mlp(encoder.dim, hidden, width)

    def forward(self, views: tuple[View, ...], batch: Batch, clock: Clock) -> Output:
        z1, z2 = joint(lambda x: self.projector(self.encoder(x)), *views)
        loss = nt_xent(gather(z1), gather(z2), temperature=self.temperature)
        return Output({"nt_xent": loss}, (z1, z2))


@register("moco_v3", paper="Chen, Xie & He 2021, arXiv 2104.02057", family="contrastive")
class MoCoV3(Method):
    """Predicted queries find the other view's key, made by a moving-average teacher, within the batch.

    Paper: projector 4096-4096-256 and predictor 4096-256, τ 0.2 (ViT) or 1.0 (ResNet-50), momentum
    0.99 (ViT) to 1, loss 2τ · (both directions); the patch embedding of a transformer stays random.
    """

    plan = (Branch("strong", variant=1), Branch("strong", variant=2))
    recipe = Recipe(groups=(Group("encoder*patch_embed*", frozen=1.0),))

    def __init__(
        self,
        encoder: Encoder,
        facts: Facts,
        *,
        temperature: float = 0.2,
        momentum: float = 0.99,
        hidden: int = 1024,
        width: int = 256,
    ) -> None:
        super().__init__(encoder, facts)
        self.temperature = check_range(self.name, "temperature", temperature, 0, open_low=True)
        self.momentum = Cosine(check_range(self.name, "momentum", momentum, 0, 1), 1.0)
        self.projector = mlp(encoder.dim, hidden, hidden, width, last="norm_without_affine")
        self.predictor = mlp(width, hidden, width, last="norm_without_affine")
        self.teacher = Teacher(encoder, self.projector)

    def forward(self, views: tuple[View, ...], batch: Batch, clock: Clock) -> Output:
        q1, q2 = (self.predictor(self.projector(h)) for h in joint(self.encoder, *views))
        k1, k2 = (gather(k) for k in self.teacher.each(*views))
        first = info_nce(gather(q1), k2, temperature=self.temperature)
        second = info_nce(gather(q2), k1, temperature=self.temperature)
        return Output({"info_nce": 2 * self.temperature * (first + second)}, (q1, q2))

    def after_step(self, clock: Clock) -> None:
        self.teacher.follow(self.encoder, self.projector, momentum=self.momentum(clock))
