import itertools
import math
import sys
from collections import Counter

import numpy as np
import pytest
import torch
from sklearn import metrics
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from unlabeled.errors import DataError, MissingExtraError, OptionError
from unlabeled.evaluation import cluster_agreement, clustering, clustering_details, reduced, silhouette

torch.set_num_threads(1)

METHODS = ["kmeans", "ward", "spectral", "hdbscan"]


def blobs(n=120, dim=5, classes=4, apart=8.0, seed=0):
    generator = np.random.default_rng(seed)
    y = np.arange(n) % classes
    return np.random.default_rng(9).normal(size=(classes, dim))[y] * apart + generator.normal(
        size=(n, dim)
    ), y


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    return x[:600] / 16, y[:600]


def slow_ami(a, b):
    """By the formula, with the expected mutual information summed over the hypergeometric distribution."""
    n = len(a)
    rows, columns, cells = Counter(a), Counter(b), Counter(zip(a, b, strict=True))
    entropy = [-sum(c / n * math.log(c / n) for c in counts.values()) for counts in (rows, columns)]
    information = sum(c / n * math.log(n * c / (rows[i] * columns[j])) for (i, j), c in cells.items())
    expected = 0.0
    for p, q in itertools.product(rows.values(), columns.values()):
        for c in range(max(1, p + q - n), min(p, q) + 1):
            chance = math.comb(q, c) * math.comb(n - q, p - c) / math.comb(n, p)
            expected += chance * c / n * math.log(n * c / (p * q))
    return (information - expected) / (sum(entropy) / 2 - expected), information / (sum(entropy) / 2)


def slow_pairs(a, b):
    """ARI and Fowlkes-Mallows from every pair of samples."""
    together = Counter((a[i] == a[j], b[i] == b[j]) for i, j in itertools.combinations(range(len(a)), 2))
    tp, fn, fp, tn = (together[k] for k in ((True, True), (True, False), (False, True), (False, False)))
    ari = 2 * (tp * tn - fn * fp) / ((tp + fn) * (fn + tn) + (tp + fp) * (fp + tn))
    return ari, tp / math.sqrt((tp + fp) * (tp + fn))


def noisy_partition(seed=0):
    generator = np.random.default_rng(seed)
    y = generator.integers(0, 4, 80)
    return y, np.where(generator.random(80) < 0.6, (y + 1) % 4, generator.integers(0, 4, 80))


def test_agreement_equals_its_slow_definitions():
    y, found = noisy_partition()
    got = cluster_agreement(y, found)
    assert (got.ami, got.nmi) == pytest.approx(slow_ami(y.tolist(), found.tolist()), abs=1e-9)
    assert (got.ari, got.fowlkes_mallows) == pytest.approx(slow_pairs(y, found), abs=1e-9)
    # homogeneity and completeness have NMI as their harmonic mean
    assert 2 / (1 / got.homogeneity + 1 / got.completeness) == pytest.approx(got.nmi)


@pytest.mark.parametrize("seed", range(3))
def test_accuracy_is_that_of_the_best_of_all_namings(seed):
    y, found = noisy_partition(seed)
    best = max(np.mean(np.array(names)[found] == y) for names in itertools.permutations(range(4)))
    assert cluster_agreement(y, found).accuracy == pytest.approx(best)
    # a cluster too many is matched with no class
    extra = found.copy()
    extra[:10] = 4
    best = max(np.mean(np.array(names)[extra] == y) for names in itertools.permutations(range(5)))
    assert cluster_agreement(y, extra).accuracy == pytest.approx(best)


def test_the_same_partition_under_other_names_agrees_fully():
    y, _ = noisy_partition()
    for renamed in ((y + 2) % 4, np.array(["d", "a", "c", "b"])[y], y - 1):  # -1, noise, is a cluster
        got = cluster_agreement(y, renamed)
        assert vars(got) == pytest.approx(dict.fromkeys(vars(got), 1.0))


def test_random_clusters_agree_by_chance_only():
    generator = np.random.default_rng(0)
    got = cluster_agreement(generator.integers(0, 10, 3000), generator.integers(0, 10, 3000))
    assert abs(got.ami) < 0.02
    assert abs(got.ari) < 0.02
    assert got.accuracy < 0.2


def test_one_cluster_agrees_with_nothing_and_has_no_silhouette():
    z, y = blobs(40)
    got = cluster_agreement(y, np.zeros(40, dtype=int))
    assert (got.ami, got.nmi, got.ari, got.homogeneity) == (0, 0, 0, 0)
    with pytest.raises(DataError, match="1 clusters in 40 samples"):
        silhouette(z, np.zeros(40, dtype=int))


