"""One thread a test run: the tests are small, and threads that wait for each other cost more than they give."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def without_umap(monkeypatch: pytest.MonkeyPatch) -> None:
    """UMAP compiles itself for half a minute: only its own test draws a map with it, all others with t-SNE."""
    monkeypatch.setattr("unlabeled.report.projection.UMAP_FROM", 10**9)
