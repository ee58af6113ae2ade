"""What the hash of measured code promises: it follows the code of a method and of its losses, nothing else.

The hash follows modules called `unlabeled.methods…` and `unlabeled.objectives…`. Here two such modules
are real files in a temporary folder, imported under such names, so every variant is hashed as a method is.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from unlabeled.methods import lookup, measured, names, table

OBJECTIVE = '''
import torch
from torch import Tensor
from unlabeled.objectives.precision import at_least_float32


@at_least_float32
def toy_loss(z: Tensor) -> Tensor:
    """Squares."""
    return helper(z).mean()


def helper(z: Tensor) -> Tensor:
    return z.square()  # elementwise


def unused(z: Tensor) -> Tensor:
    return z.abs()
'''

METHOD = '''
from unlabeled.methods.contract import Method, Output
from unlabeled.objectives.toy_for_hash import toy_loss


class Base(Method):
    weight = 2

    def scale(self):
        return self.weight


class Toy(Base):
    """A toy."""

    def forward(self, views, batch, clock):
        # the loss
        z = self.encoder(views[0].x)
        return Output({"toy": self.scale() * toy_loss(z)}, (z,))


class Neighbour(Method):
    def forward(self, views, batch, clock):
        return 1
'''

Hash = Callable[..., str]


@pytest.fixture
def hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hash:
    """The hash of `Toy` after replacing one piece of the method's or the objective's file."""
    versions = count()

    def load(name: str, text: str, folder: Path) -> object:
        path = folder / f"{name.replace('.', '_')}.py"
        path.write_text(text)
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module

    def replaced(text: str, old: str, new: str) -> str:
        assert text.count(old) == 1 or not old
        return text.replace(old, new) if old else text

    def make(method: tuple[str, str] = ("", ""), objective: tuple[str, str] = ("", "")) -> str:
        folder = tmp_path / str(next(versions))
        folder.mkdir()
        load("unlabeled.objectives.toy_for_hash", replaced(OBJECTIVE, *objective), folder)
        module = load("unlabeled.methods.toy_for_hash", replaced(METHOD, *method), folder)
        return measured.code_hash(module.Toy)

    return make


def test_the_same_code_has_the_same_hash(hashed: Hash) -> None:
    first = hashed()
    assert hashed() == first and len(first) == 16 and int(first, 16) >= 0


@pytest.mark.parametrize(
    "change",
    [
        {"method": ('    """A toy."""\n', "")},
        {"method": ('"""A toy."""', '"""Another sentence."""')},
        {"method": ("        # the loss\n", "")},
        {
            "method": (
                "        return self.weight\n",
                "        return (\n            self.weight\n        )\n\n",
            )
        },
        {"objective": ('"""Squares."""', '"""Means of squares."""')},
        {"objective": ("  # elementwise", "")},
    ],
)
def test_words_and_layout_do_not_change_it(hashed: Hash, change: dict[str, tuple[str, str]]) -> None:
    assert hashed(**change) == hashed()


@pytest.mark.parametrize(
    "change",
    [
        {"method": ("return 1\n", "return 2\n")},
        {"objective": ("return z.abs()", "return -z.abs()")},
    ],
)
def test_code_the_method_does_not_use_does_not_change_it(
    hashed: Hash, change: dict[str, tuple[str, str]]
) -> None:
    assert hashed(**change) == hashed()


@pytest.mark.parametrize(
    "change",
    [
        {"method": ("views[0]", "views[1]")},
        {"method": ("weight = 2", "weight = 3")},
        {"method": ("return self.weight", "return -self.weight")},
        {"method": ('{"toy":', '{"toys":')},
        {"objective": ("helper(z).mean()", "helper(z).sum()")},
        {"objective": ("return z.square()", "return z.square() / 2")},
        {"objective": ("@at_least_float32\n", "")},
    ],
)
def test_code_of_the_class_its_bases_its_objective_and_what_that_calls_changes_it(
    hashed: Hash, change: dict[str, tuple[str, str]]
) -> None:
    assert hashed(**change) != hashed()


def test_registered_methods_have_hashes_of_their_own() -> None:

    found = {name: measured.code_hash(lookup(name).cls) for name in names()}
    assert len(set(found.values())) == len(found)


def test_a_method_without_figures_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:

    monkeypatch.setattr(measured, "_rows", lambda: {})
    assert measured.measured("simclr") is None and lookup("simclr").status == "not shown"


def test_shipped_figures_are_read_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    row = {name: 0.5 for name in measured.Measured.__dataclass_fields__}
    row |= {
        "status": "measured",
        "data": "digits",
        "encoder": "convnet",
        "code": "0" * 16,
        "works": ["table"],
    }
    (tmp_path / "measured.json").write_text(json.dumps({"simclr": row}))
    monkeypatch.setattr(measured, "FILE", tmp_path / "measured.json")
    measured._rows.cache_clear()
    try:
        assert lookup("simclr").status == "measured" and lookup("byol").status == "not shown"
        (listed,) = [r for r in table() if r["name"] == "simclr"]
        assert (listed["data"], listed["encoder"], listed["knn"]) == ("digits", "convnet", 0.5)
    finally:
        measured._rows.cache_clear()
