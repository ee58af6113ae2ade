"""What is said of a representation: figures, none of them alone, each with what it has to be seen beside."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from unlabeled.errors import DataError

BESIDE = ("chance", "raw", "untrained")
HEADER = ("figure", "value", "95 % interval", "chance", "raw input", "untrained")


@dataclass(frozen=True)
class Figure:
    """One figure and what it has to be seen beside; None where that does not exist."""

    value: float
    interval: tuple[float, float] | None = None
    """95 % interval, over other samples as many as these"""
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
