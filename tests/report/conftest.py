import pytest


@pytest.fixture(autouse=True)
def without_umap(monkeypatch):
    """UMAP compiles itself for half a minute: only its own test uses it."""
    monkeypatch.setattr("unlabeled.report.projection.UMAP_FROM", 10**9)
