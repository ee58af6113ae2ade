"""What each method promises beyond what every method does (`tests/contract/`): its paper's formula.

Most run on an encoder that gives its input back, so that "the embeddings" are tensors fixed here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.contract.conftest import digits
from unlabeled import api, methods, objectives
from unlabeled.api import find_facts
from unlabeled.data.batch import Batch, View
from unlabeled.data.draws import Draws
from unlabeled.data.source import Source
from unlabeled.errors import OptionError
from unlabeled.methods import Facts, Method, clustered, decorrelated, distilled, lookup
from unlabeled.methods import instance as instance_methods
from unlabeled.modalities import MODALITIES
from unlabeled.modalities.contract import Modality
from unlabeled.parts import Clock, Encoded, Encoder, Teacher
from unlabeled.training.optimisers import Rates
from unlabeled.training.order import Order

DIM, ROWS, SAMPLES, CLASSES = 12, 8, 40, 5
START = Clock(0, 100, 0, 1)
METHODS = methods.names()


class Straight(Encoder):
    """Features are the input: one linear layer that starts as the identity."""

    def __init__(self, dim: int = DIM) -> None:
        super().__init__()
        self.dim, self.spec = dim, {"name": "straight"}
        self.linear = nn.Linear(dim, dim, bias=False)
        nn.init.eye_(self.linear.weight)

    def encode(self, x: Any, **how: Any) -> Encoded:
        return Encoded(self.linear(x))


class WithTokens(Straight):
    """The same, for methods that only ask whether there are tokens."""

    leaves_out = True


FACTS = Facts(SAMPLES, CLASSES, tokens=16, token_dim=12, axes=2)


@pytest.fixture(autouse=True)
def fixed() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def small(name: str, **options: Any) -> dict[str, Any]:
    """A method's options, with widths for tests where none are given."""
    widths = {"hidden": 16, "width": 16, "bottleneck": 8, "prototypes": 6, "decoder_width": 16}
    return {**{key: w for key, w in widths.items() if key in lookup(name).options}, **options}


def make(name: str, **options: Any) -> Any:
    return lookup(name).cls(WithTokens(), FACTS, **small(name, **options))


def bare(name: str, **options: Any) -> Any:
    """The method with nothing between the encoder and its objective."""
    method = make(name, **options)
    method.projector = method.predictor = nn.Identity()
    if hasattr(method, "teacher"):
        method.teacher = Teacher(method.encoder, method.projector)
    return method


def samples(count: int, rows: int = ROWS) -> list[Tensor]:
    return [torch.randn(rows, DIM) for _ in range(count)]


def step(method: Method, inputs: list[Tensor], clock: Clock = START, batch: Batch | None = None) -> Any:
    rows = torch.arange(len(inputs[0]))
    held = Batch(inputs[0], rows, rows % CLASSES) if batch is None else batch
    return method(tuple(View(x, rows) for x in inputs), held, clock)


def loss(method: Method, inputs: list[Tensor], clock: Clock = START) -> Tensor:
    (term,) = step(method, inputs, clock).terms.values()
    value: Tensor = term
    return value


def number(value: Tensor) -> float:
    return float(value.detach())


def unit(x: Tensor) -> Tensor:
    return x.double() / x.double().norm(dim=1, keepdim=True)


@cache
def digit_images() -> tuple[Modality, Source, Tensor]:
    x, y = digits(64)
    modality = MODALITIES["image"].measure(x)
    return modality, modality.read(x), torch.from_numpy(y)


def images(method: str, encoder: str) -> tuple[Modality, Any, Batch]:
    """A method on real digits with a real small encoder."""
    modality, source, y = digit_images()
    options = {"convnet": {"width": 8}, "vit": {"width": 24, "depth": 1, "heads": 2}}[encoder]
    facts = find_facts(modality, source, 10)
    made = lookup(method).cls(modality.build_encoder(encoder, **options), facts, **small(method))
    rows = torch.arange(ROWS)
    return modality, made, Batch(source.fetch(rows.numpy()), rows, y[rows])


def encoder_of(method: str) -> str:
    return "vit" if lookup(method).cls.requires.tokens else "convnet"


