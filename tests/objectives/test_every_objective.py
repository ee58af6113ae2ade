"""Promises that all objectives keep, whatever their formula."""

import inspect
import math
from functools import partial

import pytest
import torch

from unlabeled import objectives
from unlabeled.errors import ObjectiveError, UnlabeledError

torch.set_num_threads(1)

MASK = torch.tensor([[True, False, True], [False, True, True]])
CLASSES = torch.tensor([[0, 1, 2], [4, 3, 0]])
CODES = torch.tensor([[-1, 1, 2], [4, -1, 0]])
VICREG = {"invariance": 25.0, "variance": 25.0, "covariance": 1.0}
DINO = {"student_temperature": 0.1, "teacher_temperature": 0.04}

# name: (the objective as a function of floating tensors only, their shapes)
CASES = {
    "nt_xent": (partial(objectives.nt_xent, temperature=0.2), [(4, 3), (4, 3)]),
    "info_nce": (partial(objectives.info_nce, temperature=0.2), [(4, 3), (4, 3)]),
    "info_nce, negatives": (
        lambda q, k, n: objectives.info_nce(q, k, negatives=n, temperature=0.2),
        [(4, 3), (4, 3), (5, 3)],
    ),
    "cosine_regression": (objectives.cosine_regression, [(4, 3), (4, 3)]),
    "barlow_twins": (partial(objectives.barlow_twins, lambd=0.01), [(5, 3), (5, 3)]),
    "vicreg": (partial(objectives.vicreg, **VICREG), [(5, 3), (5, 3)]),
    "sinkhorn": (partial(objectives.sinkhorn, epsilon=0.05, iterations=3), [(5, 4)]),
    "swapped_prediction": (partial(objectives.swapped_prediction, temperature=0.1), [(4, 5), (4, 5)]),
    "dino": (partial(objectives.dino, **DINO), [(4, 5), (4, 5), (5,)]),
    "masked_reconstruction": (
        lambda p, t: objectives.masked_reconstruction(p, t, MASK),
        [(2, 3, 4), (2, 3, 4)],
    ),
    "masked_reconstruction, raw": (
        lambda p, t: objectives.masked_reconstruction(p, t, MASK, normalise=False),
        [(2, 3, 4), (2, 3, 4)],
    ),
    "masked_classification": (lambda x: objectives.masked_classification(x, CLASSES, MASK), [(2, 3, 5)]),
    "masked_tokens": (
        lambda p, t: objectives.masked_tokens(p, t, CODES, MASK),
        [(2, 3, 9), (2, 3, 4)],
    ),
    "diet": (lambda x: objectives.diet(x, torch.tensor([6, 0, 3]), label_smoothing=0.8), [(3, 7)]),
}
LOSSES = sorted(set(CASES) - {"sinkhorn"})
# Only the first of these tensors gets a gradient; the rest are targets, by the formula.
TARGETS_DETACHED = {"cosine_regression", "swapped_prediction", "dino"}


def draw(shapes, dtype=torch.float64, scale=1.0):
    generator = torch.Generator().manual_seed(0)
    return [(scale * torch.randn(*s, dtype=torch.float64, generator=generator)).to(dtype) for s in shapes]


def with_gradient(case, tensors, *, autocast=False):
    objective, _ = CASES[case]
    tensors = [t.detach().requires_grad_() for t in tensors]
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        loss = objective(*tensors)
    loss.backward()
    return loss, [t.grad for t in tensors if t.grad is not None]


def test_every_exported_objective_is_examined_here():
    assert {case.split(",")[0] for case in CASES} == set(objectives.__all__)


@pytest.mark.parametrize("name", objectives.__all__)
def test_options_are_given_by_name_and_the_formula_and_source_are_told(name):
    objective = getattr(objectives, name)
    assert (
        "arXiv:" in objective.__doc__ and "Refused:" in objective.__doc__ and "Shapes:" in objective.__doc__
    )
    for parameter in inspect.signature(objective).parameters.values():
        tensor = "Tensor" in str(parameter.annotation) or "jaxtyping" in str(parameter.annotation)
        assert tensor or parameter.kind is parameter.KEYWORD_ONLY, parameter


