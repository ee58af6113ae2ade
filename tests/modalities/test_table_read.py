"""Tables: what each column becomes, what new rows may hold, and what is refused or said."""

from __future__ import annotations

import datetime
import pickle
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch
import yaml
from scipy import stats
from tests.samples import table as wines

from unlabeled.errors import DataError, OptionError
from unlabeled.modalities import detect
from unlabeled.modalities.table import Table

N = 200
rng = np.random.default_rng(0)
CITIES = [["Oslo", "Rome", "Lima"][i] for i in rng.choice(3, N, p=[0.6, 0.3, 0.1])]
DAY = [datetime.date(2020, 1, 1) + datetime.timedelta(days=int(d)) for d in rng.integers(0, 700, N)]


def frame(**others) -> pa.Table:
    """A number with gaps, a category, a truth value and a date."""
    own = np.random.default_rng(1)
    columns = {
        "height": pa.array(own.normal(170, 10, N), mask=own.random(N) < 0.1),
        "city": CITIES,
        "member": own.random(N) < 0.3,
        "joined": DAY,
    }
    return pa.table(columns | others)


def place(modality: Table, name: str) -> int:
    return [column.name for column in modality.columns].index(name)


def cells(modality: Table, data, name: str) -> np.ndarray:
    source = modality.read(data)
    return source.fetch(np.arange(len(source)))[:, place(modality, name)].numpy()


# files of arrays


def save_npz(path: Path, **arrays) -> Path:
    np.savez(path, **arrays)
    return path


X, Y = np.random.default_rng(2).normal(size=(60, 5)), np.arange(60) % 3


def test_an_npz_file_is_the_table_of_its_array_with_the_classes_beside_it(tmp_path):
    path = save_npz(tmp_path / "a.npz", X=X, y=Y)
    assert detect(path) is Table
    modality = Table.measure(path)
    assert [c.name for c in modality.columns] == ["0", "1", "2", "3", "4"] and modality.label == "y"
    source = modality.read(path, labels=True)
    assert source.labels.tolist() == Y.tolist() and modality.read(path).labels is None
    assert "60 rows of" in source.description and "a.npz['X']" in source.description
    # the same rows without classes, in memory or in a file, under another name
    for other in (X, save_npz(tmp_path / "b.npz", features=X)):
        assert np.array_equal(modality.read(other).x, source.x)
    with pytest.raises(DataError, match="4 columns where 5 are expected"):
        modality.read(X[:, :4])
    # classes are no input even where a column is named as the label
    chosen = Table.measure(path, label="3")
    assert [c.name for c in chosen.columns] == ["0", "1", "2", "4"]
    source = chosen.read(path, labels=True)
    assert (
        source.labels.tolist() == X[:, 3].tolist() and "'y' (classes, beside the array)" in source.description
    )


def test_of_several_arrays_the_one_with_a_usual_name_is_the_table(tmp_path):
    path = save_npz(tmp_path / "a.npz", other=X[:, :3], x=X, names=np.array(list("abcde")))
    assert "a.npz['x']" in Table.measure(path).read(path).description


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"p": X, "q": X}, r"holds the table cannot be told \(it has p \(60, 5\), q \(60, 5\)\)"),
        ({"X_train": X, "X_test": X}, "holds the table cannot be told"),
        ({"X": X, "y": Y[:7]}, r"'y' has shape \(7,\) beside the 60 rows of a.npz"),
    ],
    ids=["two", "splits", "short labels"],
)
def test_npz_files_that_cannot_be_told_are_refused(arrays, said, tmp_path):
    path = save_npz(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=said):
        detect(path).measure(path)


# what columns become


def test_every_kind_of_column_becomes_numbers_or_codes():
    modality = Table.measure(frame())
    kinds = {c.name: c.kind for c in modality.columns}
    assert kinds == {
        "height": "number",
        "city": "category",
        "member": "boolean",
        "joined": "date",
        "joined (month)": "category",
        "joined (weekday)": "category",
    }
    x = modality.read(frame()).fetch(np.arange(N))
    assert x.dtype == torch.float32 and x.shape == (N, 6)
    assert modality.sizes == [0, 3, 2, 0, 12, 7]
    assert x[:, 0].isnan().tolist() == frame()["height"].is_null().to_pylist()
    assert [["Oslo", "Rome", "Lima"][int(c)] for c in x[:, 1]] == CITIES  # the most frequent first
    np.testing.assert_array_equal(x[:, 2].numpy(), frame()["member"].to_numpy())
    names = np.array([int(v) for v in modality.columns[4].values])
    assert names[x[:, 4].int()].tolist() == [day.month for day in DAY]
    names = np.array([int(v) for v in modality.columns[5].values])
    assert names[x[:, 5].int()].tolist() == [day.isoweekday() for day in DAY]


