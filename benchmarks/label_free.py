"""Do figures that need no labels find the runs with the best linear accuracy?

    python benchmarks/label_free.py                   # the missing and the stale runs, then their figures
    python benchmarks/label_free.py --sets letters

A pool is runs of one encoder and one width on one data set, whose hyperparameters are drawn at random: the
method (VICReg or SimCLR), its weights or temperature, the strength of its views, learning rate, weight decay and
epochs. Labels are used only to judge: by the linear probe and the nearest neighbours of test samples.
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
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

GRID = "label_free"
CACHE = Path("/tmp/label_free_cache")
"""run folders: the figures are made from them"""
WIDTH = 256
"""of every projector's output, so that figures of it can be compared too"""
SEED = 0


@register("simclr_views", paper="Chen et al. 2020, arXiv 2002.05709", family="contrastive")
class SimCLRViews(SimCLR):
    """SimCLR whose strong views are overruled by `views`."""

    def __init__(
        self, encoder: Encoder, facts: Facts, *, temperature: float = 0.2, views: dict[str, float] | None = None
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


def drawn(pool: Pool, number: int) -> dict[str, Any]:
    """The hyperparameters of a run: a function of its number."""
    r = np.random.default_rng([SEED, number])

    def between(low: float, high: float) -> float:
        """Log-uniform, to three digits."""
        return float(f"{np.exp(r.uniform(np.log(low), np.log(high))):.3g}")

    views = pool.views(r)
    asked = {
        "epochs": int(r.choice(pool.epochs)),
        "lr": between(1e-4, 1e-2),
        "weight_decay": between(1e-6, 1e-1),
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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", nargs="*", default=list(POOLS), choices=list(POOLS))
    parser.add_argument("--numbers", nargs="*", type=int, help="only these runs of a pool")
    parser.add_argument("--data", type=Path, default=grid.DATA, help="folder that holds the data sets")
    parser.add_argument("--force", action="store_true", help="measure runs again though they are there")
    asked = parser.parse_args()
    for kind in asked.sets:
        held = matrix.SETS[POOLS[kind].set][1](asked.data)
        for number in asked.numbers or range(POOLS[kind].count):
            grid.run(
                GRID,
                f"{kind}-{number:02d}",
                code_hash(lookup(drawn(POOLS[kind], number)["method"]).cls),
                lambda kind=kind, number=number, held=held: train_cell(kind, number, held),
                force=asked.force,
            )


if __name__ == "__main__":
    main()
