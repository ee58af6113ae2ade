import math

import pytest
import torch

from unlabeled.objectives import dino

torch.set_num_threads(1)
TEMPERATURES = {"student_temperature": 0.1, "teacher_temperature": 0.04}


def draw(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def slow_dino(student, teacher, center, student_temperature, teacher_temperature):
    total = 0.0
    for s, t in zip(student.tolist(), teacher.tolist(), strict=True):
        weights = [math.exp((x - c) / teacher_temperature) for x, c in zip(t, center.tolist(), strict=True)]
        normaliser = math.log(sum(math.exp(x / student_temperature) for x in s))
        for weight, x in zip(weights, s, strict=True):
            total -= weight / sum(weights) * (x / student_temperature - normaliser)
    return total / len(student)


@pytest.mark.parametrize(("n", "k"), [(1, 2), (5, 6)])
def test_dino_is_its_formula(n, k):
    student, teacher, center = draw(n, k), draw(n, k, seed=1), draw(k, seed=2)
    expected = slow_dino(student, teacher, center, **TEMPERATURES)
    assert dino(student, teacher, center, **TEMPERATURES).item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("k", [2, 64])
def test_uniform_student_and_teacher_cost_log_k(k):
    flat = torch.full((3, k), 5.0, dtype=torch.float64)
    loss = dino(flat, flat, torch.zeros(k, dtype=torch.float64), **TEMPERATURES)
    assert loss.item() == pytest.approx(math.log(k), rel=1e-12)


def test_a_center_equal_to_every_teacher_row_makes_its_target_uniform():
    student, center = draw(4, 6), draw(6, seed=1)
    loss = dino(student, center.expand(4, 6), center, **TEMPERATURES)
    torch.testing.assert_close(loss, -(student / 0.1).log_softmax(1).mean())


def test_a_sharp_teacher_asks_for_its_largest_prototype():
    student, teacher = draw(4, 6), draw(4, 6, seed=1)
    zero = torch.zeros(6, dtype=torch.float64)
    loss = dino(student, teacher, zero, student_temperature=0.1, teacher_temperature=1e-6)
    expected = torch.nn.functional.cross_entropy(student / 0.1, teacher.argmax(1))
    torch.testing.assert_close(loss, expected)


def test_dino_ignores_a_constant_added_to_a_row():
    student, teacher, center = draw(4, 6), draw(4, 6, seed=1), draw(6, seed=2)
    loss = dino(student, teacher, center, **TEMPERATURES)
    torch.testing.assert_close(dino(student + 3, teacher - 2, center, **TEMPERATURES), loss)


def test_no_gradient_reaches_teacher_or_center():
    student, teacher, center = (draw(*shape).requires_grad_() for shape in ((4, 6), (4, 6), (6,)))
    dino(student, teacher, center, **TEMPERATURES).backward()
    assert teacher.grad is None and center.grad is None and student.grad.any()
