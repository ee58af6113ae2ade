"""Every form of a table is read as the same table, and what cannot be read is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from unlabeled.data.frames import column, fingerprint, index_columns, is_frame, read_frame
from unlabeled.errors import DataError

ROWS = {"size": [1.5, None, 3.0, 4.0], "colour": ["red", "blue", None, "red"], "count": [1, 2, 3, 4]}
CSV = "size,colour,count\n1.5,red,1\nNA,blue,2\n3.0,?,3\n4.0,red,4\n"
JSON = (
    '{"size":1.5,"colour":"red","count":1}\n{"size":null,"colour":"blue","count":2}\n'
    '{"size":3.0,"colour":null,"count":3}\n{"size":4.0,"colour":"red","count":4}\n'
)


def write(folder: Path, name: str) -> Path:
    path = folder / name
    if name.endswith(".parquet"):
        pyarrow.parquet.write_table(pa.table(ROWS), path)
    elif name.endswith(".feather"):
        pyarrow.feather.write_feather(pa.table(ROWS), path)
    elif name.endswith(".jsonl"):
        path.write_text(JSON)
    else:
        path.write_text(
            CSV.replace(",", "\t" if name.endswith(".tsv") else ";" if name == "semi.csv" else ",")
        )
    return path


def in_memory(library: str):
    if library == "pandas":
        return pytest.importorskip("pandas").DataFrame(ROWS)
    if library == "polars":
        return pytest.importorskip("polars").DataFrame(ROWS)
    if library == "lazy":
        return pytest.importorskip("polars").LazyFrame(ROWS)
    if library == "datasets":
        return pytest.importorskip("datasets").Dataset.from_dict(ROWS)
    return pa.table(ROWS) if library == "arrow" else pa.table(ROWS).to_batches()[0]


@pytest.mark.parametrize("library", ["pandas", "polars", "lazy", "datasets", "arrow", "batch"])
@pytest.mark.parametrize("rows", [None, 2])
def test_tables_in_memory_are_read_alike(library, rows):
    data = in_memory(library)
    assert is_frame(data)
    found = read_frame(data, rows=rows)
    assert found.to_pydict() == pa.table(ROWS).slice(0, rows).to_pydict()


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "semi.csv", "t.parquet", "t.jsonl", "t.feather"])
@pytest.mark.parametrize("rows", [None, 2])
def test_files_are_read_alike(name, rows, tmp_path):
    path = write(tmp_path, name)
    assert is_frame(path)
    assert read_frame(path, rows=rows).to_pydict() == pa.table(ROWS).slice(0, rows).to_pydict()
    assert read_frame(str(path)).column_names == list(ROWS)


def test_spaces_around_names_and_missing_cells_of_a_csv_file_mean_nothing(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("age, job\n 39, clerk\n ?, ?\n")
    assert read_frame(path)["age"].to_pylist() == [39, None]
    assert read_frame(path)["job"].null_count == 1


def test_text_keeps_what_a_number_would_lose(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("code,n\n007,1\n010,2\n")
    assert read_frame(path)["code"].to_pylist() == [7, 10]
    assert read_frame(path, text=["code"])["code"].to_pylist() == ["007", "010"]


def test_only_the_first_rows_of_a_large_file_are_read(tmp_path):
    path = tmp_path / "t.csv"
    with path.open("w") as file:
        file.write("a,b\n")
        file.writelines(f"{i},{i % 7}\n" for i in range(300_000))
        file.write("this is,no,row\n")
    assert read_frame(path, rows=5)["a"].to_pylist() == [0, 1, 2, 3, 4]
    with pytest.raises(DataError, match="cannot be read as a table"):
        read_frame(path)


def test_an_index_that_says_something_becomes_a_column_that_is_known_as_an_index(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1, 2]}, index=pandas.Index(["x", "y"], name="id"))
    found = read_frame(frame)
    assert found.column_names == ["a", "id"] and index_columns(found) == ["id"]
    frame.to_parquet(tmp_path / "t.parquet")
    assert index_columns(read_frame(tmp_path / "t.parquet")) == ["id"]
    assert index_columns(read_frame(frame.reset_index())) == []


def test_classes_of_a_hugging_face_data_set_have_their_names():
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"x": datasets.Value("float32"), "y": datasets.ClassLabel(names=["cat", "dog"])}
    )
    data = datasets.Dataset.from_dict({"x": [1.0, 2.0, 3.0], "y": [1, 0, -1]}, features=features)
    assert column(read_frame(data), "y", "the label") == ["dog", "cat", None]


def test_fingerprint_changes_with_value_name_and_type_and_with_nothing_else():
    one = pa.table({"a": [1, 2], "b": ["x", "y"]})
    assert fingerprint(one) == fingerprint(pa.table({"a": [1, 2], "b": ["x", "y"]}))
    assert fingerprint(one) == fingerprint(one.replace_schema_metadata({"made": "today"}))
    others = [
        pa.table({"a": [1, 3], "b": ["x", "y"]}),
        pa.table({"c": [1, 2], "b": ["x", "y"]}),
        pa.table({"a": [1.0, 2.0], "b": ["x", "y"]}),
    ]
    assert len({fingerprint(t) for t in (one, *others)}) == 4


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a,b\n1,2\n3\n", "cannot be read as a table"),
        (b"a,a\n1,2\n", "several columns called 'a'"),
        (
            b"0,1.5,0\n1,2,3\n",
            "several columns called '0': its first line holds numbers, so it seems to have no head",
        ),
        (b"a,b\n", "0 rows"),
        (b"", "cannot be read as a table"),
        (b"a,b\n1,\xff\xfe\n", "not UTF-8"),
    ],
)
def test_broken_csv_files_are_refused(content, said, tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=said):
        read_frame(path)


@pytest.mark.parametrize("name", ["t.parquet", "t.jsonl", "t.feather"])
def test_broken_files_are_refused(name, tmp_path):
    (tmp_path / name).write_bytes(b"\x00nothing of the kind")
    with pytest.raises(DataError, match=name):
        read_frame(tmp_path / name)


def test_what_is_no_table_is_refused(tmp_path):
    for data in (tmp_path / "gone.csv", np.zeros((2, 2)), [1, 2], tmp_path):
        with pytest.raises(DataError):
            read_frame(data)
        assert not is_frame(data)


def test_odd_frames_are_refused_by_name():
    pandas = pytest.importorskip("pandas")
    with pytest.raises(DataError, match="column m"):
        read_frame(pandas.DataFrame({"m": [1, "a"]}))
    with pytest.raises(DataError, match="pandas DataFrame"):
        read_frame(pandas.DataFrame([[1, 2]], columns=["a", "a"]))
    with pytest.raises(DataError, match=r"no column 'siize'.*'size'"):
        column(pa.table(ROWS), "siize", "the key")


def test_several_or_streamed_hugging_face_data_sets_are_refused():
    datasets = pytest.importorskip("datasets")
    one = datasets.Dataset.from_dict(ROWS)
    with pytest.raises(DataError, match=r"several data sets \(train, test\)"):
        read_frame(datasets.DatasetDict(train=one, test=one))
    with pytest.raises(DataError, match="stream"):
        read_frame(one.to_iterable_dataset())
