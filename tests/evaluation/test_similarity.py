import math
import statistics

import numpy as np
import pytest
import torch

from unlabeled.errors import DataError, OptionError
from unlabeled.evaluation import arrays, cka, cka_debiased, cka_rbf, cka_rbf_details

torch.set_num_threads(1)

FIGURES = [cka, cka_debiased, cka_rbf]
pytestmark = pytest.mark.filterwarnings("ignore:cka of")


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def slow_cka(k, h):
    """From kernels: tr(KHLH) / sqrt(tr(KHKH) tr(LHLH))."""
    n = len(k)
    centre = np.eye(n) - np.ones((n, n)) / n

    def hsic(a, b):
        return np.trace(a @ centre @ b @ centre)

    return hsic(k, h) / math.sqrt(hsic(k, k) * hsic(h, h))


def slow_hsic(k, h):
    """The unbiased one, as sums over different indices."""
    n = len(k)
    two = three = 0.0
    for i in range(n):
        for j in range(n):
            if i != j:
                two += k[i, j] * h[i, j]
                three += sum(k[i, j] * h[i, m] for m in range(n) if m not in (i, j))
    four = sum(
        k[i, j] * h[m, r]
        for i in range(n)
        for j in range(n)
        for m in range(n)
        for r in range(n)
        if len({i, j, m, r}) == 4
    )
    return (
        two / (n * (n - 1)) - 2 * three / (n * (n - 1) * (n - 2)) + four / (n * (n - 1) * (n - 2) * (n - 3))
    )


def slow_gaussian(z, bandwidth):
    n = len(z)
    d = np.array([[math.sqrt(float(((a - b) ** 2).sum())) for b in z] for a in z])
    s = bandwidth * statistics.median_low([d[i, j] for i in range(n) for j in range(i)])
    return np.exp(-(d**2) / (2 * s * s))


@pytest.mark.parametrize("dims", [(4, 7), (7, 4), (50, 3), (60, 60)])
def test_cka_equals_its_slow_definition(dims):
    a, b = draw(30, dims[0]) + 1, draw(30, dims[1], seed=1) - 2
    b[:, :3] += a[:, :3]
    assert cka(a, b) == pytest.approx(slow_cka(a @ a.T, b @ b.T), rel=1e-10)
    assert cka_rbf(a, b, bandwidth=0.7) == pytest.approx(
        slow_cka(slow_gaussian(a, 0.7), slow_gaussian(b, 0.7)), rel=1e-8
    )


