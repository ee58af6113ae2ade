"""How long training took, from what a run wrote down."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

Metrics = Mapping[str, tuple[np.ndarray, np.ndarray]]


def seconds(metrics: Metrics, batch_size: int | None) -> float | None:
    """Seconds of training: each reading's samples over its samples a second, also where a run was resumed.

    None where the run left no speed, or its batch size is not known.
    """
    if batch_size is None or "samples_per_second" not in metrics:
        return None
    steps, speed = metrics["samples_per_second"]
    if (speed <= 0).any():
        return None
    return float((np.diff(steps, prepend=0) * batch_size / speed).sum())


def told(metrics: Metrics, batch_size: int | None) -> str:
    """One sentence for a person."""
    spent = seconds(metrics, batch_size)
    if spent is None:
        return "How long training took is not known: the run left no speed in metrics.csv."
    steps, _ = metrics["samples_per_second"]
    many = steps[-1] * (batch_size or 0)
    return (
        f"Training took {span(spent)}: {steps[-1]:,.0f} steps, {many:,.0f} samples, "
        f"{many / spent:,.0f} samples a second on average."
    )


def span(spent: float) -> str:
    """Seconds in the units a person would use."""
    if spent < 100:
        return f"{spent:.3g} s"
    minutes, rest = divmod(round(spent), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
