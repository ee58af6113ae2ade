"""What a run folder is good for, and that nothing found in one is executed."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from PIL import Image

import unlabeled as ul
from tests.contract.conftest import digits
from unlabeled import run as run_module
from unlabeled.assessment import split
from unlabeled.errors import DataError, OptionError, RunError
from unlabeled.run import Run, pick_device

X, Y = digits(60)
SMALL = {"name": "convnet", "width": 8}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pre-trained run, and one that learnt the classes 0, 1 and 2 from it."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("made")
    common: dict[str, Any] = {"epochs": 1, "batch_size": 16, "on_collapse": "warn", "devices": 1}
    ul.pretrain(X, method="barlow_twins", width=32, encoder=SMALL, out=folder / "pretrained", **common)
    few = np.where(Y < 3, Y, -1)
    ul.finetune(X, labels=few, init=folder / "pretrained", out=folder / "few", **(common | {"batch_size": 4}))
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Run:
    return ul.load(shutil.copytree(made / "pretrained", tmp_path / "pretrained"))


@pytest.fixture
def few(made: Path, tmp_path: Path) -> Run:
    return ul.load(shutil.copytree(made / "few", tmp_path / "few"))


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits 0 and 1 in folders of that name, and one picture beside them."""
    folder = tmp_path_factory.mktemp("classes")
    for place in np.flatnonzero(Y < 2):
        (folder / str(Y[place])).mkdir(exist_ok=True)
        Image.fromarray(X[place].transpose(1, 2, 0)).save(folder / str(Y[place]) / f"{place:02}.png")
    return folder


# embed


def test_embed_gives_index_key_embedding_and_label(run: Run, classes: Path) -> None:
    table = run.embed(classes)
    assert table.schema.names == ["index", "key", "embedding", "label"]
    assert table.schema.field("embedding").type == pa.list_(pa.float32(), run.encoder.dim)
    assert table["index"].to_pylist() == list(range(int((Y < 2).sum())))
    assert [key.split("/")[0] for key in table["key"].to_pylist()] == table["label"].to_pylist()
    one = table.slice(3, 1)
    x = run.read(classes).fetch([3])
    z = run.encoder(run.modality.plain(x))[0].tolist()
    assert one["embedding"][0].as_py() == pytest.approx(z, rel=1e-5, abs=1e-6)


def test_labels_that_nobody_knows_are_null(run: Run) -> None:
    assert run.embed(X[:5])["label"].to_pylist() == [None] * 5


def test_embed_writes_a_parquet_file(run: Run, tmp_path: Path) -> None:
    table = run.embed(X, output=tmp_path / "deep" / "e.parquet", batch_size=7)
    assert pq.read_table(tmp_path / "deep" / "e.parquet").equals(table)
    assert table.num_rows == 60
    np.testing.assert_allclose(
        np.array(table["embedding"].to_pylist()), np.array(run.embed(X)["embedding"].to_pylist()), atol=1e-5
    )
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["e.parquet"]


def test_embed_writes_a_folder_of_parts(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "PART_ROWS", 20)
    table = run.embed(X, output=tmp_path / "parts", batch_size=10)
    assert sorted(p.name for p in (tmp_path / "parts").iterdir()) == [
        f"part-0000{i}.parquet" for i in range(3)
    ]
    assert table["index"].to_pylist() == list(range(60))
    with pytest.raises(OptionError, match="holds something already"):
        run.embed(X, output=tmp_path / "parts")


