"""A map of the embeddings: near one another means alike to the encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from unlabeled.report.colouring import CLUSTERS, Colouring, by_cluster, by_column, by_name
from unlabeled.report.markers import marker
from unlabeled.report.neighbours import nearest
from unlabeled.report.page import Block, Paragraph, Sheet
from unlabeled.report.projection import neighbourhoods, principal
from unlabeled.report.samples import Samples

POINTS = 2000
"""samples on the map at most; more would only cover one another"""
LEAST = 5
"""samples a map needs"""
SIDE = 1000
"""units along each side of the drawing"""
NEAREST = 5
"""neighbours that are shown of a sample that is pointed at"""


@dataclass(frozen=True)
class Layout:
    """Where the points lie, from 0 to `SIDE`, and which of them are drawn as pictures because none covers another."""

    name: str
    of: int
    """whose embeddings these are, where there are those of several runs"""
    x: tuple[int, ...]
    y: tuple[int, ...]
    pictured: tuple[int, ...] = ()


@dataclass(frozen=True)
class Map:
    """Points that a reader can look at, colour in several ways and point at; readable without a program too."""

    layouts: Sequence[Layout]
    colourings: Sequence[Colouring]
    samples: Samples
    neighbours: Sequence[Sequence[Sequence[int]]]
    """of each run, of each sample, the nearest first"""
    cosines: Sequence[Sequence[Sequence[float]]]
    sheet: Sheet | None
    caption: str

    @property
    def alt(self) -> str:
        first = self.colourings[0]
        how = "small pictures" if self.sheet else "dots"
        return f"Map of {len(self.samples)} samples drawn as {how}, coloured by {first.title}: {', '.join(first.names)}"

    @property
    def radius(self) -> float:
        """Of a point; of many, and of those behind pictures, smaller."""
        return (6.5 if len(self.samples) > 800 else 9.0) * (0.75 if self.sheet else 1)

    @property
    def tile(self) -> tuple[float, float]:
        """Width and height of a picture on the map, in per cent of its side."""
        if self.sheet is None:
            return 0, 0
        return tile_of(len(self.samples), self.sheet)

    @property
    def shapes(self) -> list[str]:
        return [marker(shape, self.radius) for shape in range(10)]

    @property
    def paths(self) -> list[tuple[str, str]]:
        """(class of the colour, path) of the points as they are drawn first: one path a code."""
        first, layout = self.colourings[0], self.layouts[0]
        drawn: dict[int, list[str]] = {}
        for code, x, y in zip(first.codes, layout.x, layout.y, strict=True):
            drawn.setdefault(code, []).append(f"M{x},{y}{self.shapes[max(code, 0)]}")
        return [(first.css(code), "".join(drawn[code])) for code in sorted(drawn)]

    @property
    def pictured(self) -> list[tuple[str, str]]:
        """(class of the colour, style) of the pictures as they are drawn first."""
        first, layout = self.colourings[0], self.layouts[0]
        if self.sheet is None:
            return []
        return [
            (
                first.css(first.codes[i]),
                f"left:{layout.x[i] / 10}%;top:{layout.y[i] / 10}%;{self.sheet.style(i)}",
            )
            for i in layout.pictured
        ]

    @property
    def data(self) -> dict[str, Any]:
        """Everything the page's program needs, as plain values."""
        names = self.samples.names
        return {
            "layouts": [asdict(layout) for layout in self.layouts],
            "colourings": [
                {"title": c.title, "codes": c.codes, "css": "s" if c.ordered else "c", "entries": c.entries}
                for c in self.colourings
            ],
            "keys": list(self.samples.keys),
            "texts": self.samples.words() if self.samples.texts else None,
            "labels": names,
            "near": self.neighbours,
            "cosines": self.cosines,
            "shapes": self.shapes,
            "sheet": None if self.sheet is None else [self.sheet.columns, self.sheet.rows],
        }


