"""Several runs side by side: what differs between them, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unlabeled.errors import OptionError
from unlabeled.evaluation.scorecard import HEADER
from unlabeled.report.charts import COLOURS, curves
from unlabeled.report.folder import Left, read_folder
from unlabeled.report.meanings import MEANINGS
from unlabeled.report.one_run import PANELS, panels, percent, plain, summary
from unlabeled.report.page import (
    Block,
    Cell,
    Gallery,
    Image,
    Legend,
    Paragraph,
    Section,
    Table,
    render,
    write,
)
from unlabeled.report.shown import Shown, shown_sections

NOTHING = (np.array([]), np.array([]))
"""the steps and values of a run without that column"""
IGNORED = ("out", "about", "resume")
"""entries of run.yaml that say nothing about the difference between two runs"""


def compare(
    folders: Sequence[str | Path], output: str | Path, *, shown: Sequence[Shown] | None = None
) -> Path:
    """Writes one page on several run folders to `output` and gives its path.

    A table of their figures, the settings in which they differ, and their curves in one drawing a figure. `shown`,
    one a folder (`Run.shown` of the same data): their maps, neighbours and spectra side by side, and what each
    method saw.
    Refused: fewer than two folders, more than ten (their colours could not be told apart), a folder given
    twice or that holds nothing of a run, runs that show different samples.
    """
    if not 2 <= len(folders) <= len(COLOURS):
        raise OptionError(f"{len(folders)} runs were given: a comparison takes 2 to {len(COLOURS)}")
    runs = [read_folder(folder) for folder in folders]
    if len({left.path.resolve() for left in runs}) < len(runs):
        raise OptionError("a run was given twice: give each folder once")
    named = dict(zip(names(runs), runs, strict=True))
    sections = [
        Section("Figures", figures(named)),
        Section("What differs", differences(named)),
        *(shown_sections(dict(zip(named, shown, strict=True))) if shown is not None else []),
        Section("Training", overlays(named)),
    ]
    troubles = [Paragraph(f"{name}: {trouble}") for name, left in named.items() for trouble in left.troubles]
    if troubles:
        sections.append(Section("Not readable", troubles))
    return write(render(f"{len(named)} runs compared", sections, lead=[verdict(named)]), Path(output))


def names(runs: Sequence[Left]) -> list[str]:
    """Folder names; as much of the path in front as tells them apart."""
    parts = [left.path.resolve().parts for left in runs]
    depth = 1
    while len({p[-depth:] for p in parts}) < len(parts):
        depth += 1
    return ["/".join(p[-depth:]) for p in parts]


def verdict(runs: Mapping[str, Left]) -> str:
    """Which run is best by the labels, and whether that is more than chance."""
    for measure, words in (
        ("linear_probe", "a linear classifier on the features"),
        ("knn", "nearest neighbours"),
    ):
        scored = {
            name: left.scorecard[measure]
            for name, left in runs.items()
            if left.scorecard is not None and measure in left.scorecard
        }
        if len(scored) < 2:
            continue
        (best, first), (second, next_one), *_ = sorted(scored.items(), key=lambda item: -item[1].value)
        sure = first.interval and next_one.interval and first.interval[0] > next_one.interval[1]
        return (
            f"Best by {words}: {best} with {percent(first.value)} of the test samples right, "
            f"then {second} with {percent(next_one.value)}. "
            + (
                "Their 95 % intervals do not overlap."
                if sure
                else "Their 95 % intervals overlap: this may be chance."
            )
        )
    return "Fewer than two of these runs were evaluated with labels, so none can be called better."


def figures(runs: Mapping[str, Left]) -> list[Block]:
    measures = list(dict.fromkeys(m for left in runs.values() for m in (left.scorecard or {})))
    rows: list[list[Cell]] = [[m, *(measured(left, m) for left in runs.values())] for m in measures]
    losses = [left.last("loss") for left in runs.values()]
    rows.append(["last loss", *("–" if loss is None else loss for loss in losses)])
    notes = {m: MEANINGS[m].told for m in measures if m in MEANINGS}
    blocks: list[Block] = [
        Table("", ["run", "what it is"], [[name, summary(left)] for name, left in runs.items()]),
        Table("", ["figure", *runs], rows, notes),
    ]
    if not measures:
        blocks.append(Paragraph("No run has a scorecard: `unlabeled evaluate RUN DATA` makes one."))
    # the first note names the encoder
    ways = {left.scorecard.notes[1:] for left in runs.values() if left.scorecard is not None}
    if len(ways) > 1:
        blocks.append(Paragraph("The runs were not all evaluated in the same way; their scorecards say how."))
    blocks.append(Paragraph("Losses of different methods are different quantities and cannot be compared."))
    return blocks


def measured(left: Left, measure: str) -> str:
    """A figure of a run with its interval, as its scorecard writes them; – where it was not measured."""
    if left.scorecard is None or measure not in left.scorecard:
        return "–"
    (row,) = [row for row in left.scorecard.rows() if row[0] == measure]
    value, interval = row[HEADER.index("value")], row[HEADER.index("95 % interval")]
    return f"{value} ({interval})" if interval else value


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Settings by dotted name."""
    found: dict[str, str] = {}
    for key, value in config.items():
        if prefix or key not in IGNORED:
            found |= (
                flat(value, f"{prefix}{key}.")
                if isinstance(value, Mapping)
                else {f"{prefix}{key}": plain(value)}
            )
    return found


def differences(runs: Mapping[str, Left]) -> list[Block]:
    settings = {name: flat(left.config) for name, left in runs.items()}
    keys = dict.fromkeys(key for held in settings.values() for key in held)
    rows = [[key, *(held.get(key, "–") for held in settings.values())] for key in keys]
    differing = [row for row in rows if len(set(row[1:])) > 1]
    if not differing:
        return [Paragraph("Nothing: the runs have the same settings.")]
    return [Table("Settings that are not the same in all runs", ["setting", *runs], differing)]


def overlays(runs: Mapping[str, Left]) -> list[Block]:
    columns = dict.fromkeys(name for left in runs.values() for name in panels(left.metrics))
    if not columns:
        return [Paragraph("No curves: the runs left no figures in metrics.csv.")]
    images = []
    for column in columns:
        lines = {name: left.metrics.get(column, NOTHING) for name, left in runs.items()}
        title, meaning = PANELS.get(column, (column.replace("_", " ").capitalize(), ""))
        ends = ", ".join(f"{name} {values[-1]:.4g}" for name, (_, values) in lines.items() if len(values))
        images.append(
            Image(curves(lines), alt=f"{title} of each run; at the end {ends}", title=title, caption=meaning)
        )
    return [Legend(list(zip(runs, COLOURS, strict=False))), Gallery(images)]