def test_quantile_scaling_gives_normal_scores_whatever_the_shape_of_the_values():
    values = np.exp(np.random.default_rng(0).normal(size=5000) * 3)
    modality = Table.measure(pa.table({"a": values, "b": -values}))
    a = cells(modality, pa.table({"a": values, "b": -values}), "a")
    assert stats.kstest(a, "norm").statistic < 0.01
    assert len(modality.columns[0].knots) == 256
    far = cells(modality, pa.table({"a": [1e30, -1e30], "b": [0.0, 0.0]}), "a")
    np.testing.assert_allclose(far, [a.max(), a.min()])


def test_tied_values_get_the_score_of_their_middle_share():
    values = np.array([0.0] * 80 + [5.0] * 20)
    modality = Table.measure(pa.table({"a": values, "b": np.arange(100.0)[::-1]}))
    scores = cells(modality, pa.table({"a": [0.0, 5.0], "b": [1.0, 2.0]}), "a")
    np.testing.assert_allclose(scores, stats.norm.ppf([0.4, 0.9]), atol=1e-5)


def test_standard_scaling_takes_mean_and_deviation():
    modality = Table.measure(frame(), scaling="standard")
    a = cells(modality, frame(), "height")
    assert abs(np.nanmean(a)) < 1e-5 and abs(np.nanstd(a) - 1) < 1e-5


def test_scaled_values_keep_their_order():
    values = np.random.default_rng(3).normal(size=1000)
    modality = Table.measure(pa.table({"a": values, "b": values**2}))
    a = cells(modality, pa.table({"a": values, "b": values**2}), "a")
    assert (np.diff(a[np.argsort(values)]) >= 0).all()


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pa.array(np.arange(N) % 3), "number"),
        (pa.array(np.arange(N) % 3).dictionary_encode(), "category"),
        (pa.array([str(i / 7) for i in range(N)]), "number"),
        (pa.array([f"2021-03-{1 + i % 28:02d}" for i in range(N)]), "date"),
        (pa.array([f"2021-03-01T{i % 24:02d}:00:00Z" for i in range(N)]), "date"),
        (pa.array([datetime.time(i % 24) for i in range(N)]), "time"),
        (pa.array([datetime.timedelta(hours=i % 5) for i in range(N)]), "duration"),
        (pa.array(np.arange(N) % 3, pa.float16()), "number"),
        (pa.array([i % 3 for i in range(N)], pa.decimal128(5, 2)), "number"),
        (pa.array(["a", "b"] * (N // 2), pa.string_view()), "category"),
        (pa.array([f"{i % 3} " for i in range(N)]), "category"),
    ],
)
def test_a_type_says_what_a_column_is(values, kind):
    modality = Table.measure(frame(more=values))
    assert modality.columns[place(modality, "more")].kind == kind
    assert np.isfinite(cells(modality, frame(more=values), "more")).all()


def test_hours_of_timestamps_in_any_zone_and_unit_are_the_same():
    moments = [datetime.datetime(2021, 1, 1, i % 24, tzinfo=datetime.UTC) for i in range(N)]
    utc = pa.array(moments, pa.timestamp("us", "UTC"))
    modality = Table.measure(frame(at=utc))
    hours = cells(modality, frame(at=utc), "at (hour)")
    values = modality.columns[place(modality, "at (hour)")].values
    assert [int(values[int(h)]) for h in hours] == [i % 24 for i in range(N)]
    for other in (utc.cast(pa.timestamp("ns", "Asia/Tokyo")), utc.cast(pa.timestamp("s", "UTC"))):
        np.testing.assert_array_equal(cells(modality, frame(at=other), "at (hour)"), hours)
        np.testing.assert_array_equal(
            cells(modality, frame(at=other), "at"), cells(modality, frame(at=utc), "at")
        )


def test_a_person_decides_what_a_column_is():
    data = frame(zip=np.arange(N) % 5, amount=[f"{i % 5}" for i in range(N)])
    modality = Table.measure(data, categorical=["zip"], numeric=["amount"])
    assert {c.name: c.kind for c in modality.columns}.items() >= {
        "zip": "category",
        "amount": "number",
    }.items()
    plain = Table.measure(data)
    assert {c.name: c.kind for c in plain.columns}.items() >= {"zip": "number", "amount": "category"}.items()
    few = Table.measure(data, columns=["height", "city", "zip"], ignore=["zip"])
    assert [c.name for c in few.columns] == ["height", "city"]


def test_codes_of_a_csv_file_keep_their_zeros(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("zip,n\n" + "".join(f"00{i % 3},{i % 7}\n" for i in range(30)))
    modality = Table.measure(path, categorical=["zip"])
    assert set(modality.columns[0].values) == {"000", "001", "002"}
    assert not np.isnan(cells(modality, path, "zip")).any()


# what is left out is said


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (pa.nulls(N), "all its cells are missing"),
        (pa.array([None] * N, pa.float64()), "all its cells are missing"),
        (pa.array([np.nan] * N), "all its cells are missing"),
        (pa.array([""] * N), "all its cells are missing"),
        (pa.array([7] * N), "it holds 7 throughout"),
        (pa.array(["x"] * N), "it holds 'x' throughout"),
        (pa.array([True] * N), "it holds True throughout"),
        (pa.array([datetime.date(2020, 1, 1)] * N), "it is one date throughout"),
        (pa.array([f"customer {i}" for i in range(N)]), "200 of its 200 cells hold what no other holds"),
        (pa.array(range(1000, 1000 + N)), "it numbers the rows"),
        (pa.array([[1, 2]] * N), "it holds list"),
        (pa.array([b"x"] * N), "it holds binary"),
    ],
)
def test_columns_that_say_nothing_are_left_out_with_the_reason(values, why):
    modality = Table.measure(frame(more=values))
    assert modality.left_out["more"].startswith(why)
    assert "'more' (" + modality.left_out["more"] + ")" in modality.read(frame(more=values)).description