@pytest.mark.parametrize("case", LOSSES)
def test_a_loss_is_one_finite_number_with_finite_gradient(case):
    loss, gradients = with_gradient(case, draw(CASES[case][1]))
    assert loss.shape == () and loss.isfinite()
    assert gradients and all(g.isfinite().all() for g in gradients)


@pytest.mark.parametrize("case", LOSSES)
def test_gradient_is_that_of_the_formula(case):
    objective, shapes = CASES[case]
    first, *rest = (t.requires_grad_() for t in draw(shapes))
    if case in TARGETS_DETACHED:
        rest = [t.detach() for t in rest]
    assert torch.autograd.gradcheck(objective, (first, *rest))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("case", CASES)
def test_float32_and_float64_stay_what_they_are(case, dtype):
    objective, shapes = CASES[case]
    assert objective(*draw(shapes, dtype)).dtype == dtype


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("case", CASES)
def test_half_types_are_raised_to_float32(case, dtype):
    objective, shapes = CASES[case]
    half = draw(shapes, dtype)
    result = objective(*half)
    assert result.dtype == torch.float32
    assert torch.equal(result, objective(*(t.float() for t in half)))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("case", LOSSES)
def test_gradient_comes_back_in_the_type_of_the_input(case, dtype):
    _, gradients = with_gradient(case, draw(CASES[case][1], dtype))
    assert all(g.dtype == dtype and g.isfinite().all() for g in gradients)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("case", CASES)
def test_autocast_changes_nothing(case, dtype):
    objective, shapes = CASES[case]
    tensors = draw(shapes, dtype)
    outside = objective(*tensors)
    with torch.autocast("cpu", torch.bfloat16):
        inside = objective(*tensors)
        assert torch.is_autocast_enabled("cpu"), "autocast is given back to the caller"
    assert inside.dtype == outside.dtype and torch.equal(inside, outside)


@pytest.mark.parametrize("case", LOSSES)
def test_autocast_changes_no_gradient(case):
    tensors = draw(CASES[case][1], torch.float32)
    _, outside = with_gradient(case, tensors)
    _, inside = with_gradient(case, tensors, autocast=True)
    assert all(torch.equal(a, b) for a, b in zip(inside, outside, strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e-4, 1e4])
@pytest.mark.parametrize("case", LOSSES)
def test_loss_and_gradient_are_finite_at_extremes(case, scale, dtype):
    loss, gradients = with_gradient(case, draw(CASES[case][1], dtype, scale))
    assert loss.isfinite()
    if dtype is torch.float32:
        assert all(g.isfinite().all() for g in gradients)
    assert not any(g.isnan().any() for g in gradients)


@pytest.mark.parametrize("case", LOSSES)
def test_loss_and_gradient_are_finite_for_a_constant_batch(case):
    loss, gradients = with_gradient(case, [torch.full(shape, 3.0) for shape in CASES[case][1]])
    assert loss.isfinite() and all(g.isfinite().all() for g in gradients)


def test_one_zero_embedding_is_finite_and_leaves_the_others_their_gradient():
    for case in ("nt_xent", "info_nce", "info_nce, negatives", "cosine_regression"):
        tensors = draw(CASES[case][1], torch.float16)
        for tensor in tensors:
            tensor[1] = 0
        loss, gradients = with_gradient(case, tensors)
        assert loss.isfinite() and all(g.isfinite().all() and g.any() for g in gradients)


@pytest.mark.parametrize("temperature", [1e-3, 1e-8, 1e-12, 1e8])
def test_temperatures_at_the_limit_stay_finite(temperature):
    a, b = draw([(4, 5), (4, 5)], torch.float32, 1e4)
    codes = b.softmax(1)
    losses = [
        objectives.nt_xent(a, b, temperature=temperature),
        objectives.info_nce(a, b, temperature=temperature),
        objectives.info_nce(a, b, negatives=a, temperature=temperature),
        objectives.swapped_prediction(a, codes, temperature=temperature),
        objectives.dino(
            a, b, torch.zeros(5), student_temperature=temperature, teacher_temperature=temperature
        ),
        objectives.sinkhorn(a, epsilon=temperature, iterations=3).sum(),
    ]
    assert all(loss.isfinite() for loss in losses)


