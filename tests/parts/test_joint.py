"""What one pass for several views promises."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unlabeled.data.batch import View
from unlabeled.parts import joint


class Counted:
    """A linear layer on the mean pixel that remembers the shapes it was called with."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.layer = nn.Linear(3, 4)
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, x: Tensor) -> Tensor:
        self.shapes.append(tuple(x.shape))
        out: Tensor = self.layer(x.mean(dim=(2, 3)))
        return out


def _images(*sides: int, rows: int = 5) -> list[Tensor]:
    torch.manual_seed(1)
    return [torch.randn(rows, 3, side, side) for side in sides]


def test_views_that_stack_take_one_pass() -> None:
    f = Counted()
    joint(f, *_images(8, 8, 8))
    assert f.shapes == [(15, 3, 8, 8)]


def test_views_of_different_size_take_one_pass_a_size() -> None:
    f = Counted()
    joint(f, *_images(8, 8, 4, 4, 4))
    assert f.shapes == [(10, 3, 8, 8), (15, 3, 4, 4)]


def test_views_of_different_type_are_not_stacked() -> None:
    seen: list[torch.dtype] = []

    def f(x: Tensor) -> Tensor:
        seen.append(x.dtype)
        return x.float().flatten(1)

    a, b = torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.zeros(2, 3, 4, 4)
    joint(f, a, b)
    assert seen == [torch.uint8, torch.float32]


def test_results_are_those_of_separate_calls_in_the_order_of_the_views() -> None:
    f, views = Counted(), _images(8, 4, 8, 6, 4)
    together = joint(f, *views)
    assert len(together) == 5
    for mine, view in zip(together, views, strict=True):
        torch.testing.assert_close(mine, f(view))


def test_views_and_tensors_mean_the_same() -> None:
    f, (a, b) = Counted(), _images(8, 8)
    rows = torch.arange(5)
    for mine, right in zip(joint(f, View(a, rows), View(b, rows)), joint(f, a, b), strict=True):
        assert torch.equal(mine, right)


def test_inputs_that_are_no_tensors_are_passed_one_by_one() -> None:
    graphs = [{"nodes": torch.full((2, 3), float(i))} for i in range(3)]
    out = joint(lambda graph: graph["nodes"], *[View(g, torch.arange(2)) for g in graphs])
    assert [float(o[0, 0]) for o in out] == [0.0, 1.0, 2.0]


def test_stacked_views_share_the_moments_of_batch_norm() -> None:
    norm = nn.BatchNorm1d(3, affine=False)
    low, high = joint(norm, torch.randn(64, 3) - 5, torch.randn(64, 3) + 5)
    assert (low.mean(0) < -0.9).all() and (high.mean(0) > 0.9).all()
