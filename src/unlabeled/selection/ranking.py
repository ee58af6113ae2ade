"""Finished runs in the order that a figure without labels gives them."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from unlabeled.assessment import split
from unlabeled.data.labels import read_labels
from unlabeled.data.rows import features
from unlabeled.data.source import Source
from unlabeled.errors import DataError, OptionError, nearest
from unlabeled.evaluation import linear_probe
from unlabeled.report.folder import Left
from unlabeled.report.several_runs import names
from unlabeled.run import Run, pick_device, whole
from unlabeled.selection.agreement import LEAST_RUNS, Agreement, agreement
from unlabeled.selection.embedded import Embedded, Sampling, check_finite, network_of
from unlabeled.selection.figures import FIGURES, measure

BY = "nesum"
"""the figure that runs are chosen by when none is named: of the encoder's features, the one whose order agreed best
with linear accuracy in the pool where it agreed least (`benchmarks/label_free.py`, docs/benchmarks.md)"""
CLID = "clid"
"""cluster learnability and intrinsic dimension, each as a z-score among the runs, added up"""
LEAST_FOR_CLID = 5
ABREAST = 8
"""runs side by side in a table; more go below"""
LABELLED = 10_000
"""labelled samples that the linear probe looks at, at most"""


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


def select(
    runs: Sequence[str | Path | Run],
    data: Any,
    *,
    labels: Any = None,
    by: str = BY,
    at: Literal["encoder", "projector"] = "encoder",
    samples: int = 5_000,
    grouped: int = 100,
    views: int = 10,
    seed: int = 0,
    batch_size: int = 256,
    device: str = "auto",
    output: str | Path | None = None,
) -> Selection:
    """Ranks finished runs by figures that need no labels, and says which run each figure would choose.

    Every run embeds the same samples once; every figure of `unlabeled.selection.FIGURES` is computed from that. The
    figures order runs of one architecture and one width; of others they rank each group by itself and say so.

    Args:
        runs: two run folders or more, or runs that were read already.
        data: what to embed, best the data that the runs learnt from.
        labels: where some are known (as for evaluate): how each order agrees with the accuracy of a linear probe
            on a held-out fifth of them. They choose nothing.
        by: the figure that chooses: rankme, effective_rank, stable_rank, nesum, participation_ratio, alpha_req,
            lidar, cluster_learnability, intrinsic_dimension, self_cluster, uniformity, alignment,
            feature_spread; clid of five runs or more.
        at: encoder, whose features are what is used later; or projector, what the method's loss compares.
        samples: how many samples are embedded, drawn by the seed; RankMe wants four a dimension or more.
        grouped: how many of them are embedded in several views, for LiDAR and alignment.
        views: how many views of each of these.
        seed: of the draw of samples, of views and of the held-out fifth.
        batch_size: samples embedded at once.
        device: auto, cpu, cuda.
        output: a JSON file.

    Raises:
        UserError: fewer than two runs, one given twice, runs of different modalities, embeddings with NaN, an
            unknown figure, labels that fit nothing.
    """
    if by not in (*FIGURES, CLID):
        raise OptionError(f"there is no label-free figure {by!r}: {nearest(by, [*FIGURES, CLID])}")
    check_at(at)
    sampling = Sampling(samples, grouped, views, seed, batch_size)
    opened = _open(runs)
    where = pick_device(device)
    said: dict[str, list[str]] = {}
    found: list[Candidate] = []
    groups: dict[Any, int] = {}
    for run, name in zip(opened, names([Left(run.path) for run in opened]), strict=True):
        source = run.read(data, labels=labels is True)
        network = network_of(run, source, at).to(where)
        embedded = Embedded(network, run.modality, source, sampling, where)
        check_finite(embedded.z, f"run {name}")
        figures = {}
        for figure in FIGURES:
            figures[figure], lines = measure(figure, embedded)
            for line in lines:
                said.setdefault(line, []).append(name)
        spec = json.dumps(run.about["encoder"], sort_keys=True, default=str)
        found.append(
            Candidate(
                str(run.path),
                name,
                run.about["method"],
                run.about["encoder"]["name"],
                dim := int(embedded.z.shape[1]),
                groups.setdefault((spec, dim), len(groups) + 1),
                figures,
                None if labels is None else _accuracy(run, source, labels, sampling),
            )
        )
    found = _with_clid(found)
    notes = [f"{_listed(whose, len(found))}: {line}" for line, whose in said.items()]
    if all(c.figures[by] is None for c in found):
        why = [note for note in notes if f": no {by}: " in note] or [CLID_NEEDS]
        raise DataError(f"no run has the figure {by!r}: {why[0]}")
    if len(groups) > 1:
        notes.append(
            f"the runs are of {len(groups)} architectures or widths: label-free figures order runs within one of "
            "them only, so each group is ranked by itself"
        )
    agreements = {} if labels is None else _agreements(found, seed)
    if labels is not None and not agreements:
        notes.append(
            f"fewer than {LEAST_RUNS} comparable runs: their order cannot agree or disagree with labels"
        )
    about = {"samples": len(sampling.rows(len(source))), "grouped": grouped, "views": views, "seed": seed}
    selection = Selection(tuple(found), by, at, about, tuple(notes), agreements)
    if output is not None:
        selection.save(output)
    return selection


CLID_NEEDS = f"{CLID} needs {LEAST_FOR_CLID} comparable runs: it is relative to them"


def check_at(at: str) -> None:
    if at not in ("encoder", "projector"):
        raise OptionError(f"at must be 'encoder' or 'projector', not {at!r}")


def _open(runs: Sequence[str | Path | Run]) -> list[Run]:
    if isinstance(runs, str | Path | Run):
        runs = [runs]
    opened = [run if isinstance(run, Run) else Run(run) for run in runs]
    if len(opened) < 2:
        raise DataError(f"{len(opened)} run is no choice: give two run folders or more")
    if len({run.path.resolve() for run in opened}) < len(opened):
        raise OptionError("a run was given twice: give each folder once")
    kinds = {run.modality.name: run.path for run in opened}
    if len(kinds) > 1:
        told = ", ".join(f"{path} is of {kind!r}" for kind, path in kinds.items())
        raise DataError(f"the runs are of different modalities, so no data suits all of them: {told}")
    return opened


def _accuracy(run: Run, source: Source, labels: Any, sampling: Sampling) -> float:
    """Of a linear probe on the encoder's features, on a held-out fifth of the labelled samples."""
    y, _ = read_labels(run.modality.named_labels(labels), source)
    known = np.flatnonzero(y >= 0)
    known = known[sampling.rows(len(known), LABELLED)]
    train, test = split(y, known)
    z = features(
        run.encoder,
        source,
        prepare=run.modality.plain,
        device=next(run.encoder.parameters()).device,
        size=sampling.batch_size,
        rows=np.concatenate([train, test]),
    )
    return linear_probe(z[: len(train)], y[train], z[len(train) :], y[test], seed=sampling.seed)


