"""Promise 4: two processes of batch B/2 give the gradients of one process of batch B.

One pair of gloo workers serves all methods: starting one costs seconds.
"""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch import multiprocessing as mp

from tests.contract.conftest import BATCH, CASES, build, exempt, opened, without_pixel_noise
from unlabeled.data.batch import Batch, View
from unlabeled.data.draws import Draws
from unlabeled.methods.contract import Method
from unlabeled.parts.norm import globalise
from unlabeled.parts.schedules import Clock
from unlabeled.training.engine import total


def smooth(module: nn.Module) -> None:
    """Replaces every ReLU: rounding may carry a value across its kink, which says nothing about gathering.

    Switches dropout off: each process draws its own.
    """
    for name, child in module.named_children():
        if isinstance(child, nn.ReLU):
            setattr(module, name, nn.SiLU())
        elif isinstance(child, nn.Dropout):
            child.p = 0.0
        else:
            smooth(child)


def in_float64(view: View) -> View:
    target = view.target
    if target is not None and target.numbers is not None:
        target = replace(target, numbers=target.numbers.double())
    return replace(view, x=view.x.double(), target=target)


STEPS = 2
BOUND = 1e-4


def run(name: str, kind: str, rank: int, world: int) -> dict[str, Any]:
    """Two SGD steps of a method on this process's share of fixed batches; gradients of each step."""
    modality, source, y = opened(kind)
    method: Method = build(name, kind).train()
    without_pixel_noise(method)
    smooth(method)
    if world > 1:
        globalise(method)
    optimiser = torch.optim.SGD([p for p in method.parameters() if p.requires_grad], lr=0.05)
    share = BATCH // world
    gradients = []
    for step in range(STEPS):
        clock = Clock(step, STEPS, 0, 1)
        rows = torch.arange(step * BATCH + rank * share, step * BATCH + (rank + 1) * share)
        batch = Batch(source.fetch(rows.numpy()), rows, torch.from_numpy(y)[rows])
        draws = Draws(0, step, total=BATCH, rows=slice(rank * share, (rank + 1) * share), rank=rank)
        views = modality.make_views(batch, method.plan, draws)
        if kind == "audio":
            # its features hold a maximum: in float32 rounding may choose another moment, as at a ReLU's kink
            method.double()
            views = tuple(in_float64(view) for view in views)
        optimiser.zero_grad()
        total(method(views, batch, clock)).backward()
        for p in method.parameters():
            if world > 1 and p.grad is not None:  # what DDP does
                dist.all_reduce(p.grad)
                p.grad /= world
        method.before_step(clock)
        gradients.append({n: p.grad.clone() for n, p in method.named_parameters() if p.grad is not None})
        optimiser.step()
        method.after_step(Clock(step + 1, STEPS, 0, 1))
    return {"gradients": gradients, "state": {n: t.clone() for n, t in method.state_dict().items()}}


def worker(rank: int, port: int, folder: str) -> None:
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    dist.init_process_group("gloo", rank=rank, world_size=2)
    for name, kind in CASES:
        if opened(kind)[1].whole:
            continue
        try:
            found: Any = run(name, kind, rank, 2)
        except Exception as error:
            found = repr(error)
        torch.save(found, Path(folder) / f"{name}-{kind}-{rank}.pt")
        dist.barrier()
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pair")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    mp.spawn(worker, args=(port, str(folder)), nprocs=2, join=True)
    return folder


def norm(values: dict[str, Tensor]) -> float:
    return float(torch.stack([v.double().norm() for v in values.values()]).norm())


def difference(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    assert a.keys() == b.keys()
    return norm({n: a[n].double() - b[n].double() for n in a}) / norm(a)


@pytest.mark.parametrize(("method", "kind"), CASES)
def test_two_processes_give_the_gradients_of_one(method: str, kind: str, pair: Path) -> None:
    exempt(method, "processes")
    if opened(kind)[1].whole:
        pytest.skip("one graph is one batch, which cannot be shared")
    halves = [torch.load(pair / f"{method}-{kind}-{rank}.pt", weights_only=True) for rank in (0, 1)]
    assert not isinstance(halves[0], str), halves[0]
    whole = run(method, kind, 0, 1)
    for step in range(STEPS):
        assert norm(whole["gradients"][step]) > 0
        assert difference(whole["gradients"][step], halves[0]["gradients"][step]) < BOUND
    floating = {n for n, t in whole["state"].items() if t.is_floating_point()}
    for half in halves:
        assert (
            difference({n: whole["state"][n] for n in floating}, {n: half["state"][n] for n in floating})
            < BOUND
        )
        for name in whole["state"].keys() - floating:
            assert torch.equal(whole["state"][name], half["state"][name]), name
