"""What a run will do, decided once and written down."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np

from unlabeled.errors import OptionError
from unlabeled.methods.recipe import Recipe

RATES = {"adamw": 1e-3, "sgd": 0.06, "lars": 0.3}
"""rates at a batch of 256 when the optimiser is not the recipe's own"""


WHOLE_STEPS = 300
"""steps over data that is one batch, where none are asked for"""


@dataclass(frozen=True)
class Plan:
    """The resolved numbers of a run."""

    epochs: int
    batch_size: int
    """over all processes"""
    lr: float
    per_epoch: int
    seed: int
    recipe: Recipe

    @property
    def steps(self) -> int:
        return self.epochs * self.per_epoch


def resolve(
    recipe: Recipe,
    *,
    rows: int,
    least_batch: int,
    epochs: int | None,
    batch_size: int | None,
    lr: float | None,
    optimiser: str | None,
    weight_decay: float | None,
    seed: int,
    unread: tuple[int, int] = (0, 0),
    whole: bool = False,
) -> tuple[Plan, list[str]]:
    """The plan, and one line for every number that was chosen and not given.

    `unread`: how many of how many samples could not be read, which is said where too few are left. `whole`: the
    rows cannot be taken apart (the nodes of one graph), so they are one batch, an epoch is one step, and the rate
    is the recipe's, not scaled to the batch.
    """
    said: list[str] = []
    epochs, batch_size, seed = (
        _whole("epochs", epochs),
        _whole("batch_size", batch_size),
        _whole("seed", seed),
    )
    lr, weight_decay = _number("lr", lr), _number("weight_decay", weight_decay)
    if optimiser is not None and optimiser != recipe.optimiser:
        if optimiser not in RATES:
            raise OptionError(f"optimiser must be one of {', '.join(RATES)}, not {optimiser!r}")
        recipe = replace(recipe, optimiser=optimiser, lr=RATES[optimiser])  # type: ignore[arg-type]
    if weight_decay is not None:
        if not 0 <= weight_decay < float("inf"):
            raise OptionError(f"weight_decay must be a number of at least 0, not {weight_decay}")
        recipe = replace(recipe, weight_decay=weight_decay)
    if whole:
        if batch_size not in (None, rows):
            raise OptionError(
                f"batch_size {batch_size}: the {rows} rows of this data cannot be taken apart, a batch is all of "
                "them; leave batch_size= out"
            )
        batch_size = rows
    else:
        batch_size = _batch_size(recipe, rows, least_batch, batch_size, unread, said)
    if epochs is None and whole:
        epochs = WHOLE_STEPS
        said.append(f"epochs {epochs} (each is one step over the whole of the data)")
    if epochs is None:
        epochs = max(20, min(400, round(recipe.samples / rows)))
        said.append(f"epochs {epochs} (about {recipe.samples:,} samples in all, between 20 and 400 epochs)")
    if epochs < 1:
        raise OptionError(f"epochs must be at least 1, not {epochs}")
    if lr is None:
        lr = recipe.lr if whole else recipe.lr * batch_size / 256
        scaled = "" if whole else " at a batch of 256"
        said.append(f"learning rate {lr:.3g} ({recipe.lr:g}{scaled}, {recipe.optimiser})")
    if not 0 < lr < float("inf"):
        raise OptionError(f"lr must be a positive number, not {lr}")
    return Plan(epochs, batch_size, lr, rows // batch_size, seed, recipe), said


def _whole(name: str, value: Any) -> Any:
    """A plain whole number, or None as it came."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if isinstance(value, np.integer):
        return int(value)
    raise OptionError(f"{name} must be a whole number, not {value!r}")


def _number(name: str, value: Any) -> Any:
    """A plain number, or None as it came."""
    if value is None:
        return None
    if isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool):
        return float(value)
    raise OptionError(f"{name} must be a number, not {value!r}")


def _batch_size(
    recipe: Recipe, rows: int, least: int, asked: int | None, unread: tuple[int, int], said: list[str]
) -> int:
    lost = f"; {unread[0]:,} of the {unread[1]:,} samples could not be read" if unread[0] else ""
    if asked is None:
        chosen = min(recipe.batch_size, rows)
        if chosen < recipe.batch_size:
            said.append(f"batch size {chosen}: there are only {rows} samples to train on")
        else:
            said.append(f"batch size {chosen}")
    else:
        chosen = asked
        if chosen < 1:
            raise OptionError(f"batch_size must be at least 1, not {chosen}")
        if chosen > rows:
            raise OptionError(
                f"batch_size {chosen} is more than the {rows} samples to train on: give {rows} or less{lost}"
            )
    if chosen < least:
        raise OptionError(
            f"a batch of {chosen} is too small: this method needs at least {least} samples in each"
            f"{lost * (rows < least)}"
        )
    return chosen


def seconds(max_time: Any) -> float | None:
    """A time limit in seconds, from a number of seconds, a timedelta, or text such as "90s", "30m", "1h30m"."""
    if max_time is None:
        return None
    if isinstance(max_time, timedelta):
        total = max_time.total_seconds()
    elif isinstance(max_time, int | float) and not isinstance(max_time, bool):
        total = float(max_time)
    else:
        total = _from_text(str(max_time))
    if not total > 0:
        raise OptionError(f"max_time must be more than 0 seconds, not {max_time!r}")
    return total


def _from_text(text: str) -> float:
    import re

    try:
        return float(text)
    except ValueError:
        pass
    units = {"d": 86400, "h": 3600, "m": 60, "s": 1}
    if not re.fullmatch(r"(\d+(\.\d+)?[dhms])+", text.strip().lower()):
        raise OptionError(
            f"max_time {text!r} is not a time: give seconds, or text such as '90s', '30m' or '1h30m'"
        )
    return sum(float(n) * units[u] for n, _, u in re.findall(r"(\d+(\.\d+)?)([dhms])", text.strip().lower()))
