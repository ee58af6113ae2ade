"""Labels in every form a person has them, and every way in which they can be wrong."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from unlabeled.data.labels import read_labels
from unlabeled.data.source import Skipped, Source
from unlabeled.errors import DataError


class Four(Source):
    """a.png, b.png, d.png, e.png; c.png, the third of five, could not be read."""

    def __init__(self, labels: list[Any] | None = None) -> None:
        self.keys = ["a.png", "b.png", "d.png", "e.png"]
        self.index = np.array([0, 1, 3, 4])
        self.labels = None if labels is None else np.array(labels, dtype=object)
        self.skipped = [Skipped("c.png", "broken")]
        self.description, self.fingerprint = "four", "x"

    def fetch(self, positions: Sequence[int] | np.ndarray) -> Any:
        raise NotImplementedError


ROWS = [("a.png", "dog"), ("b.png", "cat"), ("c.png", "dog"), ("e.png", "")]
EXPECTED = ([1, 0, -1, -1], ["cat", "dog"])


def write_csv(path: Path, rows: Sequence[Sequence[Any]], header: Sequence[str] = ("key", "label")) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def read(labels: Any, source: Source | None = None, **options: Any) -> tuple[list[int], list[str]]:
    y, classes = read_labels(labels, source or Four(), **options)
    assert y.dtype == np.int64
    return y.tolist(), classes


def test_a_csv_by_key(tmp_path: Path) -> None:
    assert read(write_csv(tmp_path / "l.csv", ROWS)) == EXPECTED
    assert read(str(write_csv(tmp_path / "l.csv", ROWS))) == EXPECTED


def test_a_csv_by_index_counts_what_the_user_gave(tmp_path: Path) -> None:
    rows = [(0, "dog"), (1, "cat"), (2, "cat"), (4, "-1")]
    assert read(write_csv(tmp_path / "l.csv", rows, ("index", "label"))) == EXPECTED


def test_a_csv_with_more_columns_in_another_order_and_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "l.csv"
    path.write_text("\ufefflabel,who,key\ndog,x,a.png\ncat,y,b.png\n", encoding="utf-8")
    assert read(path) == EXPECTED


def test_a_parquet_file(tmp_path: Path) -> None:
    table = pa.table({"key": [k for k, _ in ROWS], "label": [v or None for _, v in ROWS]})
    pq.write_table(table, tmp_path / "l.parquet")
    assert read(tmp_path / "l.parquet") == EXPECTED


def test_a_dictionary_by_key_or_by_index() -> None:
    assert read(dict(ROWS)) == EXPECTED
    assert read({0: "dog", 1: "cat", 4: None}) == EXPECTED


def test_tables_of_any_library_that_has_columns() -> None:
    assert read(pa.table({"key": [k for k, _ in ROWS], "label": [v for _, v in ROWS]})) == EXPECTED

    class Column(list[Any]):
        def to_list(self) -> list[Any]:
            return list(self)

    class Frame:  # what pandas and polars have in common
        columns = ("key", "label")

        def __getitem__(self, name: str) -> Column:
            return Column(row[self.columns.index(name)] for row in ROWS)

    assert read(Frame()) == EXPECTED


@pytest.mark.parametrize(
    "labels",
    [
        ["dog", "cat", "dog", None, float("nan")],  # as long as what was given
        ["dog", "cat", "", None],  # as long as what could be read
        np.array(["dog", "cat", "", None], dtype=object),
    ],
)
def test_a_list_aligned_with_the_data(labels: Any) -> None:
    assert read(labels) == EXPECTED


@pytest.mark.parametrize("wrap", [list, np.array, torch.tensor])
def test_numbers_stay_in_numerical_order(wrap: Any) -> None:
    assert read(wrap([10, 9, 9, -1])) == ([1, 0, 0, -1], ["9", "10"])


def test_numbers_in_a_file_are_sorted_as_numbers_and_a_float_is_no_other_class(tmp_path: Path) -> None:
    rows = [("a.png", 10), ("b.png", 9), ("d.png", 2)]
    assert read(write_csv(tmp_path / "l.csv", rows)) == ([2, 1, 0, -1], ["2", "9", "10"])
    assert read([1.0, 0.0, float("nan"), 1]) == ([1, 0, -1, 1], ["0", "1"])


def test_true_asks_the_source() -> None:
    assert read(True, Four(["dog", "cat", None, None])) == EXPECTED
    assert read(True, Four([1, 0, -1, 1])) == ([1, 0, -1, 1], ["0", "1"])


def test_classes_fix_names_and_order() -> None:
    assert read(dict(ROWS), classes=["dog", "cow", "cat"]) == ([0, 2, -1, -1], ["dog", "cow", "cat"])


def test_one_key_for_two_samples_labels_both() -> None:
    source = Four()
    source.keys = ["a.png", "a.png", "d.png", "e.png"]
    assert read({"a.png": "dog", "d.png": "cat"}, source) == ([1, 1, 0, -1], ["cat", "dog"])


def test_a_key_named_twice_with_one_label_is_no_mistake(tmp_path: Path) -> None:
    assert read(write_csv(tmp_path / "l.csv", [*ROWS, ("a.png", "dog"), ("b.png", "")])) == EXPECTED


def wrong(labels: Any, message: str, **options: Any) -> None:
    with pytest.raises(DataError, match=message):
        read(labels, **options)


def test_keys_that_are_not_in_the_data_are_counted_and_named(tmp_path: Path) -> None:
    rows = [*ROWS, ("x.png", "dog"), ("y.png", "dog")]
    wrong(
        write_csv(tmp_path / "l.csv", rows), r"2 of 6 rows name a key .*x\.png, y\.png; the data has a\.png"
    )
    wrong({"x.png": "dog"}, "none of its keys is in the data")
    wrong({9: "dog"}, "1 of 1 rows name an index")


def test_one_key_with_two_labels(tmp_path: Path) -> None:
    wrong(
        write_csv(tmp_path / "l.csv", [*ROWS, ("a.png", "cat")]),
        r"1 key more than one.*a\.png \(dog and cat\)",
    )


def test_a_wrong_length() -> None:
    wrong(["dog"] * 3, r"3 labels for 5 samples \(4 of them readable\)")


def test_no_label_at_all() -> None:
    wrong([-1] * 4, "none of the 4 samples has a label")
    wrong({"c.png": "dog"}, "none of the 4 samples has a label: all are empty")
    with pytest.raises(DataError, match=r"none of the 4 samples has a label: neither .*--modality.label '\^"):
        read(True, Four([None] * 4))


def test_a_label_that_is_no_known_class() -> None:
    wrong(dict(ROWS), r"1 label not among the 2 classes: dog", classes=["cat", "cow"])


def test_a_source_that_says_nothing() -> None:
    wrong(True, "says nothing")


def test_a_file_that_is_not_there_or_of_another_kind(tmp_path: Path) -> None:
    wrong(tmp_path / "no.csv", "there is no labels file")
    (tmp_path / "l.xlsx").write_bytes(b"PK")
    wrong(tmp_path / "l.xlsx", r"\.csv or \.parquet is needed")
    (tmp_path / "l.parquet").write_bytes(b"not parquet")
    wrong(tmp_path / "l.parquet", "cannot be read")


def test_missing_columns_are_named(tmp_path: Path) -> None:
    wrong(write_csv(tmp_path / "l.csv", ROWS, ("file", "label")), "it has 'file', 'label'")
    wrong(pa.table({"key": ["a.png"]}), "it has 'key'")


def test_a_row_of_another_length_is_named(tmp_path: Path) -> None:
    wrong(
        write_csv(tmp_path / "l.csv", [("a.png", "dog"), ("b.png", "cat", "cow")]), "row 2 of .* has 3 values"
    )


def test_an_index_that_is_no_number(tmp_path: Path) -> None:
    wrong(write_csv(tmp_path / "l.csv", [("one", "dog")], ("index", "label")), "the index 'one'")


@pytest.mark.parametrize("labels", [False, 3, 0.5, object()])
def test_what_labels_cannot_be(labels: Any) -> None:
    wrong(labels, "is not understood")


def test_more_than_one_value_a_sample() -> None:
    wrong([[0, 1]] * 4, "one value a sample")
    wrong(np.zeros((4, 2)), "one value a sample")
