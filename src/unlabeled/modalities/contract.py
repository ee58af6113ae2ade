"""What a modality says, so that every method that is not about one kind of data runs on it unchanged.

How to read it, how to change a batch weakly, strongly and locally, what its tokens are and where
they sit, and which encoders are the defaults. Everything fitted to the data is plain values in
`config()`, from which `type(modality)(**config)` is the same modality again.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from unlabeled.data.batch import Batch, Tokens, View
from unlabeled.data.draws import Draws
from unlabeled.data.source import Source
from unlabeled.errors import DataError, OptionError, nearest
from unlabeled.methods.contract import Branch
from unlabeled.parts.encoder import Encoder, Wrapped
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
    accepts: ClassVar[str]
    """what `read` takes, for a person"""
    default_encoder: ClassVar[str]
    """the one for features"""
    token_encoder: ClassVar[str]
    """the one that can leave tokens out"""

    free_axes: ClassVar[Mapping[int, str]] = {0: "batch"}
    """axes of a collated tensor that are longer in one batch than in another, and their names"""

    label: str | None = None
    """column or field that holds the classes and is kept out of the inputs; None: none is known"""

    def named_labels(self, labels: Any) -> Any:
        """True where `labels` names the column of the classes, else `labels`. Refuses the name of something that
        is neither a file nor that column: it may have been an input."""
        if not isinstance(labels, str) or "label" not in inspect.signature(self.measure).parameters:
            return labels
        if labels == self.label:
            return True
        if not Path(labels).suffix and not Path(labels).expanduser().exists():
            raise DataError(
                f"labels={labels!r} is no file, and no column that was kept out of the inputs when the data was "
                f"prepared (that was {self.label!r}): give a labels file, or train with labels={labels!r}"
            )
        return labels

    # read
    @classmethod
    @abstractmethod
    def recognises(cls, data: Any) -> str | None:
        """One line saying what `data` is if it is of this modality, else None. Looks, never reads it whole."""

    @classmethod
    @abstractmethod
    def measure(cls, data: Any, **options: Any) -> Modality:
        """Looks at a sample of the data and fixes what preparation needs; `options` overrule it.

        A parameter called `label` names the column (or field) that holds the classes: it is kept out of the
        inputs, and `labels="that name"` of pretrain and finetune arrives here.
        """

    @classmethod
    def refuse_others(cls, unknown: Mapping[str, Any]) -> None:
        """For `measure`: refuses options it does not have, with the nearest it has."""
        known = inspect.signature(cls.measure).parameters.keys() - {"data", "unknown", "options"}
        for name in unknown:
            raise OptionError(f"the modality {cls.name!r} has no option {name!r}: {nearest(name, known)}")

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
    @abstractmethod
    def tokenise(self, x: Any) -> Tokens | None:
        """The raw tokens of (changed) inputs, with their positions: what a masked method hides and
        reconstructs. None where this data has no tokens as it is prepared."""

    categories: int = 0
    """words or categories that a token's code may be; 0 where tokens are numbers"""

    # encode, and the raw input as a yardstick
    @abstractmethod
    def build_encoder(self, name: str, **options: Any) -> Encoder:
        """An encoder for this data; `build_encoder(**encoder.spec)` builds the same architecture again."""

    @abstractmethod
    def example(self) -> Any:
        """Two samples, collated, with nothing in them: shows a user's own module the form of a batch."""

    def adopt(self, module: nn.Module) -> Encoder:
        """A user's own module as an encoder; it is called with what `plain` gives of a batch."""
        return module if isinstance(module, Encoder) else Wrapped(module, self.plain(self.example()))

    @abstractmethod
    def flatten(self, x: Any) -> Float[Tensor, "batch values"]:
        """The raw input as one vector a sample: finite, a yardstick worth beating."""

    def synthetic(self, rows: int, *, seed: int = 0) -> Tensor | None:
        """Random samples as an encoder takes them, in the units of real ones, of lengths and with gaps that real
        ones may have: what an exported encoder is checked on. None where a batch is not one tensor."""
        return None

    # for a person
    def show(self, x: Any, hidden: Bool[Tensor, "rows tokens"] | None = None) -> Any:
        """The samples (or views) as small colour pictures: uint8 array (batch, height, width, 3); None where a
        picture says nothing. `hidden`: tokens that are covered, as in `View.mask`."""
        return None

    def describe(self, x: Any, hidden: Bool[Tensor, "rows tokens"] | None = None) -> list[str]:
        """The samples (or views) in words, one line each: of a row its cells, of a text itself, of others their
        size. `hidden`: tokens that are covered, as in `View.mask`. Here the shape is all that is known."""
        shape = tuple(getattr(x, "shape", ())[1:])
        return [" × ".join(map(str, shape))] * len(x)

    # what the words above give together
    def plain(self, x: Any) -> Any:
        """Collated samples as an encoder sees them when nothing is changed."""
        return self.change(x, Branch("raw"), Draws(0, 0, total=len(x), device=x.device)).x

    def take(self, x: Any, rows: Tensor) -> tuple[Any, Tensor]:
        """Some rows of collated samples, and which they are: all of them where they cannot be taken apart."""
        return x[rows], rows

    def make_views(self, batch: Batch, plan: tuple[Branch, ...], draws: Draws) -> tuple[View, ...]:
        """The views of a plan, each branch from its own stream of random numbers."""
        return tuple(self._view(batch, branch, draws.child(str(i))) for i, branch in enumerate(plan))

    def _view(self, batch: Batch, branch: Branch, draws: Draws) -> View:
        x, rows = batch.x, torch.arange(batch.index.shape[0], device=batch.index.device)
        if branch.rows is not None:
            x, rows = self.take(x, rows[(batch.y >= 0) == (branch.rows == "labelled")])
            draws = draws.only(rows)
        changed = self.change(x, branch, draws)
        if branch.mask is None:
            return View(changed.x, rows, where=changed.where, params=changed.params)
        target = self.tokenise(changed.x)
        if target is None:
            raise OptionError(f"{self.name} has no tokens here, so nothing can be hidden")
        if target.rows != len(rows):  # one sample made of all rows
            draws = draws.sized(target.rows)
        mask = branch.mask(draws.child("mask"), target.positions, target.present)
        keep = shown(mask, target.present)
        return View(changed.x, rows, keep, mask, target, changed.where, changed.params)
