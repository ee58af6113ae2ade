"""Reading series: every form they come in, what is said of them, and what bad input gets."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

from unlabeled.data.labels import read_labels
from unlabeled.errors import DataError, OptionError
from unlabeled.modalities import detect
from unlabeled.modalities.series import Series
from unlabeled.modalities.series.measure import auto_patch
from unlabeled.modalities.series.read import SeriesSource

UCR = Path(__file__).parents[3] / "shared" / "data" / "series" / "ucr_uea"
needs_ucr = pytest.mark.skipif(not UCR.is_dir(), reason="the UCR sets are not beside the repository")


def ragged(*lengths: int, channels: int = 2, seed: int = 0) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [random.standard_normal((channels, n)).astype(np.float32) for n in lengths]


def opened(data, *, labels: bool = False, **options) -> tuple[Series, SeriesSource]:
    modality = Series.measure(data, **options)
    return modality, modality.read(data, labels=labels)


def own(source: SeriesSource, i: int) -> np.ndarray:
    """Sample i as fetched, without its padding."""
    return source.fetch([i])[0, :, : source.steps[i]].numpy()


# arrays and lists


def test_unequal_lengths_are_padded_with_nan_at_the_end():
    data = ragged(30, 50, 41)
    modality, source = opened(data)
    x = source.fetch([0, 1, 2])
    assert x.shape == (3, 2, 50) and x.dtype == torch.float32
    for row, one in zip(x.numpy(), data, strict=True):
        np.testing.assert_array_equal(row[:, : one.shape[1]], one)
        assert np.isnan(row[:, one.shape[1] :]).all()
    assert (modality.length, modality.channels) == (50, 2)
    assert source.keys == ["0", "1", "2"] and source.index.tolist() == [0, 1, 2]
    assert "3 series of 2 channels, 30 to 50 steps" in source.description


@pytest.mark.parametrize("make", [np.asarray, torch.from_numpy, lambda a: a.astype(">f8"), np.asfortranarray])
def test_stacks_are_sample_channel_time(make):
    stack = np.stack(ragged(20, 20, 20, channels=3))
    _, source = opened(make(stack))
    np.testing.assert_array_equal(source.fetch([2, 0]).numpy(), stack[[2, 0]])


def test_rows_of_a_matrix_are_series_of_one_channel():
    stack = np.arange(40.0).reshape(4, 10)
    modality, source = opened(stack)
    assert modality.channels == 1
    np.testing.assert_array_equal(source.fetch([3])[0, 0].numpy(), stack[3])


def test_whole_numbers_and_truth_values_are_numbers():
    for dtype in (np.int64, np.uint8, np.bool_):
        stack = np.arange(40).reshape(4, 10).astype(dtype)
        np.testing.assert_array_equal(opened(stack)[1].fetch([1])[0, 0].numpy(), stack[1].astype(np.float32))


def test_nan_at_the_end_of_a_stack_is_padding_and_elsewhere_a_gap():
    stack = np.stack(ragged(20, 20))
    stack[0, :, 12:] = np.nan
    stack[1, 0, 5] = np.nan
    _, source = opened(stack)
    assert source.steps.tolist() == [12, 20]
    assert np.isnan(own(source, 1)).sum() == 1


def test_npy_file_is_read_in_place(tmp_path):
    stack = np.stack(ragged(20, 20, 20))
    np.save(tmp_path / "x.npy", stack)
    _, source = opened(tmp_path / "x.npy")
    np.testing.assert_array_equal(source.fetch([1])[0].numpy(), stack[1])
    assert len(pickle.dumps(source)) < 2000  # workers get the path, not the values


def test_npz_with_splits_is_read_whole_or_one_split_at_a_time(tmp_path):
    a, b = np.stack(ragged(20, 20)), np.stack(ragged(20, 20, 20, seed=1))
    np.savez(tmp_path / "x.npz", X_train=a, y_train=[0, 1], X_test=b, y_test=[1, 1, 0])
    _, both = opened(tmp_path / "x.npz", labels=True)
    assert both.keys == ["train/0", "train/1", "test/0", "test/1", "test/2"]
    assert both.labels.tolist() == [0, 1, 1, 1, 0]
    _, test = opened(tmp_path / "x.npz", split="test", labels=True)
    np.testing.assert_array_equal(test.fetch([0, 1, 2]).numpy(), b)
    assert test.labels.tolist() == [1, 1, 0]
    with pytest.raises(DataError, match="did you mean 'test'"):
        Series.measure(tmp_path / "x.npz", split="tast")


def test_npz_of_unequal_series_is_values_and_where_each_begins(tmp_path):
    data = ragged(5, 9, 7, channels=3)
    ptr = np.cumsum([0, 5, 9, 7])
    np.savez(tmp_path / "x.npz", X_values=np.concatenate([d.T for d in data]), X_ptr=ptr, y=[1, 2, 1])
    assert "unequal" in Series.recognises(tmp_path / "x.npz")
    _, source = opened(tmp_path / "x.npz", labels=True)
    for i, one in enumerate(data):
        np.testing.assert_array_equal(own(source, i), one)
    assert source.labels.tolist() == [1, 2, 1]


@pytest.mark.parametrize("ptr", [[0, 5, 4, 21], [0, 5, 14, 20], [1, 5, 14, 21]])
def test_broken_pointers_are_refused(tmp_path, ptr):
    np.savez(tmp_path / "x.npz", X_values=np.zeros((21, 3)), X_ptr=np.array(ptr))
    with pytest.raises(DataError, match="X_ptr must rise from 0 to the 21 steps"):
        Series.measure(tmp_path / "x.npz")


# the archives' text files

TS = """# a comment
@problemName Probe
@timeStamps false
@univariate false
@equalLength false
@classLabel true up down
@data
1,2,3:4,5,6:up
7,?,9,10:10,11,12,?:down
1,2:3,4,5:up
"""


def test_ts_file_gives_channels_gaps_classes_and_counts_broken_lines(tmp_path):
    (tmp_path / "x.ts").write_text(TS)
    assert Series.recognises(tmp_path / "x.ts") == "the series of x.ts"
    _, source = opened(tmp_path / "x.ts", patch=1, labels=True)
    np.testing.assert_array_equal(own(source, 0), [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(own(source, 1), [[7, np.nan, 9, 10], [10, 11, 12, np.nan]])
    assert source.labels.tolist() == ["up", "down"]
    assert [s.key for s in source.skipped] == ["2"] and "2 and 3 steps" in source.skipped[0].reason
    assert source.index.tolist() == [0, 1]


def test_ts_file_with_time_stamps_is_refused_clearly(tmp_path):
    (tmp_path / "x.ts").write_text("@problemName p\n@timeStamps True\n@data\n(0,1.0),(1,2.0):a\n")
    with pytest.raises(DataError, match="time stamps beside its values, which are not read"):
        Series.measure(tmp_path / "x.ts")


def test_arff_file_with_a_step_an_attribute(tmp_path):
    attributes = "".join(f"@attribute att{i} numeric\n" for i in range(4))
    text = f"% c\n@relation Gun\n{attributes}@attribute target {{1,2}}\n@data\n1,2,3,4,2\n5,6,?,?,1\n"
    (tmp_path / "x.arff").write_text(text)
    assert Series.recognises(tmp_path / "x.arff")
    _, source = opened(tmp_path / "x.arff", patch=1, labels=True)
    np.testing.assert_array_equal(own(source, 0), [[1, 2, 3, 4]])
    np.testing.assert_array_equal(own(source, 1), [[5, 6]])
    assert source.labels.tolist() == ["2", "1"]


def test_arff_file_with_a_relation_a_series(tmp_path):
    inner = "".join(f"  @attribute att{i} numeric\n" for i in range(3))
    head = f"@relation 'P'\n@attribute relationalAtt relational\n{inner}@end relationalAtt\n"
    rows = "'1,2,3\\n4,5,6',Run\n'7,?,9\\n1,1,2','Stand'\n"
    (tmp_path / "x.arff").write_text(f"{head}@attribute activity {{'Stand',Run}}\n@data\n{rows}")
    assert Series.recognises(tmp_path / "x.arff")
    _, source = opened(tmp_path / "x.arff", patch=1, labels=True)
    np.testing.assert_array_equal(own(source, 0), [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(own(source, 1), [[7, np.nan, 9], [1, 1, 2]])
    assert source.labels.tolist() == ["Run", "Stand"]


def test_a_table_in_an_arff_file_is_no_series(tmp_path):
    names = "".join(f"@attribute {n} numeric\n" for n in ("sepal", "petal", "stem"))
    (tmp_path / "x.arff").write_text(f"@relation i\n{names}@attribute class {{a,b}}\n@data\n1,2,3,a\n")
    assert Series.recognises(tmp_path / "x.arff") is None
    with pytest.raises(DataError, match="is a table, not series"):
        Series.measure(tmp_path / "x.arff")


# tables with a row a step


def long_table() -> pd.DataFrame:
    """Two recordings, mixed up, out of order; steps 0 … 11 and 0 … 7."""
    rows = [(who, t, t * 10.0 + (who == "b"), -t, "x" if t < 5 else "y") for who in "ab" for t in range(12)]
    table = pd.DataFrame(rows, columns=["who", "t", "v", "w", "class"])
    table = table[(table.who == "a") | (table.t < 8)]
    return table.sample(frac=1, random_state=0).reset_index(drop=True)


@pytest.mark.parametrize("form", ["pandas", "polars", "arrow", "csv", "parquet"])
def test_long_tables_in_every_form(form, tmp_path):
    table = long_table()
    data = {
        "pandas": lambda: table,
        "polars": lambda: pl.from_pandas(table),
        "arrow": lambda: pa.Table.from_pandas(table),
        "csv": lambda: (table.to_csv(tmp_path / "x.csv", index=False), tmp_path / "x.csv")[1],
        "parquet": lambda: (table.to_parquet(tmp_path / "x.parquet"), tmp_path / "x.parquet")[1],
    }[form]()
    modality, source = opened(data, id="who", time="t", label="class", labels=True)
    assert sorted(source.keys) == ["a", "b"] and modality.layout.columns == ["v", "w"]
    a = source.keys.index("a")
    np.testing.assert_array_equal(own(source, a), [np.arange(12) * 10, -np.arange(12)])
    assert source.labels[a] == "y" and source.labels[1 - a] == "x"  # the most frequent
    assert "sorted" in source.description


def test_windows_have_keys_and_labels_of_their_own_and_leftovers_are_said():
    options = {"id": ["who"], "time": "t", "label": "class", "window": 5, "stride": 3, "patch": 1}
    _, source = opened(long_table(), labels=True, **options)
    held = dict(zip(source.keys, range(len(source)), strict=True))
    assert set(held) == {"a/0", "a/3", "a/6", "b/0", "b/3"}
    np.testing.assert_array_equal(own(source, held["a/3"])[0], np.arange(3, 8) * 10)
    assert source.labels[held["a/0"]] == "x" and source.labels[held["a/6"]] == "y"
    assert "1 steps at the ends fill no window" in source.description


def test_a_recording_shorter_than_a_window_is_counted():
    _, source = opened(ragged(30, 4, 20), window=10)
    assert [(s.key, s.reason) for s in source.skipped] == [
        ("1", "its 4 steps fill no window of 10: choose a shorter window=")
    ]
    assert source.keys == ["0/0", "0/10", "0/20", "2/0", "2/10"] and source.index.tolist() == [0, 1, 2, 4, 5]


def test_one_long_recording_is_cut():
    table = pd.DataFrame({"v": np.arange(25.0), "when": pd.date_range("2020", periods=25, freq="h")})
    modality, source = opened(table, window=10, time="when", patch=2)
    assert source.keys == ["0", "10"] and modality.channels == 1
    assert opened(np.arange(25.0), window=10, patch=2)[1].keys == ["0", "10"]


def test_repeated_time_stamps_are_kept_in_order_and_counted():
    table = pd.DataFrame({"id": [0] * 5 + [1] * 4, "t": [0, 1, 1, 2, 2, 0, 1, 2, 3], "v": np.arange(9.0)})
    _, source = opened(table, id="id", time="t", patch=1)
    np.testing.assert_array_equal(own(source, 0)[0], np.arange(5))
    assert "2 rows repeat the time stamp" in source.description and "sorted" not in source.description


def test_columns_that_are_not_used_are_named(tmp_path):
    table = pd.DataFrame({"who": np.repeat(["a", "b"], 30), "t": list(range(30)) * 2, "x": np.arange(60.0)})
    table["note"], table["class"] = "said", "y"
    _, source = opened(table, id="who", time="t", label="class")
    assert "columns that are not used: note" in source.description
    _, source = opened(table.assign(y=1.0), id="who", columns=["x"], label="class")
    assert "columns that are not used: t, note, y" in source.description
    _, source = opened(table.drop(columns="note"), id="who", time="t", label="class")
    assert "not used" not in source.description
    many = table.assign(**{f"note {i}": "more" for i in range(8)})
    _, source = opened(many, id="who", time="t", label="class")
    assert (
        "not used: note, note 0, note 1, note 2, note 3, note 4, note 5, note 6 and 1 more"
        in source.description
    )
    for who in "ab":
        table[table["who"] == who].drop(columns="who").to_csv(tmp_path / f"{who}.csv", index=False)
    _, source = opened(tmp_path, time="t", label="class")
    assert source.description.count("columns that are not used: note") == 1


def test_missing_cells_of_a_table_are_gaps():
    table = pd.DataFrame({"id": [0, 0, 0, 1, 1, 1], "v": [1.0, None, 3.0, 4.0, 5.0, 6.0]})
    _, source = opened(table, id="id", patch=1)
    np.testing.assert_array_equal(own(source, 0), [[1, np.nan, 3]])


def test_what_a_table_cannot_be_read_without():
    table = long_table()
    with pytest.raises(DataError, match=r"say id= .* window="):
        Series.measure(table)
    with pytest.raises(DataError, match=r"no column 'whom' \(id=\): did you mean 'who'"):
        Series.measure(table, id="whom")
    with pytest.raises(DataError, match=r"no column 'clas' \(label=\)"):
        Series.measure(table, id="who", label="clas")
    with pytest.raises(DataError, match=r"column 'class' is .*string where numbers are needed"):
        Series.measure(table, id="who", columns=["v", "class"])
    with pytest.raises(DataError, match=r"time column 'class' is .*string, which has no order"):
        Series.measure(table, id="who", time="class")
    with pytest.raises(DataError, match="1 rows have no value in the time column"):
        Series.measure(table.assign(t=table.t.where(table.index > 0)), id="who", time="t")
    with pytest.raises(DataError, match="1 rows have no value in the id column"):
        Series.measure(table.assign(who=table.who.where(table.index > 0)), id="who")


def test_new_data_may_lack_the_labels_but_not_a_channel():
    modality = Series.measure(long_table(), id="who", time="t", label="class")
    assert modality.read(long_table().drop(columns="class"), labels=True).labels is None
    with pytest.raises(DataError, match=r"no column 'w'"):
        modality.read(long_table().drop(columns="w"))
    changed = long_table().assign(w="text")
    with pytest.raises(DataError, match=r"column 'w' is .*string where numbers are needed"):
        modality.read(changed)


# a folder of csv files


def csv_folder(folder: Path) -> Path:
    for cls, count in (("walk", 2), ("run", 1)):
        (folder / "train" / cls).mkdir(parents=True)
        for i in range(count):
            table = pd.DataFrame({"t": [2, 0, 1], "x": [2.0, 0.0, 1.0], "y": [i, i, i + 1.0]})
            table.to_csv(folder / "train" / cls / f"{i}.csv", index=False)
    return folder


def test_folder_of_csv_files_is_a_sample_a_file_and_a_class_a_folder(tmp_path):
    folder = csv_folder(tmp_path)
    assert detect(folder).name == "series"
    modality, source = opened(folder, time="t", patch=1, labels=True)
    assert source.keys == ["train/run/0.csv", "train/walk/0.csv", "train/walk/1.csv"]
    assert source.labels.tolist() == ["run", "walk", "walk"]
    np.testing.assert_array_equal(own(source, 2), [[0, 1, 2], [1, 2, 1]])
    assert modality.layout.columns == ["x", "y"]


def test_csv_files_that_do_not_fit_are_counted(tmp_path):
    folder = csv_folder(tmp_path)
    modality = Series.measure(folder, time="t", patch=1)
    (folder / "bad.csv").write_text("t,x\n0,1\n1,2\n")
    (folder / "empty.csv").write_text("")
    (folder / "torn.csv").write_text("t,x,y\n0,1,2\n1,2\n")
    source = modality.read(folder)
    assert len(source) == 3
    assert {s.key for s in source.skipped} == {"bad.csv", "empty.csv", "torn.csv"}
    assert all(s.reason for s in source.skipped)


def test_csv_files_of_an_archive_or_named_one_by_one(tmp_path):
    folder = csv_folder(tmp_path / "set")
    _, plain = opened(folder, time="t", patch=1)
    archive = shutil.make_archive(str(tmp_path / "set"), "zip", folder)
    _, packed = opened(archive, time="t", patch=1, labels=True)
    _, listed = opened([folder / key for key in plain.keys], time="t", patch=1)
    assert packed.keys == plain.keys and packed.labels.tolist() == ["run", "walk", "walk"]
    for source in (packed, listed):
        torch.testing.assert_close(source.fetch([0, 1, 2]), plain.fetch([0, 1, 2]))


def test_csv_files_without_a_header(tmp_path):
    for i in range(2):
        np.savetxt(tmp_path / f"{i}.csv", np.arange(12).reshape(6, 2) + i, delimiter=",")
    assert Series.recognises(tmp_path)
    _, source = opened(tmp_path, patch=1)
    np.testing.assert_array_equal(own(source, 1), (np.arange(12).reshape(6, 2) + 1).T)


# what is recognised


def test_lists_of_arrays_are_recognised():
    assert detect(ragged(30, 40)).name == "series"
    assert detect([np.zeros(30), np.zeros(31)]).name == "series"
    assert detect([torch.zeros(3, 30), torch.zeros(3, 30)]).name == "series"


@pytest.mark.parametrize(
    "data",
    [
        np.zeros((4, 3, 20)),
        np.zeros((4, 20)),
        [np.zeros((28, 28))] * 3,
        [np.zeros(20)] * 3,
        [np.zeros((8, 8, 3)), np.zeros((9, 9, 3))],
        ["one text", "another"],
        [],
        [np.array(["a", "b"])],
        pd.DataFrame({"a": [1, 2]}),
        (np.zeros(10), 8000),
        None,
    ],
    ids=lambda d: type(d).__name__,
)
def test_what_may_be_something_else_is_not_claimed(data):
    assert Series.recognises(data) is None


def test_an_edge_list_beside_a_node_table_is_no_folder_of_series(tmp_path):
    (tmp_path / "edges.csv").write_text("source,target\n0,1\n1,2\n")
    (tmp_path / "nodes.csv").write_text("id,f\n0,1.5\n1,2.5\n")
    assert Series.recognises(tmp_path) is None
    (tmp_path / "a.png").write_bytes(b"")
    assert Series.recognises(tmp_path) is None


def test_three_axes_are_an_error_that_says_how_to_decide():
    with pytest.raises(DataError, match="modality='series'"):
        detect(np.zeros((4, 3, 20)))


# bad input


def test_samples_that_cannot_be_used_are_counted_with_their_reason():
    data: list = ragged(30, 30, 30, 30, 30, 30, 30)
    data[1] = np.full((2, 30), np.nan)
    data[2] = np.zeros((2, 0))
    data[3][0, 4] = np.inf
    data[4] = np.zeros((3, 30))
    data[5] = "text"
    data.append(np.zeros((2, 2)))
    data.append(np.full((2, 30), 1e300))
    _, source = opened(data, patch=4)
    reasons = {s.key: s.reason for s in source.skipped}
    assert source.keys == ["0", "6"] and source.index.tolist() == [0, 6]
    assert "every value is missing" in reasons["1"] and "no steps" in reasons["2"]
    assert "infinite" in reasons["3"] and "3 channels where 2" in reasons["4"] and "str" in reasons["5"]
    assert reasons["7"] == "its 2 steps are fewer than a patch of 4: choose patch=2 or less"
    assert "float32" in reasons["8"]
    y, _ = read_labels([0, 1, 0, 1, 0, 1, 1, 0, 0], source)
    assert y.tolist() == [0, 1]
    with pytest.raises(DataError, match="5 labels for 9 samples"):
        read_labels([0, 1, 0, 1, 0], source)


def test_nothing_readable_is_an_error_with_the_first_reasons():
    with pytest.raises(DataError, match=r"none of the 2 samples .* every value is missing"):
        Series.measure([np.full((1, 9), np.nan)] * 2)
    modality = Series.measure(ragged(30, 40))
    with pytest.raises(DataError, match="3 channels where 2 are expected"):
        modality.read(ragged(30, 40, channels=3))
    with pytest.raises(DataError, match="fewer than a patch of 2: choose patch=1"):
        modality.read([np.zeros((2, 1))])


def test_constant_and_empty_channels_are_said_and_all_of_them_refused():
    data = np.stack(ragged(20, 20, 20, channels=3))
    data[:, 1], data[:, 2] = 4.0, np.nan
    modality, source = opened(data)
    assert modality.std[1:] == [1.0, 1.0] and modality.mean[1:] == [4.0, 0.0]
    assert "channel 1 constant" in source.description
    assert "channel 2 missing throughout" in source.description
    with pytest.raises(DataError, match="every channel is constant"):
        Series.measure(np.full((4, 2, 20), 3.0))


def test_wrong_way_round_is_told():
    with pytest.raises(DataError, match=r"look like \(time, channel\)"):
        Series.measure([one.T for one in ragged(30, 40, 50)])


@pytest.mark.parametrize("shape", [(4, 1), (4, 2, 1)])
def test_series_of_one_step_are_no_series(shape):
    with pytest.raises(DataError, match="one step"):
        Series.measure(np.random.default_rng(0).standard_normal(shape))


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (0, 2, 9), (20,)])
def test_arrays_of_another_shape_are_refused(shape):
    with pytest.raises(DataError, match=r"no stack of series|one recording of 20 steps: say window="):
        Series.measure(np.zeros(shape))


def test_files_that_are_not_there_or_broken(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"nonsense")
    (tmp_path / "x.ts").write_text("no header")
    for path, what in (("x.npz", "cannot be read|not an array file"), ("x.ts", "no line '@data'")):
        assert Series.recognises(tmp_path / path) is None
        with pytest.raises(DataError, match=what):
            Series.measure(tmp_path / path)
    with pytest.raises(DataError, match="there is no file or folder"):
        Series.measure(tmp_path / "nowhere.npz")
    with pytest.raises(DataError, match="holds no csv files"):
        Series.measure(tmp_path)


# what is fixed, and options


def test_mean_and_deviation_are_those_of_the_values_that_are_there():
    data = [one * 5 + 100 for one in ragged(30, 44, 52)]
    data[1][0, 3:9] = np.nan
    modality = Series.measure(data)
    together = np.concatenate(data, axis=1)
    np.testing.assert_allclose(modality.mean, np.nanmean(together, axis=1), rtol=1e-6)
    np.testing.assert_allclose(modality.std, np.nanstd(together, axis=1), rtol=1e-6)


@pytest.mark.parametrize(
    ("length", "shortest", "patch"), [(150, 150, 6), (29, 7, 1), (1344, 100, 56), (1344, 10, 21), (2, 2, 1)]
)
def test_patches_are_16_to_64(length, shortest, patch):
    assert auto_patch(length, shortest) == patch


def test_longer_series_are_taken_whole_unless_all_are_resampled():
    modality = Series.measure(ragged(30, 40))
    source = modality.read(ragged(30, 60))
    assert source.fetch([0]).shape[2] == 40 and source.fetch([0, 1]).shape[2] == 60
    assert "longer than the 40 steps" in source.description
    with pytest.raises(
        DataError, match=r"longest series has 60 steps, more than length=50: say resample=True"
    ):
        Series.measure(ragged(30, 60), length=50)
    _, source = opened(ragged(30, 60), length=50, resample=True)
    assert source.fetch([0, 1]).shape[2] == 50 and not source.fetch([0, 1]).isnan().any()


def test_resampling_keeps_ends_lines_and_means():
    line = [np.linspace(0, 1, n)[None] for n in (11, 40, 400)]
    _, source = opened(line, length=21, resample=True)
    x = source.fetch([0, 1, 2])[:, 0].numpy()
    np.testing.assert_allclose(x[:2], np.broadcast_to(np.linspace(0, 1, 21), (2, 21)), atol=1e-6)
    np.testing.assert_allclose(x[2], np.linspace(0, 1, 21), atol=0.03)  # the means of 19 steps each
    shaken = np.sin(np.arange(4000) * 3.1)[None]
    _, source = opened([shaken, line[0]], length=20, resample=True)
    assert source.fetch([0]).abs().max() < 0.1  # averaged away, not folded into a slow wave


def test_config_makes_the_same_modality_and_another_fingerprint_another_set():
    modality, source = opened(ragged(30, 40), scaling="sample", patch=3)
    assert Series(**modality.config()).config() == modality.config()
    assert modality.read(ragged(30, 40)).fingerprint == source.fingerprint
    assert modality.read(ragged(30, 40, seed=1)).fingerprint != source.fingerprint
    assert opened(ragged(30, 40), window=10)[1].fingerprint != source.fingerprint


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"scalling": "none"}, "did you mean 'scaling'"),
        ({"scaling": "row"}, "scaling must be one of channel, sample, none"),
        ({"patch": 0}, "patch must be a whole number of at least 1"),
        ({"patch": 60}, "longer than the series"),
        ({"length": 1.5}, "length must be a whole number"),
        ({"stride": 5}, "say window= too"),
        ({"window": 0}, "window must be a whole number"),
        ({"id": "who"}, "id= is for table data, and this is array data"),
        ({"columns": "v"}, "columns must be a list"),
        ({"resample": "yes"}, "resample must be True or False"),
    ],
)
def test_nonsense_is_refused_by_name(options, said):
    with pytest.raises((OptionError, DataError), match=said):
        Series.measure(ragged(30, 40), **options)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mean": [0.0]}, "mean must be 2 finite numbers"),
        ({"std": [1.0, 0.0]}, "above 0"),
        ({"std": [1.0, float("nan")]}, "std must be 2 finite numbers"),
        ({"channels": 0}, "channels must be"),
        ({"columns": ["a", "b"], "id": ["a"]}, "cannot be a channel and also id"),
    ],
)
def test_a_broken_config_is_refused(change, said):
    config = {**Series.measure(ragged(30, 40)).config(), **change}
    with pytest.raises(OptionError, match=said):
        Series(**config)


def test_source_travels_to_workers():
    _, source = opened(ragged(30, 40), window=8, stride=4)
    again = pickle.loads(pickle.dumps(source))
    assert torch.equal(again.fetch([0, 3]), source.fetch([0, 3])) and again.keys == source.keys


# labels, and the raw input as a yardstick


def test_the_label_column_gives_classes_and_stays_out_of_the_inputs():
    modality, source = opened(
        long_table().assign(kind=lambda t: (t.who == "a").astype(int)), id="who", label="kind", labels=True
    )
    assert modality.label == "kind" and "kind" not in modality.layout.columns
    y, classes = read_labels(True, source)
    assert classes == ["0", "1"] and y[source.keys.index("a")] == 1


@needs_ucr
@pytest.mark.parametrize(("name", "expected"), [("GunPoint", 0.913), ("ItalyPowerDemand", 0.955)])
def test_flat_series_give_the_archives_nearest_neighbour_accuracy(name, expected):
    parts = {}
    for split in ("train", "test"):
        modality, source = opened(UCR / f"{name}.npz", split=split, labels=True)
        parts[split] = modality.flatten(source.fetch(range(len(source)))), source.labels.astype(int)
    (z, y), (z_test, y_test) = parts["train"], parts["test"]
    nearest = torch.cdist(z_test, z, compute_mode="donot_use_mm_for_euclid_dist").argmin(dim=1)
    assert round(float((y[nearest] == y_test).mean()), 3) == expected


@needs_ucr
def test_every_set_of_the_archive_is_read():
    for path in sorted(UCR.glob("*.npz")):
        modality, source = opened(path, split="train", labels=True)
        assert len(source) > 30 and not source.skipped and source.labels is not None
        x = source.fetch(range(4))
        assert 12 <= modality.tokenise(x).positions.shape[0] <= 64
        assert bool(modality.flatten(x).isfinite().all())
