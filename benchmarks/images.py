"""CIFAR-10 small: the first 10,000 training and 2,000 test images, one headline row a method.

    python benchmarks/images.py                     # the missing and the stale cells
    python benchmarks/images.py --methods simclr dino
    python benchmarks/images.py --train 50000 --test 10000 --grid images_full

Every method trains with its own recipe, for the epochs its row states, on the small convolutional
encoder, or on the small transformer where it hides tokens. Beside the methods stand the raw pixels,
both untrained encoders and the supervised network. Figures: k-NN (k = 20), linear probe, effective
rank, training time. No test image is seen in training.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from pathlib import Path
from typing import Any

import grid
import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image

import unlabeled as ul
from unlabeled.assessment import raw_features
from unlabeled.methods import lookup, names
from unlabeled.methods.measured import code_hash

EPOCHS = 20
BUDGET = {
    "simclr": 40,  # the row that shows what more time gives; `simclr-20-epochs` stands beside it
    "diet": 30,  # one view a sample: half the cost of an epoch
    "byol": 15,
    "simsiam": 15,
    "barlow_twins": 15,
    "swav": 15,
    "moco_v3": 10,
    "vicreg": 10,
}
"""epochs of the headline rows: what a row of at most about a quarter of an hour on one busy core could pay"""
SEED = 0


def load(folder: Path, split: str, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """(rows, 3, 32, 32) uint8 and (rows,) labels."""
    path = folder / f"{split}.parquet"
    if not path.exists():
        raise SystemExit(
            f"{path} is not there: --data names a folder with CIFAR-10 as train.parquet and test.parquet"
        )
    table = pq.read_table(path).slice(0, rows)
    pictures = [np.asarray(Image.open(io.BytesIO(value.as_py()))) for value in table["image"]]
    return np.stack(pictures).transpose(0, 3, 1, 2).copy(), table["label"].to_numpy().astype(np.int64)


def figures(train: Any, y: np.ndarray, test: Any, y_test: np.ndarray) -> dict[str, float]:
    return {
        "knn": round(ul.evaluation.knn(train, y, test, y_test, k=20), 4),
        "linear_probe": round(ul.evaluation.linear_probe(train, y, test, y_test), 4),
        "effective_rank": round(ul.evaluation.effective_rank(test), 2),
        "dim": int(train.shape[1]),
    }


def embeddings(encoder: torch.nn.Module, modality: ul.Modality, x: np.ndarray) -> torch.Tensor:
    from unlabeled.data.rows import features

    return features(encoder, modality.read(x), prepare=modality.plain)


def method_cell(name: str, data: dict[str, Any], epochs: int, options: dict[str, Any]) -> dict[str, Any]:
    x, y, x_test, y_test = data["x"], data["y"], data["x_test"], data["y_test"]
    train = ul.finetune if lookup(name).cls.requires.labels else ul.pretrain
    more = {"labels": y} if train is ul.finetune else {}
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        run = train(
            x,
            method=name,
            modality="image",
            epochs=epochs,
            batch_size=256,
            seed=SEED,
            out=Path(folder) / "run",
            **more,
            **options,
        )
        seconds = time.perf_counter() - began
        modality, config = run.modality, run.config
        z, z_test = embeddings(run.encoder, modality, x), embeddings(run.encoder, modality, x_test)
    return {
        "kind": "method",
        "method": name,
        "encoder": config["encoder"]["name"],
        "parameters": sum(p.numel() for p in run.encoder.parameters()),
        "epochs": epochs,
        "batch_size": config["batch_size"],
        "lr": config["lr"],
        "optimiser": config["optimiser"],
        "options": options,
        "seed": SEED,
        "train": len(x),
        "test": len(x_test),
        **figures(z, y, z_test, y_test),
        "seconds": round(seconds, 1),
    }


def untrained_cell(encoder: str, data: dict[str, Any]) -> dict[str, Any]:
    modality = ul.modalities.MODALITIES["image"].measure(data["x"])
    torch.manual_seed(SEED)
    built = modality.build_encoder(encoder)
    z, z_test = embeddings(built, modality, data["x"]), embeddings(built, modality, data["x_test"])
    return {
        "kind": "untrained",
        "encoder": encoder,
        "seed": SEED,
        **figures(z, data["y"], z_test, data["y_test"]),
    }


def raw_cell(data: dict[str, Any]) -> dict[str, Any]:
    modality = ul.modalities.MODALITIES["image"].measure(data["x"])
    z, z_test = (raw_features(modality, modality.read(data[k])) for k in ("x", "x_test"))
    return {"kind": "raw", "encoder": None, **figures(z, data["y"], z_test, data["y_test"])}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--methods", nargs="*", default=names())
    parser.add_argument("--train", type=int, default=10_000)
    parser.add_argument("--test", type=int, default=2_000)
    parser.add_argument("--epochs", type=int, default=None)
    parser.add_argument("--grid", default="images")
    parser.add_argument("--force", action="store_true", help="measure cells again though they are there")
    parser.add_argument(
        "--data",
        type=Path,
        default=grid.DATA / "images" / "cifar10",
        help="folder with train.parquet and test.parquet",
    )
    asked = parser.parse_args()
    if asked.grid == "images" and (asked.train, asked.test, asked.epochs) != (10_000, 2_000, None):
        parser.error("the grid 'images' holds the headline protocol: give another --grid with other numbers")
    data: dict[str, Any] = {}
    data["x"], data["y"] = load(asked.data, "train", asked.train)
    data["x_test"], data["y_test"] = load(asked.data, "test", asked.test)
    for name in asked.methods:
        epochs = asked.epochs or BUDGET.get(name, EPOCHS)
        code = code_hash(lookup(name).cls)
        grid.run(
            asked.grid,
            name,
            code,
            lambda name=name, epochs=epochs: method_cell(name, data, epochs, {}),
            force=asked.force,
        )
    grid.run(asked.grid, "raw", "pixels", lambda: raw_cell(data))
    for encoder in ("convnet", "vit"):
        grid.run(
            asked.grid, f"untrained-{encoder}", encoder, lambda encoder=encoder: untrained_cell(encoder, data)
        )
    import tables

    if asked.grid == "images":
        tables.write()


if __name__ == "__main__":
    main()
