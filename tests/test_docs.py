"""The pages say what the code and the committed results say."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

import unlabeled as ul
from unlabeled import evaluation
from unlabeled.modalities import MODALITIES
from unlabeled.report.meanings import MEANINGS

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
    "page",
    ["README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/benchmarks.md", "docs/evaluation.md"],
)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in target:
            assert ((ROOT / page).parent / target).exists(), target


@pytest.mark.filterwarnings("ignore:.*no benchmark.*")
def test_the_kind_of_data_in_contributing_is_trained_on_and_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    monkeypatch.setitem(MODALITIES, "dna", None)  # so that it is gone when the test is
    import dna

    sequences, species = dna.two_species(60)
    for method in ("mae", "dino", "supervised"):
        verb, more = (ul.finetune, {"labels": species}) if method == "supervised" else (ul.pretrain, {})
        run = verb(
            sequences, method=method, modality="dna", batch_size=20, epochs=1, out=tmp_path / method, **more
        )
        table = run.embed(sequences)
        assert table.num_rows == 60
        again = ul.load(run.path).embed([s + "ACGT" * 20 for s in sequences])  # longer ones are cut
        assert again.num_rows == 60
    assert set(run.predict(sequences)["label"].to_pylist()) <= {"0", "1"}
    assert {"knn", "linear_probe"} <= set(run.evaluate(sequences, labels=species, k=3))
    # what ended is not seen: an embedding does not depend on how far a batch is padded
    short = [s[:30] for s in sequences]
    alone = dna.DNA(30).read(short).fetch(range(60))
    padded = dna.DNA(run.modality.length).read(short).fetch(range(60))
    torch.testing.assert_close(run.encoder(alone), run.encoder(padded))


def test_the_page_on_evaluation_names_every_figure_of_a_scorecard() -> None:
    text = (ROOT / "docs" / "evaluation.md").read_text()
    z = np.random.default_rng(0).normal(size=(200, 40))
    y = np.minimum(np.arange(200) % 8, 3)  # uneven
    seen = evaluation.Seen(z, z[:100] + 0.1, z[:100, None] + np.zeros((100, 2, 40)))
    with_classes = evaluation.score(seen, y, y[:100])
    with_quantities = evaluation.score(seen, y + 0.5 * z[:, 0], y[:100] + 0.5 * z[:100, 0])
    assert all(f"`{name}`" in text for name in {*with_classes, *with_quantities})
    assert all(hasattr(evaluation, name) for name in {*with_classes, *with_quantities})
    assert {*with_classes, *with_quantities} == set(MEANINGS)  # the report's words on them


def test_architecture_names_every_room() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    package = ROOT / "src" / "unlabeled"
    for room in package.iterdir():
        if (room.is_dir() and room.name != "__pycache__") or (
            room.suffix == ".py" and not room.name.startswith("__")
        ):
            assert f"`{room.name}" in text, room.name
