"""Runs that are broken on purpose and runs that are not, and whether the watch tells them apart.

    python benchmarks/collapse.py                              # the missing and the stale cells
    python benchmarks/collapse.py --sets letters --seeds 0 --cells simsiam simsiam-no_stop
    python benchmarks/collapse.py --judge                      # the summary, from the stored readings; seconds

A cell is one short run: a method with its own recipe, or one of `breaks.py`, on one set of `matrix.py` with a
small encoder and heads of a quarter of their width. It stores every reading of the watch, so that any bound can
be judged afterwards without training again, and beside them what is true of the run:

- `lost`: k-NN accuracy on test samples is not above that of its own untrained encoder by more than the draw of
  test samples explains (95 % interval of the paired difference);
- `shrunk`: on held-out samples, what the losses compare, or the features of the encoder that is kept, have less
  than a quarter of the spread that they had before training; or what the losses compare varies along fewer than
  2 directions (participation ratio); or nine tenths of the samples are given to one prototype or one class.

A run has collapsed when both hold. A broken run that has not is counted apart: taking a part away does not always
break a short run. So is one that a loss which is not finite ended.
"""

from __future__ import annotations

import argparse
import copy
import csv
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grid
import matrix
import numpy as np
import torch
from breaks import BREAKS, PARTS
from torch import Tensor
from torch.nn import functional as F

import unlabeled as ul
from unlabeled.api import find_facts
from unlabeled.data.draws import Draws, derive_seed
from unlabeled.data.rows import Rows, features
from unlabeled.data.source import Source
from unlabeled.errors import NonFiniteError
from unlabeled.methods import lookup, names
from unlabeled.methods.contract import Method
from unlabeled.methods.measured import code_hash
from unlabeled.modalities.contract import Modality
from unlabeled.parts import Assigning
from unlabeled.training import watch
from unlabeled.training.engine import Engine
from unlabeled.training.fit import Machine, fit
from unlabeled.training.plan import resolve

GRID = "collapse"
SUMMARY = grid.RESULTS / "collapse.json"
BATCH = 128
LOOKED_AT = 512
"""held-out samples whose geometry is taken"""


READ = (
    "loss",
    "effective_rank",
    "feature_spread",
    "participation_ratio",
    "class_entropy",
    "prototype_use",
    "teacher_agreement",
)
"""columns of metrics.csv that are stored; the last is read 20 times a run, the others every step up to 200"""


UNSEEN = {"sets": ("audio",), "seeds": (2,)}
"""runs that were made when the bounds and rules were settled; all others were read while they were made"""
JUDGED = ("effective_rank", "feature_spread", "participation_ratio", "class_entropy", "prototype_use")
ONE_VIEW = ("masked", "instance", "labelled")
"""families whose methods watch the embeddings of a single view"""
SWEPT = {
    "effective_rank": (1.3, 2, 5, 10, 20, 30),
    "feature_spread": (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5),
    "participation_ratio": (1.1, 1.3, 1.5, 1.7, 1.8, 1.9, 2, 2.5, 3),
    "class_entropy": (0.05, 0.2, 0.5),
    "prototype_use": (0.01, 0.05, 0.1, 0.2, 0.3, 0.4),
}
"""bounds that are tried, each alone"""
FALLEN = ("effective_rank", "participation_ratio")
"""figures that are also tried on the condition that half of what the run began with above 1 is gone"""


@dataclass(frozen=True)
class Setting:
    """How long the runs on a set are, and how small their encoders."""

    epochs: int
    encoders: Mapping[str, Mapping[str, Any]]
    modality: Mapping[str, Any] = field(default_factory=dict)
    broken: bool = False
    """whether the broken methods are run on it too, and other seeds of what lacks a part"""


