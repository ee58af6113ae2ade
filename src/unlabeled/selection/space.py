"""A space of hyperparameters, read as data: a range or a set of choices for each name."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from unlabeled.api import pretrain
from unlabeled.errors import OptionError, nearest
from unlabeled.methods import Entry

TRAINING = ("epochs", "batch_size", "lr", "optimiser", "weight_decay")
"""options of pretrain that can be searched; an encoder cannot: figures of two architectures say nothing"""
DECIDED = (
    *("data", "method", "labels", "validation", "out", "seed", "resume", "on_collapse"),
    *("devices", "num_nodes", "strategy"),
)
"""options of pretrain that a search decides by itself (one process trains), or has no use for"""
SHAPE = "give [low, high], [low, high, log] or {choices: [one, another]}"


@dataclass(frozen=True)
class Range:
    """Numbers from low to high, both among them."""

    low: float
    high: float
    log: bool = False
    """drawn by their logarithm"""
    whole: bool = False

    def suggest(self, trial: Any, name: str) -> Any:
        if self.whole:
            return trial.suggest_int(name, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    def plain(self) -> Any:
        return [self.low, self.high, *(["log"] if self.log else [])]


@dataclass(frozen=True)
class Choices:
    """One of a few values."""

    values: tuple[Any, ...]

    def suggest(self, trial: Any, name: str) -> Any:
        return trial.suggest_categorical(name, self.values)

    def plain(self) -> Any:
        return {"choices": list(self.values)}


def read_space(space: str | Path | Mapping[str, Any], entry: Entry) -> dict[str, Range | Choices]:
    """The ranges and choices of `space` (a YAML file, or what it holds) by the name of the option.

    A name is an option of the method (`temperature`, or `method.temperature`) or one of `TRAINING`. A range is
    of whole numbers where the option takes nothing else.

    Refused: an empty space, an unknown name (with the nearest known), what is neither a range nor choices, low
    not below high, a logarithm of what is not above 0.
    """
    if isinstance(space, str | Path):
        space = _load(Path(space))
    if not isinstance(space, Mapping) or not space:
        raise OptionError(
            f"the space is empty: name at least one option, such as lr: [0.0001, 0.01, log]; {SHAPE}"
        )
    hints = get_type_hints(entry.cls.__init__) | {
        n: h for n, h in get_type_hints(pretrain).items() if n in TRAINING
    }
    found: dict[str, Range | Choices] = {}
    for given, values in space.items():
        prefix, dot, own = str(given).rpartition(".")
        name = own if dot and prefix in ("method", entry.name) else str(given)
        known = [*entry.options, *(() if dot else TRAINING)]
        if name not in known:
            raise OptionError(
                f"the space names {given!r}, which {entry.name} cannot search: {nearest(name, known)}"
            )
        if name in found:
            raise OptionError(f"the space names {name!r} twice")
        found[name] = _parse(name, values, hints[name])
    return found


def _load(path: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise OptionError(f"{path} is not a YAML file of plain values: {error}") from error


def _parse(name: str, values: Any, hint: Any) -> Range | Choices:
    if isinstance(values, Mapping):
        choices = values.get("choices")
        if set(values) != {"choices"} or not isinstance(choices, list | tuple) or not choices:
            raise OptionError(f"in the space, {name} is {values!r}: {SHAPE}")
        if not all(v is None or isinstance(v, bool | int | float | str) for v in choices):
            raise OptionError(f"in the space, the choices of {name} must be numbers, text or truth values")
        return Choices(tuple(choices))
    log = isinstance(values, list | tuple) and len(values) == 3 and values[2] == "log"
    if not isinstance(values, list | tuple) or len(values) - log != 2:
        raise OptionError(f"in the space, {name} is {values!r}: {SHAPE}")
    low, high = (_number(name, v) for v in values[:2])
    if not low < high:
        raise OptionError(
            f"in the space, {name} goes from {low:g} to {high:g}: the first must be the smaller"
        )
    if log and low <= 0:
        raise OptionError(f"in the space, {name} starts at {low:g}, which has no logarithm: start above 0")
    members = hint.__args__ if hasattr(hint, "__args__") else (hint,)
    if float not in members and int not in members:
        raise OptionError(f"in the space, {name} is no number: give {{choices: [one, another]}}")
    is_whole = float not in members
    if is_whole and not (low.is_integer() and high.is_integer()):
        raise OptionError(f"in the space, {name} takes whole numbers, not {low:g} to {high:g}")
    return Range(low, high, log, is_whole)


def _number(name: str, value: Any) -> float:
    # YAML takes 1e-3 for text
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise OptionError(f"in the space, {name} has the bound {value!r}, which is no number; {SHAPE}")
    return number


def training_options() -> list[str]:
    """The options of pretrain that all trials of a search may have alike."""
    return [n for n in inspect.signature(pretrain).parameters if n not in (*DECIDED, "method_options")]


def check_training(entry: Entry, space: Mapping[str, Any], training: Mapping[str, Any]) -> None:
    """Refuses options of every trial that neither pretrain nor the method has, and those that are searched too."""
    known = [*training_options(), *entry.options]
    for name in training:
        if name not in known:
            raise OptionError(f"a search with {entry.name} has no option {name!r}: {nearest(name, known)}")
        if name in space:
            raise OptionError(f"{name!r} is both fixed and in the space: leave one out")
