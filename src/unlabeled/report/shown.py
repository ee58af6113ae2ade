"""What a report shows of data: its embeddings, its samples as a person sees them, the views a method makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from unlabeled.data.frames import column, read_frame, told
from unlabeled.data.rows import features, passes
from unlabeled.data.source import Source
from unlabeled.errors import DataError, UserError
from unlabeled.modalities.contract import Modality
from unlabeled.parts.encoder import Encoder
from unlabeled.report.map import map_blocks
from unlabeled.report.neighbours import neighbour_blocks, queries, unit_rows
from unlabeled.report.page import Block, Paragraph, Section
from unlabeled.report.samples import Samples, sheet, thumbnails
from unlabeled.report.spectrum_drawing import spectrum_blocks
from unlabeled.report.views_seen import ROWS, Seen, plan_of, seen, view_blocks

SEED = 0
"""of which samples are shown, and of the layouts"""


@dataclass(frozen=True)
class Shown:
    """Some samples of a set and what an encoder makes of them."""

    embeddings: Float[np.ndarray, "samples dim"]
    samples: Samples
    total: int
    """samples of the set that these were drawn from"""
    untrained: Float[np.ndarray, "samples dim"] | None = None
    """the same by the encoder before training"""
    views: Seen | str | None = None
    """a text says why there are none; None: they are not asked for"""

    def __post_init__(self) -> None:
        shape = np.shape(self.embeddings)
        if len(shape) != 2:
            raise DataError(f"embeddings have shape {shape}: give one row a sample")
        if shape[0] != len(self.samples):
            raise DataError(
                f"embeddings have {shape[0]} rows for {len(self.samples)} samples: give one a sample"
            )


def look(
    modality: Modality,
    source: Source,
    encoder: Encoder,
    config: Mapping[str, Any],
    *,
    untrained: Encoder | None = None,
    labels: Sequence[str | None] | None = None,
    columns: Mapping[str, Sequence[Any]] | None = None,
    classes: int | None = None,
    points: int,
) -> Shown:
    """At most `points` samples of a source, drawn by a fixed seed, and everything a report shows of them.

    `config`: a run.yaml, whose method and seed make the views. `labels` and `columns`: one value a sample of the
    source. `classes`: of a method that learns from labels.
    """
    rows = np.sort(np.random.default_rng(SEED).permutation(len(source))[:points])
    texts: list[str] = []
    drawn: list[np.ndarray] = []
    for batch in passes(source, rows=rows):
        texts += modality.describe(batch.x)
        pictures = modality.show(modality.plain(batch.x))
        if pictures is not None:
            drawn.append(thumbnails(pictures))
    names = None if labels is None else [labels[r] for r in rows]
    samples = Samples(
        [str(source.keys[r]) for r in rows],
        [texts[r] for r in rows] if source.whole else texts,
        names,
        np.concatenate(drawn) if drawn else None,
        {name: [values[r] for r in rows] for name, values in (columns or {}).items()},
    )

    def made(by: Encoder) -> np.ndarray:
        z: np.ndarray = features(by.cpu(), source, prepare=modality.plain, rows=rows).numpy()
        return z

    few = rows[queries(names, len(rows), seed=SEED)[:ROWS]]
    try:
        plan = plan_of(config, encoder, modality, source, classes)
        views: Seen | str = seen(modality, source, plan, few, config)
    except UserError as error:
        views = f"the method cannot be set up here ({error})."
    return Shown(made(encoder), samples, len(source), None if untrained is None else made(untrained), views)


def column_of(data: Any, name: str, source: Source) -> list[Any]:
    """The values that a column of a table has for each sample of the source read from it. Refused: data that is no
    table of one row a sample, a column that is not there."""
    values = column(read_frame(data), name, "column=")
    given = len(source) + len(source.skipped)
    if len(values) != given:
        raise DataError(
            f"{told(data)} has {len(values):,} rows for {given:,} samples: column= needs one row a sample"
        )
    return [values[i] for i in source.index]


def shown_sections(runs: Mapping[str, Shown]) -> list[Section]:
    """Map, neighbours, spectrum and views of one run, or of several beside one another; name → what it shows.

    Refused: runs that show different samples.
    """
    first = next(iter(runs.values()))
    for name, shown in runs.items():
        if list(shown.samples.keys) != list(first.samples.keys):
            raise DataError(f"the runs do not read the same samples of this data: {name} differs")
    named = {name: np.asarray(shown.embeddings, dtype=np.float32) for name, shown in runs.items()}
    sections = figures_of(named, first, {n: s.untrained for n, s in runs.items()})
    for name, shown in runs.items():
        if shown.views is not None:
            who = "the method" if len(runs) == 1 else name
            sections.append(Section(f"What {who} saw", view_blocks(shown.views)))
    return sections


def figures_of(
    named: Mapping[str, np.ndarray], first: Shown, untrained: Mapping[str, np.ndarray | None]
) -> list[Section]:
    """Map, neighbours and spectrum, where the embeddings allow them."""
    if not len(first.samples):
        return [Section("Map of the embeddings", [Paragraph("No map: there are no samples.")])]
    broken = [name for name, z in named.items() if not np.isfinite(z).all()]
    if broken:
        of = "" if len(named) == 1 else f" of {', '.join(broken)}"
        words = f"No map: some embeddings{of} are NaN or infinite."
        return [Section("Map of the embeddings", [Paragraph(words)])]
    units = {name: unit_rows(z) for name, z in named.items()}
    made = None if first.samples.pictures is None else sheet(first.samples.pictures)
    head: list[Block] = [] if made is None else [made]
    lines = dict(named)
    if len(named) == 1:
        (before,) = untrained.values()
        lines = {"trained": next(iter(named.values()))}
        if before is not None and np.isfinite(before).all():
            lines["untrained"] = np.asarray(before)
    return [
        Section(
            "Map of the embeddings",
            head + map_blocks(units, first.samples, made, total=first.total, seed=SEED),
        ),
        Section("Nearest neighbours", neighbour_blocks(units, first.samples, made, seed=SEED)),
        Section("Spectrum of the features", spectrum_blocks(lines)),
    ]