def test_one_value_and_gaps_are_kept_since_the_gaps_say_something():
    gaps = np.arange(N) % 4 == 0
    modality = Table.measure(frame(one=pa.array(["yes"] * N, mask=gaps), two=pa.array([2.0] * N, mask=gaps)))
    assert {"one", "two"} <= {c.name for c in modality.columns}
    np.testing.assert_array_equal(
        np.isnan(cells(modality, frame(one=pa.array(["yes"] * N, mask=gaps), two=[2.0] * N), "one")), gaps
    )


def test_seldom_values_share_one_code_and_so_do_unseen_ones():
    tail = ["a"] * 100 + ["b"] * 90 + [f"once {i}" for i in range(10)]
    modality = Table.measure(frame(more=tail))
    column = modality.columns[place(modality, "more")]
    assert column.values == ("a", "b") and column.rare == 0.05 and column.size == 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        codes = cells(modality, frame(more=["new"] * N), "more")
    assert (codes == 2).all()


def test_fewer_than_two_columns_of_use_are_refused_with_what_was_left_out():
    with pytest.raises(DataError, match=r"1 column to learn from.*'b' \(it holds 1 throughout\)"):
        Table.measure(pa.table({"a": [1.0, 3.0, 2.0], "b": [1, 1, 1]}))


# the same preparation again


def test_preparation_is_made_again_from_plain_values():
    modality = Table.measure(frame(zip=np.arange(N) % 5), categorical=["zip"], label="member", key="joined")
    config = yaml.safe_load(yaml.safe_dump(modality.config()))
    again = Table(**config)
    assert again.config() == modality.config()
    a, b = modality.read(frame(zip=np.arange(N) % 5)), again.read(frame(zip=np.arange(N) % 5))
    assert torch.equal(a.fetch([0, 5]).nan_to_num(9), b.fetch([0, 5]).nan_to_num(9))
    assert a.fingerprint == b.fingerprint


def test_every_form_of_the_same_table_gives_the_same_rows(tmp_path):
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    table = frame()
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    pandas.DataFrame(table.to_pandas()).to_csv(tmp_path / "t.csv", index=False)
    modality = Table.measure(table)
    first = modality.read(table)
    for data in (
        table.to_pandas(),
        polars.from_arrow(table),
        tmp_path / "t.parquet",
        str(tmp_path / "t.csv"),
    ):
        other = modality.read(data)
        np.testing.assert_allclose(other.x, first.x, atol=1e-5)
        assert Table.measure(data).sizes == modality.sizes


