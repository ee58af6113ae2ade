import numpy as np
import pytest

from unlabeled.errors import DataError, OptionError
from unlabeled.evaluation import grouped_split, merge_classes


def scenes(groups=40, each=5, seed=0):
    """Near-duplicates: `each` pictures of every place, all of one class."""
    source = np.repeat(np.arange(groups), each)
    return np.random.default_rng(seed).choice(3, groups, p=[0.6, 0.25, 0.15])[source], source


@pytest.mark.parametrize("seed", range(3))
def test_no_group_is_on_both_sides_and_classes_keep_their_shares(seed):
    y, source = scenes()
    train, test = grouped_split(y, source, seed=seed)
    assert not set(source[train]) & set(source[test])
    assert sorted([*train, *test]) == list(range(200))
    assert len(test) == pytest.approx(40, abs=10)
    for c in range(3):
        assert (y[test] == c).mean() == pytest.approx((y == c).mean(), abs=0.1)


def test_the_same_seed_gives_the_same_split_and_folds_its_size():
    y, source = scenes()
    train, test = grouped_split(y, source, seed=1)
    again = grouped_split(y.tolist(), [f"place {s}" for s in source], seed=1)
    assert (len(again[0]), len(again[1])) == (len(train), len(test))
    assert (grouped_split(y, source, seed=1)[1] == test).all()
    assert len(grouped_split(y, source, folds=2)[1]) == pytest.approx(100, abs=10)


@pytest.mark.parametrize(
    ("y", "source", "folds", "error", "message"),
    [
        ([0, 1, 0, 1], [0, 1, 2], 2, DataError, "labels has 4 rows and groups 3"),
        ([0, 1, 0, 1], [0, 1, 2, -1], 2, DataError, "groups is -1 at row 3"),
        ([0, 1, 0, 1], ["a", None, "b", "c"], 2, DataError, "groups is None at row 1"),
        ([0, 1, 0, -1], [0, 1, 2, 3], 2, DataError, "labels is -1 at row 3"),
        ([0, 1, 0, 1], [0, 0, 1, 1], 5, DataError, "2 groups for 5 folds"),
        ([0, 1, 2, 3], [0, 1, 2, 3], 2, DataError, "no class has 2 samples"),
        ([0, 1, 0, 1], [0, 1, 2, 3], 1, OptionError, "folds is 1"),
        (
            [0, 0, 0, 0, 1, 1],
            [0, 1, 2, 3, 4, 4],
            2,
            DataError,
            "class 1 has no .* sample: it lies in 1 groups",
        ),
    ],
)
def test_a_split_that_cannot_be_is_refused_by_name(y, source, folds, error, message):
    with pytest.raises(error, match=message):
        grouped_split(y, source, folds=folds)


def test_classes_are_merged_and_the_unmapped_dropped_and_counted():
    fine = np.array(["bed", "sofa", "street", "bath", "bed", "street", "beach"])
    found = merge_classes(fine, {"bed": "sleep", "sofa": "live", "bath": "wash", "attic": "live"})
    assert found.rows.tolist() == [0, 1, 3, 4]
    assert found.labels.tolist() == ["sleep", "live", "wash", "sleep"]
    assert found.dropped == {"street": 2, "beach": 1}


def test_whole_numbers_merge_too():
    found = merge_classes([3, 5, 7, 3], {3: 0, 5: 1})
    assert (found.rows.tolist(), found.labels.tolist(), found.dropped) == ([0, 1, 3], [0, 1, 0], {7: 1})
    assert found.labels.dtype == np.int64


@pytest.mark.parametrize(
    ("y", "mapping", "message"),
    [
        (["a", "b"], {"a": "x", "b": "x"}, "leaves 1 classes"),
        (["a", "b"], {"A": "x", "B": "y"}, "such as 'A'.* leaves 0 classes of labels .such as 'a'"),
        (["a", "b"], {}, "leaves 0 classes"),
        (["a", ""], {"a": 0, "": 1}, "labels is empty at row 1"),
        (["a", "b"], {"a": "x", "b": 1}, "mapping mixes strings and numbers"),
        (["a", "b"], {"a": 0, "b": -1}, "mapping is -1"),
    ],
)
def test_a_map_that_leaves_no_task_is_refused(y, mapping, message):
    with pytest.raises(DataError, match=message):
        merge_classes(y, mapping)
