"""Time and memory are estimated without touching the run."""

from __future__ import annotations

import pytest
import torch

from tests.contract.conftest import Bench
from unlabeled.training.estimate import Estimate, duration, estimate

CPU = torch.device("cpu")


def test_the_run_is_not_touched(bench: Bench) -> None:
    engine = bench.engine("moco_v3")
    before = {n: t.clone() for n, t in engine.method.state_dict().items()}
    torch.manual_seed(5)
    state = torch.get_rng_state()
    estimate(engine, CPU, "32", 1)
    assert torch.equal(torch.get_rng_state(), state)
    assert (engine.moved, engine.batches, engine.output) == (0, 0, None)
    assert all(p.grad is None for p in engine.method.parameters())
    for n, t in engine.method.state_dict().items():
        assert torch.equal(before[n], t), n


def test_memory_counts_weights_gradients_optimiser_and_activations(bench: Bench) -> None:
    found = {}
    for name in ("sgd", "adamw"):
        engine = bench.engine("barlow_twins", optimiser=name)
        found[name] = estimate(engine, CPU, "32", 1, steps=1).memory
    trained = sum(p.numel() * 4 for p in engine.method.parameters())
    assert found["adamw"] > 4 * trained
    # AdamW keeps one number more a weight
    assert found["adamw"] - found["sgd"] == pytest.approx(trained, rel=0.1)


def test_time_is_that_of_the_steps_that_are_left(bench: Bench) -> None:
    engine = bench.engine("barlow_twins")
    whole = estimate(engine, CPU, "32", 1, steps=1)
    rest = estimate(engine, CPU, "32", 1, steps=1, done=6)
    assert whole.seconds == pytest.approx(whole.seconds_per_step * 8)
    assert rest.seconds == pytest.approx(rest.seconds_per_step * 2)


@pytest.mark.parametrize(("seconds", "text"), [(3.2, "3 s"), (89, "89 s"), (120, "2 min"), (7200, "2.0 h")])
def test_durations_are_for_a_person(seconds: float, text: str) -> None:
    assert duration(seconds) == text
    assert text in str(Estimate(seconds, 1.0, 2**31))
    assert "2.0 GiB" in str(Estimate(seconds, 1.0, 2**31))
