"""Learning from data with few labels or none, in every modality, on one template.

Names are imported when they are first used, so that reading a run back needs no training code and
`unlabeled --help` no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "api": ("evaluate", "finetune", "pretrain"),
    "run": ("Run", "load"),
    "selection": ("search", "select"),
    "data.batch": ("Batch", "Tokens", "View"),
    "methods.contract": ("Branch", "Facts", "Method", "Output", "Requires"),
    "methods.recipe": ("Group", "Recipe"),
    "modalities.contract": ("Modality",),
    "parts.encoder": ("Encoded", "Encoder"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}
_MODULES = ("errors", "evaluation", "methods", "modalities", "objectives", "parts")

__all__ = sorted([*_HOME, *_MODULES])

if TYPE_CHECKING:
    from unlabeled import errors, evaluation, methods, modalities, objectives, parts
    from unlabeled.api import evaluate, finetune, pretrain
    from unlabeled.data.batch import Batch, Tokens, View
    from unlabeled.methods.contract import Branch, Facts, Method, Output, Requires
    from unlabeled.methods.recipe import Group, Recipe
    from unlabeled.modalities.contract import Modality
    from unlabeled.parts.encoder import Encoded, Encoder
    from unlabeled.run import Run, load
    from unlabeled.selection import search, select


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"unlabeled.{_HOME[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"unlabeled.{name}")
    raise AttributeError(f"module 'unlabeled' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
