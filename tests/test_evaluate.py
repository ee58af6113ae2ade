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
    with pytest.raises(OptionError, match="only embeddings need none"):
        ul.evaluate("nowhere")
    with pytest.raises(OptionError, match=r"there is no file 'nowhere\.npy'"):
        ul.evaluate("nowhere.npy")
    with pytest.raises(OptionError, match="only embeddings need none"):
        ul.evaluate(nn.Linear(2, 2))
    with pytest.raises(OptionError, match=r"cannot take a batch of this data.*bands of images"):
        ul.evaluate(nn.Conv2d(1, 2, 1), X, modality="image")
    with pytest.raises(OptionError, match="a run has its own preparation"):
        ul.evaluate(run, X, modality="image")
    with pytest.raises(OptionError, match="k must be at least 1"):
        ul.evaluate(np.eye(3), k=0)
    with pytest.raises(DataError, match="5 labels for 200 samples"):
        ul.evaluate(np.random.default_rng(0).normal(size=(200, 4)), labels=[0, 1, 0, 1, 1])
    with pytest.raises(DataError, match="NaN or infinite"):
        ul.evaluate(np.full((20, 4), np.nan))


def clouds(rows: int, seed: int = 0, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    y = generator.integers(classes, size=rows)
    return np.eye(8)[y] * 4 + generator.normal(size=(rows, 8)), y


def test_an_array_of_labels_goes_by_the_rows_of_a_table_whatever_its_index_says() -> None:
    z, y = clouds(200)
    table = pd.DataFrame({"index": np.random.default_rng(1).permutation(900)[:200], "embedding": list(z)})
    expected = ul.evaluate(z, labels=y)["knn"]
    assert ul.evaluate(table, labels=y)["knn"] == expected and expected.value > 0.9
    by_index = pd.DataFrame({"index": table["index"][::-1], "label": y[::-1]})
    assert ul.evaluate(table, labels=by_index)["knn"] == expected


def test_any_column_of_a_table_of_embeddings_may_hold_the_classes() -> None:
    z, y = clouds(200)
    listed = pd.DataFrame({"embedding": list(z), "kind": [f"kind {c}" for c in y]})
    numbers = pd.DataFrame(z, columns=[f"d{i}" for i in range(8)]).assign(kind=y)
    for table in (listed, numbers):
        card = ul.evaluate(table, labels="kind")
        assert card["knn"].value > 0.9 and any("8 dimensions" in note for note in card.notes)


def test_quantities_stay_quantities_in_a_test_part_of_whole_numbers() -> None:
    z, _ = clouds(300)
    value = z @ np.arange(8.0) * 10
    order = np.random.default_rng(0).permutation(300)
    train, test = order[:200], order[200:]
    z[test] = np.round(z[test])
    card = ul.evaluate(
        z[train], labels=value[train], test=z[test], test_labels=np.round(z[test] @ np.arange(8.0) * 10)
    )
    assert card["regression_probe"].value > 0.99
    assert any("tested on 100" in note for note in card.notes)  # -1 is a quantity like any other
    one = np.round(value)
    for place in range(0, 300, 60):  # wherever the one fraction falls
        mixed = one.copy()
        mixed[place] += 0.5
        assert "regression_probe" in ul.evaluate(z, labels=mixed)


def test_figures_without_labels_look_at_all_samples_however_few_are_labelled() -> None:
    z, y = clouds(400)
    few = np.where(np.arange(400) < 30, y, -1)
    with_few, without = ul.evaluate(z, labels=few), ul.evaluate(z)
    assert set(with_few) >= LABELLED
    for name in without:
        assert with_few[name] == without[name], name


def test_guessing_is_beside_every_figure_where_classes_are_uneven() -> None:
    generator = np.random.default_rng(0)
    z, y = generator.normal(size=(1500, 8)), (generator.random(1500) < 0.08).astype(int)
    card = ul.evaluate(z, labels=y)
    for name in (*LABELLED, "balanced_linear_probe"):
        assert card[name].value == pytest.approx(card[name].chance, abs=0.1), name
    assert card["balanced_linear_probe"].chance == card["few_shot"].chance == 0.5
    assert card["linear_probe"].chance > 0.9
    assert "balanced_linear_probe" not in ul.evaluate(*[clouds(300)[0]], labels=clouds(300)[1])


def test_equal_embeddings_are_not_said_to_be_equal_samples() -> None:
    z, y = np.ones((60, 4)) * np.arange(2).repeat(30)[:, None], np.arange(2).repeat(30)
    card = ul.evaluate(z, labels=y)
    assert any("12 of 12 test samples have the embedding of a train sample" in note for note in card.notes)


def test_folders_that_are_no_classes_leave_the_figures_without_labels(run: ul.Run, tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "one" / "holiday").mkdir(parents=True)
    for place in range(30):
        (tmp_path / "singles" / str(place)).mkdir(parents=True)
        for folder in (tmp_path / "one" / "holiday", tmp_path / "singles" / str(place)):
            Image.fromarray(X[place].transpose(1, 2, 0)).save(folder / f"{place}.png")
    for name, said in (("one", "all labels are 'holiday'"), ("singles", "single labelled sample")):
        card = run.evaluate(tmp_path / name)
        assert "rankme" in card and not LABELLED & set(card)
        assert any(said in note for note in card.notes)
    assert not LABELLED & set(run.evaluate(X[:40], labels=False))
    with pytest.raises(DataError, match="all labels are 'holiday'"):
        run.evaluate(tmp_path / "one", labels=True)


def test_one_labels_file_serves_both_parts_and_test_labels_overrule_it(run: ul.Run, tmp_path: Path) -> None:
    from PIL import Image

    for place in range(120):
        folder = tmp_path / ("train" if place < 80 else "test")
        folder.mkdir(exist_ok=True)
        Image.fromarray(X[place].transpose(1, 2, 0)).save(folder / f"{place:03}.png")
    rows = pd.DataFrame({"key": [f"{i:03}.png" for i in range(120)], "label": Y[:120]})
    rows.to_csv(tmp_path / "labels.csv", index=False)
    card = run.evaluate(tmp_path / "train", labels=tmp_path / "labels.csv", test=tmp_path / "test", k=5)
    assert any("learnt from 80 samples, tested on 40" in note for note in card.notes)
    split = run.evaluate(X[:80], labels=Y[:80], test=X[80:120], test_labels=Y[80:120], k=5)
    assert split["linear_probe"].value == pytest.approx(card["linear_probe"].value, abs=0.05)
    with pytest.raises(DataError, match="give test_labels="):
        run.evaluate(X[:80], labels=Y[:80], test=X[80:120])


def test_a_module_is_given_back_in_the_mode_it_came_in() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.BatchNorm1d(8)).train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    ul.evaluate(module, X, labels=Y, modality="image")
    assert module.training and all(torch.equal(v, before[n]) for n, v in module.state_dict().items())
