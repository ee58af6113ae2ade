"""What kind of data something is: recognised and said, named by the user, or an error that says how to decide."""

from __future__ import annotations

import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image as Pillow
from tests.samples import KINDS

import unlabeled as ul
from unlabeled.errors import DataError, OptionError
from unlabeled.modalities import MODALITIES, detect

WORDS = (
    "the quick brown fox jumps over the lazy dog",
    "and then it goes home to sleep",
    "in a den that has no number at all",
)


def sentences(count: int) -> list[str]:
    rng = np.random.default_rng(0)
    return [" ".join(rng.permutation(WORDS)) + f" {i}" for i in range(count)]


def frame(rows: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame({"age": rng.normal(40, 9, rows), "colour": rng.choice(["red", "blue"], rows)})


def sound(path: Path) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes((np.sin(np.arange(2000) / 5) * 9000).astype(np.int16).tobytes())
    return path


def made(folder: Path) -> dict[str, tuple[str, Any]]:
    """name → (modality, data) of everything that is recognised without being named."""
    for name in ("pictures", "sounds", "documents", "recordings", "network"):
        (folder / name / "a").mkdir(parents=True)
    Pillow.new("RGB", (8, 8)).save(folder / "pictures" / "a" / "1.png")
    sound(folder / "sounds" / "a" / "1.wav")
    for i, text in enumerate(sentences(3)):
        (folder / "documents" / "a" / f"{i}.txt").write_text(text)
    frame().to_csv(folder / "table.csv", index=False)
    frame().to_parquet(folder / "table.parquet")
    (folder / "lines.txt").write_text("\n".join(sentences(30)))
    (folder / "lines.jsonl").write_text("\n".join(json.dumps({"text": s}) for s in sentences(30)))
    np.save(folder / "pictures.npy", np.zeros((4, 8, 8, 3), np.uint8))
    np.save(folder / "matrix.npy", np.random.default_rng(0).normal(size=(20, 5)))
    np.savez(folder / "matrix.npz", X=np.random.default_rng(0).normal(size=(20, 5)), y=np.arange(20) % 2)
    edges = np.array([[0, 1, 1, 2], [1, 0, 2, 1]])
    np.savez(folder / "network" / "graph.npz", edge_index=edges, x=np.eye(3))
    rng = np.random.default_rng(0)
    return {
        "folder of pictures": ("image", folder / "pictures"),
        "folder of sounds": ("audio", folder / "sounds"),
        "one sound": ("audio", folder / "sounds" / "a" / "1.wav"),
        "folder of documents": ("text", folder / "documents"),
        "csv": ("table", folder / "table.csv"),
        "parquet": ("table", folder / "table.parquet"),
        "lines": ("text", folder / "lines.txt"),
        "jsonl of text": ("text", folder / "lines.jsonl"),
        "array of pictures": ("image", folder / "pictures.npy"),
        "matrix": ("table", folder / "matrix.npy"),
        "matrix with classes": ("table", folder / "matrix.npz"),
        "graph file": ("graph", folder / "network" / "graph.npz"),
        "graph folder": ("graph", folder / "network"),
        "numpy pictures": ("image", np.zeros((4, 8, 8, 3), np.uint8)),
        "numpy matrix": ("table", rng.normal(size=(20, 5))),
        "torch matrix": ("table", torch.randn(20, 5)),
        "pandas": ("table", frame()),
        "unequal series": ("series", [rng.normal(size=(2, n)) for n in (20, 30, 25)]),
        "sounds with a rate": ("audio", ([rng.normal(size=n) * 0.1 for n in (900, 800)], 8000)),
        "sentences": ("text", sentences(30)),
    }


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, Any]]:
    return made(tmp_path_factory.mktemp("things"))


NAMES = (
    *(
        "folder of pictures",
        "folder of sounds",
        "one sound",
        "folder of documents",
        "csv",
        "parquet",
        "lines",
    ),
    *(
        "jsonl of text",
        "array of pictures",
        "matrix",
        "matrix with classes",
        "graph file",
        "graph folder",
        "numpy pictures",
    ),
    *("numpy matrix", "torch matrix", "pandas", "unequal series", "sounds with a rate", "sentences"),
)


