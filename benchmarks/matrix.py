"""Method × kind of data: every modality-free method, unchanged, on one real set of each kind.

    python benchmarks/matrix.py                              # the missing and the stale cells
    python benchmarks/matrix.py --sets table text --methods vicreg mae

One stated small budget a set (`epochs` below), the method's own recipe and options, the modality's own
default encoder (its encoder of tokens for methods that hide tokens). Beside the methods stand the raw input
and the untrained encoders. Figures: k-NN (k = 20) and linear probe on test samples that no training sees,
but for graphs, where everything but the test labels is there while training. A cell works where it beats
its own untrained encoder, in k-NN or in the linear probe, by more than the draw of test samples explains (the
95 % interval of the paired difference over them lies above zero; one seed of training) and is worse in neither.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grid
import numpy as np
import pyarrow.parquet as pq
import torch

import unlabeled as ul
from unlabeled.assessment import raw_features
from unlabeled.data.rows import features
from unlabeled.methods import lookup, names
from unlabeled.methods.measured import code_hash

SEED = 0
NEIGHBOURS = 20


@dataclass
class Set:
    """One real data set, divided once and for all."""

    modality: dict[str, Any]
    train: Any
    y: np.ndarray
    """of the training samples"""
    epochs: int
    test: Any = None
    """None: test samples are rows of `train`, as the nodes of one graph are"""
    y_test: np.ndarray | None = None
    rows: np.ndarray | None = None
    """rows of `train` that the probes learn from; None: all"""
    test_rows: np.ndarray | None = None
    batch_size: int | None = 128
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    """a method's options where the set needs other than its defaults, with the reason beside"""


# the sets: each is (what it is, a function of the data folder)
def cifar10_small(folder: Path) -> Set:
    from PIL import Image

    with zipfile.ZipFile(folder / "images" / "cifar10_small" / "cifar10_small.zip") as archive:
        members = sorted(n for n in archive.namelist() if n.endswith(".jpg"))
        classes = sorted({n.split("/")[1] for n in members})
        parts: dict[str, tuple[list[Any], list[int]]] = {"train": ([], []), "test": ([], [])}
        for name in members:
            split, cls, _ = name.split("/")
            parts[split][0].append(np.asarray(Image.open(io.BytesIO(archive.read(name)))).transpose(2, 0, 1))
            parts[split][1].append(classes.index(cls))
    (x, y), (x_test, y_test) = ((np.stack(a), np.array(b)) for a, b in parts.values())
    return Set({"name": "image"}, x, y, 10, x_test, y_test, batch_size=256)


def adult(folder: Path) -> Set:
    train, test = (
        pq.read_table(folder / "tables" / "adult" / f"{s}.parquet").slice(0, n)
        for s, n in (("train", 10_000), ("test", 5_000))
    )
    y, y_test = (t["income"].to_numpy().astype(np.int64) for t in (train, test))
    return Set({"name": "table", "label": "income"}, train, y, 5, test, y_test)


def letters(folder: Path) -> Set:
    """Which letter 16 numbers of its picture belong to; 10,000 rows to learn from, 5,000 to test."""
    table = pq.read_table(folder / "tables" / "uci_imputation" / "letter.parquet")
    order = np.random.default_rng(SEED).permutation(len(table))
    train, test = (table.take(np.sort(rows)) for rows in (order[:10_000], order[10_000:15_000]))
    y, y_test = (t["target"].to_numpy().astype(np.int64) for t in (train, test))
    return Set({"name": "table", "label": "target"}, train, y, 5, test, y_test)


def watch_activity(folder: Path) -> Set:
    """Windows of 128 samples (about 1.2 s, half overlapping) of a watch; subjects 19 to 23 are the test."""
    table = pq.read_table(folder / "series" / "sp_sw_har" / "samples.parquet").to_pandas()
    table = table[table.device == "watch"]
    axes = ["x_acc", "y_acc", "z_acc", "x_gyro", "y_gyro", "z_gyro"]
    classes = sorted(table.label.unique())
    parts: dict[bool, tuple[list[Any], list[int]]] = {False: ([], []), True: ([], [])}
    for (subject, _), run in table.groupby(["subject", "execution"], sort=True):
        values, said = run[axes].to_numpy(np.float32), run.label.to_numpy()
        for start in range(0, len(run) - 127, 64):
            labels, counts = np.unique(said[start : start + 128], return_counts=True)
            parts[subject >= 19][0].append(values[start : start + 128].T)
            parts[subject >= 19][1].append(classes.index(labels[counts.argmax()]))
    (x, y), (x_test, y_test) = ((np.stack(a), np.array(b)) for a, b in parts.values())
    return Set({"name": "series"}, x, y, 9, x_test, y_test)


