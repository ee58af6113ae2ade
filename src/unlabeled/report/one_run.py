"""The report of one run: what was done, whether it worked, and everything behind that answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unlabeled.evaluation import Scorecard
from unlabeled.evaluation.account import LEAKAGE
from unlabeled.evaluation.scorecard import HEADER
from unlabeled.report.charts import curves
from unlabeled.report.folder import Left, read_folder
from unlabeled.report.meanings import GROUPS, MEANINGS, labelled
from unlabeled.report.page import (
    Block,
    Cell,
    Folded,
    Gallery,
    Image,
    Paragraph,
    Section,
    Table,
    render,
    write,
)
from unlabeled.report.shown import Shown, shown_sections
from unlabeled.report.timing import told

SKIPPED_SHOWN = 100
"""skipped samples listed in the page at most; skipped.csv has them all"""
LITTLE_SPREAD = 0.1
"""feature spread below which the report warns: a mean cosine above 0.99"""

PANELS = {
    "loss": ("Loss", "what training makes small"),
    "knn": ("Accuracy of nearest neighbours", "on labels that are only watched, never trained on"),
    "linear_probe": (
        "Accuracy of a linear classifier",
        "fitted anew each time, on labels that are only watched; nothing of it reaches the encoder",
    ),
    "effective_rank": ("Effective rank", "directions the embeddings of a batch use, weak ones too"),
    "participation_ratio": ("Directions", "that hold the variance of a batch's embeddings; 1 is a line"),
    "feature_spread": ("Feature spread", "1: embeddings point all around; 0: all the same way"),
    "class_entropy": ("Entropy of predicted classes", "1: all classes alike; 0: one class for all"),
    "teacher_agreement": (
        "Agreement with the teacher",
        "mean cosine on the same samples; 1: they say the same",
    ),
    "prototype_use": ("Use of the prototypes", "1: the batch uses them evenly; 0: one for all"),
    "lr": ("Learning rate", ""),
    "samples_per_second": ("Samples per second", ""),
}
"""column of metrics.csv → title, and what it means"""
LAST = (
    *("teacher_agreement", "prototype_use", "class_entropy", "effective_rank", "participation_ratio"),
    *("feature_spread", "lr", "samples_per_second"),
)
"""panels that follow the loss and whatever else a method wrote"""
HIDDEN = ("epoch",)

SHOWN = ("epochs", "batch_size", "optimiser", "lr", "max_time", "seed", "devices", "precision", "init")
"""entries of run.yaml worth a row; the rest is in the folded text"""


def run_report(
    folder: str | Path,
    *,
    shown: Shown | None = None,
    tables: Sequence[Block | tuple[str, Sequence[str], Sequence[Sequence[Cell]]]] = (),
    title: str | None = None,
    lead: Sequence[str] = (),
    output: str | Path | None = None,
) -> Path:
    """Writes `report.html` of a run folder (or `output`) and gives its path.

    `shown`: samples and what the encoder makes of them, which become a map, rows of neighbours, a spectrum and the
    views the method saw. `tables`: (caption, header, rows), or any other block of a page, shown first. `title` and
    `lead` (paragraphs) take the place of those made from the run. Parts that the folder lacks are absent, and the
    page says so. Refused: a folder that holds nothing of a run.
    """
    left = read_folder(folder)
    sections = []
    if tables:
        blocks = [block if not isinstance(block, tuple) else Table(*block) for block in tables]
        sections.append(Section("Results", blocks))
    sections.append(scorecard_section(left.scorecard))
    sections += shown_sections({left.name: shown}) if shown is not None else [not_shown(left)]
    sections += [training_section(left), what_was_run(left), skipped_section(left)]
    if left.troubles:
        sections.append(Section("Not readable", [Paragraph(trouble) for trouble in left.troubles]))
    page = render(title or title_of(left), sections, lead=lead or [verdict(left), summary(left)])
    return write(page, Path(output) if output is not None else left.path / "report.html")


def not_shown(left: Left) -> Section:
    """How to see the samples too."""
    data = left.config.get("data")
    named = str(data) if data is not None and not str(data).startswith("<") else "DATA"
    words = (
        f"`unlabeled report {left.path} --data {named}` adds a map of the embeddings, nearest neighbours, the spectrum "
        "of the features and the views the method saw."
    )
    return Section("Samples", [Paragraph(words)])


def title_of(left: Left) -> str:
    return f"{left.named('method')}: {left.name}" if left.named("method") else f"Run {left.name}"


def summary(left: Left) -> str:
    """One sentence on what was run."""
    if not left.config:
        return "What was run is not known: the folder has no readable run.yaml."
    with_labels = "from labels" if left.config.get("verb") == "finetune" else "without labels"
    samples = left.about.get("trained_on", left.about.get("samples"))
    words = [
        f"{left.named('method') or 'A method'} trained {left.named('encoder') or 'an encoder'} {with_labels}",
        f"on {samples:,} samples" if isinstance(samples, int) else "",
        f"for {left.config['epochs']} epochs" if left.config.get("epochs") is not None else "",
        f"in batches of {left.config['batch_size']}" if left.config.get("batch_size") is not None else "",
    ]
    return " ".join(word for word in words if word) + "."


def verdict(left: Left) -> str:
    """Whether it worked, in plain words, from whatever the run measured."""
    card = left.scorecard
    for name, words in (
        ("linear_probe", "a linear classifier on"),
        ("knn", "a vote of nearest neighbours in"),
    ):
        if card is not None and name in card:
            leaks = [f"Careful, {note}. " for note in card.notes if note.startswith(LEAKAGE)]
            return "".join(leaks) + _judged(card, name, words)
    return _watched(left)


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _judged(card: Scorecard, name: str, words: str) -> str:
    figure = card[name]
    low = figure.interval[0] if figure.interval else figure.value
    beside = [value for value in (figure.raw, figure.untrained, figure.chance) if value is not None]
    if not beside:
        judgement = "How much was learned cannot be said without something to compare with"
    elif low > max(beside):
        judgement = "It learned something useful"
    elif figure.value > max(beside):
        judgement = "It may have learned something, but the gain is within the margin of error"
    elif figure.untrained is not None and low > figure.untrained:
        judgement = "It learned something, but here the raw input does as well or better"
    else:
        judgement = "It has not learned anything useful yet"
    compared = [
        f"{percent(value)} {what}"
        for value, what in (
            (figure.raw, "from the raw input"),
            (figure.untrained, "from the untrained encoder"),
            (figure.chance, "by guessing"),
        )
        if value is not None
    ]
    margin = (
        f" (95 % interval {percent(figure.interval[0])} to {percent(figure.interval[1])})"
        if figure.interval
        else ""
    )
    against = f", against {', '.join(compared)}" if compared else ""
    right = f"{words} its features gets {percent(figure.value)} of the test samples right"
    return f"{judgement}: {right}{margin}{against}."


def _watched(left: Left) -> str:
    words = []
    if "loss" in left.metrics:
        loss = left.metrics["loss"][1]
        words.append(f"The loss went from {loss[0]:.4g} to {loss[-1]:.4g}.")
    spread = left.last("feature_spread")
    if spread is not None:
        words.append(
            f"Careful: the embeddings lie close together (feature spread {spread:.2f} of 1): a collapse?"
            if spread < LITTLE_SPREAD
            else f"The embeddings stayed apart (feature spread {spread:.2f} of 1): no collapse."
        )
    words.append("How good the features are was not measured: `unlabeled evaluate` does that.")
    return " ".join(words)


def scorecard_section(card: Scorecard | None) -> Section:
    if card is None:
        missing = (
            "Not computed: `unlabeled evaluate RUN DATA` measures how good the features are and adds it here."
        )
        return Section("Scorecard", [Paragraph(missing)])
    blocks: list[Block] = []
    for heading, with_labels in GROUPS.items():
        names = [name for name, figure in card.items() if labelled(name, figure.chance) == with_labels]
        if names:
            blocks.append(figures_table(heading, card, names))
    said = (
        "Each figure beside guessing, the raw input and the same encoder before training, where these exist."
    )
    if any(name in MEANINGS and MEANINGS[name].better for name in card):
        said += " ↑: higher is better; ↓: lower is better; without an arrow neither alone is."
    notes = [Folded("How it was measured", "\n".join(card.notes))] if card.notes else []
    return Section("Scorecard", [*blocks, Paragraph(said), *notes])


def figures_table(heading: str, card: Scorecard, names: Sequence[str]) -> Table:
    """Some figures, with what each means; columns in which none has anything are left out."""
    rows = [row for row in card.rows() if row[0] in names]
    kept = [c for c in range(len(HEADER)) if c < 2 or any(row[c] for row in rows)]
    notes = {name: MEANINGS[name].told for name in names if name in MEANINGS}
    return Table(heading, [HEADER[c] for c in kept], [[row[c] for c in kept] for row in rows], notes)


def training_section(left: Left) -> Section:
    if not left.metrics:
        return Section("Training", [Paragraph("No curves: the run left no figures in metrics.csv.")])
    batch_size = left.config.get("batch_size")
    took = told(left.metrics, batch_size if isinstance(batch_size, int) else None)
    drawings = Gallery([panel(left.metrics, name) for name in panels(left.metrics)])
    return Section("Training", [Paragraph(took), drawings])


def panels(metrics: Mapping[str, Any]) -> list[str]:
    """Columns that get a drawing of their own, in the order of the page."""
    names = [name for name in metrics if name not in HIDDEN]
    # a validation figure shares the drawing of what it validates, and a single term is the loss itself
    names = [
        n for n in names if not (n.startswith("validation_") and n.removeprefix("validation_") in metrics)
    ]
    if "loss" in metrics:
        loss = metrics["loss"][1]
        names = [n for n in names if n == "loss" or not np.array_equal(metrics[n][1], loss)]
    first = [n for n in ("loss", "knn") if n in names]
    last = [n for n in LAST if n in names]
    return first + [n for n in names if n not in first and n not in last] + last


def panel(metrics: Mapping[str, tuple[np.ndarray, np.ndarray]], name: str) -> Image:
    """One drawing, with its title and meaning below it."""
    lines = {name: metrics[name]}
    beside = f"validation_{name}"
    if beside in metrics:
        lines[beside] = metrics[beside]
    title, meaning = PANELS.get(name, (name.replace("_", " ").capitalize(), ""))
    steps, values = metrics[name]
    caption = "; ".join(
        part for part in (meaning, "dashed: held-out data" if beside in metrics else "") if part
    )
    alt = f"{title} from {values[0]:.4g} at step {steps[0]:.0f} to {values[-1]:.4g} at step {steps[-1]:.0f}"
    return Image(curves(lines), alt=alt, title=title, caption=caption)


def what_was_run(left: Left) -> Section:
    if not left.config:
        return Section("What was run", [Paragraph("Not known: the folder has no readable run.yaml.")])
    rows: list[list[Cell]] = []
    for key in ("method", "encoder", "modality"):
        value = left.config.get(key)
        if isinstance(value, Mapping):
            options = ", ".join(f"{k}: {plain(v)}" for k, v in value.items() if k != "name" and v is not None)
            rows.append([key, f"{value.get('name', '')}" + (f" ({options})" if options else "")])
        elif value is not None:
            rows.append([key, plain(value)])
    rows.append(["data", plain(left.about.get("data", left.config.get("data")))])
    rows += [[key, plain(left.config[key])] for key in SHOWN if left.config.get(key) is not None]
    rows += [[key, plain(left.about[key])] for key in ("unlabeled", "torch", "python") if key in left.about]
    verb = "finetune" if left.config.get("verb") == "finetune" else "pretrain"
    again = Paragraph(f"To repeat it: unlabeled {verb} --config {left.path / 'run.yaml'} --out NEW_FOLDER")
    return Section(
        "What was run",
        [
            Table("", ["setting", "value"], rows),
            again,
            Folded("The whole configuration (run.yaml)", left.config_text),
        ],
    )


def plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def skipped_section(left: Left) -> Section:
    if left.skipped is None:
        return Section("Skipped samples", [Paragraph("Not known: the folder has no skipped.csv.")])
    if not left.skipped:
        return Section("Skipped samples", [Paragraph("None: everything could be read.")])
    shown = left.skipped[:SKIPPED_SHOWN]
    caption = f"{len(left.skipped):,} could not be read and were left out of training"
    blocks: list[Block] = [Table(caption, ["sample", "reason"], shown)]
    if len(shown) < len(left.skipped):
        blocks.append(Paragraph(f"The first {len(shown)} are listed; skipped.csv has them all."))
    return Section("Skipped samples", blocks)
