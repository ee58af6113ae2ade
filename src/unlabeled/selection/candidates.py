"""Runs with their figures, and the order that each figure gives them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from unlabeled.errors import OptionError, nearest
from unlabeled.run import whole
from unlabeled.selection.agreement import Agreement
from unlabeled.selection.figures import CLID, FIGURES

ABREAST = 8
"""runs side by side in a table; more go below"""


@dataclass(frozen=True)
class Candidate:
    """One run and what was measured of it."""

    path: str
    name: str
    """as much of the path as tells the runs apart"""
    method: str
    encoder: str
    dim: int
    """of what the figures were computed from"""
    group: int
    """runs of one group have one architecture and one width; figures of other groups cannot be compared"""
    figures: Mapping[str, float | None]
    """None where these embeddings have no such figure (a note says why)"""
    accuracy: float | None = None
    """of a linear probe, where labels were given"""

    def merit(self, by: str) -> float | None:
        """The figure as a number of which more is better."""
        value = self.figures.get(by)
        return value if value is None or by == CLID else FIGURES[by].merit(value)


@dataclass(frozen=True)
class Selection:
    """What `select` found."""

    candidates: tuple[Candidate, ...]
    """in the order in which the runs were given"""
    by: str
    at: str
    about: Mapping[str, int]
    """samples, grouped, views, seed"""
    notes: tuple[str, ...] = ()
    agreements: Mapping[int, Mapping[str, Agreement]] = field(default_factory=dict)
    """group → figure → how its order agrees with the accuracy of a linear probe"""

    @property
    def groups(self) -> dict[int, list[Candidate]]:
        """The runs that can be compared with each other."""
        found: dict[int, list[Candidate]] = {}
        for candidate in self.candidates:
            found.setdefault(candidate.group, []).append(candidate)
        return found

    def ranking(self, by: str | None = None, group: int | None = None) -> list[Candidate]:
        """The runs of a group, best first; those without the figure are left out.

        Refused: an unknown figure, and no `group` where the runs form several.
        """
        by = self.by if by is None else by
        if by not in self.candidates[0].figures:
            raise OptionError(f"there is no figure {by!r} here: {nearest(by, self.candidates[0].figures)}")
        groups = self.groups
        if group is None and len(groups) > 1:
            raise OptionError(
                f"the runs are of {len(groups)} architectures or widths, which label-free figures cannot compare: "
                "choose a group"
            )
        group = next(iter(groups)) if group is None else group
        if group not in groups:
            raise OptionError(f"there is no group {group}: {', '.join(map(str, groups))}")
        ranked = [(c.merit(by), c) for c in groups[group]]
        known = [(merit, c) for merit, c in ranked if merit is not None]
        return [c for _, c in sorted(known, key=lambda pair: -pair[0])]

    @property
    def best(self) -> Path:
        """The folder of the run that `by` prefers. Refused where the runs form several groups."""
        return Path(self.ranking()[0].path)

    def chosen(self, by: str) -> list[Candidate]:
        """The run that a figure prefers, of each group that has the figure."""
        ranked = [self.ranking(by, group) for group in self.groups]
        return [ranking[0] for ranking in ranked if ranking]

    def table(self) -> str:
        """Aligned text: for each group its runs, the best by `by` first, and their figures, each with a star at
        the run it would choose; agreement with the labels; notes."""
        lines: list[str] = []
        for group, members in self.groups.items():
            one = members[0]
            lines += [
                f"{len(members)} runs of {one.encoder}, {one.dim} dimensions, at the {self.at}; by {self.by}",
                "",
            ]
            ranked = self.ranking(self.by, group)
            ordered = [*ranked, *(m for m in members if m not in ranked)]
            for first in range(0, len(ordered), ABREAST):
                lines += [*self._figures(group, ordered[first : first + ABREAST]), ""]
            if group in self.agreements:
                lines += [*self._agreement(self.agreements[group]), ""]
        return "\n".join([*lines, *self.notes]).rstrip()

    def __str__(self) -> str:
        return self.table()

    def _columns(self) -> list[str]:
        known = [
            n for n in self.candidates[0].figures if any(c.figures[n] is not None for c in self.candidates)
        ]
        return [self.by, *(n for n in known if n != self.by)]

    def _figures(self, group: int, shown: Sequence[Candidate]) -> list[str]:
        rows = []
        for name in self._columns():
            first = self.ranking(name, group)[:1]
            rows.append([name, *(text(c.figures[name]) + ("*" if c in first else " ") for c in shown)])
        if shown[0].accuracy is not None:
            rows.append(["linear_probe", *(text(c.accuracy) + " " for c in shown)])
        return aligned(["figure", *(f"{c.name} " for c in shown)], rows)

    def _agreement(self, found: Mapping[str, Agreement]) -> list[str]:
        rows = [
            [
                name,
                text(a.spearman),
                interval(a.spearman_interval),
                text(a.kendall),
                interval(a.kendall_interval),
                f"{a.lost:.3f}",
            ]
            for name, a in found.items()
        ]
        head = [
            "with the linear probe",
            "Spearman",
            "95 % interval",
            "Kendall",
            "95 % interval",
            "accuracy lost",
        ]
        return aligned(head, rows)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "by": self.by,
            "at": self.at,
            **self.about,
            "chosen": {name: [c.path for c in self.chosen(name)] for name in self._columns()},
            "runs": [asdict(c) for c in self.candidates],
            "agreements": {
                str(group): {name: asdict(a) for name, a in found.items()}
                for group, found in self.agreements.items()
            },
            "notes": list(self.notes),
        }

    def save(self, path: str | Path) -> Path:
        """Writes JSON to `path`, making its folder where needed."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as part:
            part.write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")
        return path


# text
def text(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def interval(value: tuple[float, float] | None) -> str:
    return "–" if value is None else f"{value[0]:.2f} to {value[1]:.2f}"


def aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows in columns: the first to the left, the others to the right."""
    lines = [list(head), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    cells = [
        "  ".join(
            [line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))]
        )
        for line in lines
    ]
    return [cells[0].rstrip(), "  ".join("-" * w for w in widths), *(line.rstrip() for line in cells[1:])]