@pytest.mark.parametrize("form", ["array", "tensor", "npy", "integers", "bfloat16"])
def test_arrays_are_tables(form, tmp_path):
    values = np.random.default_rng(0).normal(size=(50, 3)).round(2)
    values[3, 1] = np.nan
    data = values
    if form == "tensor":
        data = torch.from_numpy(values)
    elif form == "bfloat16":
        data = torch.from_numpy(values).bfloat16()
    elif form == "npy":
        np.save(tmp_path / "t.npy", values)
        data = tmp_path / "t.npy"
    elif form == "integers":
        data = (np.nan_to_num(values) * 100).astype(np.int16)
    assert "50, 3" in Table.recognises(data)
    source = Table.measure(data).read(data)
    assert source.x.shape == (50, 3) and np.isnan(source.x).sum() == (form != "integers")


def test_fingerprint_changes_with_the_data():
    modality = Table.measure(frame())
    source = modality.read(frame())
    assert modality.read(frame()).fingerprint == source.fingerprint
    assert modality.read(frame().slice(1)).fingerprint != source.fingerprint
    changed = frame().set_column(
        1, "city", pa.array(["Rome" if CITIES[0] != "Rome" else "Oslo", *CITIES[1:]])
    )
    assert modality.read(changed).fingerprint != source.fingerprint


def test_source_is_sent_to_other_processes():
    source = Table.measure(frame()).read(frame())
    again = pickle.loads(pickle.dumps(source))
    assert torch.equal(again.fetch([3]).nan_to_num(), source.fetch([3]).nan_to_num())


# rows seen later


def test_unseen_categories_count_as_missing_and_are_said_once():
    modality = Table.measure(frame())
    new = frame().set_column(1, "city", pa.array(["Mars", "Mars", *CITIES[2:]]))
    with pytest.warns(
        UserWarning, match="2 cells of 'city' hold values that training never saw.*'Mars'"
    ) as caught:
        source = modality.read(new)
    assert len(caught) == 1
    assert np.isnan(source.x[:2, place(modality, "city")]).all()
    assert "2 unseen values of 'city' count as missing" in source.description


def test_infinite_values_count_as_missing_and_are_said():
    modality = Table.measure(frame())
    new = frame().set_column(0, "height", pa.array([np.inf, -np.inf, *[170.0] * (N - 2)]))
    with pytest.warns(UserWarning, match="2 cells of 'height' are infinite"):
        source = modality.read(new)
    assert np.isnan(source.x[:2, 0]).all() and np.isfinite(source.x[2:, 0]).all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.isfinite(Table.measure(new).read(new).x[2:, 0]).all()


def test_gaps_in_columns_that_had_none_are_read():
    modality = Table.measure(frame())
    new = frame().set_column(1, "city", pa.array([None, *CITIES[1:]]))
    new = new.set_column(3, "joined", pa.array([None, *DAY[1:]]))
    source = modality.read(new)
    assert np.isnan(source.x[0]).sum() >= 4
    assert modality.flatten(source.fetch([0])).isfinite().all()


def test_an_empty_column_of_another_type_is_missing_cells():
    modality = Table.measure(frame())
    x = modality.read(frame().set_column(0, "height", pa.nulls(N))).x
    assert np.isnan(x[:, 0]).all()


def test_extra_columns_are_not_used_and_that_is_said():
    modality = Table.measure(frame())
    source = modality.read(frame(shoe=np.arange(N)))
    assert "no such column: 'shoe'" in source.description
    np.testing.assert_array_equal(source.x, modality.read(frame()).x)


def test_order_of_columns_means_nothing():
    modality = Table.measure(frame())
    other = frame().select(["joined", "member", "city", "height"])
    np.testing.assert_array_equal(modality.read(other).x, modality.read(frame()).x)


def test_a_missing_column_is_named():
    modality = Table.measure(frame())
    with pytest.raises(DataError, match=r"no column 'height', which .* did you mean 'heigth'"):
        modality.read(frame().rename_columns(["heigth", "city", "member", "joined"]))
    with pytest.raises(DataError, match=r"no column 'city' \(and 1 more\)"):
        modality.read(frame().select(["height", "member"]))


