import math

import numpy as np
import pytest
import torch
from sklearn.metrics import silhouette_samples

from unlabeled.errors import DataError, OptionError
from unlabeled.evaluation import silhouette, silhouette_details
from unlabeled.evaluation.sampling import stratified_rows

torch.set_num_threads(1)


def blobs(n=60, dim=4, clusters=3, apart=2.0, seed=0):
    generator = np.random.default_rng(seed)
    y = np.arange(n) % clusters
    return generator.normal(size=(clusters, dim))[y] * apart + generator.normal(size=(n, dim)), y


def euclidean(a, b):
    return math.sqrt(sum((v - w) ** 2 for v, w in zip(a, b, strict=True)))


def cosine(a, b):
    return 1 - float(a @ b) / math.sqrt(float(a @ a) * float(b @ b))


def slow_silhouette(z, clusters, distance):
    scores = []
    for i, own in enumerate(clusters):
        mean = {}
        for c in set(clusters):
            others = [j for j, d in enumerate(clusters) if d == c and j != i]
            if others:
                mean[c] = sum(distance(z[i], z[j]) for j in others) / len(others)
        if own not in mean:
            scores.append(0.0)
            continue
        a, b = mean[own], min(v for c, v in mean.items() if c != own)
        scores.append((b - a) / max(a, b))
    return scores


@pytest.mark.parametrize(("metric", "distance"), [("euclidean", euclidean), ("cosine", cosine)])
def test_silhouette_equals_its_slow_definition_and_scikit_learn(metric, distance):
    z, y = blobs()
    y = y.copy()
    y[7] = 9  # alone in its cluster
    found = silhouette_details(z, y, metric=metric)
    expected = slow_silhouette(z, y.tolist(), distance)
    assert found.per_sample == pytest.approx(expected, abs=1e-9)
    assert found.per_sample == pytest.approx(silhouette_samples(z, y, metric=metric), abs=1e-6)
    assert found.per_sample[7] == 0
    assert silhouette(z, y, metric=metric) == found.mean == pytest.approx(np.mean(expected))
    assert set(found.per_cluster) == {0, 1, 2, 9}
    for c, mean in found.per_cluster.items():
        assert mean == pytest.approx(np.mean([s for s, d in zip(expected, y, strict=True) if d == c]))


def test_two_tight_blobs_give_nearly_one_and_random_clusters_nothing():
    z, y = blobs(200, clusters=2, apart=500)
    assert silhouette(z, y) == pytest.approx(1, abs=0.01)
    shuffled = np.random.default_rng(0).permutation(y)
    assert silhouette(z, shuffled) < 0.02
    assert silhouette(np.random.default_rng(1).normal(size=(200, 4)), y) < 0.02


def test_shift_scale_rotation_and_names_of_clusters_do_not_matter():
    z, y = blobs()
    expected = silhouette(z, y)
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(4, 4)))[0]
    for same in (z + 1e6, z * 1e-200, z * 1e200, z @ turn, torch.from_numpy(z)):
        assert silhouette(same, y) == pytest.approx(expected, abs=1e-6)
    assert silhouette(z, np.array(["ape", "bee", "cat"])[y]) == pytest.approx(expected, abs=1e-12)
    lengths = np.random.default_rng(4).uniform(0.1, 10, size=(60, 1))
    assert silhouette(z * lengths, y, metric="cosine") == pytest.approx(silhouette(z, y, metric="cosine"))


def test_noise_is_left_out_and_its_share_reported():
    z, y = blobs(60)
    expected = silhouette(z[15:], y[15:])
    noisy = y.copy()
    noisy[:15] = -1
    for written in (noisy, torch.from_numpy(noisy), noisy.astype(float), noisy.tolist()):
        found = silhouette_details(z, written)
        assert found.mean == pytest.approx(expected, abs=1e-12)
        assert found.noise == pytest.approx(0.25)
        assert set(found.per_cluster) == {0, 1, 2}
        assert found.rows.tolist() == list(range(15, 60))


def test_many_samples_are_measured_by_a_part_that_repeats_and_is_said():
    z, y = blobs(3000, apart=1.0)
    part = silhouette_details(z, y, limit=600)
    assert len(part.rows) == 600
    assert np.bincount(y[part.rows]).tolist() == [200, 200, 200]
    assert part.mean == pytest.approx(silhouette(z, y), abs=0.02)
    assert (silhouette_details(z, y, limit=600).rows == part.rows).all()
    assert (silhouette_details(z, y, limit=600, seed=1).rows != part.rows).any()


def test_a_part_keeps_the_share_of_every_group_and_never_loses_a_rare_one():
    groups = np.random.default_rng(0).permutation(["a"] * 900 + ["b"] * 97 + ["c"] * 2 + ["d"])
    rows = stratified_rows(groups, 100, seed=0)
    assert (np.diff(rows) > 0).all()
    names, counts = np.unique(groups[rows], return_counts=True)
    counts = dict(zip(names, counts, strict=True))
    assert counts["a"] == pytest.approx(90, abs=1)
    assert counts["b"] == pytest.approx(10, abs=1)
    assert (counts["c"], counts["d"]) == (2, 1)
    assert stratified_rows(groups, 1000, seed=0).tolist() == list(range(1000))


@pytest.mark.parametrize(
    ("z", "assignments", "message"),
    [
        (np.eye(4), [0, 0, 0, 0], "1 clusters in 4 samples"),
        (np.eye(4), [0, 1, 2, 3], "4 clusters in 4 samples"),
        (np.eye(4), [0, 0, 0, -1], "1 clusters in 3 samples"),
        (np.eye(4), [-1, -1, -1, -1], "0 clusters in 0 samples"),
        (np.ones((4, 3)), [0, 0, 1, 1], "all rows of z are alike"),
        (np.zeros((4, 3)), [0, 0, 1, 1], "all rows of z are alike"),
        (np.eye(4), [0, 0, 1], "z has 4 rows and assignments 3"),
        (np.eye(4), [[0, 0, 1, 1]], "assignments has shape"),
        (np.eye(4), [0, 0, 1, 0.5], "fractions"),
        (np.eye(4) * np.nan, [0, 0, 1, 1], "NaN"),
    ],
)
def test_what_has_no_silhouette_is_refused_by_name(z, assignments, message):
    with pytest.raises(DataError, match=message):
        silhouette(z, assignments)


def test_rows_of_one_direction_have_no_cosine_silhouette():
    z = np.outer(np.arange(1, 7), [0.3, 0.7, 0.1])
    assert silhouette(z, [0, 0, 0, 1, 1, 1]) > 0
    with pytest.raises(DataError, match="alike"):
        silhouette(z, [0, 0, 0, 1, 1, 1], metric="cosine")


@pytest.mark.parametrize("options", [{"metric": "precomputed"}, {"limit": 1}])
def test_options_outside_their_range_are_refused(options):
    with pytest.raises(OptionError):
        silhouette(np.eye(4), [0, 0, 1, 1], **options)
