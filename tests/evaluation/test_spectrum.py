import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from unlabeled.errors import DataError, OptionError
from unlabeled.evaluation import (
    alpha_req,
    arrays,
    cluster_learnability,
    coherence,
    dead_units,
    decompose,
    dimensions_for,
    effective_rank,
    entropy_rank,
    feature_correlation,
    feature_spread,
    intrinsic_dimension,
    local_intrinsic_dimension,
    nesum,
    participation_ratio,
    pseudo_condition,
    rankme,
    self_cluster,
    stable_rank,
    uniformity,
)

torch.set_num_threads(1)

UNCENTRED = [effective_rank, rankme, stable_rank, pseudo_condition]
CENTRED = [nesum, participation_ratio, entropy_rank]


def dimensions_for_90_percent(z):
    return dimensions_for(z, 0.9)


def clusters_of_10(z):
    return cluster_learnability(z, clusters=10)


def local_dimension_of_10(z):
    return local_intrinsic_dimension(z, k=10)


EVERY = [
    *UNCENTRED,
    *CENTRED,
    dimensions_for_90_percent,
    alpha_req,
    coherence,
    dead_units,
    feature_correlation,
    feature_spread,
    self_cluster,
    uniformity,
    clusters_of_10,
    intrinsic_dimension,
    local_dimension_of_10,
]
"""every figure of one set of embeddings"""

pytestmark = pytest.mark.filterwarnings("ignore:rankme of", "ignore:alpha_req of")


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def rotation(dim, seed=0):
    return np.linalg.qr(draw(dim, dim, seed=seed))[0]


def slow_effective_rank(z):
    sigma = np.linalg.svd(np.asarray(z, dtype=np.float64), compute_uv=False)
    total = sum(sigma)
    return math.exp(-sum(s / total * math.log(s / total) for s in sigma if s > 0))


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


@pytest.mark.parametrize("figure", EVERY)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_any_floating_type_of_torch_gives_the_figure_of_numpy(figure, dtype):
    z = torch.from_numpy(draw(120, 40)).to(dtype).requires_grad_()
    assert figure(z) == pytest.approx(figure(z.detach().double().numpy()), rel=1e-4)


@pytest.mark.parametrize("figure", EVERY)
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


def slow_singular_values(z):
    return np.linalg.svd(np.asarray(z, dtype=np.float64), compute_uv=False)


def slow_eigenvalues(z):
    n, dim = z.shape
    mean = [sum(z[i, j] for i in range(n)) / n for j in range(dim)]
    covariance = [
        [sum((row[a] - mean[a]) * (row[b] - mean[b]) for row in z) / (n - 1) for b in range(dim)]
        for a in range(dim)
    ]
    return np.linalg.eigvalsh(covariance)[::-1].clip(0)


def slow_entropy(shares):
    return -sum(p * math.log(p) for p in shares if p > 0)


SLOW_UNCENTRED = {
    effective_rank: lambda s: math.exp(slow_entropy([v / sum(s) for v in s])),
    rankme: lambda s: math.exp(slow_entropy([v / sum(s) + 1e-7 for v in s])),
    stable_rank: lambda s: sum(v * v for v in s) / max(s) ** 2,
    pseudo_condition: lambda s: min(s) / max(s),
}
SLOW_CENTRED = {
    nesum: lambda e: sum(e) / max(e),
    participation_ratio: lambda e: sum(e) ** 2 / sum(v * v for v in e),
    entropy_rank: lambda e: math.exp(slow_entropy([v / sum(e) for v in e])),
}
SHAPES = [(40, 6), (6, 40), (12, 12), (13, 12), (3, 2)]


