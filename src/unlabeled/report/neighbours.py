"""Which samples the encoder finds alike: a few of them, each with those that are nearest to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from unlabeled.report.page import Block, Neighbours, Paragraph, Row, Sheet, Tile
from unlabeled.report.samples import Samples

QUERIES = 8
"""samples whose neighbours are shown"""
FEWER = 4
"""samples where several runs are compared"""
NEAREST = 8
"""neighbours in a row"""
WORDS = 140
"""characters of a description at most"""


def unit_rows(z: Float[np.ndarray, "samples dim"]) -> Float[np.ndarray, "samples dim"]:
    """Rows at length 1, float64; a row of zeros stays."""
    wide = z.astype(np.float64)
    # scaled first: the square of 1e200 is infinite
    wide = wide / np.maximum(np.abs(wide).max(axis=1, keepdims=True), 1e-300)
    unit: np.ndarray = wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-300)
    return unit


def nearest(
    unit: Float[np.ndarray, "samples dim"], k: int
) -> tuple[Int[np.ndarray, "samples k"], Float[np.ndarray, "samples k"]]:
    """The k other samples of the largest cosine, the nearest first, and the cosines; ties by place."""
    k = min(k, len(unit) - 1)
    places, cosines = [], []
    for first in range(0, len(unit), 512):
        cosine = unit[first : first + 512] @ unit.T
        rows = np.arange(len(cosine))
        cosine[rows, first + rows] = -np.inf
        order = np.argsort(-cosine, axis=1, kind="stable")[:, :k]
        places.append(order)
        cosines.append(np.take_along_axis(cosine, order, axis=1).clip(-1, 1))
    return np.concatenate(places), np.concatenate(cosines)


def queries(names: Sequence[str | None] | None, count: int, *, seed: int = 0) -> list[int]:
    """Up to eight samples drawn by `seed`: of as many different labels as there are."""
    order = np.random.default_rng(seed).permutation(count).tolist()
    if names is None:
        return sorted(order[:QUERIES])
    seen: dict[str | None, int] = {}
    # the first of every label, then the second of every label, …
    rank = {}
    for i in order:
        rank[i] = seen.get(names[i], 0)
        seen[names[i]] = rank[i] + 1
    chosen = sorted(order, key=lambda i: (rank[i], names[i] is None))[:QUERIES]
    return sorted(chosen, key=lambda i: (names[i] or "", i))


def neighbour_blocks(
    units: Mapping[str, Float[np.ndarray, "samples dim"]],
    samples: Samples,
    sheet: Sheet | None,
    *,
    seed: int = 0,
) -> list[Block]:
    """Rows of a few samples and their nearest neighbours among all; of several runs (run → rows) one below another."""
    if len(samples) < 2:
        return [Paragraph("No neighbours: there is one sample.")]
    names, words = samples.names, samples.words(WORDS)
    # texts take more room than pictures
    count, many = (QUERIES, NEAREST) if sheet is not None else (QUERIES - 3, NEAREST - 2)

    def tile(i: int, cosine: float | None, asked: int) -> Tile:
        label = "" if names is None else names[i] or "unlabelled"
        same = None if names is None or cosine is None or not names[asked] else names[i] == names[asked]
        return Tile(i, samples.keys[i], words[i], label, cosine, same)

    found = {name: nearest(unit, many) for name, unit in units.items()}
    rows = []
    for i in queries(names, len(samples), seed=seed)[: count if len(units) == 1 else FEWER]:
        for name, (places, cosines) in found.items():
            beside = zip(places[i].tolist(), cosines[i].tolist(), strict=True)
            rows.append(Row(tile(i, None, i), [tile(j, c, i) for j, c in beside], name * (len(units) > 1)))
    drawn = "drawn at random" + ("" if names is None else ", one of each label first")
    marks = "" if names is None else "; ✓ has the label of the first, ✗ another"
    said = f"Samples {drawn}; behind each those nearest to it. The number is the cosine of both embeddings{marks}."
    return [Paragraph(said), Neighbours(rows, sheet)]