@pytest.mark.parametrize(
    ("name", "values", "expected", "found"),
    [
        ("height", pa.array(["tall"] * N), "numbers", "'tall'"),
        ("height", pa.array(["170"] * (N - 1) + ["tall"]), "numbers", "'tall'"),
        ("height", pa.array(DAY), "numbers", "2020|2021"),
        ("joined", pa.array(np.arange(N)), "dates", "'0'"),
        ("joined", pa.array(["soon"] * N), "dates", "'soon'"),
        ("city", pa.array(np.arange(N) * 1.5), "categories such as 'Oslo'", "'0'"),
        ("city", pa.array([[1]] * N), "categories such as 'Oslo'", "list"),
        ("member", pa.array(["perhaps"] * N), "true and false", "'perhaps'"),
        ("member", pa.array([3] * N), "true and false", "'3'"),
    ],
)
def test_a_column_whose_type_changed_is_refused_by_name(name, values, expected, found):
    modality = Table.measure(frame())
    new = frame().set_column(frame().column_names.index(name), name, values)
    with pytest.raises(DataError, match=f"column '{name}' held {expected}.*now holds.*({found})"):
        modality.read(new)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("height", lambda c: pa.array([None if v is None else f" {v}" for v in c.to_pylist()])),
        ("member", lambda c: pa.array([str(v).lower() for v in c.to_pylist()])),
        ("member", lambda c: pa.array([int(v) for v in c.to_pylist()])),
        ("joined", lambda c: pa.array([v.isoformat() for v in c.to_pylist()])),
        ("joined", lambda c: c.cast(pa.timestamp("ns"))),
        ("city", lambda c: c.combine_chunks().dictionary_encode()),
    ],
)
def test_the_same_values_in_another_type_are_the_same(name, change):
    modality = Table.measure(frame())
    new = frame().set_column(frame().column_names.index(name), name, change(frame()[name]))
    np.testing.assert_allclose(modality.read(new).x, modality.read(frame()).x, rtol=1e-6)


def test_categories_that_look_like_truth_values_in_one_file_are_known():
    answers = ["true", "false", "unknown", "false"] * (N // 4)
    modality = Table.measure(frame(answer=answers))
    new = frame(answer=pa.array([True, False] * (N // 2)))
    codes = cells(modality, new, "answer")
    values = modality.columns[place(modality, "answer")].values
    assert [values[int(c)] for c in codes[:2]] == ["true", "false"]


def test_rows_without_a_known_cell_are_skipped_by_name():
    table = frame()
    hole = pa.table(
        {name: pa.nulls(1, kind) for name, kind in zip(table.column_names, table.schema.types, strict=True)}
    )
    data = pa.concat_tables([table.slice(0, 3), hole, table.slice(3)])
    source = Table.measure(table).read(data)
    assert [(s.key, s.reason) for s in source.skipped] == [("3", "every cell is missing")]
    assert source.index.tolist() == [0, 1, 2, *range(4, N + 1)] and source.keys[3] == "4"
    with pytest.raises(DataError, match="every cell is missing"):
        Table.measure(table).read(hole)


def test_an_array_of_another_width_is_refused():
    modality = Table.measure(np.random.default_rng(0).normal(size=(20, 4)))
    for width in (3, 5):
        with pytest.raises(DataError, match=f"has {width} columns where 4 are expected"):
            modality.read(np.zeros((2, width)))


# labels and keys


def test_labels_are_no_input_and_need_not_be_there_later():
    classes = np.arange(N) % 2
    modality = Table.measure(frame(income=classes), label="income")
    assert "income" not in {c.of for c in modality.columns}
    with_labels = modality.read(frame(income=classes), labels=True)
    assert with_labels.labels.tolist() == classes.tolist()
    assert modality.read(frame(income=classes)).labels is None
    without = modality.read(frame(), labels=True)
    assert without.labels is None
    np.testing.assert_array_equal(without.x, with_labels.x)


def test_nothing_is_learned_from_the_label():
    one = Table.measure(frame(income=np.arange(N) % 2), label="income")
    other = Table.measure(frame(income=np.arange(N) % 5), label="income")
    assert one.config() == other.config()


def test_keys_name_rows_and_are_no_input():
    ids = [f"p{i}" for i in range(N)]
    modality = Table.measure(frame(id=ids), key="id")
    assert modality.read(frame(id=ids)).keys == ids and "id" not in {c.of for c in modality.columns}
    assert modality.read(frame(id=ids)).description.count("'id'") == 0
    with pytest.raises(DataError, match="no column 'id'"):
        modality.read(frame())
    with pytest.raises(DataError, match="'id' is empty in 1 rows, first in row 2"):
        modality.read(frame(id=[*ids[:2], None, *ids[3:]]))


def test_the_index_of_a_frame_names_rows_and_is_no_input():
    pandas = pytest.importorskip("pandas")
    some = frame().to_pandas().iloc[[5, 3, 9, 7, 11] * 8]
    modality = Table.measure(some)
    assert modality.left_out == {"__index_level_0__": "the index of the frame"}
    assert modality.read(some).keys[:3] == ["5", "3", "9"]
    later = modality.read(pandas.DataFrame(some).reset_index(drop=True))
    assert later.keys[:2] == ["0", "1"] and "no such column" not in later.description


# options


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"lable": "city"}, "no option 'lable': did you mean 'label'"),
        ({"label": "citi"}, "label='citi'.*did you mean 'city'"),
        ({"categorical": ["hight"]}, "categorical='hight'.*did you mean 'height'"),
        ({"categorical": "city"}, "a list of columns"),
        ({"categorical": ["height"], "numeric": ["height"]}, "in categorical and in numeric"),
        ({"label": "city", "categorical": ["city"]}, "the label or the key"),
        ({"numeric": ["city"]}, "asked to be numeric"),
        ({"scaling": "log"}, "'quantile' or 'standard'"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, said):
    with pytest.raises(OptionError, match=said):
        Table.measure(frame(), **options)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "colour"}, "of kind 'colour'"),
        ({"knots": [2.0, 1.0]}, "ascending"),
        ({"knots": []}, "needs knots"),
        ({"std": 0.0}, "std above 0"),
        ({"missing": 1.0}, "missing"),
        ({"name": "city"}, "same name"),
        ({"surprise": 1}, "no 'surprise'"),
    ],
)
def test_a_preparation_that_makes_no_sense_is_refused(change, said):
    config = Table.measure(frame()).config()
    config["columns"][0] |= change
    with pytest.raises(OptionError, match=said):
        Table(**config)