# every method
@pytest.mark.parametrize("name", METHODS)
def test_every_parameter_that_learns_gets_a_gradient_and_no_other(name: str) -> None:
    modality, method, batch = images(name, encoder_of(name))
    views = modality.make_views(batch, method.plan, Draws(0, 0, total=ROWS))
    torch.stack(list(method(views, batch, START).terms.values())).sum().backward()
    for parameter, tensor in method.named_parameters():
        assert (tensor.grad is not None) == tensor.requires_grad, parameter
        assert tensor.requires_grad != parameter.startswith("teacher."), parameter


@pytest.mark.parametrize("name", [n for n in METHODS if lookup(n).cls.recipe.groups])
def test_every_group_of_a_recipe_names_parameters_that_exist(name: str) -> None:
    kinds = ["vit"] if lookup(name).cls.requires.tokens else ["convnet", "vit"]
    known = [n for kind in kinds for n, _ in images(name, kind)[1].named_parameters()]
    for group in lookup(name).cls.recipe.groups:
        assert any(fnmatchcase(n, group.pattern) for n in known), group.pattern


@pytest.mark.parametrize(
    ("name", "option"),
    [(n, o) for n in METHODS for o, p in lookup(n).options.items() if isinstance(p.default, float)],
)
def test_a_number_that_is_none_or_endless_is_refused(name: str, option: str) -> None:
    for value in (float("nan"), float("inf")):
        with pytest.raises(OptionError, match=option.replace("_", "[_ ]")):
            make(name, **{option: value})


@pytest.mark.parametrize(
    ("name", "option"),
    [(n, o) for n in METHODS for o, p in lookup(n).options.items() if type(p.default) is int],
)
def test_a_negative_count_or_width_is_refused(name: str, option: str) -> None:
    with pytest.raises(OptionError):
        make(name, **{option: -1})


@pytest.mark.parametrize(
    ("name", "options", "named"),
    [
        ("simclr", {"temperature": 0.0}, "temperature"),
        ("simclr", {"temperature": -0.2}, "temperature"),
        ("moco_v3", {"temperature": 0.0}, "temperature"),
        ("moco_v3", {"momentum": 1.5}, "momentum"),
        ("byol", {"momentum": 1.5}, "momentum"),
        ("byol", {"momentum": -0.1}, "momentum"),
        ("simsiam", {"width": 1}, "width"),
        ("swav", {"temperature": 0.0}, "temperature"),
        ("swav", {"epsilon": 0.0}, "epsilon"),
        ("swav", {"iterations": 0}, "iterations"),
        ("swav", {"prototypes": 1}, "prototypes"),
        ("swav", {"local_views": -1}, "local_views"),
        ("swav", {"queue": -1}, "queue"),
        ("swav", {"queue_from": 1.5}, "queue_from"),
        ("dino", {"local_views": -1}, "local_views"),
        ("dino", {"prototypes": 1}, "prototypes"),
        ("dino", {"student_temperature": 0.0}, "student_temperature"),
        ("dino", {"teacher_temperature": 0.0}, "teacher_temperature"),
        ("dino", {"teacher_temperature": 0.2}, "teacher_temperature"),
        ("dino", {"final_teacher_temperature": 0.2}, "final_teacher_temperature"),
        ("dino", {"student_temperature": 0.03}, "teacher_temperature"),
        ("dino", {"momentum": 1.5}, "momentum"),
        ("dino", {"centre_momentum": 1.5}, "centre_momentum"),
        ("barlow_twins", {"lambd": -0.1}, "lambd"),
        ("vicreg", {"invariance": -1.0}, "invariance"),
        ("vicreg", {"variance": -1.0}, "variance"),
        ("vicreg", {"covariance": -1.0}, "covariance"),
        ("diet", {"label_smoothing": 1.0}, "label_smoothing"),
        ("diet", {"label_smoothing": -0.1}, "label_smoothing"),
        ("supervised", {"label_smoothing": 1.0}, "label_smoothing"),
        ("mae", {"mask_ratio": 0.0}, "mask ratio"),
        ("mae", {"mask_ratio": 1.0}, "mask ratio"),
        ("mae", {"decoder_depth": 0}, "depth"),
        ("mae", {"decoder_heads": 3}, "heads=3 does not divide width=16"),
    ],
)
def test_an_option_out_of_range_is_named(name: str, options: dict[str, Any], named: str) -> None:
    with pytest.raises(OptionError, match=named):
        make(name, **options)