def map_blocks(
    units: Mapping[str, Float[np.ndarray, "samples dim"]],
    samples: Samples,
    sheet: Sheet | None,
    *,
    total: int | None = None,
    seed: int = 0,
) -> list[Block]:
    """The map of embeddings at length 1, of one run or of several that made some of the same samples; run → rows.

    `total`: samples that these were drawn from. It is coloured by label where labels are known, by columns, and by
    2 to 10 clusters of each run. Labels decide nothing else.
    """
    if len(samples) < LEAST:
        return [Paragraph(f"No map: it needs at least {LEAST} samples, and there are {len(samples)}.")]
    layouts: list[Layout] = []
    colourings = [] if samples.names is None else [by_name("label", samples.names)]
    colourings += [by_column(name, values) for name, values in samples.columns.items()]
    near = [nearest(unit, NEAREST) for unit in units.values()]
    method = ""
    for run, (name, unit) in enumerate(units.items()):
        of = f"{name}: " * (len(units) > 1)
        method, positions = neighbourhoods(unit, seed=seed)
        flat, explained = principal(unit)
        layouts.append(laid_out(f"{of}{method}", run, positions, sheet, seed=seed))
        layouts.append(laid_out(f"{of}PCA ({explained:.0%} of the variance)", run, flat, sheet, seed=seed))
        distinct = len(np.unique(unit.round(9), axis=0))
        found = [by_cluster(unit, k, seed=seed) for k in CLUSTERS if k <= distinct]
        colourings += [replace(colouring, title=f"{of}{colouring.title}") for colouring in found]
    seen = len(samples) if total is None else total
    many = f"{len(samples):,}" if seen == len(samples) else f"{len(samples):,} of {seen:,}"
    caption = (
        f"{many} samples. Near one another: alike to the encoder. {method} keeps neighbourhoods; distances between "
        "far groups mean little in it. PCA keeps large distances. Labels decide colours and nothing else."
    )
    return [
        Map(
            layouts,
            colourings or [Colouring("nothing: all are the same", ("sample",), (0,) * len(samples))],
            samples,
            [places.tolist() for places, _ in near],
            [np.round(cosines, 2).tolist() for _, cosines in near],
            sheet,
            caption,
        )
    ]


def laid_out(
    name: str, of: int, positions: Float[np.ndarray, "samples 2"], sheet: Sheet | None, *, seed: int
) -> Layout:
    """Positions on the drawing, as large as it, one scale for both axes."""
    low, high = positions.min(0), positions.max(0)
    span = float((high - low).max())
    middle = (low + high) / 2
    # a margin of half a picture keeps the outermost whole
    spots = 0.5 + 0.92 * (positions - middle) / (span if span > 0 else 1.0)
    x, y = (SIDE * spots[:, 0]).round().astype(int), (SIDE * (1 - spots[:, 1])).round().astype(int)
    drawn = () if sheet is None else pictured(x, y, sheet, seed=seed)
    return Layout(name, of, tuple(x.tolist()), tuple(y.tolist()), drawn)


def tile_of(count: int, sheet: Sheet) -> tuple[float, float]:
    """Width and height of a picture, in per cent of the side of a map of so many samples."""
    # as much room for a wide picture as for a square one, within reason
    side = float(np.clip(65 / count**0.5, 3.2, 8))
    shrink = min(side / (sheet.width * sheet.height) ** 0.5, 12 / max(sheet.width, sheet.height))
    return round(sheet.width * shrink, 2), round(sheet.height * shrink, 2)


def pictured(
    x: Int[np.ndarray, " samples"], y: Int[np.ndarray, " samples"], sheet: Sheet, *, seed: int
) -> tuple[int, ...]:
    """The samples whose picture covers no other, in an order drawn by `seed`."""
    width, height = (side * SIDE / 100 + 4 for side in tile_of(len(x), sheet))
    chosen: list[int] = []
    for i in np.random.default_rng(seed).permutation(len(x)).tolist():
        if not ((np.abs(x[chosen] - x[i]) < width) & (np.abs(y[chosen] - y[i]) < height)).any():
            chosen.append(i)
    return tuple(chosen)