@pytest.mark.parametrize("case", CASES)
def test_objectives_leave_their_inputs_alone_and_draw_nothing_at_random(case):
    objective, shapes = CASES[case]
    tensors = draw(shapes)
    before, state = [t.clone() for t in tensors], torch.get_rng_state()
    first, second = objective(*tensors), objective(*tensors)
    assert torch.equal(first, second) and torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(tensors, before, strict=True))


def refused(name, value, call):
    return pytest.param(value, call, id=name)


Z, Y = torch.randn(4, 3), torch.randn(4, 3)
ONE, INT = Z[:1], torch.ones(4, 3, dtype=torch.long)
TOKENS, CENTER = torch.randn(2, 3, 4), torch.zeros(3)
LOGITS, INDEX = torch.randn(2, 3, 5), torch.tensor([0, 1, 2, 0])


def pairs():
    """Each comparison of two matrices, as (name, function of the two, names of the two)."""
    yield "nt_xent", partial(objectives.nt_xent, temperature=0.2), ("z1", "z2")
    yield "info_nce", partial(objectives.info_nce, temperature=0.2), ("query", "key")
    yield "cosine_regression", objectives.cosine_regression, ("prediction", "target")
    yield "barlow_twins", partial(objectives.barlow_twins, lambd=0.01), ("z1", "z2")
    yield "vicreg", partial(objectives.vicreg, **VICREG), ("z1", "z2")
    yield "swapped_prediction", partial(objectives.swapped_prediction, temperature=0.1), ("scores", "codes")
    yield "dino", lambda s, t: objectives.dino(s, t, CENTER, **DINO), ("student", "teacher")


BAD_PAIRS = [
    pytest.param(call, a, b, said, id=f"{name}: {what}")
    for name, call, (first, second) in pairs()
    for what, a, b, said in [
        ("unequal rows", Z, Y[:3], "(3, 3)"),
        ("unequal columns", Z, Y[:, :2], "(4, 2)"),
        ("no dimension for samples", Z[0], Y[0], first),
        ("three dimensions", Z[None], Y[None], first),
        ("second of three dimensions", Z, Y[None], second),
        ("whole numbers", INT, Y, first),
        ("whole numbers second", Z, INT, second),
        ("mixed types", Z, Y.double(), "torch.float64"),
        ("not a tensor", Z.numpy(), Y, first),
        ("empty batch", Z[:0], Y[:0], "0 rows"),
        ("no columns", Z[:, :0], Y[:, :0], "0 columns"),
    ]
]


@pytest.mark.parametrize(("call", "a", "b", "said"), BAD_PAIRS)
def test_what_cannot_be_compared_is_refused(call, a, b, said):
    with pytest.raises(ObjectiveError) as refusal:
        call(a, b)
    assert said in str(refusal.value)


BAD_NUMBERS = [0, 0.0, -0.5, 1e-13, math.nan, math.inf]


@pytest.mark.parametrize("value", BAD_NUMBERS)
@pytest.mark.parametrize(
    ("option", "call"),
    [
        refused("nt_xent", "temperature", lambda v: objectives.nt_xent(Z, Y, temperature=v)),
        refused("info_nce", "temperature", lambda v: objectives.info_nce(Z, Y, temperature=v)),
        refused("queue", "temperature", lambda v: objectives.info_nce(Z, Y, negatives=Z, temperature=v)),
        refused("sinkhorn", "epsilon", lambda v: objectives.sinkhorn(Z, epsilon=v, iterations=3)),
        refused(
            "swapped_prediction", "temperature", lambda v: objectives.swapped_prediction(Z, Y, temperature=v)
        ),
        refused(
            "dino student",
            "student_temperature",
            lambda v: objectives.dino(Z, Y, CENTER, student_temperature=v, teacher_temperature=0.1),
        ),
        refused(
            "dino teacher",
            "teacher_temperature",
            lambda v: objectives.dino(Z, Y, CENTER, student_temperature=0.1, teacher_temperature=v),
        ),
    ],
)
def test_temperatures_and_epsilons_not_above_zero_are_refused(option, call, value):
    with pytest.raises(ObjectiveError, match=rf"^{option} is {value}: .*above 0"):
        call(value)