@pytest.mark.parametrize("name", ["byol", "moco_v3", "dino"])
def test_teacher_starts_as_the_student_and_follows_it_by_the_schedule(name: str) -> None:
    method = make(name, momentum=0.9)
    head = method.head if name == "dino" else method.projector
    student = nn.ModuleList([method.encoder, head])
    for mine, theirs in zip(
        method.teacher.stages.state_dict().values(), student.state_dict().values(), strict=True
    ):
        assert torch.equal(mine, theirs)
    before = [p.clone() for p in method.teacher.parameters()]
    loss(method, samples(len(method.plan)))
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(torch.randn_like(parameter))
    clock = Clock(40, 100, 0, 1)
    method.after_step(clock)
    momentum = 1 - (1 - 0.9) * (math.cos(math.pi * 0.4) + 1) / 2
    for mine, old, new in zip(method.teacher.parameters(), before, student.parameters(), strict=True):
        torch.testing.assert_close(mine, momentum * old + (1 - momentum) * new.detach())


@pytest.mark.parametrize("name", ["byol", "simsiam", "moco_v3", "barlow_twins", "vicreg", "simclr"])
def test_two_views_are_asked_for_and_both_matter(name: str) -> None:
    method = make(name)
    assert [branch.kind for branch in method.plan] == ["strong", "strong"]
    inputs = [x.requires_grad_() for x in samples(2)]
    loss(method, inputs).backward()
    assert all(x.grad is not None and x.grad.abs().sum() > 0 for x in inputs)


@pytest.mark.parametrize("name", ["byol", "moco_v3", "barlow_twins", "vicreg"])
def test_views_that_differ_on_purpose_are_asked_for(name: str) -> None:
    assert [branch.variant for branch in lookup(name).cls.plan] == [1, 2]


# the template against stand-alone functions (bit for bit)
def test_simclr_is_nt_xent() -> None:
    x1, x2 = samples(2)
    assert torch.equal(
        loss(bare("simclr", temperature=0.3), [x1, x2]), objectives.nt_xent(x1, x2, temperature=0.3)
    )


def test_byol_is_cosine_regression_both_ways() -> None:
    method, (x1, x2) = bare("byol"), samples(2)
    method.predictor = nn.Linear(DIM, DIM)
    with torch.no_grad():
        method.encoder.linear.weight.mul_(-1)  # the student moved, the teacher did not yet
        p1, p2 = method.predictor(-x1), method.predictor(-x2)
    right = objectives.cosine_regression(p1, x2) + objectives.cosine_regression(p2, x1)
    assert torch.equal(loss(method, [x1, x2]), right)


def test_simsiam_is_cosine_regression_both_ways_rescaled() -> None:
    method, (x1, x2) = bare("simsiam"), samples(2)
    method.predictor = nn.Linear(DIM, DIM)
    p1, p2 = method.predictor(x1), method.predictor(x2)
    both = objectives.cosine_regression(p1, x2) + objectives.cosine_regression(p2, x1)
    assert torch.equal(loss(method, [x1, x2]), both / 4 - 1)


# BYOL
def test_byol_is_the_squared_error_of_unit_vectors_summed_over_directions() -> None:
    method, (x1, x2) = make("byol").eval(), samples(2)
    _drift(method)
    with torch.no_grad():
        (p1, p2), (t1, t2) = (
            (method.predictor(method.projector(method.encoder(x))) for x in (x1, x2)),
            (method.teacher(x) for x in (x1, x2)),
        )
    expected = (unit(p1) - unit(t2)).square().sum(1).mean() + (unit(p2) - unit(t1)).square().sum(1).mean()
    torch.testing.assert_close(loss(method, [x1, x2]).double(), expected, rtol=1e-5, atol=0)


def _drift(method: Any) -> None:
    """Moves student and teacher apart, so that a test can tell them from each other."""
    with torch.no_grad():
        for parameter in method.teacher.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))


# SimSiam
def test_simsiam_stops_the_gradient_at_the_target() -> None:
    method, (x1, x2) = make("simsiam"), samples(2)

    def by_hand(detach: bool) -> list[Tensor]:
        z1, z2 = (method.projector(method.encoder(x)) for x in (x1, x2))
        p1, p2 = method.predictor(z1), method.predictor(z2)
        t1, t2 = (z1.detach(), z2.detach()) if detach else (z1, z2)
        value = -(F.cosine_similarity(p1, t2) + F.cosine_similarity(p2, t1)).mean() / 2
        return [value, *torch.autograd.grad(value, list(method.parameters()))]

    value = loss(method, [x1, x2])
    mine = [value, *torch.autograd.grad(value, list(method.parameters()))]
    for found, right in zip(mine, by_hand(detach=True), strict=True):
        torch.testing.assert_close(found, right, rtol=1e-4, atol=1e-6)
    through = by_hand(detach=False)
    assert any(not torch.allclose(a, b, rtol=1e-2, atol=1e-4) for a, b in zip(mine, through, strict=True))