def _with_clid(found: list[Candidate]) -> list[Candidate]:
    """The candidates with `clid`, where enough of them can be compared."""
    scores: dict[int, float] = {}
    for group in {c.group for c in found}:
        members = [i for i, c in enumerate(found) if c.group == group]
        parts = [
            [found[i].figures[n] for i in members] for n in ("cluster_learnability", "intrinsic_dimension")
        ]
        if len(members) < LEAST_FOR_CLID or any(
            v is None or v == float("inf") for part in parts for v in part
        ):
            continue
        scored = [zscores([float(v) for v in part if v is not None]) for part in parts]
        scores |= {i: sum(s) for i, *s in zip(members, *scored, strict=True)}
    return [replace(c, figures={**c.figures, CLID: scores.get(i)}) for i, c in enumerate(found)]


def zscores(values: Sequence[float]) -> list[float]:
    """Each value minus their mean, over their standard deviation; 0 where they are all equal."""
    mean, deviation = statistics.fmean(values), statistics.pstdev(values)
    return [(v - mean) / deviation if deviation else 0.0 for v in values]


def _agreements(found: Sequence[Candidate], seed: int) -> dict[int, dict[str, Agreement]]:
    made: dict[int, dict[str, Agreement]] = {}
    for group in dict.fromkeys(c.group for c in found):
        for name in found[0].figures:
            pairs = [(c.merit(name), c.accuracy) for c in found if c.group == group]
            known = [(m, a) for m, a in pairs if m is not None and a is not None]
            if len(known) >= LEAST_RUNS:
                merit, accuracy = zip(*known, strict=True)
                made.setdefault(group, {})[name] = agreement(merit, accuracy, seed=seed)
    return made


# text
def _listed(whose: Sequence[str], runs: int) -> str:
    """The runs that a note is about, by name where they are few."""
    return "all runs" if len(whose) == runs else ", ".join(whose) if len(whose) <= 3 else f"{len(whose)} runs"


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
