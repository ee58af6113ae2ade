"""What blocks and position embeddings promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from unlabeled.errors import OptionError
from unlabeled.parts.transformer import Block, sincos


def _grid(rows: int, columns: int) -> Tensor:
    return torch.cartesian_prod(torch.arange(float(rows)), torch.arange(float(columns)))


def test_block_is_the_written_out_formula() -> None:
    torch.manual_seed(0)
    block, tokens = Block(8, 2).double(), torch.randn(3, 5, 8, dtype=torch.float64)
    normed = block.norm_attention(tokens)
    queries, keys, values = block.queries_keys_values(normed).chunk(3, dim=-1)
    heads = []
    for head in (slice(0, 4), slice(4, 8)):
        scores = queries[..., head] @ keys[..., head].transpose(1, 2) / math.sqrt(4)
        heads.append(scores.softmax(-1) @ values[..., head])
    expected = tokens + block.merge(torch.cat(heads, dim=-1))
    expected = expected + block.network(block.norm_network(expected))
    torch.testing.assert_close(block(tokens), expected)


def test_block_moves_with_the_order_of_its_tokens() -> None:
    block, tokens, order = Block(8, 2), torch.randn(2, 6, 8), torch.randperm(6)
    torch.testing.assert_close(block(tokens[:, order]), block(tokens)[:, order])


def test_absent_tokens_reach_no_present_one() -> None:
    block, tokens = Block(8, 2), torch.randn(2, 6, 8)
    present = torch.tensor([[True, True, False, True, False, True], [True, False, True, True, True, True]])
    other = torch.where(present[:, :, None], tokens, torch.randn_like(tokens) * 100)
    torch.testing.assert_close(block(tokens, present)[present], block(other, present)[present])
    assert not torch.allclose(block(tokens)[present], block(other)[present])


def test_leaving_absent_tokens_out_is_the_same_as_saying_they_are_absent() -> None:
    block, tokens = Block(8, 2), torch.randn(2, 6, 8)
    present = torch.tensor([[True, True, True, True, False, False]]).expand(2, -1)
    torch.testing.assert_close(block(tokens, present)[:, :4], block(tokens[:, :4]))


def test_a_row_without_any_present_token_stays_finite() -> None:
    block, tokens = Block(8, 2), torch.randn(2, 3, 8, requires_grad=True)
    block(tokens, torch.zeros(2, 3, dtype=torch.bool)).sum().backward()
    assert tokens.grad is not None and tokens.grad.isfinite().all()


@pytest.mark.parametrize(("width", "heads"), [(10, 3), (8, 0), (0, 1)])
def test_heads_that_do_not_divide_the_width_are_refused(width: int, heads: int) -> None:
    with pytest.raises(OptionError, match=f"heads={heads}.*width={width}"):
        Block(width, heads)


def test_sincos_in_two_dimensions_has_the_values_of_the_masked_autoencoder() -> None:
    # written out from the paper's formula with numpy, per channel, one axis after the other
    dim, side = 24, 5
    quarter = dim // 4
    expected = np.zeros((side * side, dim))
    for row in range(side):
        for column in range(side):
            for axis, place in enumerate((row, column)):
                for i in range(quarter):
                    angle = place / 10000 ** (i / quarter)
                    expected[row * side + column, axis * 2 * quarter + i] = np.sin(angle)
                    expected[row * side + column, axis * 2 * quarter + quarter + i] = np.cos(angle)
    np.testing.assert_allclose(sincos(_grid(side, side), dim).numpy(), expected, atol=1e-6)


@pytest.mark.parametrize(("axes", "dim"), [(1, 6), (2, 8), (3, 12), (4, 16)])
def test_sincos_tells_all_places_of_a_grid_apart(axes: int, dim: int) -> None:
    places = torch.cartesian_prod(*[torch.arange(3.0)] * axes).reshape(-1, axes)
    embedding = sincos(places, dim)
    assert embedding.shape == (3**axes, dim)
    distances = torch.cdist(embedding, embedding) + torch.eye(3**axes) * 9
    assert distances.min() > 0.1


def test_sincos_takes_places_between_and_keeps_double_precision() -> None:
    near = sincos(torch.tensor([[1.0], [1.001]]), 8)
    assert 0 < (near[0] - near[1]).abs().max() < 0.01
    assert sincos(torch.tensor([[1.0]], dtype=torch.float64), 8).dtype == torch.float64
    assert sincos(torch.tensor([[1.0]], dtype=torch.float16), 8).dtype == torch.float32


@pytest.mark.parametrize(("axes", "dim", "near"), [(2, 10, "8 or 12"), (3, 4, "6"), (1, 7, "6 or 8")])
def test_a_width_that_does_not_fit_the_axes_is_refused_with_the_nearest(
    axes: int, dim: int, near: str
) -> None:
    with pytest.raises(OptionError, match=f"divisible by {2 * axes}, not {dim}: take {near}"):
        sincos(torch.zeros(2, axes), dim)


def test_half_precision_stays_close_and_learns() -> None:
    block, tokens = Block(8, 2), torch.randn(2, 6, 8)
    with torch.autocast("cpu", torch.bfloat16):
        half = block(tokens)
    half.float().square().sum().backward()
    torch.testing.assert_close(half.float(), block(tokens), atol=0.05, rtol=0.05)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in block.parameters())
