"""Promise 5: precision is safe: no NaN from half precision, constant inputs or extreme ones."""

from __future__ import annotations

import pytest
import torch

from tests.contract.conftest import BATCH, Bench, build, digits, exempt, opened
from unlabeled.data.batch import Batch
from unlabeled.data.draws import Draws
from unlabeled.errors import NonFiniteError
from unlabeled.methods.contract import Output
from unlabeled.parts.schedules import Clock
from unlabeled.training.engine import total


def forward(name: str, x: torch.Tensor, *, half: bool) -> Output:
    modality = opened("image")[0]
    method = build(name).train()
    index = torch.arange(len(x))
    batch = Batch(x, index, index % 10)
    views = modality.make_views(batch, method.plan, Draws(0, 0, total=len(x)))
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        output: Output = method(views, batch, Clock(0, 10, 0, 1))
    total(output).backward()
    for parameter in method.parameters():
        assert parameter.grad is None or bool(parameter.grad.isfinite().all())
    return output


@pytest.mark.parametrize("half", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("picture", ["digits", "black", "white"])
def test_terms_are_finite_float32(method: str, picture: str, half: bool) -> None:
    exempt(method, "precision")
    x = torch.from_numpy(digits(BATCH)[0])
    x = x if picture == "digits" else torch.full_like(x, 0 if picture == "black" else 255)
    for name, term in forward(method, x, half=half).terms.items():
        assert term.dtype == torch.float32, name
        assert bool(term.isfinite()), name


def test_half_precision_stays_close(method: str) -> None:
    x = torch.from_numpy(digits(BATCH)[0])
    exact, rough = (float(total(forward(method, x, half=half))) for half in (False, True))
    assert rough == pytest.approx(exact, rel=0.1, abs=0.1)


def test_a_run_in_bfloat16_ends(method: str, bench: Bench) -> None:
    engine = bench.train(bench.engine(method, epochs=1), "half", precision="bf16")
    assert all(bool(p.isfinite().all()) for p in engine.method.parameters())


def test_nan_loss_names_the_step_and_the_term(method: str, bench: Bench) -> None:
    engine = bench.engine(method)
    step = engine.step

    def poisoned(batch: Batch, draws: Draws) -> Output:
        if engine.moved == 2:
            with torch.no_grad():
                next(p for p in engine.method.encoder.parameters() if p.dim() > 1).fill_(float("nan"))
        return step(batch, draws)

    engine.step = poisoned  # type: ignore[method-assign]
    with pytest.raises(NonFiniteError, match=r"the term '\w+' became nan at step 3 of 8"):
        bench.train(engine, "poisoned")
