"""Methods that keep the dimensions of an embedding from repeating each other."""

from __future__ import annotations

from unlabeled.data.batch import Batch, View
from unlabeled.methods.contract import Branch, Facts, Method, Output, check_range
from unlabeled.methods.recipe import Recipe
from unlabeled.methods.registry import register
from unlabeled.objectives import barlow_twins, vicreg
from unlabeled.parts import Clock, Encoder, gather, joint, mlp


@register("barlow_twins", paper="Zbontar et al. 2021, arXiv 2103.03230", family="decorrelation")
class BarlowTwins(Method):
    """The cross-correlation of two views' embeddings becomes the identity.

    Paper: projector 8192-8192-8192 (2048 on small images), λ 0.0051, LARS.
    """

    plan = (Branch("strong", variant=1), Branch("strong", variant=2))
    recipe = Recipe()

    def __init__(self, encoder: Encoder, facts: Facts, *, lambd: float = 0.0051, width: int = 1024) -> None:
        super().__init__(encoder, facts)
        self.lambd = check_range(self.name, "lambd", lambd, 0)
        self.projector = mlp(encoder.dim, width, width, width)

    def forward(self, views: tuple[View, ...], batch: Batch, clock: Clock) -> Output:
        z1, z2 = (self.projector(h) for h in joint(self.encoder, *views))
        return Output({"barlow_twins": barlow_twins(gather(z1), gather(z2), lambd=self.lambd)}, (z1, z2))


@register("vicreg", paper="Bardes, Ponce & LeCun 2021, arXiv 2105.04906", family="decorrelation")
class VICReg(Method):
    """Two views agree, every dimension keeps its variance, and dimensions do not covary.

    Paper: expander 8192-8192-8192, coefficients 25, 25, 1, LARS.
    """

    plan = (Branch("strong", variant=1), Branch("strong", variant=2))
    recipe = Recipe()

    def __init__(
        self,
        encoder: Encoder,
        facts: Facts,
        *,
        invariance: float = 25.0,
        variance: float = 25.0,
        covariance: float = 1.0,
        width: int = 1024,
    ) -> None:
        super().__init__(encoder, facts)
        self.weights = {
            name: check_range(self.name, name, value, 0)
            for name, value in {
                "invariance": invariance,
                "variance": variance,
                "covariance": covariance,
            }.items()
        }
        self.expander = mlp(encoder.dim, width, width, width)

    def forward(self, views: tuple[View, ...], batch: Batch, clock: Clock) -> Output:
        z1, z2 = (self.expander(h) for h in joint(self.encoder, *views))
        return Output({"vicreg": vicreg(gather(z1), gather(z2), **self.weights)}, (z1, z2))