def test_shares_that_do_not_fit_are_refused():
    config = Table.measure(frame()).config()
    for change in (
        {"shares": [0.5, 0.5]},
        {"shares": [0.5, 0.2, 0.1]},
        {"values": ["a", "a", "b"]},
        {"values": []},
    ):
        broken = [config["columns"][0], config["columns"][1] | change]
        with pytest.raises(OptionError, match="'city'"):
            Table(columns=broken)


# recognition


def test_tables_are_recognised(tmp_path):
    path = tmp_path / "t.parquet"
    pyarrow.parquet.write_table(frame(), path)
    for data in (frame(), path, np.zeros((3, 2)), torch.zeros(3, 2)):
        assert Table.recognises(data).startswith("a table")
        assert detect(data) is Table


def test_what_is_no_table_is_not_recognised(tmp_path):
    texts = tmp_path / "texts.csv"
    texts.write_text("text,label\n" + "".join(f"sentence number {i},{i % 2}\n" for i in range(40)))
    (tmp_path / "broken.parquet").write_bytes(b"nothing")
    (tmp_path / "broken.npy").write_bytes(b"nothing")
    pictures = pa.table({"image": [{"bytes": b"x", "path": None}] * 9, "a": range(9), "b": range(9)})
    others = [
        np.zeros((3, 4, 4)),
        np.zeros(3),
        np.zeros((3, 1)),
        np.zeros((0, 3)),
        tmp_path,
        texts,
        tmp_path / "broken.parquet",
        tmp_path / "broken.npy",
        tmp_path / "gone.csv",
        pictures,
        pa.table({"audio": [b"RIFF"] * 9, "a": range(9), "b": range(9)}),
        [1, 2, 3],
        "nothing",
        None,
    ]
    for data in others:
        assert Table.recognises(data) is None


@pytest.mark.parametrize(
    "data",
    [
        np.zeros((3, 4, 4)),
        np.zeros((0, 3)),
        np.zeros((2, 2), complex),
        [1],
        Path("gone.npy"),
        Path("gone.csv"),
    ],
)
def test_what_is_no_table_is_refused(data):
    with pytest.raises(DataError):
        Table.measure(data)


def test_wines_are_read_as_they_were_made():
    modality = Table.measure(wines.data())
    assert modality.read(wines.data()).skipped == []
    assert {c.kind for c in modality.columns} == {"number", "category", "boolean", "date"}