SETTINGS = {
    "letters": Setting(4, {"mlp": {}, "transformer": {"width": 48, "depth": 2, "heads": 4}}, broken=True),
    "image": Setting(
        8,
        {"convnet": {"width": 16}, "vit": {"width": 64, "depth": 3, "heads": 4}},
        {"size": 16},
        broken=True,
    ),
    "series": Setting(
        3,
        {
            "dilated": {"width": 24, "depth": 4, "dim": 96},
            "transformer": {"width": 48, "depth": 2, "heads": 4},
        },
    ),
    "text": Setting(2, {"transformer": {"width": 64, "depth": 2, "heads": 4}}),
    "graph": Setting(60, {"gcn": {"width": 96}, "gat": {"width": 48, "depth": 2, "heads": 2}}),
    "audio": Setting(3, {"convnet": {"width": 16}, "transformer": {"width": 64, "depth": 2, "heads": 4}}),
}
HEADS: dict[str, dict[str, Any]] = {
    "byol": {"hidden": 256, "width": 128},
    "simsiam": {"width": 256, "hidden": 64},
    "dino": {"hidden": 256, "bottleneck": 128, "prototypes": 256, "local_views": 2},
    "moco_v3": {"hidden": 256, "width": 128},
    "simclr": {"hidden": 256, "width": 64},
    "barlow_twins": {"width": 256},
    "vicreg": {"width": 256},
    "swav": {"hidden": 256, "width": 64, "prototypes": 128},
    "mae": {"decoder_width": 48, "decoder_depth": 1},
}


# one run
def cell(kind: str, held: matrix.Set, name: str, seed: int) -> dict[str, Any]:
    broken = BREAKS.get(name)
    method = broken.method if broken else name
    cls = broken.cls if broken and broken.cls else lookup(method).cls
    options = {**HEADS.get(method, {}), **(broken.options if broken else {})}
    setting = SETTINGS[kind]
    named = {**held.modality, **setting.modality}
    modality = ul.modalities.MODALITIES[named.pop("name")].measure(held.train, **named)
    source = modality.read(held.train)
    y = labels_of(cls, held)
    torch.manual_seed(derive_seed(seed, "encoder"))
    encoder = modality.token_encoder if cls.requires.tokens else modality.default_encoder
    built = modality.build_encoder(encoder, **setting.encoders[encoder])
    torch.manual_seed(derive_seed(seed, "method"))
    classes = int(held.y.max()) + 1 if cls.requires.labels else None
    model = cls(built, find_facts(modality, source, classes), **options)
    rows = np.flatnonzero(y >= 0) if cls.requires.sampler == "labelled" and not source.whole else None
    plan, _ = resolve(
        model.recipe,
        rows=len(source) if rows is None else len(rows),
        least_batch=2,
        epochs=setting.epochs,
        batch_size=None if source.whole else BATCH,
        lr=None,
        optimiser=None,
        weight_decay=None,
        seed=seed,
        whole=source.whole,
    )
    if broken:
        plan = type(plan)(**{**plan.__dict__, "lr": plan.lr * broken.rate})
    engine = Engine(model, modality, source, y, plan, rows=rows)
    untrained = copy.deepcopy(model)
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        ended = train(engine, Path(folder))
        seconds = time.process_time() - began
        readings = read_metrics(Path(folder) / "metrics.csv")
    finite = all(bool(torch.isfinite(t).all()) for t in model.state_dict().values() if t.is_floating_point())
    truth = compared(modality, held, engine, untrained) if finite else {}
    return {
        "set": kind,
        "method": method,
        "broken": broken.what if broken else None,
        "encoder": built.spec,
        "options": options,
        "seed": seed,
        "steps": plan.steps,
        "lr": plan.lr,
        "ended": ended,
        "cpu_seconds": round(seconds, 1),
        **truth,
        "readings": readings,
    }


def labels_of(cls: type[Method], held: matrix.Set) -> np.ndarray:
    """What the method may see: nothing unless it learns from labels, and never a test sample's."""
    y = np.full_like(held.y, -1)
    if cls.requires.labels:
        shown = slice(None) if held.rows is None else held.rows
        y[shown] = held.y[shown]
    return y


def train(engine: Engine, folder: Path) -> str:
    """How it ended, in words."""
    try:
        fit(
            engine,
            folder,
            Machine(devices=1),
            held=None,
            limit=None,
            on_collapse="warn",
            resume=False,
            say=lambda line: None,
        )
    except NonFiniteError as error:
        return str(error)
    return "finished"


