"""What a method is: the views it wants, the parts it owns, and which objective meets what.

    make views of a batch → a student encodes some → a target comes from the others
    → an objective compares them → state moves on

A method never has an optimiser, a device, a file, or a modality in it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from torch import Tensor, nn

from unlabeled.data.batch import Batch, View
from unlabeled.errors import OptionError
from unlabeled.methods.recipe import Recipe
from unlabeled.parts.encoder import Encoder
from unlabeled.parts.masks import Mask
from unlabeled.parts.schedules import Clock


@dataclass(frozen=True)
class Branch:
    """One view a method wants. The modality decides what the words mean for its data."""

    kind: Literal["raw", "weak", "strong", "local"]
    variant: int = 0
    """0: the ordinary one; 1 and 2: a pair made differently on purpose, where a method wants that"""
    mask: Mask | None = None
    """hides tokens of this view; the view then carries `keep`, `mask` and its own raw tokens as `target`"""
    rows: Literal["labelled", "unlabelled"] | None = None
    """only these rows of the batch; None: all"""
    options: Mapping[str, float | Tensor] = field(default_factory=dict)
    """numbers, or tensors with one value a row, that the modality understands (`low`, `high`: how much
    of the sample a crop keeps)"""


@dataclass(frozen=True)
class Output:
    """What a step of a method gives back. The engine sums the terms, logs and checks them."""

    terms: Mapping[str, Tensor]
    """scalars by name; their sum is what is minimised"""
    embeddings: tuple[Tensor, ...]
    """one (rows, dim) a view, watched for collapse"""
    logits: Tensor | None = None
    """(rows, classes) of a method that predicts classes: then their entropy is watched"""


@dataclass(frozen=True)
class Requires:
    """What a method cannot do without, and the promises that cannot apply to it, each with its reason."""

    tokens: bool = False
    index: bool = False
    labels: bool = False
    sampler: Literal["uniform", "labelled"] = "uniform"
    least_batch: int = 2
    exempt: Mapping[str, str] = field(default_factory=dict)
    """promise (a key of `PROMISES`) → why it cannot apply"""


PROMISES = ("learns", "collapse", "resume", "processes", "precision", "readback", "bad_data")


@dataclass(frozen=True)
class Facts:
    """What a method may know of the data it will meet."""

    samples: int
    """samples in the training set (labels of an index-addressed head)"""
    classes: int | None = None
    """number of classes, where labels were given"""
    tokens: int | None = None
    """tokens of the first samples (where samples have unequal numbers, others may have more); None where
    there are none"""
    token_dim: int = 0
    """numbers of a token; 0 where tokens are words or categories only"""
    categories: int = 0
    """words or categories a token may be; 0 where tokens are numbers only"""
    axes: int = 0
    """of the positions of tokens"""


class Method(nn.Module, ABC):
    """Base of every method. All state is a buffer or parameter of its final size, made in `__init__`."""

    plan: tuple[Branch, ...] = ()
    requires: ClassVar[Requires] = Requires()
    recipe: ClassVar[Recipe] = Recipe()
    name: ClassVar[str] = ""
    """given by `register`"""

    def __init__(self, encoder: Encoder, facts: Facts) -> None:
        super().__init__()
        if self.requires.tokens and not encoder.leaves_out:
            raise OptionError(
                f"{self.name} hides tokens and encoder {encoder.spec.get('name')!r} has none: leave encoder= out, "
                "which takes the modality's own encoder of tokens"
            )
        if self.requires.labels and not facts.classes:
            raise OptionError(f"{self.name} learns from labels and none were given: pass labels=")
        self.encoder = encoder

    @abstractmethod
    def forward(self, views: tuple[View, ...], batch: Batch, clock: Clock) -> Output:
        """The loss terms of one batch."""

    def before_step(self, clock: Clock) -> None:
        """Gradients exist, the optimiser has not moved yet."""

    def after_step(self, clock: Clock) -> None:
        """The optimiser has moved: teacher, queue, centre and thresholds follow."""

    def refresh(self, embed: Callable[[], Tensor], clock: Clock) -> None:
        """Every `recipe.refresh_every` epochs; `embed()` gives the features of the whole set, in its order."""

    @property
    def kept(self) -> Encoder:
        """What the run keeps as its encoder."""
        return self.encoder

    @property
    def classifier(self) -> nn.Linear | None:
        """The layer from features to classes, for methods that predict; saved so that a run can."""
        return None


def check_range(
    method: str,
    name: str,
    value: float,
    low: float = float("-inf"),
    high: float = float("inf"),
    *,
    open_low: bool = False,
    open_high: bool = False,
) -> float:
    """`value`, or an error naming the option and its range; what is not finite is outside every range."""
    too_low = value <= low if open_low else value < low
    too_high = value >= high if open_high else value > high
    if too_low or too_high or not math.isfinite(value):
        left = "(" if open_low or math.isinf(low) else "["
        right = ")" if open_high or math.isinf(high) else "]"
        raise OptionError(f"{method}: {name} must be in {left}{low}, {high}{right}, not {value}")
    return value