@pytest.mark.parametrize("value", [-1e-9, -1.0, math.nan, math.inf])
@pytest.mark.parametrize(
    ("option", "call"),
    [refused("barlow_twins", "lambd", lambda v: objectives.barlow_twins(Z, Y, lambd=v))]
    + [
        refused(f"vicreg {name}", name, lambda v, name=name: objectives.vicreg(Z, Y, **{**VICREG, name: v}))
        for name in VICREG
    ],
)
def test_negative_weights_are_refused(option, call, value):
    with pytest.raises(ObjectiveError, match=f"^{option} is {value}: give"):
        call(value)


MASKS = {
    "wrong shape": (torch.ones(2, 4, dtype=torch.bool), "(2, 4)"),
    "one axis too few": (torch.ones(2, dtype=torch.bool), "(2,)"),
    "one axis too many": (torch.ones(2, 3, 1, dtype=torch.bool), "(2, 3, 1)"),
    "numbers": (torch.ones(2, 3), "torch.float32"),
    "bytes": (torch.ones(2, 3, dtype=torch.uint8), "torch.uint8"),
    "not a tensor": ([[True] * 3] * 2, "list"),
    "nothing hidden": (torch.zeros(2, 3, dtype=torch.bool), "hides no token"),
}


@pytest.mark.parametrize("name", MASKS)
def test_masks_that_hide_nothing_or_do_not_fit_are_refused(name):
    mask, said = MASKS[name]
    for call in (
        lambda: objectives.masked_reconstruction(TOKENS, TOKENS, mask),
        lambda: objectives.masked_classification(LOGITS, CLASSES, mask),
    ):
        with pytest.raises(ObjectiveError, match=r"^mask") as refusal:
            call()
        assert said in str(refusal.value)


def test_an_empty_mask_of_an_empty_batch_is_refused():
    none = torch.zeros(0, 3, dtype=torch.bool)
    with pytest.raises(ObjectiveError, match="hides no token"):
        objectives.masked_reconstruction(TOKENS[:0], TOKENS[:0], none)


