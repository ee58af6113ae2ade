"""Digits of 8 × 8 pixels, tinted by sample so that colour matters."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

MODALITY = {"name": "image"}
ROWS = 64
ENCODERS = {"convnet": {"width": 8}, "vit": {"width": 24, "depth": 1, "heads": 2}}


def data(rows: int = ROWS) -> np.ndarray:
    """(rows, 3, 8, 8) uint8."""
    grey = (load_digits().images[:rows, None] * 15).astype(np.float64)
    tint = np.random.default_rng(0).uniform(0.5, 1, (rows, 3, 1, 1))
    return (grey * tint).astype(np.uint8)


def labels(rows: int = ROWS) -> np.ndarray:
    return load_digits().target[:rows].astype(np.int64)
