"""Do figures that need no labels find the runs with the best linear accuracy?

    python benchmarks/label_free.py                   # the missing and the stale runs, their figures, the judgement
    python benchmarks/label_free.py --judge           # the judgement only, from the cells that are there

A pool is runs of one encoder and one width on one data set, whose hyperparameters are drawn at random: the
method (VICReg or SimCLR), its weights or temperature, the strength of its views, learning rate, weight decay and
epochs. Labels are used only to judge: by the linear probe and the nearest neighbours of test samples. The figures
are those of `ul.select`, of samples that the runs learnt from: at the encoder, whose features are judged, and at the
projector.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import grid
import matrix
import numpy as np

import unlabeled as ul
from unlabeled.data.rows import features
from unlabeled.methods import lookup, register
from unlabeled.methods.contract import Branch, Facts
from unlabeled.methods.contrastive import SimCLR
from unlabeled.methods.decorrelated import VICReg
from unlabeled.methods.measured import code_hash
from unlabeled.parts import Encoder
from unlabeled.report.folder import read_folder
from unlabeled.selection import FIGURES, agreement
from unlabeled.selection.embedded import Embedded, Sampling, network_of
from unlabeled.selection.figures import CLID, measure
from unlabeled.selection.ranking import zscores

GRID = "label_free"
CACHE = Path("/tmp/label_free_cache")
"""run folders: the figures are made from them"""
WIDTH = 256
"""of every projector's output, so that figures of it can be compared too"""
SEED = 0
SAMPLING = Sampling(samples=5_000, grouped=200, views=10, seed=SEED)
PLACES = ("encoder", "projector")
SUMMARY = grid.RESULTS / "label_free.json"


@register("simclr_views", paper="Chen et al. 2020, arXiv 2002.05709", family="contrastive")
class SimCLRViews(SimCLR):
    """SimCLR whose strong views are overruled by `views`."""

    def __init__(
        self,
        encoder: Encoder,
        facts: Facts,
        *,
        temperature: float = 0.2,
        views: dict[str, float] | None = None,
    ) -> None:
        super().__init__(encoder, facts, temperature=temperature, hidden=WIDTH, width=WIDTH)
        self.plan = (Branch("strong", options=views or {}),) * 2


@register("vicreg_views", paper="Bardes et al. 2021, arXiv 2105.04906", family="decorrelation")
class VICRegViews(VICReg):
    """VICReg whose strong views are overruled by `views`."""

    def __init__(
        self,
        encoder: Encoder,
        facts: Facts,
        *,
        variance: float = 25.0,
        covariance: float = 1.0,
        views: dict[str, float] | None = None,
    ) -> None:
        super().__init__(encoder, facts, variance=variance, covariance=covariance, width=WIDTH)
        self.plan = (Branch("strong", options=views or {}),) * 2


@dataclass
class Pool:
    """One data set and what is drawn for the runs on it."""

    set: str
    """of the matrix"""
    count: int
    encoder: dict[str, Any]
    batch_size: int
    epochs: tuple[int, ...]
    views: Callable[[np.random.Generator], dict[str, float]]
    probe_rows: int
    """training samples that the probes learn from (the first ones of a random order)"""
    lr: tuple[float, float] = (1e-4, 1e-2)
    weight_decay: tuple[float, float] = (1e-6, 1e-1)


POOLS = {
    "image": Pool(
        "image",
        36,
        {"name": "convnet", "width": 32},
        256,
        (2, 4, 8),
        lambda r: {"low": float(r.choice([0.08, 0.2, 0.5, 0.9])), "jitter": float(r.choice([0.0, 0.8]))},
        5_000,
    ),
    "letters": Pool(
        "letters",
        48,
        {"name": "mlp", "width": 128},
        256,
        (1, 3, 6),
        lambda r: {"share": float(r.choice([0.0, 0.1, 0.3, 0.6]))},
        4_000,
    ),
}