OTHERS = [
    refused("nt_xent: one sample", "at least 2", lambda: objectives.nt_xent(ONE, ONE, temperature=0.1)),
    refused("info_nce: one sample", "at least 2", lambda: objectives.info_nce(ONE, ONE, temperature=0.1)),
    refused("barlow_twins: one sample", "at least 2", lambda: objectives.barlow_twins(ONE, ONE, lambd=0.1)),
    refused("vicreg: one sample", "at least 2", lambda: objectives.vicreg(ONE, ONE, **VICREG)),
    refused(
        "info_nce: empty queue",
        "negatives has 0 rows",
        lambda: objectives.info_nce(Z, Y, negatives=Z[:0], temperature=0.1),
    ),
    refused(
        "info_nce: narrow queue",
        "negatives 2",
        lambda: objectives.info_nce(Z, Y, negatives=Z[:, :2], temperature=0.1),
    ),
    refused(
        "info_nce: flat queue",
        "negatives has shape (3,)",
        lambda: objectives.info_nce(Z, Y, negatives=Z[0], temperature=0.1),
    ),
    refused(
        "info_nce: queue of another type",
        "negatives torch.float64",
        lambda: objectives.info_nce(Z, Y, negatives=Z.double(), temperature=0.1),
    ),
    refused(
        "cosine_regression: one column",
        "at least 2",
        lambda: objectives.cosine_regression(Z[:, :1], Y[:, :1]),
    ),
    refused(
        "sinkhorn: one prototype",
        "at least 2",
        lambda: objectives.sinkhorn(Z[:, :1], epsilon=1, iterations=3),
    ),
    refused("sinkhorn: no rows", "0 rows", lambda: objectives.sinkhorn(Z[:0], epsilon=1, iterations=3)),
    refused("sinkhorn: vector", "shape (3,)", lambda: objectives.sinkhorn(Z[0], epsilon=1, iterations=3)),
    refused(
        "sinkhorn: no iteration", "iterations is 0", lambda: objectives.sinkhorn(Z, epsilon=1, iterations=0)
    ),
    refused(
        "swapped_prediction: one prototype",
        "at least 2",
        lambda: objectives.swapped_prediction(Z[:, :1], Y[:, :1], temperature=0.1),
    ),
    refused(
        "dino: one prototype", "at least 2", lambda: objectives.dino(Z[:, :1], Y[:, :1], CENTER[:1], **DINO)
    ),
    refused("dino: wide center", "shape (4,)", lambda: objectives.dino(Z, Y, torch.zeros(4), **DINO)),
    refused("dino: one center", "shape (1,)", lambda: objectives.dino(Z, Y, torch.zeros(1), **DINO)),
    refused("dino: matrix center", "shape (1, 3)", lambda: objectives.dino(Z, Y, CENTER[None], **DINO)),
    refused(
        "masked_reconstruction: one number a token",
        "normalise=False",
        lambda: objectives.masked_reconstruction(TOKENS[..., :1], TOKENS[..., :1], MASK),
    ),
    refused(
        "masked_reconstruction: unequal shapes",
        "(2, 3, 3)",
        lambda: objectives.masked_reconstruction(TOKENS, TOKENS[..., :3], MASK),
    ),
    refused(
        "masked_reconstruction: whole numbers",
        "target is torch.uint8",
        lambda: objectives.masked_reconstruction(TOKENS, TOKENS.to(torch.uint8), MASK),
    ),
    refused(
        "masked_reconstruction: no numbers",
        "0 numbers",
        lambda: objectives.masked_reconstruction(TOKENS[..., :0], TOKENS[..., :0], MASK, normalise=False),
    ),
    refused(
        "masked_classification: class too high",
        "from 0 to 4",
        lambda: objectives.masked_classification(LOGITS[..., :4], torch.tensor([[0, 9, 4], [9, 1, 2]]), MASK),
    ),
    refused(
        "masked_classification: hidden class -100",
        "from -100 to -100",
        lambda: objectives.masked_classification(LOGITS, CLASSES * 0 - 100, MASK),
    ),
    refused(
        "masked_classification: one class",
        "1 classes",
        lambda: objectives.masked_classification(LOGITS[..., :1], CLASSES * 0, MASK),
    ),
    refused(
        "masked_classification: floating classes",
        "target is torch.float32",
        lambda: objectives.masked_classification(LOGITS, CLASSES.float(), MASK),
    ),
    refused(
        "masked_classification: target of another shape",
        "(2, 2)",
        lambda: objectives.masked_classification(LOGITS, CLASSES[:, :2], MASK),
    ),
    refused(
        "masked_classification: whole logits",
        "logits is torch.int64",
        lambda: objectives.masked_classification(LOGITS.long(), CLASSES, MASK),
    ),
    refused(
        "diet: smoothing 1", "label_smoothing is 1", lambda: objectives.diet(Z, INDEX, label_smoothing=1)
    ),
    refused(
        "diet: smoothing -1", "label_smoothing is -1", lambda: objectives.diet(Z, INDEX, label_smoothing=-1)
    ),
    refused(
        "diet: smoothing nan",
        "label_smoothing is nan",
        lambda: objectives.diet(Z, INDEX, label_smoothing=math.nan),
    ),
    refused("diet: index too high", "from 1 to 3", lambda: objectives.diet(Z, INDEX + 1, label_smoothing=0)),
    refused("diet: index negative", "from -1 to 1", lambda: objectives.diet(Z, INDEX - 1, label_smoothing=0)),
    refused(
        "diet: floating index",
        "index is torch.float32",
        lambda: objectives.diet(Z, INDEX * 1.0, label_smoothing=0),
    ),
    refused(
        "diet: boolean index", "index is torch.bool", lambda: objectives.diet(Z, INDEX > 0, label_smoothing=0)
    ),
    refused("diet: short index", "shape (3,)", lambda: objectives.diet(Z, INDEX[:3], label_smoothing=0)),
    refused("diet: one sample", "1 classes", lambda: objectives.diet(Z[:, :1], INDEX * 0, label_smoothing=0)),
    refused("diet: empty batch", "0 rows", lambda: objectives.diet(Z[:0], INDEX[:0], label_smoothing=0)),
]


@pytest.mark.parametrize(("said", "call"), OTHERS)
def test_bad_input_is_refused_by_name_with_a_remedy(said, call):
    with pytest.raises(ObjectiveError) as refusal:
        call()
    assert said in str(refusal.value)
    assert ":" in str(refusal.value), "the value first, then what to do"


def test_a_refusal_is_a_value_error_of_this_library():
    assert issubclass(ObjectiveError, ValueError) and issubclass(ObjectiveError, UnlabeledError)
