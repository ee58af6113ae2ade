"""The figures without labels of finished runs, and which run each would choose."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import replace
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
from unlabeled.run import Run, pick_device
from unlabeled.selection.agreement import LEAST_RUNS, Agreement, agreement
from unlabeled.selection.candidates import Candidate, Selection
from unlabeled.selection.embedded import Embedded, Sampling, check_finite, network_of
from unlabeled.selection.figures import BY, CLID, FIGURES, measure

LEAST_FOR_CLID = 5
LABELLED = 10_000
"""labelled samples that the linear probe looks at, at most"""


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


def _listed(whose: Sequence[str], runs: int) -> str:
    """The runs that a note is about, by name where they are few."""
    return "all runs" if len(whose) == runs else ", ".join(whose) if len(whose) <= 3 else f"{len(whose)} runs"
