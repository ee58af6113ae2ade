"""Recipes are carried out: optimisers, rates, decay, freezes and clipping."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn

from tests.contract.conftest import Bench
from unlabeled.methods import Group, Recipe, lookup
from unlabeled.parts.schedules import Clock, Cosine
from unlabeled.training.optimisers import LARS, Rates, decays

OPTIMISERS = {"adamw": torch.optim.AdamW, "sgd": torch.optim.SGD, "lars": LARS}


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(4, 4)
        self.norm = nn.LayerNorm(4)
        self.head = nn.Linear(4, 3)


def at(step: int, steps: int = 10) -> Clock:
    return Clock(step, steps, 0, 1)


def test_lars_follows_its_formula() -> None:
    """w ← w − m, m ← μ m + lr q (g + wd w), q = trust ‖w‖ / ‖g + wd w‖, number by number in float64."""
    torch.manual_seed(0)
    matrix, vector = nn.Parameter(torch.randn(3, 4).double()), nn.Parameter(torch.randn(4).double())
    slow = {"matrix": matrix.detach().flatten().tolist(), "vector": vector.detach().tolist()}
    memory = {name: [0.0] * len(values) for name, values in slow.items()}
    lr, momentum, decay, trust = 0.3, 0.9, 0.1, 0.01
    optimiser = LARS(
        [{"params": [matrix], "weight_decay": decay}, {"params": [vector], "adapt": False}],
        lr=lr,
        momentum=momentum,
        trust=trust,
    )
    for _ in range(4):
        matrix.grad, vector.grad = torch.randn_like(matrix), torch.randn_like(vector)
        for name, gradient, own in (("matrix", matrix.grad, decay), ("vector", vector.grad, 0.0)):
            w = slow[name]
            g = [gi + own * wi for gi, wi in zip(gradient.flatten().tolist(), w, strict=True)]
            q = 1.0
            if name == "matrix":
                q = trust * sum(wi**2 for wi in w) ** 0.5 / sum(gi**2 for gi in g) ** 0.5
            memory[name] = [momentum * m + lr * q * gi for m, gi in zip(memory[name], g, strict=True)]
            slow[name] = [wi - m for wi, m in zip(w, memory[name], strict=True)]
        optimiser.step()
    assert matrix.detach().flatten().tolist() == pytest.approx(slow["matrix"], rel=1e-12)
    assert vector.detach().tolist() == pytest.approx(slow["vector"], rel=1e-12)


def test_lars_moves_weights_that_are_zero() -> None:
    """Their length says nothing about a step: the gradient is taken as it is."""
    weight = nn.Parameter(torch.zeros(2, 2))
    weight.grad = torch.ones(2, 2)
    LARS([weight], lr=0.1).step()
    assert torch.equal(weight.detach(), torch.full((2, 2), -0.1))


@pytest.mark.parametrize(
    ("shape", "decayed"),
    [((4, 4), True), ((8, 3, 3, 3), True), ((4,), False), ((), False), ((1, 1, 4), False), ((1, 4), False)],
)
def test_only_matrices_and_kernels_decay(shape: tuple[int, ...], decayed: bool) -> None:
    assert decays(torch.zeros(shape)) == decayed


@pytest.mark.parametrize("name", OPTIMISERS)
def test_vectors_neither_decay_nor_adapt(name: Any) -> None:
    method = Two()
    rates = Rates(method, Recipe(optimiser=name, weight_decay=0.5), lr=0.1)
    optimiser = rates.optimiser()
    assert isinstance(optimiser, OPTIMISERS[name])
    rates.set(optimiser, at(3))
    for group in optimiser.param_groups:
        for p in group["params"]:
            assert group["weight_decay"] == (0.5 if p.dim() == 2 else 0.0)
            assert group["adapt"] == (p.dim() == 2)
    assert sum(len(group["params"]) for group in optimiser.param_groups) == 6


def test_what_a_network_declares_undecayed_is_spared() -> None:
    """timm's position embeddings have the shape of a matrix."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pos_embed = nn.Parameter(torch.zeros(1, 5, 4))
            self.weight = nn.Parameter(torch.zeros(4, 4))

        def no_weight_decay(self) -> set[str]:
            return {"pos_embed"}

    method = nn.ModuleDict({"encoder": Net()})
    rates = Rates(method, Recipe(weight_decay=0.5), lr=0.1)
    optimiser = rates.optimiser()
    rates.set(optimiser, at(0))
    found = {tuple(p.shape): g["weight_decay"] for g in optimiser.param_groups for p in g["params"]}
    assert found == {(1, 5, 4): 0.0, (4, 4): 0.5}


