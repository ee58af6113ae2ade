"""Time and memory of a run before it begins, from a few steps on a copy of the method."""

from __future__ import annotations

import copy
import os
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unlabeled.data.draws import Draws
from unlabeled.data.rows import Rows
from unlabeled.training.engine import Engine, total
from unlabeled.training.precision import autocast

STATE = {"adamw": 2, "sgd": 1, "lars": 1}
"""numbers an optimiser keeps for every weight"""


@dataclass(frozen=True)
class Estimate:
    """What a run will cost on this machine."""

    seconds: float
    seconds_per_step: float
    memory: int
    """bytes: weights, gradients, optimiser and what a step keeps for the backward pass"""

    def __str__(self) -> str:
        return f"about {duration(self.seconds)} and {self.memory / 2**30:.1f} GiB"


def free_memory(device: torch.device) -> int:
    """Bytes a run could still take on this device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def duration(seconds: float) -> str:
    """A time for a person."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def estimate(
    engine: Engine, device: torch.device, precision: str, world: int, *, steps: int = 2, done: int = 0
) -> Estimate:
    """Times `steps` steps after one to warm up, on a copy: the run itself is not touched.

    `done`: steps of the run that are behind it already.
    """
    method = copy.deepcopy(engine.method).to(device)
    positions = engine.rows[: engine.plan.batch_size // world]
    draws = Draws(engine.plan.seed, 0, total=len(positions), device=device, name="estimate")
    own = {t.untyped_storage().data_ptr() for t in method.state_dict().values()}
    kept: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:  # the weights are counted once, below
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    times = []
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        for number in range(steps + 1):
            began = time.perf_counter()
            kept.clear()
            batch = Rows(engine.source, engine.y)[np.asarray(positions)].to(device)
            with torch.no_grad():
                views = engine.modality.make_views(batch, method.plan, draws)
            with autocast(device, precision), torch.autograd.graph.saved_tensors_hooks(count, lambda t: t):
                loss = total(method(views, batch, engine.clock))
            loss.backward()  # type: ignore[no-untyped-call]
            method.after_step(engine.clock)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            if number:
                times.append(time.perf_counter() - began)
    weights = sum(p.numel() * p.element_size() for p in method.parameters())
    trained = sum(p.numel() * p.element_size() for p in method.parameters() if p.requires_grad)
    memory = weights + trained * (1 + STATE[engine.plan.recipe.optimiser]) + sum(kept.values())
    per_step = float(np.median(times))
    return Estimate(per_step * (engine.plan.steps - done), per_step, memory)
