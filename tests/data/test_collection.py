"""Collections of files: what every kind of data that comes as files is given without code of its own."""

from __future__ import annotations

import io
import pickle
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from unlabeled.data.cache import Unreadable
from unlabeled.data.collection import Kind, open_collection, recognise
from unlabeled.errors import DataError, OptionError

NOTE = Kind("note", "notes", frozenset([".note"]), ("note", "body"), "a folder of notes")


def is_note(value: Any) -> bool:
    value = value.get("bytes") if isinstance(value, dict) else value
    return isinstance(value, bytes) and value.startswith(b"note")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "all"
    for name in ("a/1_x.note", "a/2_y.NOTE", "b/3_x.note", "b/4.note", "read.me", ".hidden/5_x.note"):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes(f"note {name}".encode())
    return made


def forms(folder: Path) -> dict[str, Any]:
    """The same four notes in every form that keeps class folders."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    with zipfile.ZipFile(folder.parent / "notes.zip", "w") as archive:
        for file in files:
            archive.write(file, file.relative_to(folder).as_posix())
    for name, mode in (("notes.tar", "w"), ("notes.tar.gz", "w:gz")):
        with tarfile.open(folder.parent / name, mode) as tar:  # type: ignore[call-overload]
            for file in files:
                tar.add(file, file.relative_to(folder).as_posix())
    return {"folder": folder} | {
        name: folder.parent / name for name in ("notes.zip", "notes.tar", "notes.tar.gz")
    }


def read(collection: Any, i: int) -> bytes:
    with collection.open(i) as file:
        return bytes(file.read())


@pytest.mark.parametrize("form", ["folder", "notes.zip", "notes.tar", "notes.tar.gz"])
def test_folders_and_archives_hold_the_same(folder: Path, form: str) -> None:
    data = forms(folder)[form]
    found = open_collection(data, NOTE, labels=True)
    assert found.keys == ["a/1_x.note", "a/2_y.NOTE", "b/3_x.note", "b/4.note"]
    assert found.labels == ["a", "a", "b", "b"]
    assert "4 notes (" in found.what and ".me) left alone" in found.what
    assert read(found, 2) == b"note b/3_x.note"
    assert read(pickle.loads(pickle.dumps(found)), 3) == b"note b/4.note"
    said = recognise(data, NOTE, is_note)
    assert said is not None and "notes" in said


@pytest.mark.parametrize("form", ["folder", "notes.zip", "notes.tar"])
def test_a_class_is_found_in_the_key_by_a_regular_expression(folder: Path, form: str) -> None:
    found = open_collection(forms(folder)[form], NOTE, labels=True, label=r"_([a-z])\.")
    assert found.labels == ["x", "y", "x", None]
    assert open_collection(folder, NOTE, label=r"_([a-z])\.").labels is None


def test_a_regular_expression_has_one_group(folder: Path) -> None:
    with pytest.raises(OptionError, match="2 groups"):
        open_collection(folder, NOTE, labels=True, label="(a)(b)")
    with pytest.raises(OptionError, match="is not a regular expression"):
        open_collection(folder, NOTE, labels=True, label="(a")


def test_files_have_no_columns(folder: Path) -> None:
    with pytest.raises(DataError, match=r"'kind' names a column, and .* has none"):
        open_collection(folder, NOTE, labels=True, label="kind")
    assert len(open_collection(folder, NOTE, label="kind")) == 4  # nobody asked for classes


def test_columns_of_parquet_and_fields_of_items(tmp_path: Path) -> None:
    rows = [{"body": b"note one", "who": "ann", "kind": 0}, {"body": b"note two", "who": "bob", "kind": 1}]
    path = tmp_path / "notes.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)

    class Own:
        def __len__(self) -> int:
            return 2

        def __getitem__(self, i: int) -> dict[str, Any]:
            return rows[i]

    for data in (path, Own()):
        found = open_collection(data, NOTE, labels=True, label="kind", key="who")
        assert (found.keys, found.labels) == (["ann", "bob"], [0, 1])
        value = found.open(1)
        assert (value.read() if isinstance(value, io.IOBase) else value) == b"note two"
        assert recognise(data, NOTE, is_note) is not None
        with pytest.raises(DataError, match=r"no column 'kin' \(label\): did you mean 'kind'"):
            open_collection(data, NOTE, labels=True, label="kin")


def test_nothing_of_the_kind_is_said_and_not_claimed(tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("x")
    assert recognise(tmp_path, NOTE, is_note) is None
    with pytest.raises(DataError, match=r"holds no notes: found 1 other files \(.txt\); notes end in .note"):
        open_collection(tmp_path, NOTE)
    with pytest.raises(DataError, match="is not a note, nor a collection of them"):
        open_collection(tmp_path / "other.txt", NOTE)


def test_a_file_that_went_away_is_unreadable(folder: Path) -> None:
    found = open_collection([folder / "a" / "1_x.note", folder / "none.note"], NOTE)
    assert read(found, 0).startswith(b"note")
    with pytest.raises(Unreadable, match="cannot be opened"):
        found.open(1)