@pytest.mark.parametrize("shape", SHAPES)
def test_figures_equal_their_slow_definitions(shape):
    z = draw(*shape) * np.linspace(1, 3, shape[1]) + 0.7
    sigma, eigenvalues = slow_singular_values(z), slow_eigenvalues(z)
    for figure, slow in SLOW_UNCENTRED.items():
        assert figure(z) == pytest.approx(slow(sigma), rel=1e-10), figure
    for figure, slow in SLOW_CENTRED.items():
        assert figure(z) == pytest.approx(slow(eigenvalues), rel=1e-10), figure
    left = np.linalg.svd(z, full_matrices=False)[0]
    slow = max(sum(v * v for v in row) for row in left) * shape[0] / left.shape[1]
    assert coherence(z) == pytest.approx(slow, rel=1e-10)


@pytest.mark.parametrize("shape", SHAPES)
def test_one_decomposition_has_both_spectra_and_serves_every_figure(shape):
    z = draw(*shape) * 3 + 10
    spectrum = decompose(z)
    assert (spectrum.samples, spectrum.dim) == shape
    assert spectrum.singular_values == pytest.approx(slow_singular_values(z), rel=1e-10)
    assert spectrum.eigenvalues == pytest.approx(slow_eigenvalues(z)[: min(shape)], rel=1e-8, abs=1e-10)
    assert spectrum.variance_shares.sum() == pytest.approx(1)
    assert spectrum.rank == min(shape[0] - 1, shape[1])
    for figure in [*UNCENTRED, *CENTRED, dimensions_for_90_percent]:
        assert figure(spectrum) == pytest.approx(figure(z), rel=1e-12), figure


def test_r_equal_singular_values_give_r_in_every_count_of_directions():
    # rows of both signs, so that their mean is zero and both spectra are the same
    r = 7
    half = np.linalg.qr(draw(40, r))[0] @ rotation(32, seed=1)[:r] * 5
    z = np.vstack([half, -half])
    for figure in (effective_rank, stable_rank, nesum, participation_ratio, entropy_rank):
        assert figure(z) == pytest.approx(r, rel=1e-10), figure
    assert rankme(z) == pytest.approx(r, rel=1e-4)
    assert [dimensions_for(z, share) for share in (0.1, 0.5, 0.9, 1)] == [1, 4, 7, 7]


@pytest.mark.parametrize("figure", [rankme, participation_ratio, entropy_rank])
def test_an_isotropic_sample_of_rank_r_is_counted_within_two_percent(figure):
    r = 10
    assert figure(draw(100 * r, r) @ rotation(40)[:r]) == pytest.approx(r, rel=0.02)


def test_whitened_embeddings_use_every_dimension():
    z = draw(300, 12)
    z = z - z.mean(0)
    z = z @ np.linalg.inv(np.linalg.cholesky(np.cov(z.T))).T
    for figure in (nesum, participation_ratio, entropy_rank, effective_rank, stable_rank):
        assert figure(z) == pytest.approx(12, rel=1e-9), figure
    assert pseudo_condition(z) == pytest.approx(1, rel=1e-9)
    assert dimensions_for(z, 0.9) == 11 and dimensions_for(z, 0.95) == 12


def test_rank_one_gives_one_in_every_count_of_directions():
    z = np.outer(draw(300), draw(9, seed=1))
    for figure in (effective_rank, stable_rank, nesum, participation_ratio, entropy_rank):
        assert figure(z) == pytest.approx(1, abs=1e-9), figure
    assert rankme(z) == pytest.approx(1, abs=1e-4)
    assert pseudo_condition(z) == pytest.approx(0, abs=1e-12)
    assert dimensions_for(z, 0.99) == 1


@pytest.mark.parametrize("figure", [*UNCENTRED, *CENTRED, dimensions_for_90_percent, coherence, alpha_req])
def test_scale_rotation_and_order_of_rows_change_nothing(figure):
    z = draw(400, 40) * np.arange(1, 41) + 3
    found = figure(z)
    for same in (z * 1e-100, z * 1e100, -z, z @ rotation(40), z[::-1]):
        assert figure(same) == pytest.approx(found, rel=1e-8)


@pytest.mark.parametrize("figure", [*CENTRED, dimensions_for_90_percent, alpha_req, feature_correlation])
def test_figures_of_the_covariance_ignore_an_offset_even_a_large_one(figure):
    z = draw(400, 40) * np.arange(1, 41)
    assert figure(z + 1e6) == pytest.approx(figure(z), rel=1e-7)


