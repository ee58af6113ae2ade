"""Does a search by the features find what belongs to a query? Figures of the ranking of a gallery."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from unlabeled.errors import DataError, OptionError
from unlabeled.evaluation.arrays import CHUNK, Features, Labels, features, labels, same_width
from unlabeled.evaluation.neighbours import check_metric, closeness_of_all, comparable

Metric = Literal["cosine", "euclidean"]
LEAST_QUERIES = 16
"""queries ranked at once even where the gallery is long: the gallery is read once for all of them"""


@dataclass(frozen=True)
class Retrieval:
    """How the gallery was ranked for every query that has something relevant in it; one value a query."""

    queries: Int64[np.ndarray, " queries"]
    """places of the queries counted"""
    excluded: int
    """queries left out because nothing in the gallery is relevant to them"""
    gallery: int
    """items ranked for each query"""
    relevant: Int64[np.ndarray, " queries"]
    """R, how many of them are relevant"""
    first: Int64[np.ndarray, " queries"]
    """rank of the first relevant item, from 1"""
    average_precision: Float[np.ndarray, " queries"]
    """Σ_i precision(i) relevant(i) / R"""
    average_precision_at_r: Float[np.ndarray, " queries"]
    """the same of the first R ranks only"""
    precision_at_r: Float[np.ndarray, " queries"]
    """share of the first R ranks that is relevant"""
    hits: Bool[np.ndarray, "queries depth"]
    """whether the item at each of the first `depth` ranks is relevant"""

    @property
    def mean_average_precision(self) -> float:
        return float(self.average_precision.mean())

    @property
    def map_at_r(self) -> float:
        return float(self.average_precision_at_r.mean())

    @property
    def precision_at_1(self) -> float:
        """Share of the queries whose nearest item is relevant."""
        return float((self.first == 1).mean())

    def recall_at_k(self, k: int) -> float:
        """Share of the queries with at least one relevant item among the first k, as in metric learning."""
        return float((self.first <= self._within(k, self.gallery)).mean())

    def set_recall_at_k(self, k: int) -> float:
        """Mean share of the relevant items that are among the first k, as in recommendation. k <= depth."""
        return float((self._hits(k).sum(1) / self.relevant).mean())

    def mrr(self, cutoff: int | None = None) -> float:
        """Mean of 1 / rank of the first relevant item, 0 where that is beyond `cutoff`."""
        within = self.first <= (self.gallery if cutoff is None else max(1, cutoff))
        return float((within / self.first).mean())

    def ndcg(self, k: int) -> float:
        """Mean of Σ_{i≤k} relevant(i) / log2(i + 1) over its best value, that of all relevant first. k <= depth."""
        hits = self._hits(k)
        discount = 1 / np.log2(np.arange(2, k + 2))
        best = np.cumsum(discount)[np.minimum(self.relevant, k) - 1]
        return float((hits @ discount / best).mean())

    def table(self) -> dict[str, np.ndarray]:
        """One column a figure, one row a query; for a pandas or Arrow table."""
        return {
            "query": self.queries,
            "relevant": self.relevant,
            "first": self.first,
            "average_precision": self.average_precision,
            "average_precision_at_r": self.average_precision_at_r,
            "precision_at_r": self.precision_at_r,
        }

    def _hits(self, k: int) -> Bool[np.ndarray, "queries k"]:
        return self.hits[:, : self._within(k, self.hits.shape[1])]

    def _within(self, k: int, most: int) -> int:
        if not 1 <= k <= most:
            raise OptionError(f"k is {k}: give 1 <= k <= {most} (the depth kept, or the size of the gallery)")
        return k


def retrieval(
    gallery: Features,
    gallery_labels: Labels,
    queries: Features | None = None,
    query_labels: Labels | None = None,
    *,
    metric: Metric = "cosine",
) -> float:
    """Mean average precision, in (0, 1], of searching the gallery for items of the query's class.

    The gallery is ranked for each query by the cosine, or by the Euclidean distance; equal ones by their place
    in the gallery. An item is relevant if it has the query's label. With precision(i) the share of the first i
    that is relevant, R the number of relevant items: AP = (1/R) Σ_i precision(i) relevant(i), over the whole
    ranking; the figure is its mean over the queries.

    Shapes: gallery (n, dim), queries (m, dim), one label a row. Without queries every item of the gallery is a
    query to the others. A query to which nothing is relevant is left out, and counted in
    `retrieval_details`. Exact, a few million similarities held at once.
    Known values: 1 if the relevant items come first for every query; about the share of relevant items for
    features without sense, in a large gallery.
    Refused: unequal lengths or widths, NaN, missing labels (-1), queries without labels or the reverse,
    nothing relevant to any query.
    Source: Manning, Raghavan, Schütze, "Introduction to information retrieval", 2008, chapter 8.
    """
    return retrieval_details(
        gallery, gallery_labels, queries, query_labels, depth=1, metric=metric
    ).mean_average_precision


mean_average_precision = retrieval


def map_at_r(
    gallery: Features,
    gallery_labels: Labels,
    queries: Features | None = None,
    query_labels: Labels | None = None,
    *,
    metric: Metric = "cosine",
) -> float:
    """Mean of (1/R) Σ_{i≤R} precision(i) relevant(i): average precision that looks at the first R ranks only.

    Otherwise as `retrieval`. Source: Musgrave, Belongie, Lim, 2020, arXiv:2003.08505.
    """
    return retrieval_details(gallery, gallery_labels, queries, query_labels, depth=1, metric=metric).map_at_r


def precision_at_1(
    gallery: Features,
    gallery_labels: Labels,
    queries: Features | None = None,
    query_labels: Labels | None = None,
    *,
    metric: Metric = "cosine",
) -> float:
    """Share of the queries whose nearest item is relevant. Otherwise as `retrieval`."""
    return retrieval_details(
        gallery, gallery_labels, queries, query_labels, depth=1, metric=metric
    ).precision_at_1


def recall_at_k(
    gallery: Features,
    gallery_labels: Labels,
    queries: Features | None = None,
    query_labels: Labels | None = None,
    *,
    k: int = 5,
    metric: Metric = "cosine",
) -> float:
    """Share of the queries with at least one relevant item among the k nearest, as in metric learning.

    Otherwise as `retrieval`. Known value: about k / n for features without sense where one item is relevant.
    Refused: k outside [1, n]. Source: Oh Song, Xiang, Jegelka, Savarese, 2015, arXiv:1511.06452.
    """
    return retrieval_details(
        gallery, gallery_labels, queries, query_labels, depth=1, metric=metric
    ).recall_at_k(k)


def mrr(
    gallery: Features,
    gallery_labels: Labels,
    queries: Features | None = None,
    query_labels: Labels | None = None,
    *,
    cutoff: int | None = None,
    metric: Metric = "cosine",
) -> float:
    """Mean reciprocal rank of the first relevant item, 0 where it is beyond `cutoff`. Otherwise as `retrieval`.

    Usual cutoffs: 10 for passages, 1000 for code search.
    """
    if cutoff is not None and cutoff < 1:
        raise OptionError(f"cutoff is {cutoff}: at least 1 is needed, or None for the whole ranking")
    return retrieval_details(gallery, gallery_labels, queries, query_labels, depth=1, metric=metric).mrr(
        cutoff
    )


def ndcg(
    gallery: Features,
    gallery_labels: Labels,
    queries: Features | None = None,
    query_labels: Labels | None = None,
    *,
    k: int = 10,
    metric: Metric = "cosine",
) -> float:
    """Normalised discounted cumulative gain of the k nearest: Σ_{i≤k} relevant(i) / log2(i + 1), over its best.

    Otherwise as `retrieval`. Refused: k outside [1, n].
    Source: Järvelin, Kekäläinen, "Cumulated gain-based evaluation of IR techniques", 2002.
    """
    return retrieval_details(gallery, gallery_labels, queries, query_labels, depth=k, metric=metric).ndcg(k)


def retrieval_details(
    gallery: Features,
    gallery_labels: Labels,
    queries: Features | None = None,
    query_labels: Labels | None = None,
    *,
    depth: int | None = None,
    metric: Metric = "cosine",
) -> Retrieval:
    """As `retrieval`, with every figure of every query, and how many were left out.

    `depth`: ranks whose hits are kept, for figures at any k up to it; None: 10, or all where there are fewer.
    """
    known = features(gallery, "gallery")
    y = labels(gallery_labels, "gallery_labels", rows=len(known), of="gallery")
    if (queries is None) != (query_labels is None):
        raise DataError("only one of queries and query_labels is given: give both, or neither")
    if queries is None or query_labels is None:
        asked, y_asked = None, y
    else:
        asked = features(queries, "queries")
        y_asked = labels(query_labels, "query_labels", rows=len(asked), of="queries")
        if (y.dtype.kind == "U") != (y_asked.dtype.kind == "U"):
            raise DataError(
                "gallery_labels are strings and query_labels numbers, or the reverse: write both the same way"
            )
    places = np.unique(np.concatenate([y, y_asked]), return_inverse=True)[1]
    theirs, mine = (torch.from_numpy(part).to(known.device) for part in np.split(places, [len(y)]))

    def relevance(rows: slice) -> Tensor:
        return mine[rows, None] == theirs

    return _ranked(known, asked, relevance, depth, metric)


def paired_retrieval(
    queries: Features,
    gallery: Features,
    relevant: Sequence[Sequence[int]] | None = None,
    *,
    metric: Metric = "cosine",
) -> float:
    """Mean average precision of searching the gallery for what is paired with each query.

    For two encoders, such as of texts and of images, or of two views: item i of the gallery belongs to query
    i; or `relevant` lists for each query the places in the gallery that belong to it, none to leave it out.
    With one relevant item a query this is the mean reciprocal rank; recall at k and the others are in
    `paired_retrieval_details`.

    Shapes: queries (m, dim), gallery (n, dim), with m = n where `relevant` is not given.
    Refused: as `retrieval`, and places outside the gallery or listed twice.
    """
    return paired_retrieval_details(queries, gallery, relevant, depth=1, metric=metric).mean_average_precision


def paired_retrieval_details(
    queries: Features,
    gallery: Features,
    relevant: Sequence[Sequence[int]] | None = None,
    *,
    depth: int | None = None,
    metric: Metric = "cosine",
) -> Retrieval:
    """As `paired_retrieval`, with every figure of every query, and how many were left out."""
    asked, known = features(queries, "queries"), features(gallery, "gallery")
    if relevant is None:
        if len(asked) != len(known):
            raise DataError(
                f"queries has {len(asked)} rows and gallery {len(known)}: pairs need as many, or give relevant="
            )
        sets = list(np.arange(len(asked))[:, None])
    else:
        sets = _checked_sets(relevant, len(asked), len(known))

    def relevance(rows: slice) -> Tensor:
        marked = torch.zeros(len(sets[rows]), len(known), dtype=torch.bool)
        for row, some in zip(marked, sets[rows], strict=True):
            row[torch.as_tensor(some, dtype=torch.long)] = True
        return marked.to(known.device)

    return _ranked(known, asked, relevance, depth, metric)


def _checked_sets(relevant: Sequence[Sequence[int]], queries: int, gallery: int) -> list[np.ndarray]:
    if len(relevant) != queries:
        raise DataError(f"queries has {queries} rows and relevant {len(relevant)} lists: give one a query")
    sets = [np.asarray(list(some), dtype=np.int64) for some in relevant]
    for query, some in enumerate(sets):
        if len(some) and not 0 <= some.min() <= some.max() < gallery:
            raise DataError(
                f"relevant[{query}] names a place outside the gallery, which has {gallery} rows, from 0 on"
            )
        if len(np.unique(some)) != len(some):
            raise DataError(f"relevant[{query}] names a place twice")
    return sets


def _ranked(
    known: Tensor,
    asked: Tensor | None,
    relevance: Callable[[slice], Tensor],
    depth: int | None,
    metric: str,
) -> Retrieval:
    """Ranks the whole gallery for a block of queries after the other; without `asked` each item for the others."""
    check_metric(metric)
    if asked is None:
        asked, alone = known, True
    else:
        same_width(gallery=known, queries=asked)
        asked, alone = asked.to(known.device), False
    size = len(known) - alone
    depth = min(10, size) if depth is None else depth
    if not 1 <= depth <= size:
        raise OptionError(f"k or depth is {depth} and {size} items are ranked: give 1 <= k <= {size}")
    gallery = comparable(known, metric)
    wide = torch.promote_types(gallery.dtype, asked.dtype)
    gallery = gallery.to(wide)
    rank = torch.arange(1, size + 1, device=known.device)

    parts: list[list[Tensor]] = []
    step = max(LEAST_QUERIES, CHUNK // len(known))
    for start in range(0, len(asked), step):
        rows = slice(start, min(start + step, len(asked)))
        closeness = closeness_of_all(comparable(asked[rows], metric).to(wide), gallery, metric)
        marked = relevance(rows)
        if alone:
            own = torch.arange(rows.start, rows.stop, device=known.device)[:, None]
            closeness.scatter_(1, own, -torch.inf)  # last, where the ranking is cut
            marked.scatter_(1, own, False)
        order = closeness.sort(dim=1, descending=True, stable=True).indices[:, :size]
        hit = marked.gather(1, order)
        count = hit.sum(1)
        kept = count > 0
        hit, count = hit[kept], count[kept]
        found = hit.cumsum(1)
        precision = hit * found.double() / rank
        inside = rank <= count[:, None]
        parts.append(
            [
                rows.start + kept.nonzero().squeeze(1),
                count,
                hit.int().argmax(1) + 1,
                precision.sum(1) / count,
                (precision * inside).sum(1) / count,
                (hit & inside).sum(1) / count.double(),
                hit[:, :depth],
            ]
        )
    columns = [torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True)]
    places = columns[0]
    if not len(places):
        raise DataError(
            "no query has a relevant item in the gallery: the labels of both must name the same classes, and "
            "a set searched in itself needs two items of a class"
        )
    return Retrieval(places, len(asked) - len(places), size, *columns[1:])