def spoken_digits(folder: Path) -> Set:
    return _spoken(folder, "digit")


def _spoken(folder: Path, label: str) -> Set:
    import pandas
    import soundfile

    index = pandas.read_csv(folder / "audio" / "fsdd" / "index.csv").sort_values("path")
    classes = sorted(index[label].unique())
    parts: dict[str, tuple[list[Any], list[int]]] = {"train": ([], []), "test": ([], [])}
    with zipfile.ZipFile(folder / "audio" / "fsdd" / "recordings.zip") as archive:
        held = {n.rsplit("/", 1)[-1]: n for n in archive.namelist()}
        for row in index.itertuples():
            sound, _ = soundfile.read(
                io.BytesIO(archive.read(held[row.path.rsplit("/", 1)[-1]])), dtype="float32"
            )
            parts[row.split][0].append(sound)
            parts[row.split][1].append(classes.index(getattr(row, label)))
    (x, y), (x_test, y_test) = ((a, np.array(b)) for a, b in parts.values())
    return Set({"name": "audio"}, (x, 8000), y, 6, (x_test, 8000), y_test)


def cora(folder: Path) -> Set:
    path = folder / "graphs" / "cora" / "graph.npz"
    with np.load(path, allow_pickle=False) as held:
        y = held["labels"].astype(np.int64)
        train, test = np.flatnonzero(held["train_mask"]), np.flatnonzero(held["test_mask"])
    return Set({"name": "graph"}, path, y, 100, y_test=y[test], rows=train, test_rows=test, batch_size=None)


def proteins(folder: Path) -> Set:
    """Folds 0 and 1 of ten are the test; pre-training sees all graphs, as in the published protocol."""
    path = folder / "graphs" / "proteins" / "graphs.npz"
    with np.load(path, allow_pickle=False) as held:
        y, fold = held["graph_label"].astype(np.int64), held["fold"]
    train, test = np.flatnonzero(fold > 1), np.flatnonzero((fold == 0) | (fold == 1))
    return Set({"name": "graph"}, path, y, 15, y_test=y[test], rows=train, test_rows=test)


def ag_news(folder: Path) -> Set:
    table = pq.read_table(folder / "text" / "ag_news_test" / "ag_news.parquet").to_pandas()
    parts = []
    for split in ("train", "test"):
        rows = table[table.split == split]
        parts.append(((rows.title + ". " + rows.description).tolist(), rows.label.to_numpy(np.int64)))
    (x, y), (x_test, y_test) = parts
    return Set({"name": "text", "length": 48}, x, y, 4, x_test, y_test)


SETS: dict[str, tuple[str, Callable[[Path], Set]]] = {
    "image": ("CIFAR-10 small, 5,000 + 1,000 images, 10 classes", cifar10_small),
    "table": ("Adult, 10,000 + 5,000 rows, income", adult),
    "letters": ("Letter recognition, 10,000 + 5,000 rows of 16 numbers, 26 letters", letters),
    "series": ("watch motion, windows of 1.2 s, 5 activities, other people", watch_activity),
    "audio": ("FSDD, 2,700 + 300 recordings, 10 digits", spoken_digits),
    "graph": ("Cora, 2,708 nodes, public split, 7 topics", cora),
    "graphs": ("PROTEINS, 1,113 graphs, 2 classes, folds 0 and 1 are the test", proteins),
    "text": ("AG News (its test part), 5,600 + 2,000 texts, 4 topics", ag_news),
}


MODALITY = {kind: {"letters": "table", "graphs": "graph"}.get(kind, kind) for kind in SETS}
"""of which kind of data each set is"""


def scored(z: torch.Tensor, held: Set, z_test: torch.Tensor) -> dict[str, Any]:
    """Both accuracies, with which test samples were right (packed bits as hex), and the effective rank."""
    y_test = held.y_test
    assert y_test is not None
    y = held.y if held.rows is None else held.y[held.rows]
    figures: dict[str, Any] = {}
    for name, made in (
        ("knn", ul.evaluation.knn_details(z, y, z_test, y_test, k=min(NEIGHBOURS, len(y)))),
        ("linear_probe", ul.evaluation.linear_probe_details(z, y, z_test, y_test)),
    ):
        right = np.asarray(made.predictions) == y_test
        figures[name] = round(float(right.mean()), 4)
        figures[f"{name}_right"] = np.packbits(right).tobytes().hex()
    return {**figures, "effective_rank": round(ul.evaluation.effective_rank(z_test), 2), "dim": z.shape[1]}