def read_metrics(path: Path) -> dict[str, str]:
    """What the watch read, one text of numbers a column (so that a cell stays a short file)."""
    if not path.exists():
        return {}
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        name: " ".join(f"{float(row[name]):.3g}" for row in rows if row[name])
        for name in READ
        if name in rows[0]
    }


# what is true of it
def compared(modality: Modality, held: matrix.Set, engine: Engine, untrained: Method) -> dict[str, Any]:
    right = {}
    for name, method in (("trained", engine.method), ("untrained", untrained)):
        z, z_test = matrix.divided(
            held,
            lambda data, method=method: features(method.kept, modality.read(data), prepare=modality.plain),
        )
        y = held.y if held.rows is None else held.y[held.rows]
        right[name] = ul.evaluation.knn_details(z, y, z_test, held.y_test, k=20).predictions == held.y_test
    gain = right["trained"].astype(float) - right["untrained"]
    half = 1.96 * gain.std(ddof=1) / len(gain) ** 0.5
    source = modality.read(held.train if held.test is None else held.test)
    y = engine.y if held.test is None or held.y_test is None else held.y_test
    return {
        "knn": round(float(right["trained"].mean()), 4),
        "untrained_knn": round(float(right["untrained"].mean()), 4),
        "gain": round(float(gain.mean()), 4),
        "gain_half_interval": round(float(half), 4),
        "after": geometry(engine, engine.method, source, y),
        "before": geometry(engine, untrained, source, y),
    }


def geometry(engine: Engine, method: Method, source: Source, y: np.ndarray) -> dict[str, float]:
    """Of held-out samples: how far what the losses compare, and the kept features, are spread, and over how
    many directions; the largest share of them that one prototype or one class is given."""
    method = copy.deepcopy(method).train()
    shown = Engine(method, engine.modality, source, y, engine.plan)
    size = len(source) if source.whole else min(LOOKED_AT, len(source))
    batch = Rows(source, y)[np.arange(size)]
    output = shown.step(batch, Draws(0, 0, total=size, name="held out"))
    kept = features(method.kept, source, prepare=engine.modality.plain, rows=np.arange(size))
    found = {}
    for name, z in (("compared", output.embeddings[0].detach().float()), ("kept", kept)):
        unit = F.normalize(z, dim=1)
        centred = unit - unit.mean(dim=0)
        found[f"{name}_spread"] = ul.evaluation.feature_spread(z)
        alive = bool(centred.abs().max() > 1e-6)
        found[f"{name}_directions"] = ul.evaluation.participation_ratio(centred) if alive else 0.0
    for part in method.modules():
        if isinstance(part, Assigning) and part.chosen is not None:
            found["largest_prototype"] = largest(part.chosen)
    if output.logits is not None:
        found["largest_class"] = largest(output.logits.argmax(dim=1))
    return {name: float(f"{value:.4g}") for name, value in found.items()}


def largest(chosen: Tensor) -> float:
    return float(chosen.bincount().max()) / len(chosen)


# what the watch says of it
def readings(entry: Mapping[str, Any]) -> list[watch.Reading]:
    """The readings of a stored run."""
    columns = {name: [float(v) for v in text.split()] for name, text in entry["readings"].items()}
    missing = [None] * len(columns.get("feature_spread", ()))
    views = 1 if lookup(entry["method"]).family in ONE_VIEW else 2
    return [
        watch.Reading(rank, spread, directions, BATCH, views, classes, prototypes)
        for rank, spread, directions, classes, prototypes in zip(
            *(columns.get(name, missing) for name in JUDGED), strict=True
        )
    ]


Low = Callable[[watch.Reading, watch.Reading], bool]
"""whether a reading is low, given the run's first"""


def alarm(run: list[watch.Reading], low: Low, patience: int) -> float | None:
    """Share of the run after which the watch stops it: `patience` readings in a row are low. None: never."""
    count = 0
    for place, reading in enumerate(run):
        count = count + 1 if low(reading, run[0]) else 0
        if count == patience:
            return round((place + 1) / len(run), 3)
    return None


