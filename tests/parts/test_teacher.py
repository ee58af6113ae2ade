"""What a teacher promises."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from unlabeled.errors import OptionError
from unlabeled.parts import GlobalBatchNorm, Teacher, globalise, joint


def _student() -> tuple[nn.Sequential, nn.Sequential]:
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU())
    head = nn.Sequential(nn.Linear(8, 4), nn.BatchNorm1d(4))
    return encoder, head


def _move(*modules: nn.Module) -> None:
    with torch.no_grad():
        for module in modules:
            for parameter in module.parameters():
                parameter.add_(torch.randn_like(parameter))


def _parameters(*modules: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for module in modules for p in module.parameters()]


def test_starts_as_an_exact_copy_heads_included() -> None:
    encoder, head = _student()
    teacher = Teacher(encoder, head)
    whole = nn.Sequential(encoder, head)
    assert len(list(teacher.parameters())) == len(list(whole.parameters()))
    for mine, theirs in zip(teacher.state_dict().values(), whole.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)
    x = torch.randn(16, 6)
    assert torch.equal(teacher(x), whole(x))


def test_shares_no_memory_with_the_student() -> None:
    encoder, head = _student()
    teacher = Teacher(encoder, head)
    before = _parameters(teacher)
    _move(encoder, head)
    assert all(torch.equal(a, b) for a, b in zip(before, _parameters(teacher), strict=True))


def test_never_gets_a_gradient_nor_passes_one_on() -> None:
    encoder, head = _student()
    teacher = Teacher(encoder, head)
    x = torch.randn(16, 6, requires_grad=True)
    out = teacher(x)
    assert not out.requires_grad
    (head(encoder(x)) - out).square().sum().backward()
    assert all(not p.requires_grad and p.grad is None for p in teacher.parameters())
    assert all(p.requires_grad and p.grad is not None for p in (*encoder.parameters(), *head.parameters()))


def test_moves_by_the_formula_of_the_moving_average() -> None:
    encoder, head = _student()
    teacher = Teacher(encoder, head)
    expected = [p.double() for p in _parameters(encoder, head)]
    for momentum in (0.9, 0.99, 0.3, 0.996, 0.5):
        _move(encoder, head)
        student = [p.double() for p in _parameters(encoder, head)]
        expected = [momentum * t + (1 - momentum) * s for t, s in zip(expected, student, strict=True)]
        teacher.follow(encoder, head, momentum=momentum)
    for mine, right in zip(_parameters(teacher), expected, strict=True):
        torch.testing.assert_close(mine.double(), right, rtol=1e-5, atol=1e-6)


def test_momentum_0_is_the_student_and_1_never_moves() -> None:
    encoder, head = _student()
    still, close = Teacher(encoder, head), Teacher(encoder, head)
    before = _parameters(still)
    _move(encoder, head)
    still.follow(encoder, head, momentum=1.0)
    close.follow(encoder, head, momentum=0.0)
    assert all(torch.equal(a, b) for a, b in zip(_parameters(still), before, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(_parameters(close), _parameters(encoder, head), strict=True))


def test_batch_norm_statistics_are_its_own() -> None:
    encoder, head = _student()
    teacher = Teacher(encoder, head)
    x = torch.randn(32, 6) + 3
    for _ in range(3):
        encoder(x)
    teacher.follow(encoder, head, momentum=0.5)
    own = teacher.stages[0].get_submodule("1")
    assert torch.equal(own.running_mean, torch.zeros(8)) and int(own.num_batches_tracked) == 0
    teacher(x)
    assert int(own.num_batches_tracked) == 1 and own.running_mean.abs().max() > 0


def test_batch_norm_over_processes_has_statistics_of_its_own_too() -> None:
    encoder, _ = _student()
    teacher = Teacher(encoder)
    globalise(encoder), globalise(teacher)
    assert isinstance(encoder[1], GlobalBatchNorm)
    encoder(torch.randn(32, 6) + 3)
    teacher.follow(encoder, momentum=0.5)
    assert torch.equal(teacher.stages[0].get_submodule("1").running_mean, torch.zeros(8))


def test_other_buffers_are_copied() -> None:
    student = nn.Sequential(nn.Linear(2, 2))
    student.register_buffer("scale", torch.ones(2))
    student.register_buffer("count", torch.zeros((), dtype=torch.long))
    teacher = Teacher(student)
    student.scale.mul_(7)
    student.count.add_(3)
    teacher.follow(student, momentum=0.9)
    assert torch.equal(teacher.stages[0].scale, torch.full((2,), 7.0))
    assert int(teacher.stages[0].count) == 3


def test_what_it_follows_survives_saving_and_loading() -> None:
    encoder, head = _student()
    teacher = Teacher(encoder, head)
    _move(encoder, head)
    teacher.follow(encoder, head, momentum=0.7)
    other = Teacher(*_student())
    other.load_state_dict(copy.deepcopy(teacher.state_dict()))
    x = torch.randn(8, 6)
    assert torch.equal(other.eval()(x), teacher.eval()(x))


def test_students_are_not_the_teachers_own_to_save_or_to_train() -> None:
    encoder, head = _student()
    teacher = Teacher(encoder, head)
    assert all(name.startswith("stages.") for name in teacher.state_dict())
    assert not {id(p) for p in teacher.parameters()} & {
        id(p) for p in (*encoder.parameters(), *head.parameters())
    }


def test_agreement_is_the_cosine_of_each_row_with_the_copys() -> None:
    encoder, head = _student()
    teacher = Teacher(encoder, head)
    x = torch.randn(16, 6)
    torch.testing.assert_close(teacher.agreement(x), torch.ones(16))
    _move(encoder, head)
    whole = nn.Sequential(encoder, head).eval()
    for row, found in enumerate(teacher.agreement(x)):
        mine, theirs = whole(x[row : row + 1])[0], teacher.eval()(x[row : row + 1])[0]
        torch.testing.assert_close(found, torch.dot(mine, theirs) / (mine.norm() * theirs.norm()))


def test_a_student_that_says_the_opposite_agrees_minus_one() -> None:
    student = nn.Sequential(nn.Linear(4, 4))
    teacher = Teacher(student)
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.neg_()
    torch.testing.assert_close(teacher.agreement(torch.randn(5, 4)), -torch.ones(5))


def test_agreement_moves_nothing_and_puts_every_mode_back() -> None:
    encoder, head = _student()
    teacher = Teacher(encoder, head)
    encoder[1].eval()
    modules = [*encoder.modules(), *head.modules(), *teacher.modules()]
    states = [{n: t.clone() for n, t in m.state_dict().items()} for m in (encoder, head, teacher)]
    modes = [m.training for m in modules]
    assert not teacher.agreement(torch.randn(16, 6)).requires_grad
    assert [m.training for m in modules] == modes
    for module, before in zip((encoder, head, teacher), states, strict=True):
        assert all(torch.equal(t, before[n]) for n, t in module.state_dict().items())


@pytest.mark.parametrize("momentum", [-0.1, 1.5, float("nan"), float("inf")])
def test_momentum_outside_0_to_1_is_refused(momentum: float) -> None:
    encoder, head = _student()
    teacher = Teacher(encoder, head)
    with pytest.raises(OptionError, match="momentum"):
        teacher.follow(encoder, head, momentum=momentum)


def test_following_another_number_of_modules_is_refused() -> None:
    encoder, head = _student()
    with pytest.raises(OptionError, match="2 modules, 1"):
        Teacher(encoder, head).follow(encoder, momentum=0.5)


def test_teacher_and_student_give_the_same_outputs_at_the_start_though_views_differ() -> None:
    """Batch norm must see the same rows together on both sides, or equal weights give unequal outputs."""
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8))
    head = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8))
    teacher = Teacher(encoder, head)
    views = torch.randn(16, 6), 3 + 2 * torch.randn(16, 6)
    students = [head(h) for h in joint(encoder, *views)]
    for mine, theirs in zip(teacher.each(*views), students, strict=True):
        torch.testing.assert_close(mine, theirs)
