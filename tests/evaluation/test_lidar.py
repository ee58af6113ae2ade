import math

import numpy as np
import pytest
import torch

from unlabeled.errors import DataError, OptionError
from unlabeled.evaluation import arrays, lidar, rankme

torch.set_num_threads(1)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def slow_lidar(views, delta):
    n, q, dim = views.shape
    means = [sum(views[i, j] for j in range(q)) / q for i in range(n)]
    centre = sum(means) / n
    between = sum(np.outer(m - centre, m - centre) for m in means) / (n - 1)
    within = sum(np.outer(views[i, j] - means[i], views[i, j] - means[i]) for i in range(n) for j in range(q))
    within = within / (n * (q - 1)) + delta * np.eye(dim)
    values, vectors = np.linalg.eigh(within)
    root = vectors @ np.diag(values**-0.5) @ vectors.T
    eigenvalues = np.linalg.eigvalsh(root @ between @ root).clip(0)
    shares = [v / eigenvalues.sum() + 1e-8 for v in eigenvalues]
    return math.exp(-sum(p * math.log(p) for p in shares))


@pytest.mark.parametrize("shape", [(20, 3, 4), (5, 6, 12), (2, 2, 3)])
@pytest.mark.parametrize("delta", [1e-4, 0.1])
def test_lidar_equals_its_slow_definition(shape, delta):
    views = draw(shape[0], 1, shape[2]) + draw(*shape, seed=1) * 0.3
    assert lidar(views, delta=delta) == pytest.approx(slow_lidar(views, delta), rel=1e-5)


def test_directions_in_which_views_vary_do_not_count():
    n, q, dim, rank = 300, 20, 64, 8
    directions = np.linalg.qr(draw(dim, dim, seed=1))[0]
    views = draw(n, 1, rank) @ directions[:rank] + 0.02 * draw(n, q, dim, seed=2)
    assert lidar(views) == pytest.approx(7.88, abs=0.1)
    louder = views + 2 * draw(n, q, 20, seed=3) @ directions[rank : rank + 20]
    assert lidar(louder) == pytest.approx(lidar(views), abs=0.05)
    # RankMe of the same rows is misled
    assert rankme(louder.reshape(-1, dim)) > 1.5 * rankme(views.reshape(-1, dim))


def test_invertible_maps_change_nothing_when_delta_is_small():
    views = draw(40, 1, 6) + 0.5 * draw(40, 5, 6, seed=1)
    turn = draw(6, 6, seed=2)
    assert lidar(views @ turn + 3, delta=0) == pytest.approx(lidar(views, delta=0), rel=1e-8)
    assert lidar(views @ turn, delta=1e-9) == pytest.approx(lidar(views, delta=1e-9), rel=1e-4)


def test_the_order_of_samples_and_of_views_changes_nothing():
    views = draw(30, 1, 5) + draw(30, 4, 5, seed=1)
    assert lidar(views[::-1, ::-1]) == pytest.approx(lidar(views), rel=1e-12)


def test_blocks_of_samples_change_nothing(monkeypatch):
    views = draw(50, 1, 6) + draw(50, 4, 6, seed=1)
    whole = lidar(views)
    monkeypatch.setattr(arrays, "CHUNK", 100)
    assert lidar(views) == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_tensors_of_torch_give_the_figure_of_numpy(dtype):
    views = torch.from_numpy(draw(30, 1, 5) + draw(30, 4, 5, seed=1)).to(dtype).requires_grad_()
    assert lidar(views) == pytest.approx(lidar(views.detach().double().numpy()), rel=1e-6)


def test_it_lies_between_one_and_the_number_of_samples_less_one():
    assert lidar(draw(5, 1, 40) + 0.01 * draw(5, 30, 40, seed=1)) <= 4 + 1e-5
    line = np.outer(draw(20), draw(6, seed=1))[:, None] + 1e-3 * draw(20, 30, 6, seed=2)
    assert lidar(line) == pytest.approx(1, abs=0.01)


def test_samples_that_are_all_the_same_have_lidar_zero_and_it_is_said():
    with pytest.warns(UserWarning, match="LiDAR is 0"):
        assert lidar(np.tile(draw(1, 4, 5), (20, 1, 1))) == 0


@pytest.mark.parametrize(
    ("views", "message"),
    [
        (draw(40, 5), r"shape \(40, 5\): \(samples, views, dim\) is needed"),
        (draw(40, 1, 5), "at least 2 views"),
        (draw(1, 40, 5), "of at least 2 samples"),
        (np.full((4, 3, 2), np.nan), "views has NaN"),
        (np.zeros((4, 3, 0)), "of 1 number"),
    ],
)
def test_bad_views_are_refused_by_name(views, message):
    with pytest.raises(DataError, match=message):
        lidar(views)


@pytest.mark.parametrize("delta", [-1e-4, float("nan"), float("inf")])
def test_a_delta_below_zero_is_refused(delta):
    with pytest.raises(OptionError, match="delta is"):
        lidar(draw(4, 3, 2), delta=delta)


@pytest.mark.parametrize(
    "views", [draw(4, 3, 12), np.pad(draw(40, 3, 5), ((0, 0), (0, 0), (0, 1))), draw(40, 3, 4) @ draw(4, 6)]
)
def test_no_delta_is_refused_where_views_do_not_vary_in_every_direction(views):
    with pytest.raises(DataError, match="needs a delta above 0"):
        lidar(views, delta=0)
    assert lidar(views) > 1
