"""Small labelled sets for figures that use labels."""

import numpy as np
from sklearn.datasets import load_digits


def clouds(n, dim=6, classes=3, seed=0, apart=1.5):
    """Overlapping clouds, so that votes are split; one centre a class, the same for every seed."""
    generator = np.random.default_rng(seed)
    y = generator.integers(0, classes, n)
    return np.random.default_rng(9).normal(size=(classes, dim))[y] * apart + generator.normal(
        size=(n, dim)
    ), y


def digits():
    """Raw digits: 1,200 to learn from and 597 to test on."""
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order] / 16, y[order]
    return x[:1200], y[:1200], x[1200:], y[1200:]
