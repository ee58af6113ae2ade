"""Signals made by a formula: four kinds of waveform in noise, of unequal length and with gaps.

Made, not measured: no set of real series is there without a download. The classes are the waveforms.
"""

from __future__ import annotations

import numpy as np

MODALITY = {"name": "series"}
ROWS = 64
ENCODERS = {
    "dilated": {"width": 16, "depth": 3, "dim": 32},
    "transformer": {"width": 24, "depth": 1, "heads": 2},
}


def data(rows: int = ROWS) -> list[np.ndarray]:
    """`rows` arrays (2 channels, 40 to 96 steps) float32; one in four has a gap."""
    random = np.random.default_rng(0)
    made = []
    for label in labels(rows):
        steps = int(random.integers(40, 97))
        turn = np.arange(steps) * random.uniform(0.06, 0.1) + random.uniform()
        saw = 2 * (turn % 1) - 1
        sine = np.sin(2 * np.pi * turn)
        wave = [sine, np.sign(sine), saw, np.abs(saw) * 2 - 1][label]
        one = np.stack([wave, np.roll(wave, 3) * random.uniform(0.5, 2)])
        one = (one + 0.1 * random.standard_normal(one.shape)) * 10 + 100
        if random.random() < 0.25:
            first = int(random.integers(steps - 8))
            one[int(random.integers(2)), first : first + 8] = np.nan
        made.append(one.astype(np.float32))
    return made


def labels(rows: int = ROWS) -> np.ndarray:
    return np.arange(rows) % 4