def test_cka_debiased_equals_its_slow_definition_in_one_batch_and_in_many():
    a = draw(24, 5) + 1
    b = a @ draw(5, 4, seed=1) + draw(24, 4, seed=2)
    order = np.random.default_rng(7).permutation(24)
    for batches in (1, 3):
        sums = np.zeros(3)
        for rows in np.split(order, batches):
            k, h = a[rows] @ a[rows].T, b[rows] @ b[rows].T
            sums += [slow_hsic(k, h), slow_hsic(k, k), slow_hsic(h, h)]
        slow = sums[0] / math.sqrt(sums[1] * sums[2])
        assert cka_debiased(a, b, batch_size=24 // batches, seed=7) == pytest.approx(slow, rel=1e-10)


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.parametrize("shape", [(600, 8), (20, 50)])
def test_a_representation_is_exactly_like_itself(figure, shape):
    z = draw(*shape) + 0.3
    assert figure(z, z.copy()) == 1


@pytest.mark.parametrize("figure", FIGURES)
def test_rotation_scale_and_offset_change_nothing_and_other_maps_do(figure):
    a = draw(300, 6) * np.arange(1, 7)
    b = a[:, :4] + draw(300, 4, seed=1)
    found = figure(a, b)
    for same in (a @ np.linalg.qr(draw(6, 6, seed=2))[0], a * 1e150, a * 1e-150, a + 100):
        assert figure(same, b) == pytest.approx(found, rel=1e-8)
    assert figure(b, a) == pytest.approx(found, rel=1e-12)
    assert abs(figure(a @ draw(6, 6, seed=3), b) - found) > 0.01


def test_unrelated_representations_seem_alike_with_few_samples_unless_debiased():
    pairs = [(draw(50, 500, seed=s), draw(50, 500, seed=100 + s)) for s in range(5)]
    assert np.mean([cka(a, b) for a, b in pairs]) == pytest.approx(0.91, abs=0.01)
    assert np.mean([cka_debiased(a, b) for a, b in pairs]) == pytest.approx(0, abs=0.02)
    with pytest.warns(UserWarning, match="take cka_debiased"):
        cka(*pairs[0])


def test_wide_gaussian_kernels_become_linear():
    a, b = draw(60, 5), draw(60, 4, seed=1)
    assert cka_rbf(a, b, bandwidth=1e3) == pytest.approx(cka(a, b), rel=1e-4)


def test_minibatches_agree_with_all_samples_at_once():
    a = draw(2000, 10)
    b = a[:, :6] + draw(2000, 6, seed=1)
    assert cka_debiased(a, b) == pytest.approx(cka_debiased(a, b, batch_size=2000), abs=0.01)
    assert cka_debiased(a, b) == pytest.approx(cka(a, b), abs=0.01)
    # sorted files: consecutive rows would tell another story
    order = np.argsort(a[:, 0])
    assert cka_debiased(a[order], b[order]) == pytest.approx(cka(a, b), abs=0.02)


def test_blocks_of_rows_do_not_change_cka(monkeypatch):
    a, b = draw(500, 6), draw(500, 4, seed=1)
    whole = cka(a, b)
    monkeypatch.setattr(arrays, "CHUNK", 100)
    assert cka(a, b) == pytest.approx(whole, rel=1e-12)
    assert cka(a, a.copy()) == 1


def test_above_the_stated_size_gaussian_kernels_see_a_draw_of_the_same_rows_of_both():
    a, b = draw(300, 5), draw(300, 4, seed=1)
    found = cka_rbf_details(a, b, sample_size=80, seed=2)
    assert (found.samples, found.used, found.seed) == (300, 80, 2)
    chosen = np.sort(np.random.default_rng(2).choice(300, 80, replace=False))
    assert found.value == cka_rbf(a[chosen], b[chosen])
    assert cka_rbf(a, a.copy(), sample_size=80) == 1
    assert cka_rbf_details(a, b).seed is None


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_tensors_of_torch_give_the_figure_of_numpy(figure, dtype):
    a, b = (torch.from_numpy(draw(40, 5, seed=s)).to(dtype).requires_grad_() for s in (0, 1))
    arrays_of = (x.detach().double().numpy() for x in (a, b))
    assert figure(a, b) == pytest.approx(figure(*arrays_of), rel=1e-6)


@pytest.mark.parametrize("figure", FIGURES)
def test_bad_pairs_are_refused_by_name(figure):
    good = draw(20, 3)
    with pytest.raises(DataError, match="a has 20 rows and b 19"):
        figure(good, draw(19, 3))
    with pytest.raises(DataError, match="every row of b is the same"):
        figure(good, np.full((20, 3), 0.1))
    with pytest.raises(DataError, match="b has NaN"):
        figure(good, np.full((20, 3), np.nan))
    with pytest.raises(DataError, match="at least"):
        figure(draw(1, 3), draw(1, 3))


def test_fewer_than_four_samples_have_no_debiased_cka():
    with pytest.raises(DataError, match="at least 4 rows"):
        cka_debiased(draw(3, 3), draw(3, 3))
    with pytest.raises(OptionError, match="batch_size is 3"):
        cka_debiased(draw(9, 3), draw(9, 3), batch_size=3)
    with pytest.raises(OptionError, match="seed is -1"):
        cka_debiased(draw(9, 3), draw(9, 3), seed=-1)


def test_gaussian_kernels_without_a_width_are_refused():
    half = np.vstack([np.ones((15, 3)), draw(5, 3)])
    with pytest.raises(DataError, match="half of the pairs of rows of b"):
        cka_rbf(draw(20, 3), half)
    with pytest.raises(OptionError, match="bandwidth is 0"):
        cka_rbf(draw(20, 3), draw(20, 3), bandwidth=0)
