"""A handful of figures, none of them alone: each beside chance, the raw input and an untrained encoder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from unlabeled.errors import DataError
from unlabeled.evaluation.arrays import Features, Labels
from unlabeled.evaluation.arrays import features as checked_features
from unlabeled.evaluation.arrays import labels as checked_labels
from unlabeled.evaluation.classification import Classification
from unlabeled.evaluation.linear import linear_probe_details
from unlabeled.evaluation.neighbours import knn_details
from unlabeled.evaluation.spectrum import effective_rank

Split = tuple[Features, Features | None]
"""features of train, and of test where there is one"""

BESIDE = ("chance", "raw", "untrained")
HEADER = ("figure", "value", "95 % interval", "chance", "raw input", "untrained")


@dataclass(frozen=True)
class Figure:
    """One figure and what it has to be seen beside; None where that does not exist."""

    value: float
    interval: tuple[float, float] | None = None
    """95 % interval, over test sets of this size"""
    chance: float | None = None
    """what guessing reaches"""
    raw: float | None = None
    """the same figure of the raw input"""
    untrained: float | None = None
    """the same figure of the encoder before training"""


class Scorecard(Mapping[str, Figure]):
    """Figures by the name of the function that computed them, and notes on what was measured how."""

    def __init__(self, figures: Mapping[str, Figure], notes: Sequence[str] = ()) -> None:
        if "notes" in figures:
            raise DataError(
                "a figure cannot be called 'notes': the saved file keeps the notes under that name"
            )
        self._figures = dict(figures)
        self.notes = tuple(notes)

    def __getitem__(self, name: str) -> Figure:
        return self._figures[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._figures)

    def __len__(self) -> int:
        return len(self._figures)

    def __repr__(self) -> str:
        return f"Scorecard({self._figures!r}, notes={self.notes!r})"

    def __str__(self) -> str:
        return self.table()

    def rows(self) -> list[tuple[str, ...]]:
        """One row of text a figure, under `HEADER`."""
        return [
            (
                name,
                _text(figure.value),
                f"{_text(figure.interval[0])} to {_text(figure.interval[1])}" if figure.interval else "",
                _text(figure.chance),
                _text(figure.raw),
                _text(figure.untrained),
            )
            for name, figure in self.items()
        ]

    def table(self) -> str:
        """Aligned text for a terminal, with the notes below."""
        lines = [HEADER, *self.rows()]
        widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
        text = [
            "  ".join(
                [line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))]
            )
            for line in lines
        ]
        rule = "  ".join("-" * width for width in widths)
        return "\n".join([text[0], rule, *text[1:], *self.notes])

    def to_dict(self) -> dict[str, Any]:
        """Plain values: every figure under its name, and `notes`."""
        return {**{name: asdict(figure) for name, figure in self.items()}, "notes": list(self.notes)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Scorecard:
        """What `to_dict` gave."""
        try:
            figures = {name: _figure(value) for name, value in values.items() if name != "notes"}
            return cls(figures, [str(note) for note in values.get("notes", ())])
        except (TypeError, ValueError, AttributeError, LookupError) as error:
            raise DataError(f"this is not a saved scorecard: {error}") from error

    def save(self, path: str | Path) -> Path:
        """Writes JSON to `path`, making its folder where needed."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")
        return path

    @classmethod
    def load(cls, path: str | Path) -> Scorecard:
        """What `save` wrote."""
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8"))
            return cls.from_dict(values)
        except (OSError, ValueError) as error:
            raise DataError(f"{path} cannot be read as a scorecard: {error}") from error


def _figure(value: Mapping[str, Any]) -> Figure:
    unknown = set(value) - {field.name for field in fields(Figure)}
    if unknown:
        raise ValueError(f"a figure has no {', '.join(sorted(unknown))}")
    interval = value.get("interval")
    beside = {name: None if value.get(name) is None else float(value[name]) for name in BESIDE}
    return Figure(
        float(value["value"]),
        None if interval is None else (float(interval[0]), float(interval[1])),
        **beside,
    )


def _text(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def score(
    train: Features,
    train_labels: Labels | None,
    test: Features | None,
    test_labels: Labels | None,
    *,
    raw: Split | None = None,
    untrained: Split | None = None,
    k: int = 20,
    notes: Sequence[str] = (),
) -> Scorecard:
    """`knn`, `linear_probe` and `effective_rank` of embeddings, the last alone where labels are None.

    train (n, dim), test (m, dim); `raw` and `untrained` hold (train, test) of the flattened raw input and of
    the untrained encoder, for the same samples in the same order. Accuracies are measured on test with a 95 %
    Wilson interval; chance is the share of the most common class of test. The effective rank is that of
    train; it has neither interval nor chance. With fewer than k train samples all of them vote, and a note
    says so.
    """
    others = {name: split for name, split in (("raw", raw), ("untrained", untrained)) if split is not None}
    for name, split in others.items():
        _same_rows(name, split, train, test)
    notes = list(notes)
    figures: dict[str, Figure] = {}

    if train_labels is not None and test_labels is not None:
        if test is None:
            raise DataError("test_labels are given and test is None: give the embeddings they belong to")
        if len(train) < k:
            notes.append(f"knn: only {len(train)} train samples, so k is {len(train)} instead of {k}")
            k = len(train)
        chance = most_common_share(checked_labels(test_labels, "test_labels", rows=len(test), of="test"))

        def nearest(a: Features, b: Features) -> Classification:
            return knn_details(a, train_labels, b, test_labels, k=k)

        def linear(a: Features, b: Features) -> Classification:
            return linear_probe_details(a, train_labels, b, test_labels)

        probes: dict[str, Callable[[Features, Features], Classification]] = {
            "knn": nearest,
            "linear_probe": linear,
        }
        for name, probe in probes.items():
            found = probe(train, test)
            beside = {other: probe(a, b).accuracy for other, (a, b) in others.items() if b is not None}
            figures[name] = Figure(
                found.accuracy, found.interval, chance, beside.get("raw"), beside.get("untrained")
            )
        notes.append(
            f"accuracies: learnt from {len(train)} labelled samples, tested on {len(test)}; knn with k = {k}"
        )
    elif train_labels is not None or test_labels is not None:
        raise DataError("only one of train_labels and test_labels is given: give both, or None for both")

    beside = {other: effective_rank(split[0]) for other, split in others.items()}
    figures["effective_rank"] = Figure(
        effective_rank(train), raw=beside.get("raw"), untrained=beside.get("untrained")
    )
    width = checked_features(train, "train").shape[1]
    notes.append(f"effective_rank: {len(train)} samples, {width} dimensions")
    return Scorecard(figures, notes)


def _same_rows(name: str, split: Split, train: Features, test: Features | None) -> None:
    for part, mine, theirs in (("train", train, split[0]), ("test", test, split[1])):
        if mine is not None and theirs is not None and len(mine) != len(theirs):
            raise DataError(
                f"{part} has {len(mine)} rows and that of {name} {len(theirs)}: give the same samples"
            )


def most_common_share(labels: np.ndarray) -> float:
    """What always predicting the most common class would reach."""
    return float(np.unique(labels, return_counts=True)[1].max() / len(labels))
