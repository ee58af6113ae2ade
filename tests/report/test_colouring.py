import numpy as np
import pytest

from unlabeled.report.colouring import by_cluster, by_column, by_name


def test_ten_common_names_have_colours_and_the_others_are_counted():
    names = [str(i % 13) for i in range(130)] + ["2"] * 9 + [None]
    made = by_name("label", names)
    assert made.names[:3] == ("0", "1", "2") and len(made.names) == 10
    assert made.other == "3 other classes and unlabelled"
    assert made.counts == [10, 10, 19, *[10] * 7, 31]
    assert made.entries[-1] == ("3 other classes and unlabelled", "none", 0, 31)
    for name, code in zip(names, made.codes, strict=True):
        assert (
            name in (None, *(n for n in names if n not in made.names))
            if code < 0
            else made.names[code] == name
        )


def test_numbers_in_names_are_sorted_by_size():
    assert by_name("label", ["10", "9", "b", "1"]).names == ("1", "9", "10", "b")


def test_a_column_of_numbers_is_cut_into_five_parts_from_small_to_large():
    values = [float(v) for v in np.random.default_rng(0).permutation(100)]
    made = by_column("age", [*values, None, float("nan")])
    assert made.ordered and len(made.names) == 5 and made.other == "missing"
    assert made.counts == [20] * 5 + [2]
    for code in range(5):
        inside = [v for v, c in zip(values, made.codes, strict=False) if c == code]
        assert min(inside) >= 20 * code - 1 and max(inside) <= 20 * (code + 1)


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([1, 2, 2, 1], ("1", "2")),
        ([True, False, True], ("False", "True")),
        (["x", "y", None, 3], ("3", "x", "y")),
        ([None, None], ()),
        ([-1, 0, 1], ("-1", "0", "1")),
    ],
)
def test_a_column_of_few_values_is_coloured_by_name(values, names):
    made = by_column("c", values)
    assert made.names == names and not made.ordered
    assert bool(made.other) == (None in values)


def test_clusters_are_those_of_k_means_and_the_largest_is_first():
    z = np.repeat(np.eye(3), [3, 9, 5], axis=0)
    made = by_cluster(z, 3)
    assert made.codes == (2,) * 3 + (0,) * 9 + (1,) * 5
    assert made.counts == [9, 5, 3] and made.title == "3 clusters"
    assert by_cluster(z, 3) == made
