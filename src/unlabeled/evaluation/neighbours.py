"""Do nearest neighbours share a class? Accuracy of a vote, without any training."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from unlabeled.errors import OptionError
from unlabeled.evaluation.arrays import (
    CHUNK,
    Features,
    Labels,
    blocks,
    encoded,
    labelled,
    unit_rows,
)
from unlabeled.evaluation.classification import Classification, decoded


def knn(
    train: Features,
    train_labels: Labels,
    test: Features,
    test_labels: Labels,
    *,
    k: int = 20,
    temperature: float = 0.07,
    weights: Literal["similarity", "majority"] = "similarity",
    metric: Literal["cosine", "euclidean"] = "cosine",
    index: Literal["exact", "usearch"] = "exact",
) -> float:
    """Accuracy, in [0, 1], of a vote among the k nearest train samples.

    score_c = Σ over the k nearest of class c of w, with w = exp(cosine / temperature), or
    1 / (distance + 1e-5) for `metric="euclidean"`, or 1 for `weights="majority"`; the class with the highest
    score is predicted. Equal scores go to the class of the nearest neighbour among them.

    Shapes: train (n, dim), test (m, dim), one label (whole number or string) a row. A row of zeros has
    cosine 0 with everything. Memory is bounded: a few million similarities are held at once.
    The search is exact and multiplies n · m · dim pairs of numbers. Where that is too slow (above about 1e13
    of them, such as 1,000,000 × 100,000 rows of 100) `index="usearch"` searches a graph instead, which costs
    about m · log n after n rows were put into it, needs a float32 copy of train and the extra `neighbours`,
    and misses some neighbours: `knn_details` says what share it found.
    A class that only the test set has can never be predicted and counts as wrong.
    Refused: unequal lengths or widths, no rows, NaN, missing labels (-1), one class only, k outside [1, n].
    Source: Wu, Xiong, Yu, Lin, 2018, arXiv:1805.01978 (temperature 0.07, there with
    k = 200); the Euclidean weights are those of solo-learn.
    """
    return knn_details(
        train,
        train_labels,
        test,
        test_labels,
        k=k,
        temperature=temperature,
        weights=weights,
        metric=metric,
        index=index,
    ).accuracy


def knn_details(
    train: Features,
    train_labels: Labels,
    test: Features,
    test_labels: Labels,
    *,
    k: int = 20,
    temperature: float = 0.07,
    weights: Literal["similarity", "majority"] = "similarity",
    metric: Literal["cosine", "euclidean"] = "cosine",
    index: Literal["exact", "usearch"] = "exact",
) -> Classification:
    """As `knn`, with the predictions and the accuracy of each class.

    `chosen` says which index was searched, and for an approximate one the `recall`: the share of the true k
    nearest it found, for 200 rows of test.
    """
    known, y_train, asked, y_test = labelled(train, train_labels, test, test_labels)
    if not 1 <= k <= len(known):
        raise OptionError(f"k is {k} and train has {len(known)} rows: give 1 <= k <= {len(known)}")
    if not 1e-6 <= temperature < float("inf"):
        raise OptionError(f"temperature is {temperature}: give a number above 0, such as 0.07")
    if weights not in ("similarity", "majority"):
        raise OptionError(f"weights is {weights!r}: give 'similarity' or 'majority'")
    check_metric(metric)
    if index not in ("exact", "usearch"):
        raise OptionError(f"index is {index!r}: give 'exact' or 'usearch'")
    classes, places, _ = encoded(y_train, y_test)
    votes = torch.from_numpy(places).to(known.device)
    asked = asked.to(known.device)
    chosen: dict[str, float | str] = {"index": index}
    search: Callable[[Tensor], tuple[Tensor, Tensor]] = partial(nearest, known=known, k=k, metric=metric)
    if index == "usearch":
        from unlabeled.evaluation.approximate import ApproximateNeighbours

        graph = ApproximateNeighbours(known, k, metric)
        search, chosen["recall"] = graph.nearest, graph.recall(asked)

    predicted = []
    for _, rows in blocks(asked, width=max(known.shape[1], CHUNK // 256, len(classes))):
        closeness, neighbours = search(rows)
        if weights == "majority":
            weight = torch.ones_like(closeness)
        elif metric == "cosine":
            # the largest is taken off first: the same winner, and no overflow
            weight = ((closeness - closeness[:, :1]) / temperature).exp()
        else:
            weight = 1 / (1e-5 - closeness)
        predicted.append(vote(votes[neighbours], weight, len(classes)))
    return decoded(classes, torch.cat(predicted).cpu().numpy(), y_test, **chosen)


def check_metric(metric: str) -> None:
    """Refuses any other name."""
    if metric not in ("cosine", "euclidean"):
        raise OptionError(f"metric is {metric!r}: give 'cosine' or 'euclidean'")


def nearest(rows: Tensor, known: Tensor, k: int, metric: str) -> tuple[Tensor, Tensor]:
    """(rows, k) closeness and places of the k nearest of `known`, nearest first.

    Closeness is the cosine, or minus the distance. `known` passes in blocks; the best k so far are kept.
    """
    best: Tensor | None = None
    places: Tensor | None = None
    for start, block in blocks(known, width=max(len(rows), known.shape[1])):
        closeness = closeness_of_all(comparable(rows, metric), comparable(block, metric), metric)
        here = torch.arange(start, start + len(block), device=known.device).expand(len(rows), -1)
        if best is not None and places is not None:
            closeness, here = torch.cat([best, closeness], 1), torch.cat([places, here], 1)
        best, order = closeness.topk(min(k, closeness.shape[1]), dim=1)
        places = here.gather(1, order)
    assert best is not None and places is not None
    return best, places


def comparable(rows: Tensor, metric: str) -> Tensor:
    """Rows ready to be compared: at length 1 for cosines, in float32 or better for distances."""
    return unit_rows(rows) if metric == "cosine" else rows.to(torch.promote_types(rows.dtype, torch.float32))


def closeness_of_all(rows: Tensor, others: Tensor, metric: str) -> Tensor:
    """(rows, others) closeness of each comparable row to each other."""
    if metric == "cosine":
        return rows @ others.T
    # differences, not |a|² + |b|² - 2ab: that cancels, and rows far from 0 would seem equal
    return -torch.cdist(rows, others, compute_mode="donot_use_mm_for_euclid_dist")


def closeness_of_pairs(rows: Tensor, others: Tensor, metric: str) -> Tensor:
    """(rows, k) closeness of each row to its own k `others` (rows, k, dim)."""
    mine = comparable(rows, metric)
    theirs = comparable(others.flatten(0, 1), metric).view(others.shape)
    if metric == "cosine":
        return (theirs @ mine[:, :, None]).squeeze(2)
    return -torch.linalg.vector_norm(theirs - mine[:, None], dim=2)


def vote(classes_of: Tensor, weight: Tensor, classes: int) -> Tensor:
    """(rows,) winning class from the classes and weights of the neighbours (rows, k), nearest first."""
    scores = weight.new_zeros(len(weight), classes).scatter_add_(1, classes_of, weight)
    # among equal scores the class met first, going outwards from the nearest
    mine = scores.gather(1, classes_of)
    first = (mine >= mine.amax(1, keepdim=True) * (1 - 1e-6)).int().argmax(1, keepdim=True)
    return classes_of.gather(1, first).squeeze(1)
