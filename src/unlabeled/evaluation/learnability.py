"""How easily the clusters of the embeddings are learnt from few of their points."""

from __future__ import annotations

import numpy as np
import torch

from unlabeled.errors import OptionError
from unlabeled.evaluation.arrays import Features, blocks, features, unit_rows
from unlabeled.evaluation.sample import SAMPLE_SIZE, Estimate, distinct, draw

MOST, LEAST_SAMPLES = 100, 10
"""clusters where no number of classes is expected: at most so many, of at least so many samples on average"""


def clusters_for(samples: int) -> int:
    """How many clusters are to be learnt where nothing is known of the classes."""
    return max(2, min(MOST, samples // LEAST_SAMPLES))


def cluster_learnability(
    z: Features, *, clusters: int = 100, sample_size: int = SAMPLE_SIZE, seed: int = 0
) -> float:
    """CL: accuracy, in [0, 1], with which a 1-NN predicts each point's k-means cluster from the points before.

    k-means gives every row one of `clusters` labels; in a random order each row from the second on gets the
    label of its nearest earlier row by cosine; the figure is the share of right ones. Rows are normalised
    inside, for the clusters and the neighbours. Beside it belongs `intrinsic_dimension`: together they are the
    CLID of the paper.

    Shapes: (samples, dim). Equal directions are left out but for one. From all rows up to `sample_size`; of
    more, as many are drawn with `seed`, which also starts k-means and makes the order
    (`cluster_learnability_details` says what was used). Give as many clusters as classes are expected.
    Known values: near 1 for separated clouds; much lower for uniform noise.
    Refused: fewer than 50 different rows, clusters outside [2, different rows - 1], a sample_size below 2,
    NaN, infinity.
    Source: Lu, Liu, Baratin, Laroche, Courville, Sordoni, 2022, arXiv:2206.01251.
    """
    return cluster_learnability_details(z, clusters=clusters, sample_size=sample_size, seed=seed).value


def cluster_learnability_details(
    z: Features, *, clusters: int = 100, sample_size: int = SAMPLE_SIZE, seed: int = 0
) -> Estimate:
    """As `cluster_learnability`, with the rows it was computed from and the duplicates left out."""
    from sklearn.cluster import KMeans

    tensor = features(z, "z", least_rows=2)
    drawn, _ = draw(tensor, sample_size, seed)
    unit = distinct(unit_rows(drawn), "z (rows at length 1)").cpu()
    if not 2 <= clusters < len(unit):
        raise OptionError(
            f"clusters is {clusters} and z has {len(unit)} different directions: "
            f"give 2 <= clusters <= {len(unit) - 1}"
        )
    unit = unit[torch.from_numpy(np.random.default_rng(seed).permutation(len(unit)))]
    label = torch.from_numpy(KMeans(clusters, n_init=1, random_state=seed).fit_predict(unit.numpy()))
    right = 0
    for start, rows in blocks(unit, width=max(unit.shape)):
        stop = start + len(rows)
        cosine = rows @ unit[:stop].T
        # -inf from its own place on: only earlier rows are known
        cosine += torch.full_like(cosine, -torch.inf).triu(start)
        nearest = cosine.argmax(1)
        right += int((label[nearest] == label[start:stop])[1 if start == 0 else 0 :].sum())
    return Estimate(right / (len(unit) - 1), len(tensor), len(unit), seed, len(drawn) - len(unit))
