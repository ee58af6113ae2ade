"""One command a kind of data, as a user types it, on real data sets (skipped where they are not there)."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from unlabeled import cli

DATA = Path(__file__).parents[2] / "shared" / "data"
COMMANDS = {
    "image": (["images/cifar10_small/cifar10_small.zip"], 6000),
    "table": (["tables/adult/train.parquet", "--labels", "income"], 32_561),
    "series": (["series/ucr_uea/BasicMotions.npz", "--modality", "series"], 80),
    "series of unequal length": (["series/ucr_uea/JapaneseVowels.npz", "--modality", "series"], 640),
    "audio": (["audio/fsdd/recordings.zip", "--modality", "audio", "--modality.label", r"^(\d)_"], 3000),
    "graph": (["graphs/cora"], 2708),
    "graphs": (["graphs/mutag/graphs.npz"], 188),
    "text": (
        [
            "text/ag_news_test/ag_news.parquet",
            *("--modality", "text", "--modality.column", "description", "--modality.label", "label"),
        ],
        7600,
    ),
}


@pytest.mark.parametrize("kind", COMMANDS)
def test_pretrain_embed_and_evaluate_from_the_shell(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (file, *more), rows = COMMANDS[kind]
    path = DATA / file
    if not path.exists():
        pytest.skip(f"the data set {path} is not there")
    monkeypatch.setenv("UNLABELED_CACHE", str(tmp_path / "cache"))
    run, table, scores = str(tmp_path / "run"), str(tmp_path / "z.parquet"), str(tmp_path / "scores.json")
    cli.main(
        [
            *("pretrain", str(path), *more, "--method", "simclr", "--method.hidden", "32"),
            *("--epochs", "1", "--max_time", "2s", "--on_collapse", "warn", "--out", run),
        ]
    )
    cli.main(["embed", run, str(path), "--output", table])
    written = pq.read_table(table)
    assert written.column_names == ["index", "key", "embedding", "label"] and written.num_rows == rows
    assert len(set(written["key"].to_pylist())) == rows
    assert written["label"].null_count == 0
    cli.main(["evaluate", run, str(path), "--output", scores])
    card = json.loads(Path(scores).read_text())
    assert card["knn"]["value"] > card["knn"]["chance"] - 0.1
    assert {"raw", "untrained"} <= set(card["knn"])
    for name in (
        "linear_probe",
        "few_shot",
        "retrieval",
        "clustering",
        "rankme",
        "feature_spread",
        "alignment",
    ):
        assert card[name]["value"] == card[name]["value"] and card[name]["untrained"] is not None, name
