import numpy as np
import pytest

from unlabeled.report import Paragraph, Samples
from unlabeled.report.neighbours import FEWER, NEAREST, QUERIES, nearest, neighbour_blocks, queries, unit_rows
from unlabeled.report.page import Sheet

Z = np.random.default_rng(0).normal(size=(60, 7))
UNIT = unit_rows(Z)


SHEET = Sheet(b"", "png", 60, 8, 8, 4, 4)


def slow(z: np.ndarray, i: int) -> list[tuple[float, int]]:
    """Every other sample by cosine, from the formula."""
    found = []
    for j in range(len(z)):
        if j != i:
            found.append((float(z[i] @ z[j] / (np.linalg.norm(z[i]) * np.linalg.norm(z[j]))), j))
    return sorted(found, key=lambda pair: (-pair[0], pair[1]))


def samples(count: int, labels=None) -> Samples:
    return Samples([f"key {i}" for i in range(count)], [f"words {i}" for i in range(count)], labels)


def test_neighbours_are_the_nearest_by_brute_force():
    places, cosines = nearest(UNIT, 6)
    for i in range(len(Z)):
        expected = slow(Z, i)[:6]
        assert places[i].tolist() == [j for _, j in expected]
        assert cosines[i] == pytest.approx([c for c, _ in expected])


def test_neighbours_do_not_depend_on_blocks_of_rows():
    z = unit_rows(np.random.default_rng(1).normal(size=(700, 4)))
    places, _ = nearest(z, 3)
    for i in (0, 511, 512, 699):
        assert places[i].tolist() == [j for _, j in slow(z, i)[:3]]


def test_rows_of_the_page_hold_the_nearest_with_their_labels_and_cosines():
    labels = [str(i % 3) for i in range(60)]
    _, block = neighbour_blocks({"run": UNIT}, samples(60, labels), SHEET)
    assert len(block.rows) == QUERIES
    for row in block.rows:
        expected = slow(Z, row.first.place)[:NEAREST]
        assert [tile.place for tile in row.others] == [j for _, j in expected]
        assert [tile.cosine for tile in row.others] == pytest.approx([c for c, _ in expected])
        assert [tile.label for tile in row.others] == [labels[j] for _, j in expected]
        assert [tile.same for tile in row.others] == [labels[j] == row.first.label for _, j in expected]


def test_queries_have_as_many_different_labels_as_there_are():
    labels = [str(i % 5) for i in range(50)] + [None] * 50
    chosen = [labels[i] for i in queries(labels, 100)]
    assert {"0", "1", "2", "3", "4"} <= set(chosen)
    assert len(queries(labels, 100)) == QUERIES
    assert queries(labels, 100) == queries(labels, 100)


def test_without_labels_nothing_is_right_or_wrong():
    _, block = neighbour_blocks({"run": UNIT}, samples(60), None)
    assert all(tile.same is None and tile.label == "" for row in block.rows for tile in row.others)


def test_an_unlabelled_query_is_neither_right_nor_wrong():
    _, block = neighbour_blocks({"run": UNIT[:3]}, samples(3, [None, "a", "b"]), None)
    row = next(row for row in block.rows if row.first.place == 0)
    assert [tile.same for tile in row.others] == [None, None]


@pytest.mark.parametrize("count", [2, 3, 5])
def test_few_samples_have_few_neighbours(count):
    _, block = neighbour_blocks({"run": UNIT[:count]}, samples(count), None)
    assert [len(row.others) for row in block.rows] == [count - 1] * count


def test_one_sample_has_none_and_it_is_said():
    (block,) = neighbour_blocks({"run": UNIT[:1]}, samples(1), None)
    assert isinstance(block, Paragraph) and "one sample" in block.text


def test_zeros_have_cosine_zero():
    places, cosines = nearest(unit_rows(np.array([[0.0, 0], [1, 0], [-1, 0]])), 2)
    assert places[0].tolist() == [1, 2] and cosines[0].tolist() == [0, 0]
    assert places[1].tolist() == [0, 2] and cosines[1].tolist() == [0, -1]


def test_texts_have_fewer_rows_and_fewer_neighbours_than_pictures():
    _, block = neighbour_blocks({"run": UNIT}, samples(60), None)
    assert len(block.rows) == QUERIES - 3
    for row in block.rows:
        assert [tile.place for tile in row.others] == [j for _, j in slow(Z, row.first.place)[: NEAREST - 2]]


def test_of_several_runs_the_same_samples_stand_below_one_another():
    other = unit_rows(np.random.default_rng(5).normal(size=(60, 3)))
    _, block = neighbour_blocks({"a": UNIT, "b": other}, samples(60), None)
    assert [row.title for row in block.rows] == ["a", "b"] * FEWER
    for first, second in zip(block.rows[::2], block.rows[1::2], strict=True):
        assert first.first == second.first
        assert [t.place for t in second.others] == [
            j for _, j in slow(other, first.first.place)[: NEAREST - 2]
        ]