# the same draws of weights, temperature and views, all trained alike: added after the pools above had shown that
# how far a run had moved decides both its accuracy and its figures
for _kind, _count, _epochs in (("image", 24, 6), ("letters", 24, 10)):
    POOLS[f"{_kind}_alike"] = replace(
        POOLS[_kind], count=_count, epochs=(_epochs,), lr=(3e-3, 3e-3), weight_decay=(1e-4, 1e-4)
    )


def drawn(pool: Pool, number: int) -> dict[str, Any]:
    """The hyperparameters of a run: a function of its number."""
    r = np.random.default_rng([SEED, number])

    def between(low: float, high: float) -> float:
        """Log-uniform, to three digits."""
        return float(f"{np.exp(r.uniform(np.log(low), np.log(high))):.3g}")

    views = pool.views(r)
    asked = {
        "epochs": int(r.choice(pool.epochs)),
        "lr": between(*pool.lr),
        "weight_decay": between(*pool.weight_decay),
    }
    if number % 2:
        own = {"method": "simclr_views", "temperature": between(0.02, 2.0)}
    else:
        own = {"method": "vicreg_views", "variance": between(0.25, 100), "covariance": between(0.01, 100)}
    return {**own, "views": views, **asked}


def train_cell(kind: str, number: int, held: matrix.Set) -> dict[str, Any]:
    """Trains one run, keeps its folder in the cache, and judges it by labels."""
    pool = POOLS[kind]
    config = drawn(pool, number)
    folder = CACHE / f"{kind}-{number:02d}"
    shutil.rmtree(folder, ignore_errors=True)
    began = time.perf_counter()
    run = ul.pretrain(
        held.train,
        modality=held.modality,
        encoder=pool.encoder,
        batch_size=pool.batch_size,
        seed=SEED,
        out=folder,
        on_collapse="warn",
        precision="32",
        **config,
    )
    seconds = time.perf_counter() - began
    loss = read_folder(folder).last("loss")
    rows = np.sort(np.random.default_rng(SEED).permutation(len(held.y))[: pool.probe_rows])
    prepare, read = run.modality.plain, run.modality.read
    z, z_test = (
        features(run.encoder, read(data), prepare=prepare, rows=chosen)
        for data, chosen in ((held.train, rows), (held.test, None))
    )
    judged = matrix.scored(z, matrix.Set(held.modality, None, held.y[rows], 0, y_test=held.y_test), z_test)
    return {
        "kind": "run",
        "set": kind,
        "number": number,
        "config": config,
        "encoder": pool.encoder,
        "batch_size": pool.batch_size,
        "seed": SEED,
        "train": len(held.y),
        "probe_train": len(rows),
        "test": len(z_test),
        **{name: judged[name] for name in ("knn", "linear_probe", "dim")},
        "loss": loss,
        "seconds": round(seconds, 1),
    }


def add_figures(kind: str, number: int, held: Callable[[], matrix.Set], *, force: bool) -> None:
    """Computes the label-free figures of a run from its folder and adds them to its cell."""
    path, folder = grid.path(GRID, f"{kind}-{number:02d}"), CACHE / f"{kind}-{number:02d}"
    cell = json.loads(path.read_text())
    if "figures" in cell and not force:
        return
    run = ul.load(folder)
    source = run.modality.read(held().train)
    cell["figures"], cell["notes"] = {}, []
    for at in PLACES:
        embedded = Embedded(network_of(run, source, at), run.modality, source, SAMPLING)
        found = {name: measure(name, embedded) for name in FIGURES}
        cell["figures"][at] = {n: None if v is None else float(f"{v:.6g}") for n, (v, _) in found.items()}
        cell["notes"] += [f"{at}: {note}" for _, said in found.values() for note in said]
    cell["sampling"] = asdict(SAMPLING)
    path.write_text(json.dumps(cell, indent=1) + "\n")
    print(f"{path.stem}: {cell['figures']['encoder']}", flush=True)


