"""What the decoder of masked autoencoders promises."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from unlabeled.errors import OptionError
from unlabeled.parts.decoder import TokenDecoder

PLACES = torch.cartesian_prod(torch.arange(4.0), torch.arange(4.0))


def _decoder(depth: int = 2) -> TokenDecoder:
    torch.manual_seed(0)
    return TokenDecoder(dim=12, width=16, depth=depth, heads=2, axes=2, outputs=5)


def _shown(rows: int = 3, kept: int = 6) -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    return torch.randn(rows, kept, 12), torch.rand(rows, 16).argsort(1)[:, :kept]


def test_every_token_is_predicted_shown_or_hidden() -> None:
    assert _decoder()(*_shown(), PLACES).shape == (3, 16, 5)


def test_order_of_the_shown_tokens_is_irrelevant() -> None:
    decoder, (tokens, keep) = _decoder(), _shown()
    order = torch.randperm(keep.shape[1])
    torch.testing.assert_close(
        decoder(tokens[:, order], keep[:, order], PLACES), decoder(tokens, keep, PLACES)
    )


def test_where_a_shown_token_belongs_matters() -> None:
    decoder, (tokens, keep) = _decoder(), _shown()
    assert not torch.allclose(decoder(tokens.flip(1), keep, PLACES), decoder(tokens, keep, PLACES), atol=1e-3)


def test_hidden_places_get_predictions_of_their_own() -> None:
    tokens, keep = _shown(rows=1)
    hidden = torch.ones(16, dtype=torch.bool).scatter(0, keep[0], False)
    predictions = _decoder()(tokens, keep, PLACES)[0, hidden]
    apart = torch.cdist(predictions, predictions) + torch.eye(len(predictions)) * 9
    assert apart.min() > 1e-3


def test_hidden_places_hear_of_the_shown_tokens() -> None:
    decoder, (tokens, keep) = _decoder(), _shown(rows=1)
    hidden = torch.ones(16, dtype=torch.bool).scatter(0, keep[0], False)
    tokens.requires_grad_()
    decoder(tokens, keep, PLACES)[0, hidden].sum().backward()
    assert tokens.grad is not None and (tokens.grad.abs().sum(-1) > 0).all()


def test_one_mask_token_is_shared_and_learned_and_only_where_something_is_hidden() -> None:
    decoder, (tokens, _) = _decoder(), _shown(kept=16)
    everything = torch.arange(16).expand(3, -1)
    decoder(tokens, everything, PLACES).sum().backward()
    assert decoder.mask_token.shape == (16,)
    assert decoder.mask_token.grad is None or not decoder.mask_token.grad.any()
    decoder(*_shown(), PLACES).sum().backward()
    assert decoder.mask_token.grad is not None and decoder.mask_token.grad.any()


def test_every_parameter_learns() -> None:
    decoder = _decoder()
    decoder(*_shown(), PLACES).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in decoder.parameters())


def test_what_is_saved_does_not_hold_the_positions() -> None:
    assert not any("position" in name for name in _decoder().state_dict())


def test_it_works_on_any_number_of_axes() -> None:
    decoder = TokenDecoder(12, 12, 1, 2, 1, 3)
    keep = torch.tensor([[0, 4, 6], [1, 2, 3]])
    assert decoder(torch.randn(2, 3, 12), keep, torch.arange(7.0)[:, None]).shape == (2, 7, 3)


def test_every_row_may_have_positions_of_its_own() -> None:
    decoder, (tokens, keep) = _decoder(), _shown(rows=2)
    own = torch.stack([PLACES, PLACES.flip(0)])
    together = decoder(tokens, keep, own)
    for row in range(2):
        torch.testing.assert_close(together[row : row + 1], decoder(tokens[[row]], keep[[row]], own[row]))


def test_what_an_absent_token_holds_reaches_no_other() -> None:
    decoder, (tokens, keep) = _decoder(), _shown(rows=1)
    present = torch.ones(1, 16, dtype=torch.bool)
    present[0, keep[0, -1]] = False
    other = tokens.clone()
    other[0, -1] += 5
    a, b = (decoder(t, keep, PLACES, present)[present] for t in (tokens, other))
    torch.testing.assert_close(a, b)
    everything = decoder(tokens, keep, PLACES)[present]
    assert not torch.allclose(a, everything, atol=1e-4)


def test_half_precision_passes() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        prediction = _decoder()(*_shown(), PLACES)
    assert prediction.isfinite().all()


def test_what_does_not_fit_is_refused() -> None:
    decoder, (tokens, keep) = _decoder(), _shown()
    with pytest.raises(OptionError, match="do not match"):
        decoder(tokens, keep[:, :-1], PLACES)
    with pytest.raises(OptionError, match="at least 1"):
        _decoder(depth=0)
    with pytest.raises(OptionError, match="divisible by 4"):
        TokenDecoder(12, 18, 1, 2, 2, 5)
