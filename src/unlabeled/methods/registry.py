"""Which methods exist, from which paper, and what was measured of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from unlabeled.errors import OptionError, nearest
from unlabeled.methods.contract import Method
from unlabeled.methods.measured import Measured, measured

M = TypeVar("M", bound=type[Method])

RESERVED = frozenset(
    (
        *("data", "method", "encoder", "modality", "labels", "validation", "init", "teacher", "regulariser"),
        *(
            "epochs",
            "batch_size",
            "lr",
            "optimiser",
            "weight_decay",
            "max_time",
            "num_workers",
            "seed",
            "out",
        ),
        *("devices", "num_nodes", "strategy", "precision", "resume", "on_collapse", "compare"),
        *("config", "name", "output"),
    )
)
"""Option names that `pretrain` and `finetune` use; a method's own options must differ from them."""


@dataclass(frozen=True)
class Entry:
    """One registered method."""

    name: str
    cls: type[Method]
    paper: str
    """authors, year, arXiv number"""
    family: str
    modalities: tuple[str, ...]
    """empty: every modality"""
    options: dict[str, inspect.Parameter]
    """the method's own options, with types and defaults"""

    @property
    def measured(self) -> Measured | None:
        return measured(self.name)

    @property
    def status(self) -> str:
        return self.measured.status if self.measured else "not shown"


_ENTRIES: dict[str, Entry] = {}


def register(name: str, *, paper: str, family: str, modalities: tuple[str, ...] = ()) -> Callable[[M], M]:
    """Makes a method known under `name`: by it `pretrain` finds it and the contract suite tests it."""

    def add(cls: M) -> M:
        held = _ENTRIES[name].cls if name in _ENTRIES else cls
        # the same class again is a module that was read again
        if (held.__module__, held.__qualname__) != (cls.__module__, cls.__qualname__):
            raise OptionError(
                f"a method called {name!r} is registered already: {held.__module__}.{held.__qualname__}"
            )
        parameters = list(inspect.signature(cls.__init__).parameters.values())
        options = {p.name: p for p in parameters if p.kind is p.KEYWORD_ONLY}
        others = [p.kind for p in parameters if p.name not in options]
        if others != [inspect.Parameter.POSITIONAL_OR_KEYWORD] * 3:
            raise OptionError(
                f"{name}: __init__ must take (self, encoder, facts, *, options…), options by keyword only"
            )
        clash = sorted(RESERVED & options.keys())
        if clash:
            raise OptionError(f"{name}: the option names {clash} belong to pretrain; give yours another name")
        if bare := [o for o, p in options.items() if p.default is p.empty]:
            raise OptionError(f"{name}: the options {bare} need a default")
        if untyped := [o for o, p in options.items() if p.annotation is p.empty]:
            raise OptionError(f"{name}: the options {untyped} need a type: values are checked against it")
        cls.name = name
        _ENTRIES[name] = Entry(name, cls, paper, family, modalities, options)
        return cls

    return add


def names() -> list[str]:
    """The registered methods' names."""
    return sorted(_ENTRIES)


def lookup(name: str) -> Entry:
    """The entry of a method, or an error with the nearest names."""
    if name not in _ENTRIES:
        raise OptionError(f"there is no method {name!r}: {nearest(name, _ENTRIES)}")
    return _ENTRIES[name]


def table() -> list[dict[str, Any]]:
    """One row a method: name, family, paper, modalities, what it needs, status and measured figures."""
    rows = []
    for name in names():
        entry = _ENTRIES[name]
        requires = entry.cls.requires
        needs = [word for word in ("tokens", "index", "labels") if getattr(requires, word)]
        shown = entry.measured
        rows.append(
            {
                "name": name,
                "family": entry.family,
                "paper": entry.paper,
                "modalities": ", ".join(entry.modalities) or "all",
                "needs": ", ".join(needs) or "-",
                "status": entry.status,
                "data": shown.data if shown else None,
                "encoder": shown.encoder if shown else None,
                "knn": shown.knn if shown else None,
                "linear_probe": shown.linear_probe if shown else None,
                "untrained_knn": shown.untrained_knn if shown else None,
                "raw_knn": shown.raw_knn if shown else None,
                "works": ", ".join(shown.works) if shown else "",
            }
        )
    return rows
