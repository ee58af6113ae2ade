"""The pages say what the code and the committed results say."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    sys.modules.pop("tables", None)
    import tables

    return tables


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/benchmarks.md"])
def test_pages_are_made_from_code_and_results(page: str, tables: ModuleType) -> None:
    """`python benchmarks/tables.py` writes them."""
    text = (ROOT / page).read_text()
    assert "<!-- end -->" in text
    assert tables.filled(text) == text


def test_the_summary_of_collapses_is_judged_by_the_present_bounds(tables: ModuleType) -> None:
    """`python benchmarks/collapse.py --judge` writes it."""
    sys.modules.pop("collapse", None)
    import collapse

    assert collapse.judge() == json.loads(collapse.SUMMARY.read_text())


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/benchmarks.md"]
)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in target:
            assert ((ROOT / page).parent / target).exists(), target


def test_architecture_names_every_room() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    package = ROOT / "src" / "unlabeled"
    for room in package.iterdir():
        if (room.is_dir() and room.name != "__pycache__") or (
            room.suffix == ".py" and not room.name.startswith("__")
        ):
            assert f"`{room.name}" in text, room.name