@pytest.mark.parametrize(
    ("y", "found", "message"),
    [
        ([0, 1, 0], [0, 1], "assignments has 2 rows and labels 3"),
        ([0, 0, 0], [0, 1, 0], "one class only"),
        ([0, -1, 0], [0, 1, 0], "labels is -1 at row 1"),
        ([0, 1, 0], [0, float("nan"), 0], "assignments is NaN"),
    ],
)
def test_bad_partitions_are_refused_by_name(y, found, message):
    with pytest.raises(DataError, match=message):
        cluster_agreement(y, found)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_blobs_far_apart(method):
    z, y = blobs()
    details = clustering_details(z, y, method=method)
    assert details.agreement.accuracy == 1
    assert clustering(z, y, method=method) == details.headline == pytest.approx(1)
    assert (details.clusters, details.clustered) == (4, 1)
    clusters = {} if method == "hdbscan" else {"clusters": 4}
    alone = clustering_details(z, method=method, **clusters)
    assert alone.agreement is None
    assert (alone.assignments == details.assignments).all()
    assert clustering(z, method=method, **clusters) == alone.fitted.silhouette > 0.6


def test_validity_equals_scikit_learn_in_both_spaces(digits):
    x, y = digits
    details = clustering_details(x, y, reduce=0.9)
    space = PCA(0.9).fit_transform(StandardScaler().fit_transform(x))
    assert 1 < space.shape[1] < 64
    for points, validity in ((x, details.raw), (space, details.fitted)):
        found = details.assignments
        assert validity.silhouette == pytest.approx(metrics.silhouette_score(points, found), abs=1e-6)
        assert validity.calinski_harabasz == pytest.approx(metrics.calinski_harabasz_score(points, found))
        assert validity.davies_bouldin == pytest.approx(metrics.davies_bouldin_score(points, found))
    assert details.agreement.ami == pytest.approx(metrics.adjusted_mutual_info_score(y, details.assignments))
    assert 0.4 < details.agreement.ami < 0.9


def test_without_reduction_both_spaces_are_one():
    z, y = blobs()
    details = clustering_details(z, y)
    assert details.fitted == details.raw
    assert clustering_details(z * [1, 1, 1, 1, 100], y, zscore=True).fitted != details.raw


def test_noise_is_one_cluster_in_the_headline_and_left_out_beside_it():
    z, y = blobs()
    stray = np.random.default_rng(1).uniform(-200, 200, size=(30, 5))
    z, y = np.vstack([z, stray]), np.r_[y, np.arange(30) % 4]
    details = clustering_details(z, y, method="hdbscan", min_cluster_size=10)
    noise = details.assignments == -1
    assert 20 < noise.sum() < 40
    assert details.clustered == pytest.approx(1 - noise.mean())
    assert details.clusters == 4
    assert details.agreement.ami == pytest.approx(metrics.adjusted_mutual_info_score(y, details.assignments))
    kept = metrics.adjusted_mutual_info_score(y[~noise], details.assignments[~noise])
    assert details.agreement_clustered.ami == pytest.approx(kept)
    assert details.agreement.ami < details.agreement_clustered.ami
    assert details.raw.silhouette == pytest.approx(silhouette(z, details.assignments), abs=1e-9)


def test_all_noise_has_agreement_zero_and_its_silhouette_is_refused():
    z = np.random.default_rng(0).normal(size=(60, 20))
    y = np.arange(60) % 3
    details = clustering_details(z, y, method="hdbscan", min_cluster_size=20)
    assert (details.clusters, details.clustered) == (0, 0)
    assert details.headline == 0
    assert (details.raw, details.fitted, details.agreement_clustered) == (None, None, None)
    with pytest.raises(DataError, match="0 clusters were found in 60 samples"):
        clustering(z, method="hdbscan", min_cluster_size=20)


def test_the_same_seed_gives_the_same_clusters(digits):
    x, y = digits
    first = clustering_details(x, y, seed=3)
    assert (
        clustering_details(torch.from_numpy(x), y.tolist(), seed=3).assignments == first.assignments
    ).all()
    assert (clustering_details(x, y, seed=4).assignments != first.assignments).any()


