"""Promises 6 and 7: what is saved can be read back without the training code; bad data is reported."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import unlabeled as ul
from tests.contract.conftest import METHODS, SMALL, digits, exempt
from unlabeled.methods import lookup
from unlabeled.run import Run

READER = """
import json, sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.startswith(("unlabeled.training", "unlabeled.api", "lightning")):
            raise ImportError("the training code must not be needed: " + name)

sys.meta_path.insert(0, Block())
import pickle
def refuse(*a, **k): raise RuntimeError("unpickling")
class Refusing(pickle.Unpickler): load = refuse  # a class: other packages derive from it
pickle.load, pickle.loads, pickle.Unpickler = refuse, refuse, Refusing
import unlabeled as ul
found = {}
for folder in sys.argv[2:]:
    run = ul.load(folder)
    found[folder] = {"embedding": run.embed(sys.argv[1])["embedding"].to_pylist()}
    if run.classes:
        found[folder]["label"] = run.predict(sys.argv[1])["label"].to_pylist()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits as PNG files, one of them broken, and a labels file."""
    folder = tmp_path_factory.mktemp("pictures")
    x, y = digits(48)
    for place, picture in enumerate(x):
        Image.fromarray(picture.transpose(1, 2, 0)).save(folder / f"{place:03}.png")
    (folder / "017.png").write_bytes(b"\x89PNG broken")
    rows = [f"{place:03}.png,{label}" for place, label in enumerate(y) if place != 17]
    (folder / "labels.csv").write_text("key,label\n" + "\n".join(rows))
    return folder


@pytest.fixture(scope="module")
def runs(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Every method trained from the folder through the public functions."""
    out = tmp_path_factory.mktemp("runs")
    made = {}
    for name in METHODS:
        needs = lookup(name).cls.requires
        encoder = "vit" if needs.tokens else "convnet"
        train = ul.finetune if needs.labels else ul.pretrain
        made[name] = train(
            str(folder),
            method=name,
            encoder={"name": encoder, **SMALL[encoder]},
            labels=str(folder / "labels.csv") if needs.labels else None,
            epochs=1,
            batch_size=16,
            on_collapse="warn",
            out=out / name,
        )
    return made


@pytest.fixture(scope="module")
def read_elsewhere(runs: dict[str, Run], folder: Path) -> dict[str, dict[str, list[object]]]:
    """What another process, without the training code, makes of the same folders."""
    command = [sys.executable, "-c", READER, str(folder), *[str(r.path) for r in runs.values()]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, dict[str, list[object]]] = json.loads(done.stdout)
    return found


def test_read_back_elsewhere_gives_the_same_outputs(
    method: str, runs: dict[str, Run], folder: Path, read_elsewhere: dict[str, dict[str, list[object]]]
) -> None:
    exempt(method, "readback")
    run = runs[method]
    there = read_elsewhere[str(run.path)]
    here = run.embed(folder)
    np.testing.assert_allclose(
        np.array(there["embedding"]), np.array(here["embedding"].to_pylist()), rtol=1e-5, atol=1e-6
    )
    assert torch.tensor(here["embedding"].to_pylist()).isfinite().all()
    if run.classes:
        assert there["label"] == run.predict(folder)["label"].to_pylist()


def test_run_folder_holds_what_is_promised(method: str, runs: dict[str, Run]) -> None:
    for name in (
        "run.yaml",
        "encoder.safetensors",
        "encoder.yaml",
        "method.safetensors",
        "method.yaml",
        "last.ckpt",
        "metrics.csv",
        "skipped.csv",
        "report.html",
    ):
        assert (runs[method].path / name).stat().st_size > 0, name


def test_unreadable_file_is_skipped_and_named(method: str, runs: dict[str, Run], folder: Path) -> None:
    exempt(method, "bad_data")
    run = runs[method]
    with (run.path / "skipped.csv").open() as file:
        (row,) = list(csv.DictReader(file))
    assert row["key"] == "017.png" and row["reason"]
    table = run.embed(folder)
    assert table["index"].to_pylist() == [i for i in range(48) if i != 17]
    assert table["key"].to_pylist()[17] == "018.png"


def test_kept_encoder_is_the_trained_one(method: str, runs: dict[str, Run], folder: Path) -> None:
    run = runs[method]
    assert not torch.equal(
        next(p for p in run.encoder.parameters() if p.dim() > 1),
        next(p for p in run.untrained().parameters() if p.dim() > 1),
    )
