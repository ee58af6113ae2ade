"""Numbers that move while a run goes on: functions of the clock, so that a resumed run continues them."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Clock:
    """Where a run stands. Schedules count optimiser steps."""

    step: int
    """optimiser steps taken so far"""
    steps: int
    """optimiser steps in all"""
    epoch: int
    epochs: int

    @property
    def progress(self) -> float:
        """From 0 before the first step to 1 after the last."""
        return min(1.0, self.step / max(1, self.steps))


@dataclass(frozen=True)
class Cosine:
    """From `start` to `end` along half a cosine, over the whole run."""

    start: float
    end: float

    def __call__(self, clock: Clock) -> float:
        return self.end - (self.end - self.start) * (math.cos(math.pi * clock.progress) + 1) / 2


@dataclass(frozen=True)
class Linear:
    """From `start` to `end` in a straight line over the first `share` of the run, then constant."""

    start: float
    end: float
    share: float = 1.0

    def __call__(self, clock: Clock) -> float:
        return self.start + (self.end - self.start) * min(1.0, clock.progress / max(self.share, 1e-9))


@dataclass(frozen=True)
class WarmupCosine:
    """A factor: linearly from 0 to 1 over the first `warmup` of the run, then along half a cosine to `floor`."""

    warmup: float = 0.1
    floor: float = 0.0

    def __call__(self, clock: Clock) -> float:
        warm = self.warmup * clock.steps
        if clock.step < warm:
            return (clock.step + 1) / (warm + 1)
        share = (clock.step - warm) / max(1.0, clock.steps - warm)
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * min(1.0, share))) / 2


Schedule = Cosine | Linear


def at(value: float | Schedule, clock: Clock) -> float:
    """A constant as it is, a schedule at this moment."""
    return value if isinstance(value, int | float) else value(clock)