def test_rates_of_groups() -> None:
    groups = (Group("*", rate=7.0), Group("head.*", rate=0.5, constant=True, decay=0.3))
    rates = Rates(Two(), Recipe(weight_decay=0.1, groups=groups), lr=0.2)
    optimiser = rates.optimiser()
    for step in (0, 4, 9):
        rates.set(optimiser, at(step))
        for rule, group in zip(rates.members, optimiser.param_groups, strict=True):
            head = rule.group.pattern == "head.*"  # the last group that matches is the one that counts
            assert group["lr"] == pytest.approx(0.1 if head else 7 * rates.ordinary(at(step)))
            assert group["weight_decay"] == ((0.3 if head else 0.1) if rule.decays else 0.0)


def test_warm_up_and_cosine_end_where_they_should() -> None:
    rates = Rates(Two(), Recipe(warmup=0.1), lr=2.0)
    course = [rates.ordinary(at(step, 100)) for step in range(101)]
    assert 0 < course[0] < 0.2
    assert all(a < b for a, b in pairwise(course[:11]))
    assert course[10] == pytest.approx(2.0)
    assert all(a > b for a, b in pairwise(course[10:]))
    assert course[55] == pytest.approx(1.0)
    assert course[100] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_what_is_frozen_does_not_move_at_all_and_then_moves(name: Any) -> None:
    method = Two()
    groups = (Group("head.*", frozen=0.5), Group("norm.*", frozen=1.0))
    rates = Rates(method, Recipe(optimiser=name, weight_decay=0.5, groups=groups), lr=0.1)
    optimiser = rates.optimiser()
    first = {n: p.detach().clone() for n, p in method.named_parameters()}
    for step in range(10):
        for p in method.parameters():
            p.grad = torch.ones_like(p)
        rates.set(optimiser, at(step))
        rates.hold(at(step))
        optimiser.step()
        for n, p in method.named_parameters():
            still = n.startswith("norm") or (n.startswith("head") and step < 5)
            assert torch.equal(p.detach(), first[n]) == still, (n, step)


def test_a_schedule_of_weight_decay_reaches_the_optimiser(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    cls = lookup("simclr").cls
    monkeypatch.setattr(cls, "recipe", dataclasses.replace(cls.recipe, weight_decay=Cosine(0.04, 0.4)))
    engine = bench.engine("simclr")
    seen: list[float] = []
    configure = engine.configure_optimizers

    def watched() -> torch.optim.Optimizer:
        optimiser = configure()
        optimiser.register_step_post_hook(
            lambda o, *_: seen.append(max(g["weight_decay"] for g in o.param_groups))
        )
        return optimiser

    engine.configure_optimizers = watched  # type: ignore[method-assign]
    bench.train(engine, "run")
    assert seen == pytest.approx([Cosine(0.04, 0.4)(at(step, 8)) for step in range(8)])
    assert seen[0] == pytest.approx(0.04)
    assert seen[-1] > 0.35


def test_gradients_are_clipped_where_the_recipe_says_so(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    cls = lookup("dino").cls
    assert cls.recipe.clip is not None
    monkeypatch.setattr(cls, "recipe", dataclasses.replace(cls.recipe, clip=1e-3))
    engine = bench.engine("dino", epochs=1)
    seen: list[float] = []
    configure = engine.configure_optimizers

    def watched() -> torch.optim.Optimizer:
        optimiser = configure()

        def note(o: torch.optim.Optimizer, *_: Any) -> None:
            gradients = [p.grad for g in o.param_groups for p in g["params"] if p.grad is not None]
            seen.append(float(torch.stack([g.norm() for g in gradients]).norm()))

        optimiser.register_step_post_hook(note)
        return optimiser

    engine.configure_optimizers = watched  # type: ignore[method-assign]
    bench.train(engine, "run")
    assert seen == pytest.approx([1e-3] * 4, rel=1e-2)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_any_optimiser_trains_any_method(name: str, bench: Bench) -> None:
    engine = bench.engine("barlow_twins", optimiser=name, epochs=1)
    before = {n: p.detach().clone() for n, p in engine.method.named_parameters()}
    bench.train(engine, "run")
    assert isinstance(engine.trainer.optimizers[0], OPTIMISERS[name])
    for n, p in engine.method.named_parameters():
        assert bool(p.isfinite().all())
        assert not torch.equal(before[n], p.detach()), n
