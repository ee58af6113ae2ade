"""The figures by which a run is watched."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unlabeled.evaluation import participation_ratio
from unlabeled.methods import Output
from unlabeled.parts import PrototypeHead, Prototypes, Teacher
from unlabeled.training import watch
from unlabeled.training.watch import Reading, prototype_use, read, teacher_agreement


class Choosing(nn.Module):
    """A method whose prototypes were chosen as told."""

    def __init__(self, chosen: list[int], count: int) -> None:
        super().__init__()
        self.prototypes = Prototypes(2, count)
        self.prototypes.chosen = torch.tensor(chosen)


def as_two_processes(
    monkeypatch: pytest.MonkeyPatch, work: Callable[[int], float | None]
) -> list[float | None]:
    """What each of two processes gets that hand in one tensor each."""
    handed: list[Tensor] = []
    monkeypatch.setattr(watch, "gather", lambda x: handed.append(x) or x)
    for rank in (0, 1):
        work(rank)
    monkeypatch.setattr(watch, "gather", lambda x: torch.cat(handed))
    return [work(rank) for rank in (0, 1)]


# prototypes
def slow_use(chosen: list[int], count: int) -> float:
    shares = [chosen.count(k) / len(chosen) for k in range(count)]
    return -sum(p * math.log(p) for p in shares if p) / math.log(min(len(chosen), count))


def test_one_prototype_for_all_is_no_use_and_each_alike_is_full_use() -> None:
    assert prototype_use(Choosing([3] * 12, 4)) == 0
    assert prototype_use(Choosing([0, 1, 2, 3] * 3, 4)) == pytest.approx(1)
    assert prototype_use(Choosing([0, 1, 0, 1], 4)) == pytest.approx(0.5)


def test_fewer_rows_than_prototypes_can_still_use_them_fully() -> None:
    assert prototype_use(Choosing([5, 90, 17], 100)) == pytest.approx(1)
    assert prototype_use(Choosing([5], 100)) == 0


def test_use_equals_its_slow_definition() -> None:
    chosen = torch.randint(0, 7, (50,), generator=torch.Generator().manual_seed(0)).tolist()
    assert prototype_use(Choosing(chosen, 9)) == pytest.approx(slow_use(chosen, 9), rel=1e-6)


def test_the_least_used_of_several_sets_counts() -> None:
    both = nn.ModuleList([Choosing([0, 1, 2, 3], 4), Choosing([2, 2, 2, 2], 4)])
    assert prototype_use(both) == 0


def test_the_rows_of_all_processes_choose_together(monkeypatch: pytest.MonkeyPatch) -> None:
    halves = [Choosing([0, 0, 1, 2], 8), Choosing([3, 3, 3, 2], 8)]
    found = as_two_processes(monkeypatch, lambda rank: prototype_use(halves[rank]))
    assert found == pytest.approx([slow_use([0, 0, 1, 2, 3, 3, 3, 2], 8)] * 2)


def test_prototypes_that_nothing_has_scored_yet_say_nothing() -> None:
    head = PrototypeHead(4, hidden=8, bottleneck=4, count=5, norm=False)
    assert prototype_use(head) is None
    assert prototype_use(Teacher(head)) is None
    assert prototype_use(nn.Linear(2, 2)) is None


def test_one_prototype_for_all_is_a_collapse() -> None:
    z = torch.randn(32, 8)
    said = read(Output({}, (z,)), prototypes=0.0).trouble()
    assert said is not None and "same prototype" in said
    assert read(Output({}, (z,)), prototypes=0.5).trouble() is None


# teachers
class Followed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.student = nn.Sequential(nn.Linear(5, 3))
        self.teacher = Teacher(self.student)


def test_an_identical_teacher_agrees_fully_and_an_opposite_one_not_at_all() -> None:
    method = Followed()
    x = torch.randn(8, 5)
    assert teacher_agreement(method, x) == pytest.approx(1)
    with torch.no_grad():
        for parameter in method.student.parameters():
            parameter.neg_()
    assert teacher_agreement(method, x) == pytest.approx(-1)


def test_agreement_is_the_mean_over_rows_of_all_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    method, x = Followed(), torch.randn(8, 5)
    with torch.no_grad():
        for parameter in method.student.parameters():
            parameter.add_(torch.randn_like(parameter))
    expected = float(F.cosine_similarity(method.student(x), method.teacher(x)).mean().detach())
    assert teacher_agreement(method, x) == pytest.approx(expected, rel=1e-5)
    found = as_two_processes(monkeypatch, lambda rank: teacher_agreement(method, x[4 * rank : 4 * rank + 4]))
    assert found == pytest.approx([expected] * 2, rel=1e-5)


def test_a_method_without_a_teacher_has_no_agreement() -> None:
    assert teacher_agreement(nn.Linear(2, 2), torch.ones(3, 2)) is None


# directions
def test_participation_equals_its_definition_by_eigenvalues() -> None:
    z = F.normalize(torch.randn(40, 12, generator=torch.Generator().manual_seed(0)), dim=1)
    centred = z - z.mean(dim=0)
    lam = torch.linalg.eigvalsh(torch.cov(z.double().T))
    expected = float(lam.sum() ** 2 / (lam**2).sum())
    assert participation_ratio(centred) == pytest.approx(expected, rel=1e-6)
    assert read(Output({}, (z * 7,))).participation_ratio == pytest.approx(expected, rel=1e-4)


def test_a_line_is_one_direction_and_equal_directions_are_counted() -> None:
    line = torch.linspace(-1, 1, 9)[:, None] * torch.ones(1, 6)
    assert participation_ratio(line) == pytest.approx(1)
    assert participation_ratio(torch.cat([torch.eye(5), -torch.eye(5)])) == pytest.approx(5)


def test_equal_rows_read_as_one_direction() -> None:
    reading = read(Output({}, (torch.ones(16, 4),)))
    assert (reading.effective_rank, reading.participation_ratio) == (1, 1)


def along(directions: int) -> Reading:
    """Of rows that vary alike along so many directions."""
    corners = torch.eye(16)[:directions]
    return read(Output({}, (torch.cat([corners, -corners]).repeat(32, 1)[:32] + 0.0,)))


def test_few_directions_are_a_collapse_of_a_run_that_began_with_more() -> None:
    line, plane = along(1), along(8)
    assert (line.participation_ratio, plane.participation_ratio) == pytest.approx((1, 8))
    assert "to a line" in (line.trouble(first=plane) or "")
    assert line.trouble(first=line) is None
    assert plane.trouble(first=along(16)) is None


def test_the_features_of_two_classes_may_end_on_a_line() -> None:
    line = F.normalize(torch.tensor([[1.0, 2, 3], [3, 2, -1]]), dim=1).repeat(16, 1)
    assert "to a line" in (read(Output({}, (line,))).trouble() or "")
    assert read(Output({}, (line,), torch.eye(2).repeat(16, 1) * 9)).trouble() is None


def test_rows_of_one_view_may_share_a_large_common_part() -> None:
    """No loss compares them; a masked encoder's do, and still tell samples apart. One point they may not be."""
    torch.manual_seed(0)
    near, point = 10 + torch.randn(32, 16), 10 + 0.01 * torch.randn(32, 16)
    assert watch.LEAST_SPREAD_ALONE < read(Output({}, (near,))).feature_spread < watch.LEAST_SPREAD
    assert read(Output({}, (near,))).trouble() is None
    for views in ((near, near), (point, point), (point,)):
        assert "to one point" in (read(Output({}, views)).trouble() or "")
