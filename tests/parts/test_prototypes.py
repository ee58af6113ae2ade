"""What prototypes promise."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from unlabeled.errors import OptionError
from unlabeled.parts import PrototypeHead, Prototypes


def _lengths(weight: torch.Tensor) -> torch.Tensor:
    return weight.detach().double().norm(dim=1)


def test_rows_are_unit_from_the_start_and_after_normalise() -> None:
    prototypes = Prototypes(6, 10)
    torch.testing.assert_close(_lengths(prototypes.weight), torch.ones(10).double(), rtol=1e-6, atol=0)
    with torch.no_grad():
        prototypes.weight.mul_(torch.linspace(0.1, 50, 10)[:, None]).add_(0.3)
    directions = F.normalize(prototypes.weight.detach(), dim=1)
    parameter = prototypes.weight
    prototypes.normalise()
    assert prototypes.weight is parameter
    torch.testing.assert_close(_lengths(parameter), torch.ones(10).double(), rtol=1e-6, atol=0)
    torch.testing.assert_close(parameter.detach(), directions)


def test_scores_are_cosines() -> None:
    prototypes, z = Prototypes(6, 10), torch.randn(7, 6) * 40
    scores = prototypes(z)
    for i in range(7):
        for k in range(10):
            cosine = torch.dot(z[i], prototypes.weight[k]) / (z[i].norm() * prototypes.weight[k].norm())
            torch.testing.assert_close(scores[i, k], cosine)


def test_prototypes_are_learned() -> None:
    prototypes = Prototypes(6, 10)
    prototypes(torch.randn(7, 6)).square().sum().backward()
    assert prototypes.weight.grad is not None and (prototypes.weight.grad.norm(dim=1) > 0).all()


def test_head_scores_are_cosines_whatever_the_length_of_its_rows() -> None:
    torch.manual_seed(0)
    head, x = PrototypeHead(6, hidden=16, bottleneck=5, count=9, norm=False), torch.randn(7, 6)
    scores = head(x)
    expected = F.cosine_similarity(head.mlp(x)[:, None], head.prototypes[None], dim=2)
    torch.testing.assert_close(scores, expected)
    with torch.no_grad():
        head.prototypes.mul_(torch.linspace(0.5, 20, 9)[:, None])
    torch.testing.assert_close(head(x), scores)


def test_head_moves_directions_only() -> None:
    head = PrototypeHead(6, hidden=16, bottleneck=5, count=9, norm=False)
    head(torch.randn(7, 6)).square().sum().backward()
    assert head.prototypes.grad is not None
    along = (head.prototypes.grad * head.prototypes).sum(1).detach()
    torch.testing.assert_close(along, torch.zeros(9), atol=1e-5, rtol=0)
    assert (head.prototypes.grad.norm(dim=1) > 0).all()


@pytest.mark.parametrize("norm", [True, False])
def test_head_has_batch_norm_only_where_asked(norm: bool) -> None:
    head = PrototypeHead(6, hidden=16, bottleneck=5, count=9, norm=norm)
    assert sum(isinstance(m, nn.BatchNorm1d) for m in head.modules()) == (2 if norm else 0)
    assert sum(isinstance(m, nn.GELU) for m in head.modules()) == 2


def _scorers() -> list[Prototypes | PrototypeHead]:
    torch.manual_seed(0)
    return [Prototypes(6, 9), PrototypeHead(6, hidden=16, bottleneck=5, count=9, norm=False)]


@pytest.mark.parametrize("scorer", _scorers(), ids=["prototypes", "head"])
def test_remembers_which_prototype_scored_highest(scorer: Prototypes | PrototypeHead) -> None:
    scores = scorer(torch.randn(7, 6))
    assert scorer.chosen is not None and scorer.count == 9
    assert scorer.chosen.tolist() == [max(range(9), key=lambda k: float(row[k])) for row in scores.detach()]
    assert not any("chosen" in name for name in scorer.state_dict())


@pytest.mark.parametrize("scorer", _scorers(), ids=["prototypes", "head"])
def test_scores_that_nothing_learns_from_are_not_remembered(scorer: Prototypes | PrototypeHead) -> None:
    """A teacher's, a queue's, a held-out batch's."""
    with torch.no_grad():
        scorer(torch.randn(7, 6))
    assert scorer.chosen is None
    scorer(torch.randn(7, 6))
    with torch.no_grad():
        scorer(torch.randn(3, 6))
    assert scorer.chosen is not None and len(scorer.chosen) == 7


@pytest.mark.parametrize("count", [1, 0, -3])
def test_fewer_than_two_prototypes_are_refused(count: int) -> None:
    with pytest.raises(OptionError, match="two prototypes"):
        Prototypes(6, count)
    with pytest.raises(OptionError, match="two prototypes"):
        PrototypeHead(6, hidden=16, bottleneck=5, count=count, norm=False)
