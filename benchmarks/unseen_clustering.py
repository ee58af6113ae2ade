"""Clustering of data sets that the encoder never saw, and whether a figure without labels tells how well it goes.

    python benchmarks/unseen_clustering.py                  # the missing and the stale cells
    python benchmarks/unseen_clustering.py --sets digits

Features: raw pixels, their principal components (95 % of the variance of standardised pixels), an untrained
convnet, and the same convnet trained by SimCLR on Fashion-MNIST only. Sets: digits of scikit-learn, MNIST and
CIFAR-10 small, which it never saw, and other images of Fashion-MNIST; 1,000 images each, as many of every
class as there are, made 28 × 28 with three bands by the image modality as fitted to Fashion-MNIST. A cell is one
kind of features on one set: k-means with as many clusters as classes, on the features and in the space of UMAP.
`correlation.json` holds the rank correlation over cells of AMI, which needs labels, with the silhouette, which
does not (Lowe et al., 2024, arXiv:2406.02465, report a strong one in the space of UMAP). One seed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import grid
import matrix
import numpy as np
import torch
from scipy.stats import spearmanr
from sklearn.datasets import load_digits

import unlabeled as ul
from unlabeled.data.rows import features
from unlabeled.evaluation.sampling import stratified_rows
from unlabeled.methods import lookup
from unlabeled.methods.measured import code_hash
from unlabeled.run import raw_features

GRID = "unseen_clustering"
SEED = 0
ROWS = 1_000
TRAIN, EPOCHS, BATCH = 4_000, 6, 256
FEATURES = ("raw", "pca", "untrained", "simclr")
SEEN = "fashion_mnist"
SETS = ("digits", "mnist", "cifar10_small", SEEN)


def images(name: str, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """(rows, height, width) or (rows, 3, height, width) uint8, and labels."""
    if name == "digits":
        x, y = load_digits(return_X_y=True)
        return (x.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8), y
    if name == "cifar10_small":
        held = matrix.cifar10_small(folder)
        return held.test, held.y_test
    file, x, y = {
        "mnist": ("mnist_test/mnist_t10k.npz", "images", "labels"),
        SEEN: ("fashion_mnist/fashion_mnist.npz", "test_images", "test_labels"),
    }[name]
    with np.load(folder / "images" / file, allow_pickle=False) as arrays:
        return arrays[x], arrays[y]


@cache
def part(name: str, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    x, y = images(name, folder)
    rows = stratified_rows(y, ROWS, SEED)
    return x[rows], y[rows].astype(np.int64)


@dataclass(frozen=True)
class Trained:
    """SimCLR after a few epochs on Fashion-MNIST."""

    encoder: torch.nn.Module
    name: str
    modality: ul.Modality
    seconds: float


@cache
def trained(folder: Path) -> Trained:
    with np.load(folder / "images" / "fashion_mnist" / "fashion_mnist.npz", allow_pickle=False) as arrays:
        x = arrays["train_images"][:TRAIN]
    with tempfile.TemporaryDirectory() as out:
        began = time.perf_counter()
        run = ul.pretrain(
            x,
            method="simclr",
            modality={"name": "image", "bands": 3},
            epochs=EPOCHS,
            batch_size=BATCH,
            seed=SEED,
            out=Path(out) / "run",
        )
        seconds = time.perf_counter() - began
        return Trained(run.encoder, run.config["encoder"]["name"], run.modality, seconds)


def embedded(kind: str, x: np.ndarray, held: Trained) -> torch.Tensor | np.ndarray:
    source = held.modality.read(x)
    if kind in ("raw", "pca"):
        raw = raw_features(held.modality, source)
        return raw if kind == "raw" else ul.evaluation.reduced(raw, 0.95)
    encoder = held.encoder
    if kind == "untrained":
        torch.manual_seed(SEED)
        encoder = held.modality.build_encoder(held.name)
    return features(encoder, source, prepare=held.modality.plain)


def cell(name: str, kind: str, folder: Path) -> dict[str, Any]:
    x, y = part(name, folder)
    held = trained(folder)
    z = embedded(kind, x, held)
    figures = {}
    for space, reduce in (("features", None), ("umap", "umap")):
        found = ul.evaluation.clustering_details(z, y, reduce=reduce, seed=SEED)
        assert found.agreement is not None and found.fitted is not None
        figures[f"ami_{space}"] = round(found.agreement.ami, 4)
        figures[f"accuracy_{space}"] = round(found.agreement.accuracy, 4)
        figures[f"silhouette_{space}"] = round(found.fitted.silhouette, 4)
    training = {
        "train": TRAIN,
        "epochs": EPOCHS,
        "batch_size": BATCH,
        "seconds": round(held.seconds, 1),
    }
    return {
        "set": name,
        "features": kind,
        "unseen": name != SEEN,
        "rows": len(y),
        "dim": z.shape[1],
        "seed": SEED,
        **figures,
        **({"training": training} if kind == "simclr" else {}),
    }


def correlation(cells: list[dict[str, Any]]) -> dict[str, Any]:
    """Spearman's rank correlation of AMI with the silhouette, in each space and across the two.

    Over cells of all sets it also says which set is easy. `within_set` does not: the mean over sets of the
    correlation between the kinds of features on one set, which is what choosing an encoder needs.
    """
    made: dict[str, Any] = {}
    for name, chosen in (("unseen", [c for c in cells if c["unseen"]]), ("all", cells)):
        sets = [[c for c in chosen if c["set"] == one] for one in sorted({c["set"] for c in chosen})]
        made[name] = {"cells": len(chosen)}
        for ami in ("ami_umap", "ami_features"):
            for silhouette in ("silhouette_umap", "silhouette_features"):
                over = ranks([chosen], ami, silhouette)[0]
                within = ranks(sets, ami, silhouette)
                made[name][f"{ami}~{silhouette}"] = over
                made[name][f"{ami}~{silhouette}, within_set"] = round(float(np.mean(within)), 3)
    return made


def ranks(groups: list[list[dict[str, Any]]], one: str, other: str) -> list[float]:
    pairs = [([c[one] for c in group], [c[other] for c in group]) for group in groups]
    return [round(float(spearmanr(*pair).statistic), 3) for pair in pairs]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=SETS)
    parser.add_argument("--features", nargs="*", default=list(FEATURES), choices=FEATURES)
    parser.add_argument("--data", type=Path, default=grid.DATA, help="folder that holds the data sets")
    parser.add_argument("--force", action="store_true", help="measure cells again though they are there")
    asked = parser.parse_args()
    for name in asked.sets:
        for kind in asked.features:
            grid.run(
                GRID,
                f"{name}-{kind}",
                code_hash(lookup("simclr").cls) if kind == "simclr" else "yardstick",
                lambda name=name, kind=kind: cell(name, kind, asked.data),
                force=asked.force,
            )
    cells = [c for key, c in grid.read(GRID).items() if key != "correlation"]
    if any(c["unseen"] for c in cells):
        # its code is what the cells say, so that it is made anew when one of them is
        content = hashlib.sha256(json.dumps(cells, sort_keys=True).encode()).hexdigest()[:16]
        grid.run(GRID, "correlation", content, lambda: correlation(cells))


if __name__ == "__main__":
    main()
