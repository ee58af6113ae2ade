"""Synthesised sounds of unequal length: steady tones, rising and falling chirps, and noise, all made here."""

from __future__ import annotations

from typing import Any

import numpy as np

MODALITY = {"name": "audio", "patch": 3}
ROWS = 64
ENCODERS = {"convnet": {"width": 8}, "transformer": {"width": 24, "depth": 1, "heads": 2}}
RATE = 8000


def data(rows: int = ROWS) -> dict[str, Any]:
    """{"array": a list of (samples,) float32 of 0.2 to 0.45 seconds, "rate": 8000}."""
    return {"array": [sound(i) for i in range(rows)], "rate": RATE}


def sound(i: int) -> np.ndarray:
    """Sound i: its kind is i modulo 4; pitch, length, loudness and hiss differ."""
    random = np.random.default_rng(i)
    time = np.arange(int(random.integers(1600, 3600))) / RATE
    end = time[-1]
    pitch, kind = random.uniform(400, 900), i % 4
    octaves = {0: 0.0, 1: 1.5, 2: -1.5, 3: 0.0}[kind]
    bent = np.cumsum(pitch * 2.0 ** (octaves * (time / end - 0.5) + 0.75)) / RATE
    wave = random.normal(size=len(time)) / 3 if kind == 3 else np.sin(2 * np.pi * bent)
    envelope = np.minimum(1, np.minimum(time, end - time) / 0.02)
    hiss = random.normal(size=len(time)) * random.uniform(0.001, 0.01)
    return (wave * envelope * random.uniform(0.1, 0.8) + hiss).clip(-1, 1).astype(np.float32)


def labels(rows: int = ROWS) -> np.ndarray:
    return np.arange(rows) % 4
