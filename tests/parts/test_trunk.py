"""What transformer encoders share: tokens hidden, left out, absent."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from unlabeled.errors import OptionError
from unlabeled.parts.transformer import sincos
from unlabeled.parts.trunk import TokenEncoder


class Small(TokenEncoder):
    """Tokens are numbers; one that is not a number is absent."""

    def __init__(self, **options: Any) -> None:
        super().__init__("small", 16, 2, 2, **options)
        self.spec = {"name": "small"}
        self.value = nn.Linear(1, 16)

    def embed(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        place = sincos(torch.arange(float(x.shape[1]))[:, None], 16)
        return self.value(x.nan_to_num()[:, :, None]), place, ~x.isnan()


def encoder(**options: Any) -> Small:
    torch.manual_seed(0)
    return Small(**options).eval()


def test_absent_tokens_reach_nothing_and_padding_changes_no_features() -> None:
    x = torch.randn(3, 5)
    padded = torch.cat([x, torch.full((3, 4), torch.nan)], dim=1)
    for pool in ("mean", "cls"):
        torch.testing.assert_close(encoder(pool=pool)(x), encoder(pool=pool)(padded))


def test_present_narrows_what_the_input_says() -> None:
    x = torch.randn(3, 5)
    present = torch.ones(3, 5, dtype=torch.bool)
    present[:, 3:] = False
    torch.testing.assert_close(encoder().encode(x, present=present).features, encoder()(x[:, :3]))


def test_a_sample_of_which_nothing_is_there_has_finite_features_and_gradient() -> None:
    x = torch.full((2, 4), torch.nan)
    x[0] = 1.0
    made = encoder()
    features = made(x)
    assert bool(features.isfinite().all()) and bool((features[1] == 0).all())
    features.sum().backward()
    assert all(bool(p.grad.isfinite().all()) for p in made.parameters() if p.grad is not None)


def test_left_out_tokens_have_no_part_and_fillers_of_keep_neither() -> None:
    x = torch.randn(2, 6)
    x[1, 4:] = torch.nan
    keep = torch.tensor([[0, 2, 3], [1, 3, 5]])  # the last of the second row is a filler
    encoded = encoder().encode(x, keep=keep)
    changed = x.clone()
    changed[0, 1] = 9.0
    changed[1, 0] = 9.0
    torch.testing.assert_close(encoder().encode(changed, keep=keep).features, encoded.features)
    alone = encoder().encode(x[1:], keep=keep[1:, :2])
    torch.testing.assert_close(alone.features, encoded.features[1:])


def test_hidden_tokens_become_the_mask_token() -> None:
    x, mask = torch.randn(2, 6), torch.zeros(2, 6, dtype=torch.bool)
    mask[:, 1] = True
    other = x.clone()
    other[:, 1] += 3
    a, b = (encoder().encode(v, mask=mask, mask_token=torch.ones(16)).features for v in (x, other))
    assert torch.equal(a, b)
    with pytest.raises(OptionError, match="mask_token"):
        encoder().encode(x, mask=mask)


def test_dropout_makes_two_passes_differ_in_training_only() -> None:
    made, x = encoder(dropout=0.2), torch.randn(3, 5)
    assert torch.equal(made(x), made(x))
    made.train()
    assert not torch.equal(made(x), made(x))


@pytest.mark.parametrize("wrong", [{"pool": "max"}, {"dropout": 1.0}])
def test_wrong_options_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(wrong))):
        encoder(**wrong)