def gain(cell: dict[str, Any], untrained: dict[str, Any], figure: str) -> tuple[float, float]:
    """By how much a cell is better, and half the width of the 95 % interval of that paired difference."""
    count = cell["test"]
    a, b = (
        np.unpackbits(np.frombuffer(bytes.fromhex(c[f"{figure}_right"]), np.uint8))[:count].astype(float)
        for c in (cell, untrained)
    )
    return float((a - b).mean()), float(1.96 * (a - b).std(ddof=1) / count**0.5)


def works(cell: dict[str, Any], untrained: dict[str, Any]) -> bool:
    """Whether one figure is better than the untrained encoder's by more than the draw of test samples explains,
    and neither is worse."""
    gains = [gain(cell, untrained, figure) for figure in ("knn", "linear_probe")]
    return any(g > half for g, half in gains) and not any(g < -half for g, half in gains)


def divided(held: Set, embed: Callable[[Any], torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings of what the probes learn from, and of the test samples."""
    z = embed(held.train)
    if held.test is not None:
        return z if held.rows is None else z[held.rows], embed(held.test)
    return z[held.rows], z[held.test_rows]


def method_cell(name: str, kind: str, held: Set) -> dict[str, Any]:
    requires = lookup(name).cls.requires
    y = held.y
    if requires.labels and held.test is None:  # the test samples are in the training set: hide their labels
        y = np.full_like(held.y, -1)
        y[held.rows] = held.y[held.rows]
    train = ul.finetune if requires.labels else ul.pretrain
    options = held.options.get(name, {})
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        run = train(
            held.train,
            method=name,
            modality=held.modality,
            epochs=held.epochs,
            batch_size=held.batch_size if not (requires.labels and held.test is None) else None,
            seed=SEED,
            out=Path(folder) / "run",
            on_collapse="warn",
            **({"labels": y} if requires.labels else {}),
            **options,
        )
        seconds = time.perf_counter() - began
        prepare, read = run.modality.plain, run.modality.read
        z, z_test = divided(held, lambda data: features(run.encoder, read(data), prepare=prepare))
        untrained = run.config["encoder"]["name"]
        config = run.config
    return {
        "kind": "method",
        "method": name,
        "set": kind,
        "data": SETS[kind][0],
        "encoder": untrained,
        "parameters": sum(p.numel() for p in run.encoder.parameters()),
        "epochs": held.epochs,
        "batch_size": config["batch_size"],
        "lr": config["lr"],
        "options": options,
        "seed": SEED,
        "test": len(z_test),
        **scored(z, held, z_test),
        "seconds": round(seconds, 1),
    }


def yardstick(kind: str, held: Set, encoder: str | None) -> dict[str, Any]:
    """The raw input, or an untrained encoder."""
    options = dict(held.modality)
    modality = ul.modalities.MODALITIES[options.pop("name")].measure(held.train, **options)
    if encoder is None:
        z, z_test = divided(held, lambda data: raw_features(modality, modality.read(data)))
    else:
        torch.manual_seed(SEED)
        built = modality.build_encoder(encoder)
        z, z_test = divided(held, lambda data: features(built, modality.read(data), prepare=modality.plain))
    said = {"kind": "raw" if encoder is None else "untrained", "set": kind, "encoder": encoder}
    return {**said, "data": SETS[kind][0], "test": len(z_test), **scored(z, held, z_test)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--methods", nargs="*", default=names())
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--data", type=Path, default=grid.DATA, help="folder that holds the data sets")
    parser.add_argument("--force", action="store_true", help="measure cells again though they are there")
    asked = parser.parse_args()
    for kind in asked.sets:
        held: dict[str, Set] = {}

        def opened(kind: str = kind, held: dict[str, Set] = held) -> Set:
            if kind not in held:
                held[kind] = SETS[kind][1](asked.data)
            return held[kind]

        def encoders(held: Callable[[], Set] = opened) -> list[str]:
            options = dict(held().modality)
            modality = ul.modalities.MODALITIES[options.pop("name")].measure(held().train, **options)
            return sorted({modality.default_encoder, modality.token_encoder})

        if asked.force or not any(grid.path("matrix", f"{kind}-raw").parent.glob(f"{kind}-untrained-*.json")):
            for encoder in (None, *encoders()):
                name = f"{kind}-raw" if encoder is None else f"{kind}-untrained-{encoder}"
                grid.run(
                    "matrix",
                    name,
                    "yardstick",
                    lambda encoder=encoder, kind=kind, opened=opened: yardstick(kind, opened(), encoder),
                    force=asked.force,
                )
        for name in asked.methods:
            if lookup(name).modalities:
                continue
            grid.run(
                "matrix",
                f"{kind}-{name}",
                code_hash(lookup(name).cls),
                lambda name=name, kind=kind, opened=opened: method_cell(name, kind, opened()),
                force=asked.force,
            )
    import tables

    tables.write()


if __name__ == "__main__":
    main()