def judged(cells: list[dict[str, Any]]) -> dict[str, Any]:
    """How each figure's order agrees with linear accuracy, and what choosing by it costs."""
    accuracy = [c["linear_probe"] for c in cells]
    summary: dict[str, Any] = {
        "runs": len(cells),
        "best": max(accuracy),
        "worst": min(accuracy),
        "median": statistics.median(accuracy),
        "lost_at_random": round(max(accuracy) - statistics.fmean(accuracy), 4),
    }
    for at in PLACES:
        summary[at] = {}
        for name in (*FIGURES, CLID):
            merits = clid(cells, at) if name == CLID else [merit(name, c["figures"][at][name]) for c in cells]
            known = [(m, a) for m, a in zip(merits, accuracy, strict=True) if m is not None]
            # a run that has no such figure is never chosen by it
            found = asdict(agreement(*zip(*known, strict=True), seed=SEED)) if len(known) > 2 else None
            if found is not None:
                found["lost"] += max(accuracy) - max(a for _, a in known)
            summary[at][name] = found and {n: rounded(v) for n, v in found.items()}
    return summary


def merit(name: str, value: float | None) -> float | None:
    return None if value is None else FIGURES[name].merit(value)


def clid(cells: list[dict[str, Any]], at: str) -> list[float | None]:
    """Cluster learnability and intrinsic dimension as z-scores over the runs that have both, added up."""
    pairs = [[c["figures"][at][n] for n in ("cluster_learnability", "intrinsic_dimension")] for c in cells]
    whole = [i for i, pair in enumerate(pairs) if None not in pair]
    sums = [sum(z) for z in zip(*(zscores([pairs[i][j] for i in whole]) for j in (0, 1)), strict=True)]
    found = dict(zip(whole, sums, strict=True))
    return [found.get(i) for i in range(len(cells))]


def rounded(value: Any) -> Any:
    if isinstance(value, tuple):
        return [rounded(v) for v in value]
    return round(value, 4) if isinstance(value, float) else value


def judge() -> None:
    """Writes the summary: each pool whole, and its runs of one method."""
    cells = [c for c in grid.read(GRID).values() if "figures" in c]
    summary = {}
    for kind in POOLS:
        pool = [c for c in cells if c["set"] == kind]
        if len(pool) < 3:
            continue
        summary[kind] = {"all": judged(pool)}
        for method in sorted({c["config"]["method"] for c in pool}):
            summary[kind][method.removesuffix("_views")] = judged(
                [c for c in pool if c["config"]["method"] == method]
            )
    SUMMARY.write_text(json.dumps(summary, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", nargs="*", default=list(POOLS), choices=list(POOLS))
    parser.add_argument("--numbers", nargs="*", type=int, help="only these runs of a pool")
    parser.add_argument("--data", type=Path, default=grid.DATA, help="folder that holds the data sets")
    parser.add_argument("--force", action="store_true", help="measure again what is there")
    parser.add_argument(
        "--figures", action="store_true", help="train nothing: figures of the runs that are there"
    )
    parser.add_argument("--judge", action="store_true", help="train and compute nothing: judge what is there")
    asked = parser.parse_args()
    for kind in asked.sets if not asked.judge else ():
        # read when a cell first needs it
        held = cache(lambda kind=kind: matrix.SETS[POOLS[kind].set][1](asked.data))
        for number in asked.numbers or range(POOLS[kind].count):
            if not asked.figures:
                grid.run(
                    GRID,
                    f"{kind}-{number:02d}",
                    code_hash(lookup(drawn(POOLS[kind], number)["method"]).cls),
                    lambda kind=kind, number=number, held=held: train_cell(kind, number, held()),
                    force=asked.force,
                )
            if grid.path(GRID, f"{kind}-{number:02d}").exists():
                add_figures(kind, number, held, force=asked.force)
    judge()
    # in a process of its own, where the methods of this file are not registered
    subprocess.run(
        [sys.executable, str(Path(__file__).with_name("tables.py"))], check=True, stdout=subprocess.DEVNULL
    )


if __name__ == "__main__":
    main()