@pytest.mark.parametrize(
    "figure", [*UNCENTRED, *CENTRED, coherence, self_cluster, dead_units, feature_correlation]
)
@pytest.mark.parametrize("shape", [(500, 30), (33, 400)])
def test_blocks_of_rows_change_no_figure(figure, shape, monkeypatch):
    z = draw(*shape) * np.linspace(1e-3, 1, shape[1]) + 0.1
    whole = figure(z)
    monkeypatch.setattr(arrays, "CHUNK", 120)
    assert figure(z) == pytest.approx(whole, rel=1e-9)


def test_rankme_says_when_there_are_too_few_samples():
    with pytest.warns(UserWarning, match="below 32 samples"):
        rankme(draw(31, 8))


def test_rankme_of_one_column_is_refused():
    with pytest.raises(DataError, match="1 column"):
        rankme(draw(31, 1))


@pytest.mark.parametrize("figure", UNCENTRED)
def test_embeddings_of_zeros_are_zero_in_every_figure_and_it_is_said(figure):
    for z in (np.zeros((4, 3)), decompose(np.zeros((4, 3)))):
        with pytest.warns(UserWarning, match="every embedding is zero"):
            assert figure(z) == 0


@pytest.mark.parametrize("figure", [*CENTRED, dimensions_for_90_percent])
def test_equal_rows_are_zero_in_every_figure_of_the_covariance_and_it_is_said(figure):
    for shape in [(30, 3), (3, 30)]:
        with pytest.warns(UserWarning, match="every embedding is the same"):
            assert figure(np.tile(draw(1, shape[1]), (shape[0], 1))) == 0


def test_coherence_of_zeros_is_refused():
    with pytest.raises(DataError, match="every row of z is zero"):
        coherence(np.zeros((4, 3)))


def test_coherence_lies_between_even_samples_and_one_that_stands_alone():
    assert coherence(np.vstack([np.eye(4)] * 5)) == pytest.approx(1)
    assert coherence(draw(5, 30)) == pytest.approx(1)
    alone = np.vstack([np.pad(draw(19, 3), ((0, 0), (0, 1))), [[0, 0, 0, 1]]])
    assert coherence(alone) == pytest.approx(20 / 4)
    # rank, not dim: two more dimensions without anything in them change nothing
    assert coherence(np.pad(alone, ((0, 0), (0, 2)))) == pytest.approx(20 / 4)


@pytest.mark.parametrize("share", [0, -1, 1.01, float("nan")])
def test_a_share_outside_its_range_is_refused(share):
    with pytest.raises(OptionError, match="share is"):
        dimensions_for(draw(30, 4), share)


def test_rank_counts_what_stands_above_the_rounding_of_the_type():
    z = draw(200, 5) @ rotation(40)[:5] + 3
    assert decompose(z).rank == 5
    assert decompose(z.astype(np.float32)).rank == 5
    assert decompose(torch.from_numpy(z).to(torch.bfloat16)).rank == 5


def test_a_large_array_costs_blocks_and_no_second_copy(monkeypatch):
    status = Path("/proc/self/status")
    reset = Path("/proc/self/clear_refs")
    if not os.access(reset, os.W_OK) or "VmHWM" not in status.read_text():
        pytest.skip("this system does not let a process reset its peak of memory")

    def kilobytes(name):
        return int(next(line for line in status.read_text().splitlines() if line.startswith(name)).split()[1])

    z = torch.randn(150_000, 64, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(arrays, "CHUNK", 200_000)
    for figure in (decompose, coherence, self_cluster, feature_correlation, dead_units):
        figure(z[:20_000])  # what libraries allocate once
        reset.write_text("5")
        before = kilobytes("VmRSS")
        figure(z)
        # z is 38 MB, and would be 77 in float64
        assert kilobytes("VmHWM") - before < 30_000, figure
