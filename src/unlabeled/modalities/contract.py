"""What a modality says, so that every method that is not about one kind of data runs on it unchanged.

How to read it, how to change a batch weakly, strongly and locally, what its tokens are and where
they sit, and which encoders are the defaults. Everything fitted to the data is plain values in
`config()`, from which `type(modality)(**config)` is the same modality again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unlabeled.data.batch import Batch, View
from unlabeled.data.draws import Draws
from unlabeled.data.source import Source
from unlabeled.errors import OptionError
from unlabeled.methods.contract import Branch
from unlabeled.parts.encoder import Encoder
from unlabeled.parts.masks import shown


@dataclass(frozen=True)
class Changed:
    """A batch after a change: the new inputs, where their tokens lay, and what was applied."""

    x: Any
    where: Tensor | None = None
    params: Mapping[str, Tensor] = field(default_factory=dict)


class Modality(ABC):
    """One kind of data, prepared for one data set (its sizes and statistics are fixed in `__init__`)."""

    name: ClassVar[str]
    default_encoder: ClassVar[str]
    """the one for features"""
    token_encoder: ClassVar[str]
    """the one that can leave tokens out"""

    # read
    @classmethod
    @abstractmethod
    def recognises(cls, data: Any) -> str | None:
        """One line saying what `data` is if it is of this modality, else None. Looks, never reads it whole."""

    @classmethod
    @abstractmethod
    def measure(cls, data: Any, **options: Any) -> Modality:
        """Looks at a sample of the data and fixes what preparation needs; `options` overrule it."""

    @abstractmethod
    def read(self, data: Any, *, cache: Path | None = None, labels: bool = False) -> Source:
        """Opens the data, prepared as this modality was fixed. `labels`: the source's own are wanted."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Plain values that make the same modality again."""

    # change
    @abstractmethod
    def change(self, x: Any, branch: Branch, draws: Draws) -> Changed:
        """Carries out a branch's kind, variant and options on the rows of `x`, on its device."""

    # tokens
    @property
    @abstractmethod
    def positions(self) -> Float[Tensor, "tokens axes"] | None:
        """Where each token of a whole sample sits on its grid, in token units; None where there are no tokens."""

    @abstractmethod
    def tokenise(self, x: Any) -> Float[Tensor, "batch tokens token_dim"]:
        """The raw tokens of (changed) inputs: what a masked method reconstructs."""

    # encode, and the raw input as a yardstick
    @abstractmethod
    def build_encoder(self, name: str, **options: Any) -> Encoder:
        """An encoder for this data; `build_encoder(**encoder.spec)` builds the same architecture again."""

    @abstractmethod
    def adopt(self, module: nn.Module, example: Any) -> Encoder:
        """A user's own module as an encoder; `example` is a small collated batch that shows its width."""

    @abstractmethod
    def flatten(self, x: Any) -> Float[Tensor, "batch values"]:
        """The raw input as one vector a sample."""

    @abstractmethod
    def show(self, x: Any) -> Any:
        """The samples as small colour pictures for a person: uint8 array (batch, height, width, 3)."""

    # what the words above give together
    def plain(self, x: Any) -> Any:
        """Collated samples as an encoder sees them when nothing is changed."""
        return self.change(x, Branch("raw"), Draws(0, 0, total=x.shape[0], device=x.device)).x

    def make_views(self, batch: Batch, plan: tuple[Branch, ...], draws: Draws) -> tuple[View, ...]:
        """The views of a plan, each branch from its own stream of random numbers."""
        return tuple(self._view(batch, branch, draws.child(str(i))) for i, branch in enumerate(plan))

    def _view(self, batch: Batch, branch: Branch, draws: Draws) -> View:
        rows = torch.arange(batch.index.shape[0], device=batch.index.device)
        if branch.rows is not None:
            rows = rows[(batch.y >= 0) == (branch.rows == "labelled")]
            draws = draws.only(rows)
        x = batch.x if branch.rows is None else batch.x[rows]
        changed = self.change(x, branch, draws)
        if branch.mask is None:
            return View(changed.x, rows, where=changed.where, params=changed.params)
        positions = self.positions
        if positions is None:
            raise OptionError(f"{self.name} has no tokens here, so nothing can be hidden")
        mask = branch.mask(draws.child("mask"), positions)
        target = self.tokenise(changed.x)
        return View(changed.x, rows, shown(mask), mask, target, changed.where, changed.params)
