"""What travels through a training step: a batch of samples, the views made of it, and their raw tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Samples as the modality collates them. Holds no views and no losses."""

    x: Any
    """inputs: a tensor (batch, …), or what the modality's encoders take: something with `len`, `.to(device)`,
    `.device`, and rows where it can be taken apart"""
    index: Int[Tensor, " batch"]
    """position of each sample in its set, 0 … samples − 1"""
    y: Int[Tensor, " batch"]
    """class of each sample, −1 where it is unknown"""

    def to(self, device: Any) -> Batch:
        """The same batch on another device."""
        return Batch(self.x.to(device, non_blocking=True), self.index.to(device), self.y.to(device))


@dataclass(frozen=True)
class Tokens:
    """The raw tokens of some inputs: what a masked method hides and predicts.

    A token is numbers, or a word or category, whose number is in `codes`. One graph at node level is one
    row whose tokens are its nodes.
    """

    positions: Float[Tensor, "*rows tokens axes"]
    """where each token sits, in units of one token (a grid, time, columns, a graph's own coordinates);
    one set for all rows, or one a row"""
    numbers: Float[Tensor, "rows tokens token_dim"] | None = None
    """finite; what it holds where a token is absent or has a code means nothing"""
    codes: Int[Tensor, "rows tokens"] | None = None
    """class of a token that is a word or a category, −1 where it is numbers; None: all are numbers"""
    present: Bool[Tensor, "rows tokens"] | None = None
    """False is padding or a missing cell; None: all are there"""

    def __post_init__(self) -> None:
        if self.numbers is None and self.codes is None:
            raise ValueError("tokens need numbers or codes")

    @property
    def rows(self) -> int:
        held = self.numbers if self.numbers is not None else self.codes
        return int(held.shape[0])  # type: ignore[union-attr]


@dataclass(frozen=True)
class View:
    """What one branch sees of a batch."""

    x: Any
    """the changed inputs, in the form the encoder takes"""
    rows: Int[Tensor, " rows"]
    """which rows of the batch it holds"""
    keep: Int[Tensor, "rows kept"] | None = None
    """positions of the tokens it shows; None shows all. Rows that show fewer than others are filled up with
    positions of absent tokens"""
    mask: Bool[Tensor, "rows tokens"] | None = None
    """True where a token is hidden; None hides none"""
    target: Tokens | None = None
    """its own raw tokens, made where the branch has a mask"""
    where: Float[Tensor, "rows tokens axes"] | None = None
    """centre of each token in the original sample, each axis from 0 to 1"""
    params: Mapping[str, Tensor] = field(default_factory=dict)
    """what was applied, one value a row: crop box, flip, …"""
