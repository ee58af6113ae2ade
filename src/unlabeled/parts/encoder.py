"""The contract of every encoder: samples in, features and tokens out, some of them hidden or left out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from unlabeled.errors import OptionError


@dataclass(frozen=True)
class Encoded:
    """One pass of an encoder."""

    features: Float[Tensor, "batch dim"]
    """one vector a sample (a node, at node level)"""
    tokens: Float[Tensor, "batch tokens dim"] | None = None
    """one vector a token, in the order of `keep` where it was given; None where the encoder has none"""
    layers: tuple[Tensor, ...] = ()
    """token (or feature-map) outputs of its blocks, first to last, where the encoder offers them"""


class Encoder(nn.Module, ABC):
    """What the methods may ask of an encoder. It takes what the modality collates and normalises inside."""

    dim: int
    """width of the features"""
    spec: dict[str, Any]
    """plain values from which the modality builds the same architecture again: {"name": …, **options}"""
    leaves_out: bool = False
    """whether `keep`, `mask` and tokens are available"""

    @abstractmethod
    def encode(
        self,
        x: Any,
        *,
        keep: Int[Tensor, "batch kept"] | None = None,
        mask: Bool[Tensor, "batch tokens"] | None = None,
        mask_token: Float[Tensor, " dim"] | None = None,
        present: Bool[Tensor, "batch tokens"] | None = None,
    ) -> Encoded:
        """One pass.

        `keep`: positions computed, the others are left out of the computation;
        `mask`: True is hidden and replaced by `mask_token` after the token embedding;
        `present`: False is padding or a missing cell.
        """

    def forward(self, x: Any) -> Float[Tensor, "batch dim"]:
        return self.encode(x).features

    def refuse(self, **asked: object) -> None:
        """For encoders without tokens: refuse what they cannot do, naming it."""
        for name, value in asked.items():
            if value is not None:
                raise OptionError(
                    f"encoder {self.spec.get('name')!r} has no tokens to leave out or hide ({name}= was given): "
                    "choose one that can leave tokens out"
                )