def test_simsiam_loss_lies_between_minus_one_and_one() -> None:
    method, (x, _) = bare("simsiam"), samples(2)
    assert number(loss(method, [x, x])) == pytest.approx(-1, abs=1e-6)
    method.predictor = Negative()
    assert number(loss(method, [x, x])) == pytest.approx(1, abs=1e-6)


class Negative(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return -x


def test_simsiam_predictor_keeps_its_rate() -> None:
    method = make("simsiam")
    rates = Rates(method, method.recipe, lr=0.5)
    optimiser = rates.optimiser()
    for now in (0, 30, 99):
        rates.set(optimiser, Clock(now, 100, 0, 1))
        of = {id(p): group["lr"] for group in optimiser.param_groups for p in group["params"]}
        for name, parameter in method.named_parameters():
            assert (of[id(parameter)] == 0.5) == name.startswith("predictor."), (now, name)


# MoCo v3
def test_moco_without_momentum_and_predictor_is_symmetric_info_nce_across_views() -> None:
    tau, (x1, x2) = 0.3, samples(2)
    method = bare("moco_v3", temperature=tau, momentum=0.0)
    with torch.no_grad():
        method.encoder.linear.weight.add_(0.3 * torch.randn(DIM, DIM))
    method.after_step(START)  # momentum 0: the teacher is the student
    with torch.no_grad():
        z1, z2 = (unit(method.encoder(x)) for x in (x1, x2))
    expected = 0.0
    for queries, keys in ((z1, z2), (z2, z1)):
        for i in range(ROWS):
            scores = [float(queries[i] @ keys[j]) / tau for j in range(ROWS)]  # none of its own view
            expected += (math.log(sum(math.exp(s) for s in scores)) - scores[i]) / ROWS
    assert number(loss(method, [x1, x2])) == pytest.approx(2 * tau * expected, rel=1e-5)


def test_moco_keys_come_from_the_teacher_without_gradient() -> None:
    method, (x1, x2) = bare("moco_v3"), samples(2)
    _drift(method)
    with torch.no_grad():
        k1, k2 = method.teacher(x1), method.teacher(x2)
    expected = 0.4 * (
        objectives.info_nce(x1, k2, temperature=0.2) + objectives.info_nce(x2, k1, temperature=0.2)
    )
    torch.testing.assert_close(loss(method, [x1, x2]), expected)


def test_moco_leaves_the_patch_embedding_of_a_transformer_as_it_started() -> None:
    modality, method, batch = images("moco_v3", "vit")
    rates = Rates(method, method.recipe, lr=0.1)
    optimiser = rates.optimiser()
    before = {n: p.detach().clone() for n, p in method.named_parameters()}
    for now in range(2):
        clock = Clock(now, 2, 0, 1)
        views = modality.make_views(batch, method.plan, Draws(0, now, total=ROWS))
        rates.set(optimiser, clock)
        loss_now = torch.stack(list(method(views, batch, clock).terms.values())).sum()
        optimiser.zero_grad()
        loss_now.backward()
        rates.hold(clock)
        optimiser.step()
    frozen = {n for n, p in method.named_parameters() if torch.equal(p, before[n]) and p.requires_grad}
    assert frozen == {"encoder.patch_embed.weight", "encoder.patch_embed.bias"}


# SwAV
def swav(**options: Any) -> Any:
    return make("swav", **options).eval()


def test_swav_no_crop_meets_its_own_code(monkeypatch: pytest.MonkeyPatch) -> None:
    method, inputs = swav(local_views=3), samples(5)
    scores = [method.prototypes(method.projector(method.encoder(x))).detach() for x in inputs]

    def which(found: Tensor) -> int:
        (place,) = [i for i, s in enumerate(scores) if torch.allclose(s, found, atol=1e-5)]
        return place

    pairs = []

    def record(found: Tensor, codes: Tensor, **how: Any) -> Tensor:
        pairs.append((which(codes), which(found)))
        return torch.zeros(())

    monkeypatch.setattr(clustered, "sinkhorn", lambda s, **how: s)  # a code then says whose it is
    monkeypatch.setattr(clustered, "swapped_prediction", record)
    step(method, inputs)
    assert sorted(pairs) == [(code, crop) for code in (0, 1) for crop in range(5) if crop != code]


def test_swav_is_the_mean_over_large_crops_of_the_mean_over_the_other_crops() -> None:
    method, inputs = swav(local_views=2, temperature=0.2), samples(4)
    with torch.no_grad():
        scores = [method.prototypes(method.projector(method.encoder(x))) for x in inputs]
        codes = [objectives.sinkhorn(s, epsilon=0.05, iterations=3) for s in scores[:2]]
    expected = torch.zeros(())
    for i, q in enumerate(codes):
        others = [-(q * F.log_softmax(s / 0.2, dim=1)).sum(1).mean() for v, s in enumerate(scores) if v != i]
        expected = expected + torch.stack(others).mean() / 2
    torch.testing.assert_close(loss(method, inputs), expected)


def test_swav_codes_are_distributions_without_gradient() -> None:
    method = swav(queue=20, queue_from=0.0)
    for _ in range(3):
        step(method, samples(2))
        method.after_step(START)
    scores = [method.prototypes(torch.randn(ROWS, 16)) for _ in range(2)]
    codes = method.codes(scores, START)
    for code in codes:
        assert code.shape == (ROWS, 6) and not code.requires_grad and (code >= 0).all()
        torch.testing.assert_close(code.sum(1), torch.ones(ROWS))


def test_swav_queue_takes_part_from_queue_from_and_never_holds_the_current_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    method = swav(queue=20, queue_from=0.5)
    balanced: list[Tensor] = []
    real = clustered.sinkhorn

    def record(scores: Tensor, **how: Any) -> Tensor:
        balanced.append(scores)
        return real(scores, **how)

    monkeypatch.setattr(clustered, "sinkhorn", record)
    history: list[list[Tensor]] = [[], []]
    for now, filled in [(0, 0), (30, 0), (50, 16), (60, 20), (70, 20)]:
        balanced.clear()
        output = step(method, samples(2), Clock(now, 100, 0, 1))
        for view in range(2):
            current, scores = output.embeddings[view].detach(), balanced[view]
            assert len(scores) == ROWS + filled
            older = torch.cat(history[view])[-20:] if history[view] else current[:0]
            stored = method.queues[view].filled()
            assert torch.equal(stored.sort(dim=0).values, older.sort(dim=0).values)
            if filled:
                torch.testing.assert_close(scores[ROWS:], method.prototypes(stored))
            if len(stored):
                assert torch.cdist(stored, current).min() > 1e-3
            history[view].append(current)
        method.after_step(Clock(now + 1, 100, 0, 1))


def test_swav_queue_shorter_than_the_batch_is_refused() -> None:
    method = swav(queue=ROWS - 1)
    step(method, samples(2))
    with pytest.raises(OptionError, match="queue of 7 cannot take a batch of 8"):
        method.after_step(START)


def test_swav_prototypes_are_unit_after_a_step() -> None:
    method = swav()
    optimiser = torch.optim.SGD(method.parameters(), lr=5.0)
    loss(method, samples(2)).backward()
    optimiser.step()
    assert (method.prototypes.weight.norm(dim=1) - 1).abs().max() > 1e-3
    method.after_step(START)
    torch.testing.assert_close(method.prototypes.weight.norm(dim=1), torch.ones(6))


@pytest.mark.parametrize("name", ["swav", "dino"])
def test_local_views_are_asked_for_and_learned_from(name: str) -> None:
    method = make(name, local_views=3)
    assert [branch.kind for branch in method.plan] == ["strong"] * 2 + ["local"] * 3
    inputs = [x.requires_grad_() for x in samples(5)]
    loss(method, inputs).backward()
    assert all(x.grad is not None and x.grad.abs().sum() > 0 for x in inputs)


@pytest.mark.parametrize(("name", "pattern"), [("swav", "prototypes."), ("dino", "head.prototypes")])
def test_prototypes_are_frozen_at_the_start_only(name: str, pattern: str) -> None:
    method = make(name)
    rates = Rates(method, method.recipe, lr=0.1)
    learning = {n: p for n, p in method.named_parameters() if p.requires_grad}
    for now, held in ((0, True), (2, True), (3, False), (50, False)):
        for parameter in learning.values():
            parameter.grad = torch.ones_like(parameter)
        rates.hold(Clock(now, 100, 0, 1))
        for parameter_name, parameter in learning.items():
            frozen = held and parameter_name.startswith(pattern)
            assert (parameter.grad is None) == frozen, (now, parameter_name)


# DINO
def dino(**options: Any) -> Any:
    return make("dino", **options).eval()


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What every pair of DINO was computed from."""
    calls: list[dict[str, Any]] = []
    real: Callable[..., Tensor] = distilled.dino

    def record(student: Tensor, teacher: Tensor, center: Tensor, **how: Any) -> Tensor:
        calls.append({"student": student, "teacher": teacher, "centre": center.clone(), **how})
        return real(student, teacher, center, **how)

    monkeypatch.setattr(distilled, "dino", record)
    return calls


@pytest.mark.parametrize("local", [0, 1, 4])
def test_dino_pairs_every_crop_with_the_other_large_crops(local: int, compared: list[dict[str, Any]]) -> None:
    method, inputs = dino(local_views=local), samples(2 + local)
    step(method, inputs)
    outputs = [method.head(method.encoder(x)) for x in inputs]  # also the teacher's, at step 0
    pairs = [
        tuple(next(i for i, o in enumerate(outputs) if torch.allclose(o, c[who], atol=1e-5)) for who in c)
        for c in ({"teacher": c["teacher"], "student": c["student"]} for c in compared)
    ]
    assert len(pairs) == 2 * local + 2
    assert sorted(pairs) == [(a, b) for a in range(2) for b in range(2 + local) if a != b]


def test_dino_centre_after_one_step_is_one_minus_momentum_of_the_mean_over_crops_and_batch() -> None:
    method, inputs = dino(centre_momentum=0.8, local_views=1), samples(3)
    with torch.no_grad():
        mean = torch.cat([method.teacher(x) for x in inputs[:2]]).mean(0)
    step(method, inputs)
    method.after_step(START)
    torch.testing.assert_close(method.centre.value, 0.2 * mean)


def test_dino_uses_the_centre_from_before_the_update(compared: list[dict[str, Any]]) -> None:
    method = dino(local_views=0)
    step(method, samples(2))
    assert all(torch.equal(c["centre"], torch.zeros(6)) for c in compared)
    assert torch.equal(method.centre.value, torch.zeros(6))
    method.after_step(START)
    after_one = method.centre.value.clone()
    assert after_one.abs().max() > 0
    compared.clear()
    step(method, samples(2))
    assert compared and all(torch.equal(c["centre"], after_one) for c in compared)


def test_dino_is_the_mean_of_cross_entropies_from_centred_and_sharpened_teachers() -> None:
    method, inputs = dino(local_views=1, student_temperature=0.2, teacher_temperature=0.1), samples(3)
    _drift(method)
    method.centre.value.normal_()
    with torch.no_grad():
        students = [method.head(method.encoder(x)) for x in inputs]
        targets = [((method.teacher(x) - method.centre.value) / 0.1).softmax(1) for x in inputs[:2]]
    pairs = [
        -(t * F.log_softmax(s / 0.2, dim=1)).sum(1).mean()
        for a, t in enumerate(targets)
        for b, s in enumerate(students)
        if a != b
    ]
    torch.testing.assert_close(loss(method, inputs), torch.stack(pairs).mean())


def test_dino_with_uniform_student_and_teacher_costs_log_k() -> None:
    method = dino(prototypes=7, local_views=2)
    for head in (method.head, method.teacher.stages[1]):
        with torch.no_grad():
            head.prototypes.copy_(head.prototypes[:1].expand(7, -1))
    assert number(loss(method, samples(4))) == pytest.approx(math.log(7), rel=1e-5)


def test_dino_keeps_the_teacher() -> None:
    method = dino()
    assert method.kept is method.teacher.stages[0] and method.kept is not method.encoder
    assert isinstance(method.kept, Straight)


def test_dino_teacher_temperature_follows_its_schedule(compared: list[dict[str, Any]]) -> None:
    method = dino(local_views=0, teacher_temperature=0.04, final_teacher_temperature=0.07)
    for now, expected in ((0, 0.04), (15, 0.055), (30, 0.07), (100, 0.07)):
        compared.clear()
        step(method, samples(2), Clock(now, 100, 0, 1))
        assert len(compared) == 2
        assert [c["teacher_temperature"] for c in compared] == [pytest.approx(expected)] * 2
        assert [c["student_temperature"] for c in compared] == [0.1] * 2


# decorrelation
def test_barlow_twins_is_its_objective_on_raw_projector_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    method, (x1, x2) = make("barlow_twins", lambd=0.02), samples(2)
    _same_as(monkeypatch, "barlow_twins", method, method.projector, (x1, x2), {"lambd": 0.02})


def test_vicreg_is_its_objective_on_raw_expander_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = {"invariance": 3.0, "variance": 5.0, "covariance": 2.0}
    method, (x1, x2) = make("vicreg", **weights), samples(2)
    _same_as(monkeypatch, "vicreg", method, method.expander, (x1, x2), weights)


def _same_as(
    monkeypatch: pytest.MonkeyPatch,
    objective: str,
    method: Any,
    projector: nn.Module,
    inputs: tuple[Tensor, Tensor],
    options: dict[str, float],
) -> None:
    given: list[Any] = []
    real = getattr(objectives, objective)

    def record(*args: Tensor, **how: float) -> Tensor:
        given.extend([args, how])
        value: Tensor = real(*args, **how)
        return value

    monkeypatch.setattr(decorrelated, objective, record)
    found = loss(method, list(inputs))
    (z1, z2), how = given
    assert how == options
    for z, x in zip((z1, z2), inputs, strict=True):
        torch.testing.assert_close(z, projector(method.encoder(x)))
    assert torch.equal(found, real(z1, z2, **options))


def test_each_weight_of_vicreg_weighs_its_own_term() -> None:
    x1, x2 = samples(2)
    names = ("invariance", "variance", "covariance")
    method = make("vicreg")
    method.expander = nn.Identity()
    method.weights = dict.fromkeys(names, 0.0)
    assert number(loss(method, [x1, x2])) == 0
    method.weights["invariance"] = 1.0
    assert number(loss(method, [x1, x2])) == pytest.approx(float((x1 - x2).square().mean()), rel=1e-5)
    assert number(loss(method, [x1, x1])) == 0


# MAE
def masked() -> tuple[Any, View, Batch]:
    modality, method, batch = images("mae", "vit")
    (view,) = modality.make_views(batch, method.plan, Draws(0, 0, total=ROWS))
    assert view.keep is not None and view.mask is not None
    return method, view, batch


def _cost(method: Any, view: View, batch: Batch) -> Tensor:
    value: Tensor = method((view,), batch, START).terms["masked_tokens"]
    return value


def test_mae_computes_visible_tokens_only() -> None:
    method, view, batch = masked()
    lengths: list[int] = []
    for block in method.encoder.blocks:
        block.register_forward_pre_hook(lambda module, inputs: lengths.append(inputs[0].shape[1]))
    method((view,), batch, START)
    tokens = view.mask.shape[1]
    assert lengths == [tokens // 4 + 1] * len(method.encoder.blocks)  # and the class token


def test_mae_hidden_pixels_do_not_reach_the_prediction() -> None:
    from unlabeled.modalities.image.tokens import patchify

    method, view, _ = masked()
    patch, x = method.encoder.patch, view.x.float()
    side = x.shape[-1] // patch
    hidden = view.mask.reshape(-1, 1, side, side).repeat_interleave(patch, 2).repeat_interleave(patch, 3)
    other = torch.where(hidden, torch.rand_like(x), x)
    assert not torch.equal(patchify(other, patch), patchify(x, patch))
    with torch.no_grad():
        a, b = (
            method.decoder(method.encoder.encode(i, keep=view.keep).tokens, view.keep, view.target.positions)
            for i in (x, other)
        )
    assert torch.equal(a, b)


def test_mae_loss_does_not_depend_on_predictions_at_visible_tokens() -> None:
    method, view, batch = masked()
    plain = _cost(method, view, batch)
    for where, equal in ((~view.mask, True), (view.mask, False)):
        hook = method.decoder.predict.register_forward_hook(
            lambda module, inputs, out, where=where: out + 5 * where[:, :, None]
        )
        assert torch.equal(_cost(method, view, batch), plain) == equal
        hook.remove()


def test_mae_order_of_the_visible_tokens_is_irrelevant() -> None:
    method, view, batch = masked()
    order = torch.rand(view.keep.shape).argsort(1)
    shuffled = View(view.x, view.rows, view.keep.gather(1, order), view.mask, view.target)
    assert not torch.equal(shuffled.keep, view.keep)
    torch.testing.assert_close(_cost(method, shuffled, batch), _cost(method, view, batch))


def test_mae_reconstructs_standardised_tokens_unless_told_otherwise() -> None:
    method, view, batch = masked()
    with torch.no_grad():
        tokens = method.encoder.encode(view.x, keep=view.keep).tokens
        prediction = method.decoder(tokens, view.keep, view.target.positions)
    target = view.target.numbers
    standardised = (target - target.mean(-1, keepdim=True)) / (target.var(-1, keepdim=True) + 1e-6).sqrt()
    for normalise, wanted in ((True, standardised), (False, target)):
        method.normalise = normalise
        expected = (prediction - wanted).square().mean(-1)[view.mask].mean()
        torch.testing.assert_close(_cost(method, view, batch), expected)


def test_mae_needs_an_encoder_with_tokens_and_data_with_tokens() -> None:
    with pytest.raises(OptionError, match="leave encoder= out"):
        lookup("mae").cls(Straight(), FACTS)
    with pytest.raises(OptionError, match="this data has none"):
        lookup("mae").cls(WithTokens(), Facts(SAMPLES))


# DIET
def test_diet_targets_are_places_in_the_data_whatever_the_order_of_the_batch() -> None:
    method, (x,) = make("diet"), samples(1)
    index = torch.tensor([31, 4, 0, 17, 39, 8, 22, 5])
    order = torch.randperm(ROWS)

    def of(x: Tensor, index: Tensor) -> Tensor:
        return loss_of(method, x, Batch(x, index, torch.full((ROWS,), -1)))

    expected = F.cross_entropy(method.head(x), index, label_smoothing=0.8)
    torch.testing.assert_close(of(x, index), expected)
    torch.testing.assert_close(of(x[order], index[order]), expected)
    assert not torch.allclose(of(x, index[order]), expected)


def loss_of(method: Any, x: Tensor, batch: Batch) -> Tensor:
    (term,) = method((View(x, torch.arange(len(x))),), batch, START).terms.values()
    return term


def test_diet_has_one_class_a_sample_and_no_bias(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float] = []
    real = instance_methods.diet

    def record(logits: Tensor, index: Tensor, *, label_smoothing: float) -> Tensor:
        given.append(label_smoothing)
        return real(logits, index, label_smoothing=label_smoothing)

    monkeypatch.setattr(instance_methods, "diet", record)
    method = make("diet", label_smoothing=0.3)
    loss(method, samples(1))
    assert method.head.weight.shape == (SAMPLES, DIM) and method.head.bias is None and given == [0.3]


# supervised
def test_supervised_is_cross_entropy_and_shows_its_classifier() -> None:
    method, (x,) = make("supervised", label_smoothing=0.1), samples(1)
    y = torch.arange(ROWS) % CLASSES
    output = step(method, [x], batch=Batch(x, torch.arange(ROWS), y))
    expected = F.cross_entropy(method.head(x), y, label_smoothing=0.1)
    torch.testing.assert_close(output.terms["cross_entropy"], expected)
    assert method.classifier is method.head and method.classifier.out_features == CLASSES
    torch.testing.assert_close(output.logits, method.classifier(x))


def test_methods_that_do_not_predict_have_no_classifier() -> None:
    for name in METHODS:
        if not lookup(name).cls.requires.labels:
            assert make(name).classifier is None, name


def test_supervised_without_labels_is_refused() -> None:
    with pytest.raises(OptionError, match="labels="):
        lookup("supervised").cls(Straight(), Facts(SAMPLES))


def test_supervised_never_meets_an_unlabelled_sample(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Prepared(Exception):
        pass

    def instead(engine: Any, *args: Any, **how: Any) -> None:
        raise Prepared(engine)

    monkeypatch.setattr(api, "fit", instead)
    x, y = digits(64)
    y = np.where(np.arange(64) % 3 == 0, y, -1)
    with pytest.raises(Prepared) as caught:
        api.finetune(x, labels=y, modality="image", batch_size=8, epochs=3, out=tmp_path / "run")
    (engine,) = caught.value.args
    met = np.concatenate(list(Order(engine.rows, batch_size=8, epochs=3, seed=0)))
    assert len(met) == 3 * 16 and (y[met] >= 0).all() and set(met) <= set(np.flatnonzero(y >= 0))
    assert engine.method.classifier.out_features == len(set(y[y >= 0]))
