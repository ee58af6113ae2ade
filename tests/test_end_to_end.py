"""The commands of the README in processes of their own: signals, resume, two processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from tests.contract.conftest import digits


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for place, picture in enumerate(digits(48)[0]):
        Image.fromarray(picture.transpose(1, 2, 0)).save(folder / f"{place:03}.png")
    return folder


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "unlabeled", *map(str, words)]


def run(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*words), capture_output=True, text=True, check=False, timeout=300)


def barlow(pictures: Path, out: Path, *more: object) -> list[object]:
    small = ["--encoder", "convnet", "--encoder.width", 8, "--batch_size", 16, "--method.width", 32]
    return ["pretrain", pictures, "--method", "barlow_twins", *small, "--out", out, *more]


def test_terminated_run_resumes_and_embeds(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "x"
    words = barlow(pictures, out, "--epochs", 2000)
    began = subprocess.Popen(command(*words), stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 240
    while not (out / "metrics.csv").exists():  # steps are being made
        assert began.poll() is None and time.monotonic() < deadline
        time.sleep(0.2)
    began.send_signal(signal.SIGTERM)
    _, said = began.communicate(timeout=120)
    assert began.returncode == 128 + signal.SIGTERM, said
    assert "Traceback" not in said and "resume" in said
    stopped = torch.load(out / "last.ckpt", weights_only=True)["unlabeled"]["moved"]
    assert stopped > 0
    again = run(*words, "--resume", "true", "--max_time", "3s")
    assert again.returncode == 0, again.stderr
    assert torch.load(out / "last.ckpt", weights_only=True)["unlabeled"]["moved"] > stopped
    embedded = run("embed", out, pictures, "--output", tmp_path / "e.parquet")
    assert embedded.returncode == 0, embedded.stderr
    assert pq.read_table(tmp_path / "e.parquet")["key"].to_pylist()[:2] == ["000.png", "001.png"]


def test_two_processes_through_the_engine_equal_one(pictures: Path, tmp_path: Path) -> None:
    """`--devices 2` on the processor: DDP, gathering, one writer; a few SGD steps end where one process ends."""
    sgd = ["--epochs", 2, "--optimiser", "sgd", "--lr", 0.01, "--precision", 32, "--on_collapse", "warn"]
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    one = run(*barlow(pictures, tmp_path / "one", *sgd))
    assert one.returncode == 0, one.stderr
    two = run(*barlow(pictures, tmp_path / "two", *sgd, "--devices", 2, "--strategy", "ddp"))
    assert two.returncode == 0, two.stderr
    assert two.stderr.count("saved in") == 1
    a, b = (load_file(tmp_path / name / "encoder.safetensors") for name in ("one", "two"))
    floating = [name for name, t in a.items() if t.is_floating_point()]
    apart = np.linalg.norm([float((a[n] - b[n]).norm()) for n in floating])
    assert apart / np.linalg.norm([float(a[n].norm()) for n in floating]) < 1e-3
