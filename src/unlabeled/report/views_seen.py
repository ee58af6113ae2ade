"""What the method saw: a few samples, and the views of its plan that were made of them."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from unlabeled.data.batch import Batch, View
from unlabeled.data.draws import Draws
from unlabeled.data.source import Source
from unlabeled.errors import OptionError
from unlabeled.methods import Branch, lookup
from unlabeled.modalities.contract import Modality
from unlabeled.modalities.facts import find_facts
from unlabeled.parts.encoder import Encoder
from unlabeled.report.page import Block, Grid, Image, Paragraph
from unlabeled.report.samples import encoded, shortened, thumbnails

ROWS = 4
"""samples"""
SIDE = 112
"""pixels of the longer side of a picture at most"""
WORDS = 300
"""characters of a description at most"""


@dataclass(frozen=True)
class Seen:
    """A few samples and their views. A cell of `views` is None where a branch does not take the sample."""

    keys: Sequence[str]
    plan: tuple[Branch, ...]
    samples: Sequence[Mapping[str, Any]]
    """picture (or None) and text, one a sample"""
    views: Sequence[Sequence[Mapping[str, Any] | None]]
    """one row a sample, one entry a branch"""


def plan_of(
    config: Mapping[str, Any], encoder: Encoder, modality: Modality, source: Source, classes: int | None
) -> tuple[Branch, ...]:
    """The plan of the method that `config` (a run.yaml) names, with its options there."""
    options = dict(config.get("method") or {})
    entry = lookup(str(options.pop("name", "")))
    try:
        with torch.random.fork_rng(devices=[]):
            # a copy: a method may make its encoder a part of itself
            facts = find_facts(modality, source, classes)
            return entry.cls(copy.deepcopy(encoder), facts, **options).plan
    except TypeError as error:
        raise OptionError(f"its options do not fit it: {error}") from error


def seen(
    modality: Modality, source: Source, plan: tuple[Branch, ...], rows: np.ndarray, config: Mapping[str, Any]
) -> Seen:
    """The views of the samples at `rows`, with the random numbers of the first step of the run of `config`.

    Where a plan tells labelled rows from others, every other sample is taken for labelled here.
    """
    count = len(rows)
    if source.whole:
        places, everything = rows, np.arange(len(source))
    else:
        places, everything = np.arange(count), rows
    x = source.fetch(everything)
    y = torch.full((len(everything),), -1)
    y[places[::2]] = 0
    batch = Batch(x, torch.from_numpy(everything.astype(np.int64)), y)
    with torch.no_grad():
        total = max(int(config.get("batch_size") or 0), len(everything))
        draws = Draws(int(config.get("seed") or 0), 0, total=total, rows=slice(0, len(everything)))
        views = modality.make_views(batch, plan, draws)
        plain = modality.plain(x)
    columns = [_cells(modality, view, places) for view in views]
    return Seen(
        [str(source.keys[r]) for r in rows],
        plan,
        [cell or {} for cell in _cells(modality, View(plain, torch.arange(len(everything))), places)],
        list(zip(*columns, strict=True)) if columns else [()] * count,
    )


def _cells(modality: Modality, view: View, places: np.ndarray) -> list[Mapping[str, Any] | None]:
    """Picture and words of a view of each of the samples at these places of its batch."""
    rows = view.rows.tolist()
    if not rows:
        return [None] * len(places)
    pictures, texts = modality.show(view.x, view.mask), modality.describe(view.x, view.mask)
    at = {row: i for i, row in enumerate(rows)}
    return [
        {"picture": None if pictures is None else pictures[at[p]], "text": texts[at[p]]} if p in at else None
        for p in places.tolist()
    ]


def view_blocks(shown: Seen | str) -> list[Block]:
    """The views as a grid: a row a sample, a column a branch. A text says why there are none."""
    if isinstance(shown, str):
        return [Paragraph(f"Not shown: {shown}")]
    header = ["unchanged", *map(words_of, shown.plan)]
    rows = []
    for key, sample, views in zip(shown.keys, shown.samples, shown.views, strict=True):
        cells = [sample, *views]
        rows.append([_drawn(cell, f"{name} of {key}") for cell, name in zip(cells, header, strict=True)])
    hidden = any(branch.mask is not None for branch in shown.plan)
    parts = any(branch.rows is not None for branch in shown.plan)
    said = (
        "What the first step of this run draws, were these its samples. If a view has lost what tells samples "
        "apart, or a change cannot happen in this data, the method learns to ignore the wrong thing."
        + (" Chequered or ▒▒: hidden from the encoder." if hidden else "")
        + (" Every other sample is taken for labelled here." if parts else "")
    )
    return [Paragraph(said), Grid(header, [shortened(key, 40) for key in shown.keys], rows)]


def words_of(branch: Branch) -> str:
    """A branch in words: its kind, what is hidden, which rows."""
    said = [branch.kind + (f" {branch.variant}" if branch.variant else "")]
    if branch.mask is not None:
        ratio = getattr(branch.mask, "ratio", None)
        said.append("masked" if ratio is None else f"{ratio:.0%} hidden")
    if branch.rows is not None:
        said.append(f"{branch.rows} only")
    return ", ".join(said)


def _drawn(cell: Mapping[str, Any] | None, alt: str) -> Image | str | None:
    if cell is None:
        return None
    if cell["picture"] is None:
        return shortened(cell["text"], WORDS)
    kind, data = encoded(thumbnails(cell["picture"][None], SIDE)[0])
    return Image(data, alt=f"{alt}: {cell['text']}", kind=kind)
