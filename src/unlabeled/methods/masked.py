"""Methods that hide part of a sample and reconstruct it."""

from __future__ import annotations

from unlabeled.data.batch import Batch, View
from unlabeled.errors import OptionError
from unlabeled.methods.contract import Branch, Facts, Method, Output, Requires
from unlabeled.methods.recipe import Recipe
from unlabeled.methods.registry import register
from unlabeled.objectives import masked_tokens
from unlabeled.parts import Clock, Encoder, RandomMask, share
from unlabeled.parts.decoder import TokenDecoder


@register("mae", paper="He et al. 2021, arXiv 2111.06377", family="masked")
class MAE(Method):
    """The encoder sees a quarter of the tokens; a light decoder, thrown away, reconstructs the rest.

    Paper: mask ratio 0.75, decoder 512 wide and 8 deep, targets standardised per token, AdamW
    β (0.9, 0.95) at 1.5e-4 · batch / 256, weight decay 0.05, crop and flip only.
    Tokens that are words or categories are met with cross-entropy. `normalise` None: where a token has at
    least two numbers.
    """

    requires = Requires(tokens=True)
    recipe = Recipe(betas=(0.9, 0.95), weight_decay=0.05)

    def __init__(
        self,
        encoder: Encoder,
        facts: Facts,
        *,
        mask_ratio: float = 0.75,
        normalise: bool | None = None,
        decoder_width: int = 128,
        decoder_depth: int = 2,
        decoder_heads: int = 4,
    ) -> None:
        super().__init__(encoder, facts)
        if facts.tokens is None:
            raise OptionError(f"{self.name} reconstructs tokens, and this data has none as it is prepared")
        self.plan = (Branch("weak", variant=1, mask=RandomMask(mask_ratio)),)
        self.normalise = facts.token_dim > 1 if normalise is None else normalise
        self.decoder = TokenDecoder(
            encoder.dim,
            decoder_width,
            decoder_depth,
            decoder_heads,
            facts.axes,
            facts.token_dim + facts.categories,
        )

    def forward(self, views: tuple[View, ...], batch: Batch, clock: Clock) -> Output:
        (view,) = views
        raw = view.target
        encoded = self.encoder.encode(view.x, keep=view.keep)
        prediction = self.decoder(encoded.tokens, view.keep, raw.positions, raw.present)  # type: ignore[union-attr]
        loss = masked_tokens(prediction, raw.numbers, raw.codes, view.mask, normalise=self.normalise)  # type: ignore[arg-type, union-attr]
        return Output({"masked_tokens": loss * share(view.mask.sum())}, (encoded.features,))  # type: ignore[union-attr]