def state(entry: Mapping[str, Any]) -> str:
    """What is true of a stored run, in one word."""
    if entry["ended"] != "finished":
        return "not finite"
    before, after = entry["before"], entry["after"]
    shrunk = (
        any(after[f"{what}_spread"] < before[f"{what}_spread"] / 4 for what in ("compared", "kept"))
        or after["compared_directions"] < 2
        or max(after.get("largest_prototype", 0), after.get("largest_class", 0)) >= 0.9
    )
    lost = entry["gain"] <= entry["gain_half_interval"]
    return {(True, True): "collapsed", (True, False): "shrunk"}.get((shrunk, lost), "neither")


def judge() -> dict[str, Any]:
    """Every run with its state and the moment it is stopped, and how every bound alone would do."""
    cells = grid.read(GRID)
    runs = {name: readings(entry) for name, entry in cells.items()}
    states = {name: state(entry) for name, entry in cells.items()}
    healthy = [name for name, entry in cells.items() if entry["broken"] is None]

    def counts(low: Low, patience: int) -> dict[str, int]:
        stopped = {name for name, run in runs.items() if alarm(run, low, patience) is not None}
        return {
            "collapsed": sum(states[n] == "collapsed" and n not in healthy for n in stopped),
            "other_broken": sum(states[n] != "collapsed" and n not in healthy for n in stopped),
            "healthy": sum(n in healthy for n in stopped),
        }

    def present(reading: watch.Reading, first: watch.Reading) -> bool:
        return reading.trouble(first) is not None

    def below(figure: str, bound: float, fallen: bool) -> Low:
        def low(reading: watch.Reading, first: watch.Reading) -> bool:
            now = getattr(reading, figure)
            return (
                now is not None and now < bound and (not fallen or now - 1 < (getattr(first, figure) - 1) / 2)
            )

        return low

    return {
        "runs": {
            name: {
                "set": entry["set"],
                "seed": entry["seed"],
                "unseen": entry["set"] in UNSEEN["sets"] or entry["seed"] in UNSEEN["seeds"],
                "method": entry["method"],
                "broken": entry["broken"],
                "state": states[name],
                "stopped": alarm(runs[name], present, watch.PATIENCE),
            }
            for name, entry in cells.items()
        },
        "patience": {str(p): counts(present, p) for p in (1, 2, 4, 8, 16)},
        "alone": {
            figure + ", fallen by half" * fallen: {
                str(bound): counts(below(figure, bound, fallen), watch.PATIENCE) for bound in bounds
            }
            for figure, bounds in SWEPT.items()
            for fallen in (False, True)
            if not fallen or figure in FALLEN
        },
    }


def planned() -> Iterator[tuple[str, str, int]]:
    """(set, method or break, seed) of every cell."""
    for kind, setting in SETTINGS.items():
        for name in [*names(), *(BREAKS if setting.broken else ())]:
            yield kind, name, 0
    for seed, again in ((1, [*PARTS, *names()]), (2, [*PARTS])):
        for kind, setting in SETTINGS.items():
            for name in again if setting.broken else ():
                yield kind, name, seed


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", nargs="*", default=list(SETTINGS), choices=list(SETTINGS))
    parser.add_argument("--cells", nargs="*", help="methods and breaks, by name; all where none are given")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--data", type=Path, default=grid.DATA, help="folder that holds the data sets")
    parser.add_argument("--force", action="store_true", help="measure cells again though they are there")
    parser.add_argument("--judge", action="store_true", help="only judge what is stored")
    asked = parser.parse_args()
    held: dict[str, matrix.Set] = {}
    for kind, name, seed in planned():
        wanted = kind in asked.sets and seed in asked.seeds and (asked.cells is None or name in asked.cells)
        if asked.judge or not wanted:
            continue
        broken = BREAKS.get(name)
        cls = (broken.cls if broken else None) or lookup(broken.method if broken else name).cls

        def measure(kind: str = kind, name: str = name, seed: int = seed) -> dict[str, Any]:
            if kind not in held:
                held[kind] = matrix.SETS[kind][1](asked.data)
            return cell(kind, held[kind], name, seed)

        called = f"{kind}-{name}" + f"-seed{seed}" * (seed > 0)
        grid.run(GRID, called, code_hash(cls), measure, force=asked.force)
    SUMMARY.write_text(json.dumps(judge(), indent=1) + "\n")
    import tables

    tables.write()
    print(tables.collapse_counts())


if __name__ == "__main__":
    main()
