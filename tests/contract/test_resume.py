"""Promise 3: the same seed gives the same run, and a stopped run resumes to the same weights, bit for bit."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.contract.conftest import Bench, exempt
from unlabeled.errors import Interrupted
from unlabeled.training.engine import Engine


def weights(engine: Engine) -> dict[str, Tensor]:
    return {name: t.detach().clone() for name, t in engine.method.state_dict().items()}


def assert_equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> None:
    assert a.keys() == b.keys()
    differing = [name for name in a if not torch.equal(a[name], b[name])]
    assert not differing, f"differ: {differing[:5]}"


def record(engine: Engine, seen: list[list[int]], stop_after: int | None = None) -> Engine:
    """Notes the samples of every batch; sends this process a real SIGTERM during a step."""
    step = engine.step

    def noted(batch: Any, draws: Any) -> Any:
        seen.append(batch.index.tolist())
        if stop_after is not None and engine.moved + 1 == stop_after:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(batch, draws)

    engine.step = noted  # type: ignore[method-assign]
    return engine


def interrupted_then_resumed(
    bench: Bench, method: str, stop: int, workers: int
) -> tuple[Engine, list[list[int]]]:
    seen: list[list[int]] = []
    out = f"stopped{stop}-{workers}"
    with pytest.raises(Interrupted) as caught:
        bench.train(record(bench.engine(method, workers=workers), seen, stop), out)
    assert caught.value.signal == signal.SIGTERM
    assert len(seen) == stop
    resumed = record(bench.engine(method, workers=workers, seed=0), seen)
    bench.train(resumed, out, resume=True)
    return resumed, seen


def test_same_seed_gives_the_same_run_and_another_seed_another(method: str, bench: Bench) -> None:
    first = weights(bench.train(bench.engine(method), "a"))
    assert_equal(first, weights(bench.train(bench.engine(method), "b")))
    other = weights(bench.train(bench.engine(method, seed=1), "c"))
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_resumed_run_equals_uninterrupted_run(method: str, bench: Bench) -> None:
    exempt(method, "resume")
    seen: list[list[int]] = []
    whole = weights(bench.train(record(bench.engine(method), seen), "whole"))
    # in the middle of the second epoch: what the first epoch left behind matters
    engine, pieces = interrupted_then_resumed(bench, method, stop=5, workers=0)
    assert pieces == seen
    assert_equal(whole, weights(engine))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("stop", [1, 4, 7])
def test_resume_at_every_kind_of_place(stop: int, workers: int, bench: Bench) -> None:
    """After the first step, at an epoch's end, before the last step; with and without worker processes."""
    seen: list[list[int]] = []
    whole = weights(bench.train(record(bench.engine("moco_v3", workers=workers), seen), "whole"))
    engine, pieces = interrupted_then_resumed(bench, "moco_v3", stop, workers)
    assert pieces == seen
    assert_equal(whole, weights(engine))


def test_resume_with_dropout(bench: Bench) -> None:
    def with_dropout() -> Engine:
        engine = bench.engine("simclr")
        engine.method.projector.append(torch.nn.Dropout(0.5))  # type: ignore[operator, union-attr]
        return engine

    whole = weights(bench.train(with_dropout(), "whole"))
    with pytest.raises(Interrupted):
        bench.train(record(with_dropout(), [], stop_after=3), "stopped")
    resumed = with_dropout()
    bench.train(resumed, "stopped", resume=True)
    assert_equal(whole, weights(resumed))


def test_resuming_a_finished_run_changes_nothing(bench: Bench) -> None:
    whole = weights(bench.train(bench.engine("byol"), "run"))
    again = bench.engine("byol")
    bench.train(again, "run", resume=True)
    assert_equal(whole, weights(again))


def test_every_sample_is_seen_once_an_epoch(bench: Bench) -> None:
    seen: list[list[int]] = []
    bench.train(record(bench.engine("simclr"), seen), "run")
    per_epoch = len(seen) // 2
    for epoch in (seen[:per_epoch], seen[per_epoch:]):
        assert sorted(i for batch in epoch for i in batch) == list(range(bench.rows))
    assert seen[:per_epoch] != seen[per_epoch:]


def test_refresh_happens_at_the_same_batches_after_a_resume(bench: Bench) -> None:
    """A refresh due at an epoch's end is not lost when the run stopped just there."""
    import dataclasses

    def made(calls: list[int]) -> Engine:
        engine = bench.engine("simclr", epochs=3)
        engine.plan = dataclasses.replace(
            engine.plan, recipe=dataclasses.replace(engine.plan.recipe, refresh_every=1)
        )

        def refresh(embed: Any, clock: Any) -> None:
            assert embed().shape == (bench.rows, engine.method.kept.dim)
            calls.append(clock.step)

        engine.method.refresh = refresh  # type: ignore[method-assign]
        return engine

    whole: list[int] = []
    bench.train(made(whole), "whole")
    pieces: list[int] = []
    with pytest.raises(Interrupted):
        bench.train(record(made(pieces), [], stop_after=4), "stopped")
    bench.train(made(pieces), "stopped", resume=True)
    assert whole == pieces == [0, 4, 8]
