"""Any encoder is judged like a run: ours, a module, a file, or embeddings from anywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from torch import nn

import unlabeled as ul
from tests.contract.conftest import digits
from unlabeled import cli
from unlabeled.errors import DataError, OptionError

X, Y = digits(200)
SMALL = {"name": "convnet", "width": 8}
LABELLED = {"knn", "linear_probe", "few_shot", "retrieval", "clustering"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> ul.Run:
    out = tmp_path_factory.mktemp("run") / "run"
    return ul.pretrain(
        X, method="simclr", encoder=SMALL, epochs=1, batch_size=50, out=out, on_collapse="warn", hidden=32
    )


def test_a_run_its_folder_and_its_own_method_give_the_same_card(run: ul.Run) -> None:
    cards = [ul.evaluate(run, X, labels=Y), ul.evaluate(run.path, X, labels=Y), run.evaluate(X, labels=Y)]
    assert cards[0].to_dict() == cards[1].to_dict() == cards[2].to_dict()


def test_a_module_is_judged_beside_the_raw_input(tmp_path: Path) -> None:
    class Mean(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.flatten(2).mean(2)

    card = ul.evaluate(Mean(), X, labels=Y, modality="image", output=tmp_path / "card.json")
    assert set(card) >= LABELLED
    assert (
        card["linear_probe"].raw > card["linear_probe"].value > 0
    )  # three numbers say less than the picture
    assert card["linear_probe"].untrained is None
    assert json.loads((tmp_path / "card.json").read_text())["knn"]["value"] == card["knn"].value


def test_an_exported_file_has_the_figures_of_its_run(run: ul.Run, tmp_path: Path) -> None:
    run.export(tmp_path / "model.onnx")
    ours, theirs = run.evaluate(X, labels=Y), ul.evaluate(tmp_path / "model.onnx", X, labels=Y)
    for name in ("knn", "linear_probe", "effective_rank", "uniformity", "lidar"):
        assert theirs[name].value == pytest.approx(ours[name].value, abs=0.03), name
        assert theirs[name].raw == pytest.approx(ours[name].raw), name


@pytest.mark.parametrize("form", ["array", "tensor", "npy", "npz", "parquet", "frame", "csv"])
def test_embeddings_of_any_form_have_the_same_figures(form: str, run: ul.Run, tmp_path: Path) -> None:
    table = run.embed(X)
    z = np.stack(table["embedding"].to_numpy())
    given: dict[str, Any] = {"array": z, "tensor": torch.from_numpy(z)}
    if form == "npy":
        np.save(tmp_path / "z.npy", z)
    elif form == "npz":
        np.savez(tmp_path / "z.npz", embeddings=z, other=z[:3])
    elif form == "parquet":
        pq.write_table(table, tmp_path / "z.parquet")
    elif form == "csv":
        pd.DataFrame(z).to_csv(tmp_path / "z.csv", index=False)
    elif form == "frame":
        given["frame"] = pd.DataFrame({"key": [str(i) for i in range(len(z))], "embedding": list(z)})
    card = ul.evaluate(given.get(form, tmp_path / f"z.{form}"), labels=Y)
    reference = run.evaluate(X, labels=Y)
    assert set(card) >= LABELLED and "lidar" not in card
    assert card["knn"].raw is None and card["knn"].untrained is None
    for name in ("knn", "linear_probe", "rankme"):
        assert card[name].value == pytest.approx(reference[name].value, abs=0.03), name


def test_labels_of_embeddings_go_by_key_or_stand_in_the_table(run: ul.Run, tmp_path: Path) -> None:
    table = run.embed(X).to_pandas()
    table["key"] = [f"{i}.png" for i in range(len(X))]
    order = np.random.default_rng(0).permutation(len(X))
    labels = pd.DataFrame({"key": [f"{i}.png" for i in order], "label": Y[order]})
    labels.to_csv(tmp_path / "labels.csv", index=False)
    by_key = ul.evaluate(table.drop(columns="label"), labels=tmp_path / "labels.csv")
    table["label"] = Y
    inside = ul.evaluate(table)
    assert by_key["knn"] == inside["knn"] == ul.evaluate(table, labels=True)["knn"]
    assert ul.evaluate(table[:150], test=table[150:])["knn"].value != inside["knn"].value


def test_the_command_judges_runs_and_embeddings(
    run: ul.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "x.npy", X)
    pd.DataFrame({"index": range(len(Y)), "label": Y}).to_csv(tmp_path / "labels.csv", index=False)
    labels = ["--labels", str(tmp_path / "labels.csv")]
    assert cli.main(["evaluate", str(run.path), str(tmp_path / "x.npy"), *labels]) == 0
    assert "linear_probe" in capsys.readouterr().out
    cli.main(["embed", str(run.path), str(tmp_path / "x.npy"), "--output", str(tmp_path / "z.parquet")])
    out = ["--output", str(tmp_path / "card.json")]
    assert cli.main(["evaluate", str(tmp_path / "z.parquet"), *labels, *out]) == 0
    assert "retrieval" in capsys.readouterr().out and "knn" in json.loads(
        (tmp_path / "card.json").read_text()
    )


def test_what_cannot_be_judged_is_refused_with_what_to_do(run: ul.Run, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="give the data to judge"):
        ul.evaluate(run)
    with pytest.raises(OptionError, match="embeddings alone need none"):
        ul.evaluate("nowhere")
    with pytest.raises(OptionError, match="a run has its own preparation"):
        ul.evaluate(run, X, modality="image")
    with pytest.raises(OptionError, match="k must be at least 1"):
        ul.evaluate(np.eye(3), k=0)
    with pytest.raises(DataError, match="5 labels for 200 samples"):
        ul.evaluate(np.random.default_rng(0).normal(size=(200, 4)), labels=[0, 1, 0, 1, 1])
    with pytest.raises(DataError, match="NaN or infinite"):
        ul.evaluate(np.full((20, 4), np.nan))
