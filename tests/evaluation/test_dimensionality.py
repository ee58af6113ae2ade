import math

import numpy as np
import pytest
import torch

from unlabeled.errors import DataError, OptionError
from unlabeled.evaluation import (
    arrays,
    intrinsic_dimension,
    intrinsic_dimension_details,
    local_intrinsic_dimension,
    local_intrinsic_dimension_details,
)
from unlabeled.evaluation.dimensionality import neighbour_distances

torch.set_num_threads(1)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def flat(samples, rank, dim):
    """Uniform points of a flat piece of `rank` dimensions in `dim`."""
    inside = np.random.default_rng(0).uniform(size=(samples, rank))
    return inside @ np.linalg.qr(draw(dim, rank, seed=1))[0].T


def distances(z, i):
    return sorted(math.sqrt(float(((z[i] - z[j]) ** 2).sum())) for j in range(len(z)) if j != i)


def slow_intrinsic_dimension(z):
    ratios = sorted(near[1] / near[0] for near in (distances(z, i) for i in range(len(z))))
    n = len(ratios)
    pairs = [(math.log(r), -math.log(1 - (i + 1) / n)) for i, r in enumerate(ratios[: int(0.9 * n)])]
    return sum(x * y for x, y in pairs) / sum(x * x for x, _ in pairs)


def slow_local_dimensions(z, k):
    found = []
    for i in range(len(z)):
        near = distances(z, i)[:k]
        found.append(-k / sum(math.log(r / near[-1]) for r in near[:-1]))
    return found


def test_figures_equal_their_slow_definitions():
    z = draw(80, 4)
    assert intrinsic_dimension(z) == pytest.approx(slow_intrinsic_dimension(z), rel=1e-10)
    for k in (2, 10, 79):
        slow = slow_local_dimensions(z, k)
        found = local_intrinsic_dimension_details(z, k=k)
        assert found.values == pytest.approx(slow, rel=1e-10)
        assert local_intrinsic_dimension(z, k=k) == found.mean == pytest.approx(sum(slow) / 80, rel=1e-10)
        assert found.geometric_mean == pytest.approx(math.prod(slow) ** (1 / 80), rel=1e-10)


def test_a_plane_has_dimension_two_whatever_it_lies_in():
    assert intrinsic_dimension(flat(1000, 2, 50)) == pytest.approx(2, abs=0.2)
    assert local_intrinsic_dimension(flat(1000, 2, 50), k=20) == pytest.approx(2, abs=0.3)


def test_more_dimensions_are_found_to_be_more():
    found = [local_intrinsic_dimension(draw(512, d)) for d in (1, 4, 16)]
    assert found == pytest.approx([1.05, 3.9, 10.5], rel=0.1)
    twonn = [intrinsic_dimension(draw(512, d)) for d in (1, 4, 16)]
    assert twonn == sorted(twonn) and twonn[0] == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("figure", [intrinsic_dimension, local_intrinsic_dimension])
def test_scale_rotation_and_offset_change_nothing(figure):
    z = draw(120, 6)
    turned = np.linalg.qr(draw(6, 6, seed=1))[0]
    for same in (z * 1e100, z * 1e-100, z @ turned, z + 1e5):
        assert figure(same) == pytest.approx(figure(z), rel=1e-6)


@pytest.mark.parametrize("figure", [intrinsic_dimension_details, local_intrinsic_dimension_details])
def test_equal_rows_are_left_out_and_counted(figure):
    z = draw(120, 6)
    z[7, 2] = 0.0
    again = z[[7, 7, 30]].copy()
    again[0, 2] = -0.0
    found, alone = figure(np.vstack([z, again])), figure(z)
    assert (found.samples, found.duplicates, alone.duplicates) == (123, 3, 0)
    if figure is intrinsic_dimension_details:
        assert found.value == alone.value and (found.used, found.seed) == (120, None)
    else:
        assert (found.values == alone.values).all()


def test_above_the_stated_size_a_draw_is_used_with_its_seed():
    z = draw(400, 3)
    found = intrinsic_dimension_details(z, sample_size=200, seed=5)
    assert (found.samples, found.used, found.seed) == (400, 200, 5)
    chosen = np.sort(np.random.default_rng(5).choice(400, 200, replace=False))
    assert found.value == intrinsic_dimension(z[chosen]) != intrinsic_dimension(z)
    local = local_intrinsic_dimension_details(z, k=9, sample_size=200, seed=5)
    assert (len(local.values), local.seed) == (200, 5)
    assert local.mean == local_intrinsic_dimension(z[chosen], k=9)


def test_near_neighbours_far_from_the_origin_keep_their_digits():
    z = np.vstack([draw(60, 20), draw(60, 20, seed=1) + 1e4])
    slow = [distances(z, i)[:3] for i in range(120)]
    assert neighbour_distances(torch.from_numpy(z), 3) * np.abs(z - z.mean(0)).max() == pytest.approx(
        np.array(slow), rel=1e-8
    )


def test_blocks_of_rows_change_nothing(monkeypatch):
    z = draw(100, 5)
    whole = local_intrinsic_dimension(z, k=10)
    monkeypatch.setattr(arrays, "CHUNK", 200)
    assert local_intrinsic_dimension(z, k=10) == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize("figure", [intrinsic_dimension, local_intrinsic_dimension])
def test_too_few_different_rows_are_refused(figure):
    with pytest.raises(DataError, match="49 different rows of 49"):
        figure(draw(49, 3))
    with pytest.raises(DataError, match="1 different rows of 100"):
        figure(np.ones((100, 3)))


def test_a_grid_is_refused_by_name():
    with pytest.raises(DataError, match="equally far"):
        intrinsic_dimension(np.eye(60))
    with pytest.raises(DataError, match="60 of 60 rows have 5 neighbours that are all equally far"):
        local_intrinsic_dimension(np.eye(60), k=5)


@pytest.mark.parametrize("k", [1, 60, -1])
def test_a_k_outside_its_range_is_refused(k):
    with pytest.raises(OptionError, match=f"k is {k}.*2 <= k <= 59"):
        local_intrinsic_dimension(draw(60, 3), k=k)