@pytest.mark.parametrize("method", METHODS)
def test_clusterers_of_pairs_take_a_stratified_part_of_many_samples_and_say_so(method, monkeypatch):
    monkeypatch.setattr(sys.modules["unlabeled.evaluation.clustering"], "LIMIT", 80)
    z, y = blobs(400)
    details = clustering_details(z, y, method=method)
    assert len(details.rows) == len(details.assignments) == (400 if method == "kmeans" else 80)
    assert np.ptp(np.bincount(y[details.rows])) == 0
    assert details.headline == pytest.approx(1)


def test_principal_components_hold_the_share_of_variance_that_is_asked():
    z = np.random.default_rng(0).normal(size=(200, 6)) * [10, 5, 1, 0.1, 0.1, 0]
    assert reduced(z, 0.9, zscore=False).shape == (200, 2)
    assert reduced(z, 3, zscore=False).shape == (200, 3)
    whole = reduced(z, 0.999999, zscore=True)
    assert whole.shape == (200, 5)  # the constant column is nothing
    assert whole.var() * 5 * 200 == pytest.approx(5 * 200, rel=1e-6)
    assert reduced(z, 0.9).shape == reduced(z, 0.9, zscore=True).shape != (200, 2)


def test_umap_unfolds_blobs_into_clusters_and_repeats():
    pytest.importorskip("umap")
    z, y = blobs(90, dim=4, classes=3, apart=4)
    details = clustering_details(z, y, reduce="umap")
    assert details.headline > 0.9
    assert details.fitted.silhouette > details.raw.silhouette
    space = reduced(z, "umap")
    assert space.shape == (90, 4)
    assert (space == reduced(z, "umap")).all()


def test_umap_names_its_extra_where_it_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(MissingExtraError, match=r"unlabeled\[map\]"):
        clustering(*blobs(), reduce="umap")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "k_means"}, "did you mean 'kmeans'"),
        ({}, "kmeans needs a number of clusters"),
        ({"clusters": 1}, r"clusters .None: the classes of labels. is 1: at least 2"),
        ({"clusters": 3, "method": "hdbscan"}, "finds the number of clusters itself"),
        ({"min_cluster_size": 1, "method": "hdbscan"}, "min_cluster_size is 1"),
        ({"clusters": 3, "min_cluster_size": 5}, "min_cluster_size is for hdbscan, not kmeans"),
        ({"clusters": 3, "reduce": 0.0}, "reduce is 0.0"),
        ({"clusters": 3, "reduce": 1.5}, "reduce is 1.5"),
        ({"clusters": 3, "reduce": 6}, "1 to 5 components"),
        ({"clusters": 3, "reduce": float("inf")}, "reduce is inf"),
        ({"clusters": 3, "reduce": float("nan")}, "reduce is nan"),
        ({"clusters": 3, "reduce": "pca"}, "reduce is 'pca'"),
    ],
)
def test_options_outside_their_range_are_refused(options, message):
    with pytest.raises(OptionError, match=message):
        clustering(blobs()[0], **options)


@pytest.mark.parametrize(
    ("z", "y", "options", "message"),
    [
        (np.eye(4), None, {"clusters": 5}, "4 samples, fewer than the 5 asked of kmeans"),
        (np.eye(4), None, {"method": "hdbscan"}, "4 samples, fewer than the 5 asked of hdbscan"),
        (np.eye(4) * np.nan, None, {"clusters": 2}, "NaN"),
        (np.eye(4), [0, 1, 0], {}, "z has 4 rows and labels 3"),
        (np.eye(4), [0, 1, 0, -1], {}, "labels is -1 at row 3"),
        (np.eye(4), [1, 1, 1, 1], {"clusters": 2}, "one class only"),
        (np.ones((4, 2)), None, {"clusters": 2, "reduce": 0.9}, "all rows of z are the same"),
        (np.eye(2), None, {"clusters": 2}, "at least 3 rows"),
    ],
)
def test_bad_data_is_refused_by_name(z, y, options, message):
    with pytest.raises(DataError, match=message):
        clustering(z, y, **options)


def test_silhouette_follows_the_agreement_over_numbers_of_clusters_of_digits(digits):
    """The claim in small: without labels, the silhouette prefers numbers of clusters that agree with the classes."""
    from scipy.stats import spearmanr

    x, y = digits
    made = [clustering_details(x, y, clusters=k, method="ward", reduce=0.8) for k in (2, 3, 4, 6, 8, 10)]
    assert spearmanr([m.fitted.silhouette for m in made], [m.agreement.ari for m in made]).statistic > 0.5
