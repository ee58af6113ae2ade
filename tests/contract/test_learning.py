"""Promise 1: it learns, and the committed figures say so."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import pytest

from tests.contract.conftest import METHODS
from unlabeled.methods import lookup
from unlabeled.methods.measured import FILE, code_hash, measured


def test_committed_figures_beat_the_untrained_encoder(method: str) -> None:
    row = measured(method)
    if row is None or row.status == "not shown":
        assert lookup(method).status == "not shown"
        warnings.warn(f"{method}: no committed figure shows that it learns", stacklevel=1)
        pytest.skip(f"{method} carries the status 'not shown'")
    gain = max(row.knn - row.untrained_knn, row.linear_probe - row.untrained_linear_probe)
    assert gain >= row.margin >= 0.05
    if row.code != code_hash(lookup(method).cls):
        warnings.warn(f"{method}: its code changed since it was measured (stale; `make bench`)", stacklevel=1)


@pytest.mark.parametrize(
    "name",
    [
        "supervised",
        "simclr",
        "moco_v3",
        "byol",
        "simsiam",
        "barlow_twins",
        "vicreg",
        "swav",
        "dino",
        "mae",
        "diet",
    ],
)
def test_methods_of_the_foundation_are_measured(name: str) -> None:
    assert lookup(name).status == "measured"


def test_cells_have_the_budget_the_benchmark_states(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    import grid
    import images

    for name, cell in grid.read("images").items():
        if cell["kind"] == "method" and name == cell["method"]:
            assert cell["epochs"] == images.BUDGET.get(name, images.EPOCHS), name


def test_figures_belong_to_registered_methods() -> None:
    assert set(json.loads(FILE.read_text())) <= set(METHODS)


def test_shipped_figures_are_those_of_the_committed_cells() -> None:
    folder = Path(__file__).parents[2] / "benchmarks"
    sys.path.insert(0, str(folder))
    try:
        import tables
    finally:
        sys.path.remove(str(folder))
    assert json.loads(FILE.read_text()) == tables.measured()


def test_best_method_without_labels_reaches_the_stated_accuracy() -> None:
    rows = json.loads(FILE.read_text())
    assert max(row["knn"] for name, row in rows.items() if not lookup(name).cls.requires.labels) >= 0.55
