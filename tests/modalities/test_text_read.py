"""Reading text: every form in which people have it, what is wrong with some of it, and the tokenizer."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
import yaml
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from tests.samples import text as sample
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from unlabeled.data.labels import read_labels
from unlabeled.data.source import Source
from unlabeled.errors import DataError, OptionError
from unlabeled.modalities.text import Text, tokenizer
from unlabeled.modalities.text.measure import auto_length, auto_vocabulary
from unlabeled.modalities.text.tokenizer import Tokenizer as Own
from unlabeled.modalities.text.tokenizer import train

SHARED = Path(__file__).parents[2] / ".." / "shared" / "data" / "text"
DOCS = sample.data(12)
GREEK = "Ωραία πόλη, όχι;"


@pytest.fixture(scope="module")
def text() -> Text:
    return Text.measure(sample.data(), vocabulary=400, length=64)


def documents(modality: Text, source: Source) -> list[str]:
    """What a source holds, as text again."""
    return [modality.tokenizer.decode(row.tolist()).strip() for row in source.fetch(range(len(source)))]


def reasons(source: Source) -> dict[str, str]:
    return {skipped.key: skipped.reason for skipped in source.skipped}


# what is read


def test_strings_become_left_aligned_token_numbers(text: Text) -> None:
    source = text.read(["to do", GREEK])
    x = source.fetch([1, 0])
    assert x.dtype == torch.int64 and x.shape == (2, 64)
    there = x != text.tokenizer.pad
    assert torch.equal(there, there.long().cummin(1).values.bool())
    assert there.sum(1).tolist() == [len(row) for row in text.tokenizer.encode([GREEK, "to do"])]
    assert documents(text, source) == ["to do", GREEK.lower()]
    assert list(source.keys) == ["0", "1"] and source.labels is None


FORMS = {
    "list": lambda: DOCS,
    "tuple": lambda: tuple(DOCS),
    "NumPy": lambda: np.array(DOCS),
    "NumPy objects": lambda: np.array(DOCS, dtype=object),
    "pandas column": lambda: pd.Series(DOCS),
    "polars column": lambda: pl.Series(DOCS),
    "Arrow column": lambda: pa.chunked_array([DOCS[:5], DOCS[5:]]),
    "bytes": lambda: [d.encode() for d in DOCS],
    "pandas": lambda: pd.DataFrame({"n": range(12), "said": DOCS}),
    "polars": lambda: pl.DataFrame({"n": range(12), "said": DOCS}),
    "Arrow": lambda: pa.table({"n": range(12), "said": DOCS}),
    "Hugging Face": lambda: Dataset.from_dict({"n": range(12), "said": DOCS}),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_in_memory_is_read_alike(form: str, text: Text) -> None:
    data = FORMS[form]()
    expected = text.read(DOCS)
    source = Text.measure(data, vocabulary=300, length=64).read(data)
    assert len(source) == 12
    assert torch.equal(text.read(data).fetch(range(12)), expected.fetch(range(12)))


def test_every_line_of_a_text_file_is_a_document(tmp_path: Path, text: Text) -> None:
    (tmp_path / "x.txt").write_bytes(
        b"\xef\xbb\xbffirst one\r\n\nthird\x0bone\n   \nfifth \xff one\nlast one\n"
    )
    source = text.read(tmp_path / "x.txt")
    assert documents(text, source) == ["first one", "third\x0bone", "last one"]
    assert source.index.tolist() == [0, 2, 5]
    why = reasons(source)
    assert set(why) == {"1", "3", "4"} and "empty" in why["1"] and "white space" in why["3"]
    assert "not utf-8" in why["4"] and "0xff" in why["4"] and "encoding=" in why["4"]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "cp1253", "utf-8-sig", "gb18030"])
def test_other_encodings_are_read_when_they_are_named(encoding: str, tmp_path: Path) -> None:
    lines = [GREEK, "plain"] if encoding != "latin-1" else ["naïve café", "plain"]
    (tmp_path / "x.txt").write_bytes("\n".join(lines).encode(encoding))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "1.txt").write_bytes(lines[0].encode(encoding))
    for path, expected in ((tmp_path / "x.txt", lines), (tmp_path / "folder", lines[:1])):
        modality = Text.measure(path, encoding=encoding)
        assert documents(modality, modality.read(path)) == [line.lower() for line in expected]


def test_json_lines_that_are_broken_are_named(tmp_path: Path, text: Text) -> None:
    lines = [
        json.dumps({"text": "one here", "label": "a", "id": "x1"}),
        "{broken",
        json.dumps({"text": None, "label": "b"}),
        json.dumps(["no object"]),
        json.dumps({"label": "b", "text": 7}),
        '{"text": "half \\ud800 character"}',
        json.dumps({"text": "two here", "id": "x6"}),
    ]
    (tmp_path / "x.jsonl").write_text("\n".join(lines) + "\n")
    source = text.read(tmp_path / "x.jsonl", labels=True)
    assert documents(text, source) == ["one here", "two here"]
    assert list(source.keys) == ["x1", "x6"] and source.labels.tolist() == ["a", None]  # type: ignore[union-attr]
    said = ["no JSON", "empty cell", "no JSON object", "7, which is no text", "half a character"]
    assert all(part in why for part, why in zip(said, reasons(source).values(), strict=True))


@pytest.mark.parametrize("packed", [False, True])
def test_a_folder_of_text_files_is_a_document_a_file(packed: bool, tmp_path: Path, text: Text) -> None:
    folder = tmp_path / "letters"
    for name, content in {
        "a/1.txt": b"one\nletter",
        "a/2.txt": b"",
        "b/3.txt": b"other \xfe",
        "b/4.txt": b"last",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "readme.md").write_text("left alone")
    if packed:
        with zipfile.ZipFile(tmp_path / "letters.zip", "w") as archive:
            for path in sorted(folder.rglob("*.*")):
                archive.write(path, path.relative_to(folder))
        folder = tmp_path / "letters.zip"
    source = text.read(folder, labels=True)
    assert list(source.keys) == ["a/1.txt", "b/4.txt"] and documents(text, source) == ["one\nletter", "last"]
    assert source.labels.tolist() == ["a", "b"]  # type: ignore[union-attr]
    assert list(reasons(source)) == ["a/2.txt", "b/3.txt"]
    assert "1 other file" in source.description
    assert Text.recognises(folder)


def test_a_list_of_paths_is_read_as_files(tmp_path: Path, text: Text) -> None:
    paths = [tmp_path / "1.txt", tmp_path / "2.txt"]
    for path in paths:
        path.write_text(f"file {path.stem}")
    assert documents(text, text.read(paths)) == ["file 1", "file 2"]


# columns


def table(**more: Any) -> pd.DataFrame:
    held = {
        "title": [f"On {i}" for i in range(12)],
        "description": DOCS,
        "kind": ["x", "y"] * 6,
        "id": range(100, 112),
    }
    return pd.DataFrame({**held, **more})


def test_the_only_long_column_is_the_text() -> None:
    modality = Text.measure(table())
    assert modality.column == "description"
    source = modality.read(table())
    assert source.keys[0] == "100" and "'description'" in source.description


def test_a_column_with_a_usual_name_is_the_text() -> None:
    assert Text.measure(table(text=["short"] * 11 + ["words"])).column == "text"


def test_several_long_columns_are_an_error_that_names_them() -> None:
    with pytest.raises(DataError, match=r"'description', 'summary'.*column="):
        Text.measure(table(summary=DOCS[::-1]))


def test_columns_are_joined_where_several_are_named() -> None:
    data = table()
    data.loc[0, "title"] = None
    data.loc[1, ["title", "description"]] = None
    modality = Text.measure(data, column=["title", "description"], length=256)
    read = modality.read(data)
    found = documents(modality, read)
    assert found[0] == DOCS[0].lower() and found[1] == f"on 2\n{DOCS[2]}".lower()
    assert reasons(read) == {"101": "empty cell"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"column": "descripton"}, "did you mean 'description'"),
        ({"column": "id"}, "holds numbers and no text"),
        ({"label": "knd"}, "did you mean 'kind'"),
        ({"key": "no"}, r"there is no column 'no' \(key\)"),
        ({"colum": "text"}, "did you mean 'column'"),
        ({"length": 0}, "length must be"),
        ({"vocabulary": 100}, "at least 258"),
        ({"encoding": "utf-7000"}, "encoding 'utf-7000' is unknown"),
        ({"encoding": "hex"}, "encoding 'hex' is unknown"),
        ({"tokenizer": "no/such/folder"}, "nothing is downloaded"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises((DataError, OptionError), match=said):
        Text.measure(table(), **options)


def test_columns_of_what_has_none_are_refused() -> None:
    with pytest.raises(DataError, match="label='kind' names a column, and 12 strings have none"):
        Text.measure(DOCS, label="kind")


def test_labels_come_from_the_column_that_was_named_when_asked() -> None:
    modality = Text.measure(table(label=[0] * 12), label="kind")
    assert modality.read(table(label=[0] * 12)).labels is None
    source = modality.read(table(label=[0] * 12), labels=True)
    assert read_labels(True, source)[1] == ["x", "y"]
    assert modality.read(table().drop(columns="kind"), labels=True).labels is None  # new data, not labelled


def test_labels_of_another_length_are_refused(text: Text) -> None:
    with pytest.raises(DataError, match=r"3 labels for 12 samples"):
        read_labels(["a", "b", "a"], text.read(DOCS))


def test_a_hugging_face_data_set_knows_the_names_of_its_classes() -> None:
    features = Features({"text": Value("string"), "label": ClassLabel(names=["bad", "good"])})
    data = Dataset.from_dict({"text": DOCS[:3], "label": [1, 0, 1]}, features=features)
    labels = Text.measure(data).read(data, labels=True).labels
    assert labels is not None and labels.tolist() == ["good", "bad", "good"]
    with pytest.raises(DataError, match=r"choose one, data\[name\]"):
        Text.measure(DatasetDict({"train": data}))


# what is wrong with it


def test_long_documents_are_cut_and_counted(text: Text) -> None:
    source = text.read(["short", "long " * 200, "x" * 100_000])
    assert "2 longer than 64 are cut at the end" in source.description
    assert bool((source.fetch([1, 2]) != text.tokenizer.pad).all())
    assert "cut" not in text.read(["short"]).description


@pytest.mark.parametrize("data", [["", "  \n"], [None, b"\xff"], []])
def test_nothing_readable_is_an_error(data: list[Any], text: Text) -> None:
    with pytest.raises(DataError, match=r"none of the 2 samples|no documents"):
        text.read(data)
    with pytest.raises(DataError, match=r"none of the 2 samples|no documents"):
        Text.measure(data)


@pytest.mark.parametrize("data", [3, np.zeros((3, 3)), {"a": 1}, "no/such/file.txt"])
def test_what_is_no_text_is_refused(data: Any, text: Text) -> None:
    with pytest.raises(DataError):
        text.read(data)


def test_fingerprint_changes_when_the_data_does(text: Text) -> None:
    prints = [text.read(d).fingerprint for d in (DOCS, list(DOCS), DOCS[::-1], [*DOCS, "more"], [*DOCS, ""])]
    assert prints[0] == prints[1] and len(set(prints)) == 4


def test_a_source_pickles_without_its_tokenizer(text: Text) -> None:
    source = text.read(DOCS)
    held = pickle.dumps(source)
    assert len(held) < len(text.tokenizer.text)
    assert torch.equal(pickle.loads(held).fetch([3, 1]), source.fetch([3, 1]))


# recognised


@pytest.mark.parametrize(
    ("data", "known"),
    [
        (DOCS, True),
        (np.array(DOCS), True),
        (["photos/1.png", "photos/2.png"], False),
        (["a.wav", "b.wav"], False),
        ([1, 2], False),
        ([[1.0, 2.0]], False),
        (np.zeros((4, 3, 8)), False),
        (torch.zeros(3), False),
        (table(), True),
        (table().drop(columns="description"), False),
        (pl.DataFrame({"text": DOCS}), True),
        (
            pd.DataFrame({"where": [f"/a/very/long/path/to/some/file/number/{i:09d}.txt" for i in range(9)]}),
            False,
        ),
        (Dataset.from_dict({"text": DOCS}), True),
        (None, False),
        (object(), False),
    ],
)
def test_text_is_recognised_and_other_things_are_not(data: Any, known: bool) -> None:
    assert (Text.recognises(data) is not None) is known


def test_files_are_recognised_by_what_they_begin_with(tmp_path: Path) -> None:
    def said(name: str, content: bytes) -> bool:
        (tmp_path / name).write_bytes(content)
        return Text.recognises(tmp_path / name) is not None

    assert said("words.txt", "\n".join(DOCS).encode())
    assert said("greek.txt", GREEK.encode())
    assert not said("numbers.txt", b"1.0 2.5e-01 -3.0\n" * 50)
    assert not said("binary.txt", bytes(range(256)) * 4)
    assert said("x.jsonl", "\n".join(json.dumps({"said": d}) for d in DOCS).encode())
    assert not said("n.jsonl", b'{"a": 1}\n' * 9)
    table().to_csv(tmp_path / "t.csv")
    assert Text.recognises(tmp_path / "t.csv")
    table().to_parquet(tmp_path / "t.parquet")
    assert Text.recognises(tmp_path / "t.parquet")
    for i in range(3):
        (tmp_path / "yolo").mkdir(exist_ok=True)
        (tmp_path / "yolo" / f"{i}.png").write_bytes(b"")
        (tmp_path / "yolo" / f"{i}.txt").write_text("a label beside its picture")
    assert Text.recognises(tmp_path / "yolo") is None
    (tmp_path / "long name").mkdir()
    assert Text.recognises("x" * 5000) is None and Text.recognises("nul\0") is None


def test_a_folder_is_recognised_whatever_its_first_files_hold(tmp_path: Path) -> None:
    folder = tmp_path / "letters"
    folder.mkdir()
    (folder / "00.txt").write_text("")
    (folder / "01.txt").write_bytes(b"\xff\xff\0\x80")
    assert Text.recognises(folder) is None
    for i in range(8):
        (folder / f"word {i}.txt").write_text(f"{GREEK} {i}")
    assert Text.recognises(folder)
    source = Text.measure(folder).read(folder)
    assert len(source) == 8 and [s.key for s in source.skipped] == ["00.txt", "01.txt"]


# the tokenizer


def test_no_character_is_unknown_and_text_comes_back(text: Text) -> None:
    said = ["日本語のテキスト", "🦊 ﷽ \x00 \u200b", "naïve <pad> [mask] <mask> 'quoted'", "\ttabs\r\n"]
    rows = text.tokenizer.encode(said)
    for given, row in zip(said, rows, strict=True):
        assert text.tokenizer.pad not in row and text.tokenizer.mask not in row
        assert text.tokenizer.decode(row) in (given, f" {given}")


def test_the_same_documents_give_the_same_tokenizer_in_any_process() -> None:
    code = (
        "import hashlib, json, sys, importlib.util as u; s = u.spec_from_file_location('one', sys.argv[1]);"
        "m = u.module_from_spec(s); s.loader.exec_module(m); docs = json.load(sys.stdin);"
        "print(hashlib.sha256(m.train(docs, 350).encode()).hexdigest())"
    )
    here = hashlib.sha256(train(sample.data(), 350).encode()).hexdigest()
    env = {
        **os.environ,
        "PYTHONHASHSEED": "7",
        "PYTHONPATH": os.pathsep.join(sys.path),
        "RAYON_NUM_THREADS": "3",
    }
    words = [sys.executable, "-c", code, str(tokenizer.__file__)]
    said = json.dumps(sample.data())
    out = subprocess.run(words, env=env, input=said, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == here


def test_capitals_are_small_letters_unless_asked() -> None:
    small, large = Text.measure(DOCS), Text.measure(DOCS, lower=False)
    assert torch.equal(small.read(["A Word"]).fetch([0]), small.read(["a word"]).fetch([0]))
    assert not torch.equal(large.read(["A Word"]).fetch([0]), large.read(["a word"]).fetch([0]))


def given(folder: Path, *, names: tuple[str, ...] = ("[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]")) -> Path:
    """A word tokenizer as people have them, cutting at three tokens and padding."""
    words = sorted({word for d in DOCS for word in d.lower().split()})
    inner = Tokenizer(
        models.WordLevel({name: i for i, name in enumerate([*names, *words])}, unk_token="[UNK]")
    )
    inner.normalizer = normalizers.Lowercase()
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if "[CLS]" in names:
        inner.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
        )
        inner.enable_padding(pad_id=0, pad_token="[PAD]")
    inner.enable_truncation(3)
    folder.mkdir(exist_ok=True)
    inner.save(str(folder / "tokenizer.json"))
    return folder


def test_a_tokenizer_that_is_given_is_kept_as_text(tmp_path: Path) -> None:
    folder = given(tmp_path / "checkpoint")
    modality = Text.measure(DOCS, tokenizer=folder)
    assert modality.config() == Text.measure(DOCS, tokenizer=folder / "tokenizer.json").config()
    assert (modality.tokenizer.pad, modality.tokenizer.mask) == (0, 3)
    assert modality.tokenizer.ends == ([1], [2])
    x = modality.read([DOCS[0]]).fetch([0])[0]
    words = DOCS[0].split()
    assert x.tolist()[: len(words)] == modality.tokenizer.encode([DOCS[0]])[0].tolist() and len(words) > 3
    (folder / "tokenizer.json").unlink()
    assert torch.equal(Text(**modality.config()).read(DOCS).fetch([2]), modality.read(DOCS).fetch([2]))
    with pytest.raises(OptionError, match="vocabulary= is for a tokenizer trained here"):
        Text.measure(DOCS, tokenizer=given(folder), vocabulary=300)


def test_a_tokenizer_without_padding_and_mask_gets_two_numbers_more(tmp_path: Path) -> None:
    modality = Text.measure(DOCS, tokenizer=given(tmp_path, names=("[UNK]",)))
    own = modality.tokenizer
    assert {own.pad, own.mask} == {own.size - 2, own.size - 1} and modality.categories == own.size
    assert own.ends == ([], [])


def test_what_a_tokenizer_leaves_nothing_of_is_skipped(tmp_path: Path) -> None:
    inner = Tokenizer(models.WordLevel({"known": 0, "?": 1, "[PAD]": 2}, unk_token="?"))
    inner.normalizer = normalizers.Replace("never", "")
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    inner.save(str(tmp_path / "tokenizer.json"))
    source = Text.measure(["known known"], tokenizer=tmp_path).read(["known", "never", "[PAD] known"])
    assert source.index.tolist() == [0, 2] and torch.equal(source.fetch([0]), source.fetch([1]))
    assert reasons(source) == {"1": "the tokenizer leaves nothing of it"}


@pytest.mark.parametrize("broken", ["", "{}", "not json", '{"model": {"type": "Nonsense"}}'])
def test_a_broken_tokenizer_is_refused(broken: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(broken)
    with pytest.raises(OptionError, match="not the JSON text of a tokenizer"):
        Text.measure(DOCS, tokenizer=tmp_path)


def test_sizes_follow_the_data() -> None:
    assert [auto_vocabulary(n) for n in (10, 200_000, 1_700_000, 10**9)] == [512, 1024, 8192, 8192]
    rows = [np.zeros(n, np.int32) for n in range(1, 101)]
    assert auto_length(rows) == 96
    assert auto_length(rows[:2]) == 8 and auto_length([np.zeros(9000, np.int32)]) == 256
    assert Text.measure(DOCS).length % 8 == 0


def test_the_modality_is_made_again_from_yaml(text: Text) -> None:
    config = yaml.safe_load(yaml.safe_dump(text.config(), allow_unicode=True))
    assert config == text.config()
    assert Text(**config).config() == config
    with pytest.raises(OptionError, match="idf must be"):
        Text(**{**config, "idf": [1.0]})
    assert pickle.loads(pickle.dumps(Own(config["tokenizer"]))).size == text.categories


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data sets are not here")
def test_a_news_set_is_read_whole() -> None:
    data = pl.read_parquet(SHARED / "ag_news_test" / "ag_news.parquet").head(300)
    with pytest.raises(DataError, match="'title', 'description'"):
        Text.measure(data)
    modality = Text.measure(data, column=["title", "description"])
    source = modality.read(data, labels=True)
    assert len(source) == 300 and not source.skipped
    assert read_labels(True, source)[1] == ["0", "1", "2", "3"]
