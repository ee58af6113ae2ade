"""What the contract suite shares: small real data, a small encoder, and a way to train a few steps.

Every test here is parametrised over the registry, so a new method is tested by being registered.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from unlabeled.data.draws import derive_seed
from unlabeled.methods import Facts, Method, lookup, names
from unlabeled.modalities import MODALITIES
from unlabeled.modalities.contract import Modality
from unlabeled.parts.encoder import Encoder
from unlabeled.training.engine import Engine
from unlabeled.training.fit import Machine, fit
from unlabeled.training.plan import resolve

METHODS = names()
CLASSES = 10
SMALL = {"convnet": {"width": 8}, "vit": {"width": 24, "depth": 1, "heads": 2}}
BATCH = 16


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "method" in metafunc.fixturenames:
        metafunc.parametrize("method", METHODS)


def exempt(method: str, promise: str) -> None:
    """Skips, with its reason, what a method has declared cannot apply to it."""
    reason = lookup(method).cls.requires.exempt.get(promise)
    if reason is not None:
        pytest.skip(f"{method} declares: {reason}")


def digits(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """(rows, 3, 8, 8) uint8 digits, tinted by sample so that colour matters, and their classes."""
    held = load_digits()
    grey = (held.images[:rows, None] * 15).astype(np.float64)
    tint = np.random.default_rng(0).uniform(0.5, 1, (rows, 3, 1, 1))
    return (grey * tint).astype(np.uint8), held.target[:rows].astype(np.int64)


def small_encoder(method: str, modality: Modality) -> Encoder:
    name = modality.token_encoder if lookup(method).cls.requires.tokens else modality.default_encoder
    return modality.build_encoder(name, **SMALL[name])


def build(
    name: str, modality: Modality, samples: int, encoder: Encoder | None = None, seed: int = 0
) -> Method:
    torch.manual_seed(derive_seed(seed, "contract", name))
    encoder = small_encoder(name, modality) if encoder is None else encoder
    positions = modality.positions
    assert positions is not None
    token_dim = modality.tokenise(torch.zeros(1, 3, 8, 8)).shape[-1]
    facts = Facts(samples, CLASSES, len(positions), token_dim, positions)
    return lookup(name).cls(encoder, facts)


def without_pixel_noise(method: Method) -> None:
    """The promise about processes is made with pixel-sized noise off."""
    method.plan = tuple(
        dataclasses.replace(b, options={**b.options, "noise": 0.0}) if b.kind in ("strong", "local") else b
        for b in method.plan
    )


@dataclasses.dataclass
class Bench:
    """Trains a method for a few steps on digits, through the real engine."""

    folder: Path
    rows: int = 64
    epochs: int = 2

    def engine(
        self, name: str, *, encoder: Encoder | None = None, workers: int = 0, seed: int = 0, **numbers: Any
    ) -> Engine:
        x, y = digits(self.rows)
        modality = MODALITIES["image"].measure(x)
        source = modality.read(x)
        method = build(name, modality, self.rows, encoder)
        asked = {
            "epochs": self.epochs,
            "batch_size": BATCH,
            "lr": None,
            "optimiser": None,
            "weight_decay": None,
        }
        plan, _ = resolve(method.recipe, rows=self.rows, least_batch=2, seed=seed, **{**asked, **numbers})
        return Engine(method, modality, source, y, plan, workers=workers)

    def train(
        self,
        engine: Engine,
        out: str,
        *,
        resume: bool = False,
        on_collapse: str = "warn",
        precision: str = "32",
    ) -> Engine:
        folder = self.folder / out
        folder.mkdir(exist_ok=True)
        fit(
            engine,
            folder,
            Machine(devices=1, precision=precision),
            held=None,
            limit=None,
            on_collapse=on_collapse,
            resume=resume,
            say=lambda line: None,
        )
        return engine


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)