def test_everything_made_is_examined(things: dict[str, tuple[str, Any]]) -> None:
    assert set(NAMES) == set(things)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_recognised(name: str, things: dict[str, tuple[str, Any]]) -> None:
    kind, data = things[name]
    assert detect(data) is MODALITIES[kind]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (None, "data (table; recognised, modality= overrules): 40 rows"),
        ("table", "data (table): 40 rows"),
        ({"name": "table"}, "data (table): 40 rows"),
    ],
)
def test_what_was_recognised_is_said(
    asked: Any, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x = np.random.default_rng(0).normal(size=(40, 4))
    encoder = {"name": "mlp", "width": 8}
    ul.pretrain(x, method="vicreg", modality=asked, encoder=encoder, epochs=1, out=tmp_path / "run")
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("rows", [2, 300])
@pytest.mark.parametrize("kind", ["array", "tensor", "npy", "npz"])
def test_three_axes_are_an_error_that_says_how_to_decide(kind: str, rows: int, tmp_path: Path) -> None:
    data: Any = np.zeros((rows, 6, 40), np.float32)
    if kind == "tensor":
        data = torch.from_numpy(data)
    elif kind == "npy":
        np.save(tmp_path / "x.npy", data)
        data = tmp_path / "x.npy"
    elif kind == "npz":
        np.savez(tmp_path / "x.npz", X_train=data, y_train=np.zeros(rows))
        data = tmp_path / "x.npz"
    with pytest.raises(DataError, match=r"modality='image'.*modality='series'"):
        detect(data)
    assert detect(data, "series") is MODALITIES["series"]


def test_what_two_kinds_recognise_is_an_error_that_shows_both() -> None:
    """Free text beside numbers and categories may be meant either way."""
    data = frame(30).assign(story=sentences(30))
    with pytest.raises(DataError, match=r"(?s)modality='table'.*modality='text'"):
        detect(data)


def test_the_name_overrules_what_would_be_recognised() -> None:
    assert detect(np.zeros((20, 5)), "series") is MODALITIES["series"]
    with pytest.raises(OptionError, match="did you mean 'table'"):
        detect(frame(), "tabel")


@pytest.mark.parametrize("data", [object(), 3, {"a": 1}, [], np.zeros(5), lambda: 0])
def test_nothing_known_is_an_error_that_lists_what_is(data: Any) -> None:
    with pytest.raises(DataError) as caught:
        detect(data)
    assert all(f"{name}: " in str(caught.value) for name in MODALITIES)


NEAR: dict[str, tuple[Any, str]] = {
    "no rate": ({"array": np.zeros((4, 900))}, "would be audio, and its sampling rate is missing"),
    "arrays of one length": (
        [np.zeros(9)] * 4,
        r"4 arrays of one length, 9, .* numpy.stack\(data\); .*'series'",
    ),
}


@pytest.mark.parametrize("name", NEAR)
def test_what_comes_near_to_a_kind_is_told_what_it_lacks(name: str) -> None:
    data, said = NEAR[name]
    with pytest.raises(DataError, match=said) as caught:
        detect(data)
    assert "accepted: " not in str(caught.value)


@pytest.mark.parametrize("rate", [[8000, 8000], None, "x", np.array([8000])])
def test_a_rate_that_is_none_is_named_whoever_recognises_it(rate: Any) -> None:
    data = {"array": np.zeros((2, 900)), "rate": rate}
    with pytest.raises(DataError, match=r"a sampling rate of .*: one whole number"):
        detect(data).measure(data)


@pytest.mark.parametrize("data", [[np.zeros(0)] * 2, [["a"], ["b"]], [{}], [[1, 2], [3, 4]], [None]])
def test_nothing_is_near_to_other_lists(data: Any) -> None:
    with pytest.raises(DataError, match="no kind of data that is known here"):
        detect(data)


@pytest.mark.parametrize("kind", KINDS)
def test_recognising_never_raises(kind: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no")
    (tmp_path / "broken.npz").write_bytes(b"PK no")
    (tmp_path / "broken.wav").write_bytes(b"")
    (tmp_path / "broken.csv").write_bytes(b"\xff\xfe\x00")
    things = [None, 3, "no such file", object(), [], {}, (), [None], [1, "a"], b"bytes", np.zeros(()), frame]
    for data in [*things, *tmp_path.iterdir()]:
        for modality in MODALITIES.values():
            said = modality.recognises(data)
            assert said is None or isinstance(said, str)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a,b\n1,2\n3\n", "cannot be read"),
        (b"", "cannot be read"),
        (b"a,b\n1,1\n1,1\n", "throughout"),
    ],
    ids=["ragged", "empty", "constant"],
)
def test_a_faulty_table_is_told_its_fault_and_not_that_it_is_unknown(
    content: bytes, said: str, tmp_path: Path
) -> None:
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(DataError, match=said):
        ul.pretrain(tmp_path / "x.csv", method="vicreg", out=tmp_path / "run")


def test_a_label_column_that_was_an_input_is_refused_as_labels(tmp_path: Path) -> None:
    data = frame(40).assign(answer=["yes", "no"] * 20)
    run = ul.pretrain(
        data, method="vicreg", epochs=1, batch_size=20, out=tmp_path / "run", width=16, on_collapse="warn"
    )
    with pytest.raises(DataError, match="train with labels='answer'"):
        run.evaluate(data, labels="answer")


def test_a_column_may_be_named_as_labels(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    data = frame(60).assign(answer=rng.choice(["yes", "no"], 60))
    run = ul.finetune(data, labels="answer", epochs=1, batch_size=16, out=tmp_path / "run")
    assert run.classes == ["no", "yes"]
    assert "answer" not in run.modality.columns
    assert run.evaluate(data, labels="answer", k=3)["knn"].value >= 0
    table = run.predict(data.drop(columns="answer"))
    assert set(table["label"].to_pylist()) <= {"no", "yes"}
