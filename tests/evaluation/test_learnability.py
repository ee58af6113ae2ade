import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from unlabeled.errors import DataError, OptionError
from unlabeled.evaluation import arrays, cluster_learnability, cluster_learnability_details

torch.set_num_threads(1)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def blobs(samples, clouds=6, dim=10):
    which = np.random.default_rng(1).integers(0, clouds, samples)
    return draw(clouds, dim, seed=2)[which] * 10 + draw(samples, dim, seed=3)


def slow_learnability(z, clusters, seed):
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    unit = unit[np.random.default_rng(seed).permutation(len(unit))]
    label = KMeans(clusters, n_init=1, random_state=seed).fit_predict(unit)
    right = 0
    for i in range(1, len(unit)):
        nearest = max(range(i), key=lambda j: float(unit[i] @ unit[j]))
        right += label[i] == label[nearest]
    return right / (len(unit) - 1)


@pytest.mark.parametrize("seed", [0, 4])
def test_it_equals_its_slow_definition_whatever_the_blocks(seed, monkeypatch):
    z = draw(150, 6)
    slow = slow_learnability(z, 8, seed)
    assert cluster_learnability(z, clusters=8, seed=seed) == pytest.approx(slow, rel=1e-12)
    monkeypatch.setattr(arrays, "CHUNK", 1000)
    assert cluster_learnability(z, clusters=8, seed=seed) == pytest.approx(slow, rel=1e-12)


def test_separated_clouds_are_learnt_and_noise_is_not():
    assert cluster_learnability(blobs(600), clusters=6) > 0.97
    assert cluster_learnability(draw(600, 64), clusters=6) < 0.5


def test_only_directions_count():
    z = blobs(200)
    stretched = z * np.exp2(np.random.default_rng(5).integers(-3, 4, (200, 1)))
    assert cluster_learnability(stretched, clusters=6) == cluster_learnability(z, clusters=6)


def test_equal_rows_are_left_out_and_counted():
    z = draw(100, 5)
    found = cluster_learnability_details(np.vstack([z, z[:20]]), clusters=5)
    assert (found.samples, found.used, found.duplicates) == (120, 100, 20)
    assert found.value == cluster_learnability(z, clusters=5)


def test_above_the_stated_size_a_draw_is_used_with_its_seed():
    z = draw(300, 5)
    found = cluster_learnability_details(z, clusters=5, sample_size=100, seed=2)
    assert (found.samples, found.used, found.seed) == (300, 100, 2)
    chosen = np.sort(np.random.default_rng(2).choice(300, 100, replace=False))
    assert found.value == cluster_learnability(z[chosen], clusters=5, seed=2)
    assert found == cluster_learnability_details(z, clusters=5, sample_size=100, seed=2)


@pytest.mark.parametrize("clusters", [1, 60, 100])
def test_clusters_outside_their_range_are_refused(clusters):
    with pytest.raises(OptionError, match=f"clusters is {clusters}.*2 <= clusters <= 59"):
        cluster_learnability(draw(60, 4), clusters=clusters)


def test_too_few_different_directions_are_refused():
    with pytest.raises(DataError, match="2 different rows of 100"):
        cluster_learnability(np.outer(np.where(np.arange(100) % 2, 1.0, -1.0), draw(4)), clusters=5)
