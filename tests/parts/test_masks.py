"""What masks promise."""

from __future__ import annotations

import pytest
import torch

from unlabeled.data.draws import Draws
from unlabeled.errors import OptionError
from unlabeled.parts import RandomMask
from unlabeled.parts.masks import shown


def _places(tokens: int) -> torch.Tensor:
    return torch.arange(float(tokens))[:, None]


def _draws(total: int = 32, seed: int = 0, rows: slice | None = None) -> Draws:
    return Draws(seed, 3, total=total, rows=rows)


@pytest.mark.parametrize(
    ("tokens", "ratio", "kept"),
    [(64, 0.75, 16), (10, 0.75, 2), (16, 0.6, 6), (100, 0.9, 10), (10, 0.9, 1), (50, 0.98, 1), (7, 0.25, 5)],
)
def test_exactly_the_promised_number_of_tokens_stays_in_every_row(
    tokens: int, ratio: float, kept: int
) -> None:
    mask = RandomMask(ratio)(_draws(), _places(tokens))
    assert mask.shape == (32, tokens) and mask.dtype == torch.bool
    assert ((~mask).sum(1) == kept).all()


def test_every_token_is_hidden_equally_often() -> None:
    rows, tokens = 20_000, 8
    hidden = RandomMask(0.75)(_draws(rows), _places(tokens)).double()
    deviation = (0.75 * 0.25 / rows) ** 0.5
    assert ((hidden.mean(0) - 0.75).abs() < 5 * deviation).all()


def test_every_choice_of_tokens_is_equally_likely() -> None:
    rows = 12_000
    stay = (~RandomMask(0.5)(_draws(rows), _places(4))).nonzero()[:, 1].reshape(rows, 2)
    counts = torch.bincount(stay[:, 0] * 4 + stay[:, 1], minlength=16)
    seen = counts[counts > 0]
    assert len(seen) == 6
    assert ((seen / rows - 1 / 6).abs() < 5 * (1 / 6 * 5 / 6 / rows) ** 0.5).all()


def test_rows_differ_and_the_same_draws_give_the_same_mask() -> None:
    mask = RandomMask(0.75)(_draws(), _places(64))
    assert torch.equal(mask, RandomMask(0.75)(_draws(), _places(64)))
    assert not torch.equal(mask, RandomMask(0.75)(_draws(seed=1), _places(64)))
    assert len(torch.unique(mask, dim=0)) == 32


def test_a_share_of_the_batch_gets_its_rows_of_the_mask() -> None:
    whole = RandomMask(0.75)(_draws(), _places(16))
    parts = [RandomMask(0.75)(_draws(rows=s), _places(16)) for s in (slice(0, 10), slice(10, 32))]
    assert torch.equal(torch.cat(parts), whole)


@pytest.mark.parametrize("ratio", [0.0, 1.0, -0.5, 1.5, float("nan")])
def test_a_ratio_that_hides_nothing_or_all_is_refused(ratio: float) -> None:
    with pytest.raises(OptionError, match="mask ratio must be strictly between 0 and 1"):
        RandomMask(ratio)


def test_a_ratio_that_leaves_no_token_is_refused() -> None:
    with pytest.raises(OptionError, match="leaves 0 of 4 tokens"):
        RandomMask(0.9)(_draws(), _places(4))


def test_a_ratio_that_hides_no_token_is_refused() -> None:
    with pytest.raises(OptionError, match="leaves 4 of 4 tokens"):
        RandomMask(1e-12)(_draws(), _places(4))


def test_shown_lists_the_tokens_that_stay_in_ascending_order() -> None:
    mask = torch.tensor([[True, False, False, True], [False, True, False, True]])
    keep = shown(mask)
    assert keep is not None
    assert keep.tolist() == [[1, 2], [0, 2]]


def test_shown_and_hidden_are_all_tokens() -> None:
    mask = RandomMask(0.6)(_draws(), _places(16))
    keep = shown(mask)
    assert keep is not None
    assert torch.equal(torch.ones_like(mask).scatter_(1, keep, False), mask)


def test_rows_that_keep_unequal_numbers_have_no_rectangle() -> None:
    assert shown(torch.tensor([[True, False], [False, False]])) is None
    assert shown(torch.zeros(0, 4, dtype=torch.bool)) is None


def test_rows_that_hide_everything_show_nothing() -> None:
    keep = shown(torch.ones(3, 4, dtype=torch.bool))
    assert keep is not None and keep.shape == (3, 0)


def _present(counts: list[int], tokens: int) -> torch.Tensor:
    return torch.arange(tokens) < torch.tensor(counts)[:, None]


def test_absent_tokens_are_never_hidden_and_each_row_hides_its_own_share() -> None:
    counts = [10, 4, 1, 7] * 8
    present = _present(counts, 10)
    mask = RandomMask(0.75)(_draws(), _places(10), present)
    assert not bool((mask & ~present).any())
    stays = (present & ~mask).sum(1).tolist()
    assert stays == [max(1, int(n * 0.25)) for n in counts]


def test_every_present_token_is_hidden_equally_often() -> None:
    rows = 20_000
    mask = RandomMask(0.5)(_draws(rows), _places(8), _present([6] * rows, 8)).double()
    deviation = (0.25 / rows) ** 0.5
    assert ((mask[:, :6].mean(0) - 0.5).abs() < 5 * deviation).all()


def test_where_no_sample_has_two_tokens_nothing_could_be_hidden() -> None:
    with pytest.raises(OptionError, match="hides nothing"):
        RandomMask(0.75)(_draws(4), _places(3), _present([1, 1, 1, 1], 3))


def test_rows_that_show_fewer_are_filled_up_with_absent_tokens() -> None:
    present = _present([8, 4, 2, 5], 8)
    mask = RandomMask(0.5)(_draws(4), _places(8), present)
    keep = shown(mask, present)
    assert keep is not None and keep.shape == (4, 4)
    for row in range(4):
        stays = (~mask[row] & present[row]).nonzero()[:, 0].tolist()
        assert keep[row, : len(stays)].tolist() == stays
        assert not any(bool(present[row, p]) for p in keep[row, len(stays) :])


def test_unequal_rows_without_absent_tokens_are_no_rectangle() -> None:
    mask = torch.tensor([[True, False, False], [True, True, False]])
    assert shown(mask) is None
