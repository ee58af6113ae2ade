import math

import numpy as np
import pytest
import torch

from unlabeled.errors import DataError
from unlabeled.evaluation import arrays, effective_rank, feature_spread

torch.set_num_threads(1)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def rotation(dim, seed=0):
    return np.linalg.qr(draw(dim, dim, seed=seed))[0]


def slow_effective_rank(z):
    sigma = np.linalg.svd(np.asarray(z, dtype=np.float64), compute_uv=False)
    total = sum(sigma)
    return math.exp(-sum(s / total * math.log(s / total) for s in sigma if s > 0))


def slow_feature_spread(z):
    unit = [[v / math.sqrt(sum(w * w for w in row)) for v in row] for row in z]
    stds = []
    for column in zip(*unit, strict=True):
        mean = sum(column) / len(column)
        stds.append(math.sqrt(sum((v - mean) ** 2 for v in column) / len(column)))
    return sum(stds) / len(stds) * math.sqrt(len(stds))


@pytest.mark.parametrize("shape", [(50, 8), (8, 50), (20, 20), (2, 1)])
def test_effective_rank_equals_its_slow_definition(shape):
    z = draw(*shape)
    assert effective_rank(z) == pytest.approx(slow_effective_rank(z), rel=1e-12)


@pytest.mark.parametrize("r", [1, 2, 7, 16])
def test_r_equal_singular_values_give_effective_rank_r(r):
    z = rotation(64)[:, :r] @ rotation(32, seed=1)[:r] * 5
    assert effective_rank(z) == pytest.approx(r, rel=1e-10)
    assert effective_rank(np.eye(r + 1)) == pytest.approx(r + 1, rel=1e-12)


def test_an_isotropic_sample_of_rank_r_has_effective_rank_near_r():
    r = 10
    z = draw(50 * r, r) @ rotation(40)[:r]
    assert effective_rank(z) == pytest.approx(r, rel=0.02)


def test_rank_one_gives_one():
    assert effective_rank(np.outer(draw(30), draw(9, seed=1))) == pytest.approx(1, abs=1e-10)
    assert effective_rank(np.full((30, 9), 3.0)) == pytest.approx(1, abs=1e-10)


def test_effective_rank_ignores_scale_rotation_and_order_of_rows_but_not_a_shift():
    z = draw(60, 12) * np.arange(1, 13)
    rank = effective_rank(z)
    for same in (z * 1e-200, z * 1e200, -z, z @ rotation(12), z[::-1]):
        assert effective_rank(same) == pytest.approx(rank, rel=1e-10)
    assert effective_rank(z + 100) < rank / 2


def test_effective_rank_lies_between_one_and_the_smaller_side():
    for shape in [(5, 40), (40, 5)]:
        assert 1 <= effective_rank(draw(*shape)) <= 5


def test_blocks_of_rows_do_not_change_effective_rank(monkeypatch):
    z = draw(500, 6) * np.array([1, 1, 1e-5, 1e-9, 10, 100])
    whole = effective_rank(z)
    monkeypatch.setattr(arrays, "CHUNK", 120)
    assert effective_rank(z) == pytest.approx(whole, rel=1e-12)
    assert effective_rank(z.T) == pytest.approx(whole, rel=1e-12)


def test_embeddings_of_zeros_have_rank_zero_and_it_is_said():
    with pytest.warns(UserWarning, match="every embedding is zero"):
        assert effective_rank(np.zeros((4, 3))) == 0


def test_feature_spread_equals_its_slow_definition():
    z = draw(40, 7) + 0.5
    assert feature_spread(z) == pytest.approx(slow_feature_spread(z), rel=1e-12)


def test_feature_spread_is_one_for_isotropic_rows_and_zero_when_collapsed():
    assert feature_spread(draw(20_000, 16)) == pytest.approx(1, abs=0.01)
    assert feature_spread(np.vstack([np.eye(9), -np.eye(9)])) == pytest.approx(1, rel=1e-12)
    assert feature_spread(np.eye(9)) == pytest.approx(math.sqrt(1 - 1 / 9), rel=1e-12)
    assert feature_spread(np.tile(draw(1, 16), (30, 1))) == pytest.approx(0, abs=1e-7)


def test_feature_spread_looks_at_directions_only():
    z = draw(50, 6)
    assert feature_spread(z * np.abs(draw(50, 1, seed=2))) == pytest.approx(feature_spread(z), rel=1e-12)
    assert feature_spread(np.outer(np.arange(1, 20), draw(6))) == pytest.approx(0, abs=1e-7)
    assert feature_spread(z * 1e300) == pytest.approx(feature_spread(z), rel=1e-12)
    assert math.isfinite(feature_spread(np.zeros((3, 3))))


def test_feature_spread_does_not_depend_on_blocks(monkeypatch):
    z = draw(100, 6) + 1
    whole = feature_spread(z)
    monkeypatch.setattr(arrays, "CHUNK", 50)
    assert feature_spread(z) == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize("figure", [effective_rank, feature_spread])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_any_floating_type_of_torch_gives_the_figure_of_numpy(figure, dtype):
    z = torch.from_numpy(draw(30, 5)).to(dtype).requires_grad_()
    assert figure(z) == pytest.approx(figure(z.detach().double().numpy()), rel=1e-4)


@pytest.mark.parametrize("figure", [effective_rank, feature_spread])
@pytest.mark.parametrize(
    ("z", "message"),
    [
        (np.zeros((1, 4)), "at least 2 rows"),
        (np.zeros((4, 0)), "at least 2 rows of 1 number"),
        (np.zeros(4), r"shape \(4,\)"),
        (np.zeros((2, 3, 4)), "flatten"),
        (np.array([[1.0, 2], [3, np.nan], [np.inf, 1]]), "first in row 1"),
        (np.array([["a", "b"], ["c", "d"]]), "give numbers"),
        (np.zeros((3, 3), dtype=complex), "give numbers"),
    ],
)
def test_bad_embeddings_are_refused_by_name(figure, z, message):
    with pytest.raises(DataError, match=message):
        figure(z)
