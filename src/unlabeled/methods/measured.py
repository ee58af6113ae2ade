"""What the committed benchmarks say of each method, as shipped with the package.

`measured.json` beside this file is written by the benchmarks from `benchmarks/results/` and never by
hand. A method with no row, or whose row does not beat the untrained encoder by its margin, has the
status `not shown`: it can be trained by name, and training it warns.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import textwrap
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

FILE = Path(__file__).with_name("measured.json")


@dataclass(frozen=True)
class Measured:
    """The headline figures of one method on its small real benchmark; accuracies in [0, 1]."""

    status: str
    data: str
    encoder: str
    margin: float
    """by how much it must beat the untrained encoder, in k-NN or linear accuracy"""
    knn: float
    linear_probe: float
    effective_rank: float
    untrained_knn: float
    untrained_linear_probe: float
    raw_knn: float
    raw_linear_probe: float
    seconds: float
    code: str
    """hash of the code that was measured"""
    works: tuple[str, ...] = ()
    """kinds of data on which the matrix of methods shows it better than its untrained encoder"""


@cache
def _rows() -> dict[str, Measured]:
    if not FILE.exists():
        return {}
    rows = json.loads(FILE.read_text())
    return {name: Measured(**{**row, "works": tuple(row.get("works", ()))}) for name, row in rows.items()}


def measured(name: str) -> Measured | None:
    """The shipped figures of a method, None where there are none."""
    return _rows().get(name)


def code_hash(cls: type) -> str:
    """A hash of a method's code and its objectives', without comments and docstrings.

    It covers the class and its bases up to the contract, and every function of the objectives it
    names (with the functions those call, within the objectives).
    """
    pieces: dict[str, str] = {}
    for base in cls.__mro__:
        if base.__module__ == "unlabeled.methods.contract":
            break
        if base is not object:
            pieces[base.__qualname__] = _bare(base)
            _objectives(base, inspect.getmodule(base), pieces)
    text = "\n".join(f"{name}\n{pieces[name]}" for name in sorted(pieces))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _objectives(thing: Any, module: ModuleType | None, pieces: dict[str, str]) -> None:
    names = {node.id for node in ast.walk(_parsed(thing)) if isinstance(node, ast.Name)}
    for name in sorted(names):
        found = inspect.unwrap(getattr(module, name)) if callable(getattr(module, name, None)) else None
        if not isinstance(found, FunctionType):
            continue
        ours = found.__module__.startswith("unlabeled.objectives")
        if ours and found.__qualname__ not in pieces:
            pieces[found.__qualname__] = _bare(found)
            _objectives(found, inspect.getmodule(found), pieces)


def _parsed(thing: Any) -> ast.Module:
    return ast.parse(textwrap.dedent(inspect.getsource(thing)))


def _bare(thing: Any) -> str:
    tree = _parsed(thing)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [s for s in body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
            node.body = kept or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.unparse(tree)
