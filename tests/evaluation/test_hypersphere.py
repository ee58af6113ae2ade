import math

import numpy as np
import pytest
import torch

from unlabeled.errors import DataError, OptionError
from unlabeled.evaluation import (
    alignment,
    alignment_of_views,
    arrays,
    self_cluster,
    uniformity,
    uniformity_details,
)

torch.set_num_threads(1)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def unit(z):
    return [[v / math.sqrt(sum(w * w for w in row)) for v in row] for row in z]


def square_distance(a, b):
    return sum((v - w) ** 2 for v, w in zip(a, b, strict=True))


def slow_uniformity(z):
    rows = unit(z)
    pairs = [(i, j) for i in range(len(rows)) for j in range(i)]
    return math.log(sum(math.exp(-2 * square_distance(rows[i], rows[j])) for i, j in pairs) / len(pairs))


def slow_self_cluster(z):
    rows, n, dim = unit(z), len(z), len(z[0])
    energy = sum(sum(v * w for v, w in zip(a, b, strict=True)) ** 2 for a in rows for b in rows)
    random = n + n * (n - 1) / dim
    return (energy - random) / (n * n - random)


@pytest.mark.parametrize("shape", [(2, 3), (30, 5), (9, 20)])
def test_figures_equal_their_slow_definitions(shape):
    z, other = draw(*shape) + 0.3, draw(*shape, seed=1)
    assert uniformity(z) == pytest.approx(slow_uniformity(z), rel=1e-12)
    assert self_cluster(z) == pytest.approx(slow_self_cluster(z), rel=1e-12)
    slow = sum(square_distance(a, b) for a, b in zip(unit(z), unit(other), strict=True)) / len(z)
    assert alignment(z, other) == pytest.approx(slow, rel=1e-12)


def test_random_points_of_the_sphere_have_the_figures_of_theory():
    z = draw(2000, 128)
    assert uniformity(z) == pytest.approx(-4 + 8 / 128, abs=0.01)
    assert self_cluster(z) == pytest.approx(0, abs=1e-3)
    assert alignment(z, draw(2000, 128, seed=1)) == pytest.approx(2, abs=0.02)


def test_collapsed_embeddings_have_uniformity_zero_self_cluster_one_and_alignment_zero():
    z = np.tile(draw(1, 16), (60, 1))
    assert uniformity(z) == pytest.approx(0, abs=1e-12)
    assert self_cluster(z) == pytest.approx(1, rel=1e-12)
    assert alignment(z, z.copy()) == 0
    assert self_cluster(z * np.where(np.arange(60) % 2, 1, -1)[:, None]) == pytest.approx(1, rel=1e-12)
    assert alignment(z, -z) == pytest.approx(4, rel=1e-12)


def test_directions_more_even_than_random_ones_have_self_cluster_below_zero():
    assert self_cluster(np.eye(8)) < 0


def test_only_directions_count_and_rotations_change_nothing():
    z, other = draw(40, 6), draw(40, 6, seed=1)
    length = np.abs(draw(40, 1, seed=2)) * 1e100
    turned = np.linalg.qr(draw(6, 6))[0]
    for change in (lambda x: x * length, lambda x: x @ turned):
        assert uniformity(change(z)) == pytest.approx(uniformity(z), rel=1e-12)
        assert self_cluster(change(z)) == pytest.approx(self_cluster(z), rel=1e-12)
        assert alignment(change(z), change(other)) == pytest.approx(alignment(z, other), rel=1e-12)


def test_blocks_of_rows_change_nothing(monkeypatch):
    z, other = draw(101, 7), draw(101, 7, seed=1)
    whole = uniformity(z), self_cluster(z), alignment(z, other)
    monkeypatch.setattr(arrays, "CHUNK", 500)
    assert (uniformity(z), self_cluster(z), alignment(z, other)) == pytest.approx(whole, rel=1e-12)


def test_above_the_stated_size_uniformity_is_that_of_a_draw_with_its_seed():
    z = draw(400, 5) + 1
    found = uniformity_details(z, sample_size=100, seed=3)
    assert (found.samples, found.used, found.seed, found.duplicates) == (400, 100, 3, 0)
    chosen = np.sort(np.random.default_rng(3).choice(400, 100, replace=False))
    assert found.value == uniformity(z[chosen])
    assert uniformity(z, sample_size=100, seed=3) == found.value
    assert uniformity(z, sample_size=100, seed=4) != found.value
    assert found.value == pytest.approx(uniformity(z), abs=0.2)
    exact = uniformity_details(z, sample_size=400)
    assert (exact.used, exact.seed) == (400, None)


def test_a_row_of_zeros_counts_as_the_zero_vector():
    z = np.vstack([np.eye(3), np.zeros((1, 3))])
    pairs = [2.0] * 3 + [1.0] * 3
    assert uniformity(z) == pytest.approx(math.log(sum(math.exp(-2 * d) for d in pairs) / 6))
    assert alignment(z, np.vstack([np.eye(3), [[1, 0, 0]]])) == pytest.approx(1 / 4)


def test_rows_of_zeros_only_are_refused_by_name():
    for figure in (uniformity, self_cluster):
        with pytest.raises(DataError, match="every row of z is zero"):
            figure(np.zeros((60, 3)))
    with pytest.raises(DataError, match="every row of z2 is zero"):
        alignment(draw(5, 3), np.zeros((5, 3)))


def test_bad_views_are_refused_by_name():
    with pytest.raises(DataError, match="z1 has 5 rows and z2 6"):
        alignment(draw(5, 3), draw(6, 3))
    with pytest.raises(DataError, match="z1 has 3 columns and z2 4"):
        alignment(draw(5, 3), draw(5, 4))
    with pytest.raises(DataError, match="z2 has NaN"):
        alignment(draw(5, 3), np.full((5, 3), np.nan))


def test_one_dimension_has_no_directions_to_clump():
    with pytest.raises(DataError, match="1 column"):
        self_cluster(draw(5, 1))


@pytest.mark.parametrize(("option", "value"), [("sample_size", 1), ("seed", -1)])
def test_a_draw_that_is_none_is_refused(option, value):
    with pytest.raises(OptionError, match=option):
        uniformity(draw(9, 3), **{option: value})


def test_alignment_of_views_is_the_mean_over_neighbouring_pairs():
    views = torch.from_numpy(draw(7, 4, 5))
    pairs = [alignment(views[:, i], views[:, i + 1]) for i in range(3)]
    assert alignment_of_views(views) == pytest.approx(sum(pairs) / 3)
    assert alignment_of_views(views[:, :1].expand(-1, 3, -1)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("shape", [(7, 5), (7, 1, 5)])
def test_views_that_are_not_grouped_have_no_alignment(shape):
    with pytest.raises(DataError, match="at least 2 views"):
        alignment_of_views(torch.zeros(shape))
