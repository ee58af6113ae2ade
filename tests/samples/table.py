"""Wines: most columns as they were measured, some written as a category, a truth value or a date, some cells lost."""

from __future__ import annotations

import datetime

import numpy as np
import pyarrow as pa
from sklearn.datasets import load_wine

MODALITY = {"name": "table"}
ROWS = 64
ENCODERS = {
    "mlp": {"width": 32, "depth": 2, "embedding": 4},
    "transformer": {"width": 16, "depth": 1, "heads": 2},
}


def data(rows: int = ROWS) -> pa.Table:
    """A table of `rows` wines and 13 columns."""
    wine = load_wine()
    chosen = np.random.default_rng(0).permutation(len(wine.data))[:rows]
    lost = np.random.default_rng(1).random((len(wine.data), 13)) < 0.05
    table = {}
    for place, name in enumerate(wine.feature_names):
        values, gone = wine.data[chosen, place], lost[chosen, place]
        if name == "color_intensity":
            shades = np.array(["pale", "medium", "deep"])[np.digitize(values, [3.5, 5.5])]
            table[name] = pa.array(shades, mask=gone)
        elif name == "alcohol":
            table["above_13_percent"] = pa.array(values > 13, mask=gone)
        elif name == "proline":
            days = [datetime.date(1990, 1, 1) + datetime.timedelta(days=float(v)) for v in values]
            table["proline_days_after_1990"] = pa.array(days)
        else:
            table[name] = pa.array(values, mask=gone)
    return pa.table(table)


def labels(rows: int = ROWS) -> np.ndarray:
    wine = load_wine()
    return wine.target[np.random.default_rng(0).permutation(len(wine.data))[:rows]].astype(np.int64)
