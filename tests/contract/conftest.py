"""What the contract suite shares: small real data, a small encoder, and a way to train a few steps.

Every test here is parametrised over the registry, so a new method is tested by being registered.
"""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.samples import KINDS
from unlabeled.api import find_facts
from unlabeled.data.draws import derive_seed
from unlabeled.data.source import Source
from unlabeled.methods import Method, lookup, names
from unlabeled.modalities import MODALITIES
from unlabeled.modalities.contract import Modality
from unlabeled.parts.encoder import Encoder
from unlabeled.training.engine import Engine
from unlabeled.training.fit import Machine, fit
from unlabeled.training.plan import resolve

METHODS = names()
CLASSES = 10
SMALL = KINDS["image"].ENCODERS
BATCH = 16
FAMILIES = {lookup(name).family: name for name in sorted(METHODS, reverse=True)}
CASES = [
    *((name, "image") for name in METHODS),
    *((name, kind) for kind in KINDS if kind != "image" for name in sorted(FAMILIES.values())),
]
"""(method, kind of data): every method on images, one method of each family on every kind"""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "method" in metafunc.fixturenames and "kind" not in metafunc.fixturenames:
        metafunc.parametrize("method", METHODS)


def exempt(method: str, promise: str) -> None:
    """Skips, with its reason, what a method has declared cannot apply to it."""
    reason = lookup(method).cls.requires.exempt.get(promise)
    if reason is not None:
        pytest.skip(f"{method} declares: {reason}")


def digits(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """(rows, 3, 8, 8) uint8 digits and their classes."""
    return KINDS["image"].data(rows), KINDS["image"].labels(rows)


@cache
def opened(kind: str, rows: int | None = None) -> tuple[Modality, Source, np.ndarray]:
    """Small data of a kind, measured and read, and its classes."""
    sample = KINDS[kind]
    rows = sample.ROWS if rows is None else rows
    options = dict(sample.MODALITY)
    held = sample.data(rows)
    modality = MODALITIES[options.pop("name")].measure(held, **options)
    return modality, modality.read(held), sample.labels(rows)


def small_encoder(method: str, modality: Modality, kind: str = "image") -> Encoder:
    name = modality.token_encoder if lookup(method).cls.requires.tokens else modality.default_encoder
    return modality.build_encoder(name, **KINDS[kind].ENCODERS[name])


def build(
    name: str, kind: str = "image", encoder: Encoder | None = None, seed: int = 0, rows: int | None = None
) -> Method:
    modality, source, y = opened(kind, rows)
    torch.manual_seed(derive_seed(seed, "contract", name))
    encoder = small_encoder(name, modality, kind) if encoder is None else encoder
    return lookup(name).cls(encoder, find_facts(modality, source, max(CLASSES, int(y.max()) + 1)))


def without_pixel_noise(method: Method) -> None:
    """The promise about processes is made with pixel-sized noise off."""
    method.plan = tuple(
        dataclasses.replace(b, options={**b.options, "noise": 0.0}) if b.kind != "raw" else b
        for b in method.plan
    )


@dataclasses.dataclass
class Bench:
    """Trains a method for a few steps on small data, through the real engine."""

    folder: Path
    kind: str = "image"
    epochs: int = 2
    rows: int = 0
    """samples; 0: as many as this kind has for tests"""

    def __post_init__(self) -> None:
        self.rows = self.rows or len(opened(self.kind)[1])

    def engine(
        self, name: str, *, encoder: Encoder | None = None, workers: int = 0, seed: int = 0, **numbers: Any
    ) -> Engine:
        modality, source, y = opened(self.kind, self.rows)
        method = build(name, self.kind, encoder, rows=self.rows)
        asked = {
            "epochs": self.epochs,
            "batch_size": None if source.whole else BATCH,
            "lr": None,
            "optimiser": None,
            "weight_decay": None,
            "whole": source.whole,
        }
        plan, _ = resolve(method.recipe, rows=len(source), least_batch=2, seed=seed, **{**asked, **numbers})
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