def test_a_failed_file_leaves_nothing(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    with pytest.raises(OSError, match="No space"):
        run.embed(X, output=tmp_path / "new" / "e.parquet")
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"device": "toaster"}, "device 'toaster' is none"),
        ({"device": "cuda:99"}, "there is no device 'cuda:99' here"),
    ],
)
def test_what_embed_refuses(run: Run, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        run.embed(X, **asked)


def test_auto_device_is_one_that_is_there() -> None:
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


# predict


def test_predict_gives_a_class_and_probabilities(few: Run, tmp_path: Path) -> None:
    table = few.predict(X, output=tmp_path / "deep" / "p.csv")
    assert table.schema.names == ["index", "key", "label", *(f"probability_{c}" for c in "012")]
    probabilities = np.array([table[f"probability_{c}"].to_pylist() for c in "012"]).T
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert table["label"].to_pylist() == [str(c) for c in probabilities.argmax(axis=1)]
    with (tmp_path / "deep" / "p.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == table["label"].to_pylist()
    assert float(rows[7]["probability_1"]) == pytest.approx(probabilities[7, 1], rel=1e-5)


def test_a_run_without_classes_cannot_predict(run: Run) -> None:
    with pytest.raises(RunError, match="trained without classes: use finetune"):
        run.predict(X)


# evaluate


LABELLED = {"knn", "linear_probe", "few_shot", "retrieval", "clustering"}
UNLABELLED = {
    "effective_rank",
    "rankme",
    "participation_ratio",
    "feature_spread",
    "uniformity",
    "self_cluster",
}
OF_VIEWS = {"alignment", "lidar"}


def check(card: Any, *, chance: float) -> None:
    assert set(card) >= LABELLED | UNLABELLED | OF_VIEWS
    for name in ("knn", "linear_probe"):
        figure = card[name]
        assert figure.chance == pytest.approx(chance)
        assert all(0 <= value <= 1 for value in (figure.value, figure.raw, figure.untrained))
    rank = card["effective_rank"]
    assert all(value >= 1 for value in (rank.value, rank.raw, rank.untrained))
    assert rank.value != rank.untrained


def test_evaluate_with_an_array_of_labels(run: Run, tmp_path: Path) -> None:
    some = np.where(Y < 2, Y, -1)
    card = run.evaluate(X, labels=some, output=tmp_path / "card.json")
    _, held = split(some, np.flatnonzero(some >= 0))
    check(card, chance=np.bincount(some[held]).max() / len(held))
    kept = json.loads((run.path / "scorecard.json").read_text())
    assert kept == json.loads((tmp_path / "card.json").read_text())
    assert kept["knn"]["value"] == card["knn"].value
    assert any("fifth of every class" in note for note in card.notes)


def test_evaluate_with_class_folders_a_file_and_test_data(run: Run, classes: Path, tmp_path: Path) -> None:
    keys = run.embed(classes)
    lines = [f"{k},{v}" for k, v in zip(keys["key"].to_pylist(), keys["label"].to_pylist(), strict=True)]
    (tmp_path / "labels.csv").write_text("key,label\n" + "\n".join(lines))
    by_folder, by_file = run.evaluate(classes), run.evaluate(classes, labels=tmp_path / "labels.csv")
    assert by_folder["knn"] == by_file["knn"]
    tested = run.evaluate(classes, test=classes)
    check(tested, chance=np.bincount(Y[Y < 2]).max() / (Y < 2).sum())
    assert not any("fifth" in note for note in tested.notes)


def test_evaluate_without_labels_gives_what_needs_none(run: Run) -> None:
    card = run.evaluate(X)
    assert set(card) >= UNLABELLED | OF_VIEWS and not LABELLED & set(card)
    assert card["effective_rank"].untrained is not None


def test_evaluating_twice_gives_the_same_card_and_leaves_the_encoder_as_it_was(run: Run) -> None:
    before = {name: value.clone() for name, value in run.encoder.state_dict().items()}
    first, second = run.evaluate(X, labels=Y), run.evaluate(X, labels=Y)
    assert first.to_dict() == second.to_dict()
    for name, value in run.encoder.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_quantities_are_met_by_a_regression(run: Run, tmp_path: Path) -> None:
    ink = X.reshape(len(X), -1).mean(1) + 0.25  # how much of a picture is drawn on
    card = run.evaluate(X, labels=ink, output=tmp_path / "card.json")
    assert card["regression_probe"].chance == 0 and card["regression_probe"].value > 0.3
    assert not LABELLED & set(card)
    unknown = ink.copy()
    unknown[:10] = np.nan
    assert any("learnt from 40 samples, tested on 10" in n for n in run.evaluate(X, labels=unknown).notes)


def test_evaluate_refuses_labels_and_tests_that_do_not_fit(run: Run, classes: Path) -> None:
    with pytest.raises(DataError, match="5 labels for 60 samples"):
        run.evaluate(X, labels=[0, 1, 0, 1, 0])
    with pytest.raises(DataError, match="the test data has no labels"):
        run.evaluate(classes, test=X[:4])
    with pytest.raises(OptionError, match="k"):
        run.evaluate(X, labels=Y, k=0)


def test_a_run_whose_start_is_gone_is_evaluated_without_it(few: Run, made: Path) -> None:
    assert few.evaluate(X)["effective_rank"].untrained is not None  # that of the run it began from
    config = yaml.safe_load((few.path / "run.yaml").read_text())
    config["init"] = str(made / "moved away")
    (few.path / "run.yaml").write_text(yaml.safe_dump(config))
    card = ul.load(few.path).evaluate(X)
    assert card["effective_rank"].untrained is None
    assert any("moved away" in note for note in card.notes)


def test_split_leaves_every_class_of_two_in_both_parts() -> None:
    y = np.array([0, 0, 1, 1, 1, 2, *[3] * 20, -1, -1])
    known = np.flatnonzero(y >= 0)
    train, held = split(y, known)
    assert sorted([*train, *held]) == known.tolist()
    assert set(y[train]) == {0, 1, 2, 3}
    assert set(y[held]) == {0, 1, 3}
    assert (y[held] == 3).sum() == 4
    with pytest.raises(DataError, match="give test= data"):
        split(np.array([0, 1, 2]), np.arange(3))


# nothing in a folder is executed, and what is wrong with one is said


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("name", ["run.yaml", "encoder.yaml", "method.yaml"])
def test_python_objects_in_a_configuration_are_refused(name: str, run: Run, tmp_path: Path) -> None:
    trap = tmp_path / "executed"
    held = (run.path / name).read_text()
    (run.path / name).write_text(f"{held}\nbomb: !!python/object/apply:pathlib.Path.touch [{trap}]\n")
    with pytest.raises(RunError, match=f"{name} cannot be read"):
        ul.load(run.path)
    assert not trap.exists()


def test_a_pickle_in_place_of_the_weights_is_refused(run: Run, few: Run, tmp_path: Path) -> None:
    trap = tmp_path / "executed"
    torch.save(Bomb(trap), run.path / "encoder.safetensors")
    with pytest.raises(RunError, match=r"encoder\.safetensors cannot be read"):
        ul.load(run.path)
    torch.save(Bomb(trap), few.path / "method.safetensors")
    with pytest.raises(RunError, match=r"method\.safetensors cannot be read"):
        few.predict(X)
    assert not trap.exists()


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("encoder.yaml", {"modality": {"name": "smell"}}, "modality 'smell'"),
        (
            "encoder.yaml",
            {"modality": {"name": "image", "width": 3}},
            "does not say what an encoder is made of",
        ),
        ("encoder.yaml", {"encoder": {}}, "does not say what an encoder is made of"),
        ("encoder.yaml", {"encoder": {"name": "convnet", "width": 10}}, "does not fit this encoder"),
    ],
)
def test_a_damaged_description_is_refused(name: str, values: dict[str, Any], said: str, run: Run) -> None:
    held = yaml.safe_load((run.path / name).read_text())
    (run.path / name).write_text(yaml.safe_dump(held | values))
    with pytest.raises(RunError, match=said):
        ul.load(run.path)


def test_what_is_no_run_folder_or_an_unfinished_one_is_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"is not a run folder: it has no run\.yaml"):
        ul.load(tmp_path)
    (run.path / "encoder.yaml").unlink()
    with pytest.raises(RunError, match=r"is unfinished: .* resume=True"):
        ul.load(run.path)


def test_weights_are_as_readable_as_the_rest(run: Run) -> None:
    modes = {name: (run.path / name).stat().st_mode & 0o777 for name in ("run.yaml", "encoder.safetensors")}
    assert modes["encoder.safetensors"] == modes["run.yaml"]


def test_encoder_is_for_runs_of_an_own_module(run: Run) -> None:
    with pytest.raises(RunError, match="encoder= is for runs of your own module"):
        ul.load(run.path, encoder=torch.nn.Flatten())
