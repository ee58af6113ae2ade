"""Nearest neighbours by a graph of near ones: much faster than comparing all, and not always right."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from unlabeled.errors import missing
from unlabeled.evaluation.arrays import CHUNK, blocks, exact, unit_rows
from unlabeled.evaluation.neighbours import closeness_of_pairs, nearest

SAMPLE = 200
"""rows whose neighbours are also searched exactly, to say how many were found"""


class ApproximateNeighbours:
    """The rows of `known` in a hierarchical navigable small-world graph (usearch), float32, on the CPU.

    The closeness of what it finds is computed exactly afterwards. With one torch thread the graph, and so what
    it finds, is the same every time.
    Source: Malkov, Yashunin, 2016, arXiv:1603.09320.
    """

    def __init__(self, known: Tensor, k: int, metric: str) -> None:
        try:
            from usearch.index import Index
        except ImportError as error:
            raise missing("usearch", "neighbours") from error
        self.known, self.k, self.metric = known, k, metric
        # distances do not change when all rows move; far from 0 float32 would not tell them apart
        self.centre = torch.stack([exact(rows).sum(0) for _, rows in blocks(known)]).sum(0) / len(known)
        self.index = Index(
            ndim=known.shape[1],
            metric="ip" if metric == "cosine" else "l2sq",
            dtype="f32",
            # where fewer candidates than k are kept on the way, fewer than k are found
            expansion_search=max(64, 2 * k),
        )
        for start, rows in blocks(known):
            self.index.add(
                np.arange(start, start + len(rows)), self.vectors(rows), threads=torch.get_num_threads()
            )

    def vectors(self, rows: Tensor) -> np.ndarray:
        """What the graph compares: rows at length 1, or less the mean of `known`."""
        seen = unit_rows(rows) if self.metric == "cosine" else exact(rows) - self.centre.to(rows.device)
        return seen.float().cpu().numpy()

    def nearest(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """(rows, k) closeness and places of k near ones among `known`, nearest first."""
        vectors = self.vectors(rows)
        # one row more: for a single one usearch answers in another shape
        vectors = np.concatenate([vectors, vectors[:1]])
        found: Any = self.index.search(vectors, self.k, threads=torch.get_num_threads())
        places = torch.from_numpy(found.keys[:-1].astype(np.int64)).to(self.known.device)
        closeness = torch.cat(
            [
                closeness_of_pairs(rows[start : start + len(some)], self.known[some], self.metric)
                for start, some in blocks(places, width=self.k * self.known.shape[1])
            ]
        )
        # the graph may fall apart where many rows are equal, and then not reach k
        short = torch.from_numpy(found.counts[:-1] < self.k).to(self.known.device)
        if short.any():
            closeness[short], places[short] = nearest(rows[short], self.known, self.k, self.metric)
        closeness, order = closeness.sort(dim=1, descending=True, stable=True)
        return closeness, places.gather(1, order)

    def recall(self, asked: Tensor) -> float:
        """Share of the true k nearest that are found, over `SAMPLE` rows of `asked` spread evenly.

        One as near as the k-th counts as found, so equal rows may stand for each other.
        """
        chosen = torch.linspace(0, len(asked) - 1, min(SAMPLE, len(asked))).long()
        right, total = 0, 0
        for _, places in blocks(chosen, width=max(self.known.shape[1], CHUNK // 256)):
            rows = asked[places.to(asked.device)]
            least = nearest(rows, self.known, self.k, self.metric)[0][:, -1:]
            right += int((self.nearest(rows)[0] >= least - 1e-6 * least.abs()).sum())
            total += len(rows) * self.k
        return right / total
