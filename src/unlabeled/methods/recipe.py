"""How a method wants to be trained: data, not code. The engine carries it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from unlabeled.parts.schedules import Schedule


@dataclass(frozen=True)
class Group:
    """Parameters treated differently. `pattern` is a shell pattern over their names (`predictor.*`)."""

    pattern: str
    rate: float = 1.0
    """factor on the learning rate"""
    constant: bool = False
    """keeps its rate from the first step to the last (SimSiam's predictor)"""
    decay: float | None = None
    """its own weight decay; None: the recipe's"""
    frozen: float = 0.0
    """share of the run at whose start it does not move (1.0: never moves)"""


@dataclass(frozen=True)
class Recipe:
    """Optimiser, rates, schedules and budget of a method, as used when the caller names none."""

    optimiser: Literal["adamw", "sgd", "lars"] = "adamw"
    lr: float = 1e-3
    """rate at a batch of 256; scaled linearly with the batch"""
    weight_decay: float | Schedule = 1e-4
    """never on biases, norms, positions and other vectors"""
    momentum: float = 0.9
    """of SGD and LARS"""
    betas: tuple[float, float] = (0.9, 0.999)
    """of AdamW"""
    warmup: float = 0.1
    """share of the steps over which the rate rises; a cosine to zero follows"""
    clip: float | None = None
    """largest norm of the whole gradient"""
    batch_size: int = 256
    samples: int = 1_500_000
    """samples seen in all when no number of epochs is given (between 20 and 400 epochs)"""
    groups: tuple[Group, ...] = ()
    refresh_every: int = 0
    """epochs between calls of `refresh`; 0 never"""
