"""What heads promise."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

from unlabeled.errors import OptionError
from unlabeled.parts import mlp


def _kinds(head: nn.Sequential) -> list[str]:
    return [type(layer).__name__ for layer in head]


def test_widths_are_those_of_the_layers_input_first() -> None:
    head = mlp(6, 10, 8, 4)
    linear = [m for m in head if isinstance(m, nn.Linear)]
    assert [(m.in_features, m.out_features) for m in linear] == [(6, 10), (10, 8), (8, 4)]
    assert head(torch.randn(5, 6)).shape == (5, 4)


def test_a_norm_and_an_activation_stand_between_layers_and_nothing_after_the_last() -> None:
    assert _kinds(mlp(6, 10, 8, 4)) == ["Linear", "BatchNorm1d", "ReLU"] * 2 + ["Linear"]


def test_two_widths_are_one_linear_layer() -> None:
    assert _kinds(mlp(6, 4)) == ["Linear"]


@pytest.mark.parametrize("last", ["plain", "norm", "norm_without_affine"])
@pytest.mark.parametrize("norm", [True, False])
def test_a_linear_layer_has_a_bias_exactly_where_no_norm_follows(last: str, norm: bool) -> None:
    layers = [*mlp(6, 10, 8, 4, last=last, norm=norm), nn.Identity()]
    for layer, following in pairwise(layers):
        if isinstance(layer, nn.Linear):
            assert (layer.bias is not None) == (not isinstance(following, nn.BatchNorm1d))


def test_last_norm_may_have_a_scale_and_shift_or_none() -> None:
    with_affine, without = mlp(6, 8, 4, last="norm")[-1], mlp(6, 8, 4, last="norm_without_affine")[-1]
    assert isinstance(with_affine, nn.BatchNorm1d) and isinstance(without, nn.BatchNorm1d)
    assert with_affine.weight.shape == (4,) and with_affine.bias.shape == (4,)
    assert without.weight is None and without.bias is None


def test_a_last_norm_leaves_every_dimension_standardised() -> None:
    z = mlp(6, 8, 4, last="norm_without_affine")(torch.randn(64, 6))
    torch.testing.assert_close(z.mean(0), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(z.var(0, correction=0), torch.ones(4), atol=1e-3, rtol=0)


def test_activation_and_norm_can_be_chosen() -> None:
    assert _kinds(mlp(6, 8, 4, activation=nn.GELU, norm=False)) == ["Linear", "GELU", "Linear"]


@pytest.mark.parametrize("widths", [(), (4,), (4, 0), (4, -1, 4), (0, 4)])
def test_too_few_or_empty_widths_are_refused(widths: tuple[int, ...]) -> None:
    with pytest.raises(OptionError, match="at least 1"):
        mlp(*widths)
