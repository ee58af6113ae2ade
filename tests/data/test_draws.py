"""What random numbers promise: the same whoever draws them, and independent of what was drawn before."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from unlabeled.data.draws import Draws, derive_seed

TOTAL = 12

DRAWN: dict[str, Callable[[Draws], Tensor]] = {
    "uniform": lambda d: d.uniform(3, low=-2, high=5),
    "normal": lambda d: d.normal(2, 2),
    "integers": lambda d: d.integers(1000, 4),
    "chance": lambda d: d.chance(0.5),
    "order": lambda d: d.order(6),
}


def _draws(seed: int = 0, step: int = 7, **how: object) -> Draws:
    return Draws(seed, step, total=TOTAL, **how)


def _all(draws: Draws) -> list[Tensor]:
    return [draw(draws) for draw in DRAWN.values()]


@pytest.mark.parametrize("kind", DRAWN)
def test_the_shares_of_all_processes_are_the_global_batch(kind: str) -> None:
    whole = DRAWN[kind](_draws())
    shares = [DRAWN[kind](_draws(rows=slice(4 * r, 4 * r + 4), rank=r)) for r in range(3)]
    assert whole.shape[0] == TOTAL and all(s.shape[0] == 4 for s in shares)
    assert torch.equal(torch.cat(shares), whole)


def test_shares_stay_aligned_however_many_numbers_were_drawn() -> None:
    whole, second = _draws(), _draws(rows=slice(6, 12), rank=1)
    for mine, all_rows in zip(_all(second), _all(whole), strict=True):
        assert torch.equal(mine, all_rows[6:])


@pytest.mark.parametrize("kind", DRAWN)
def test_same_seed_and_step_give_the_same_numbers(kind: str) -> None:
    first = DRAWN[kind](_draws())
    assert torch.equal(first, DRAWN[kind](_draws()))
    others = [DRAWN[kind](_draws(seed=1)), DRAWN[kind](_draws(step=8))]
    assert not any(torch.equal(first, other) for other in others)


def test_the_global_generator_neither_moves_them_nor_is_moved() -> None:
    torch.manual_seed(1)
    first, state = _all(_draws()), torch.get_rng_state()
    torch.manual_seed(2)
    assert all(torch.equal(a, b) for a, b in zip(first, _all(_draws()), strict=True))
    torch.manual_seed(1)
    assert torch.equal(state, torch.get_rng_state())


def test_a_child_does_not_move_with_what_its_parent_or_its_sister_drew() -> None:
    alone = _draws().child("a").uniform(5)
    parent = _draws()
    parent.uniform(100), parent.child("b").normal(7)
    assert torch.equal(parent.child("a").uniform(5), alone)
    parent = _draws()
    before = _draws().uniform(3)
    parent.child("a").uniform(5)
    assert torch.equal(parent.uniform(3), before)


def test_children_of_different_names_are_different_streams() -> None:
    drawn = [_draws().uniform(50), *(_draws().child(name).uniform(50) for name in ("a", "b", "0", "1"))]
    drawn += [_draws().child("a").child("b").uniform(50), _draws().child("b").child("a").uniform(50)]
    flat = torch.stack([d.flatten() for d in drawn]).double()
    correlation = torch.corrcoef(flat) - torch.eye(len(drawn))
    assert correlation.abs().max() < 5 / flat.shape[1] ** 0.5


def test_only_is_the_same_stream_for_some_rows() -> None:
    rows = torch.tensor([5, 0, 9])
    for mine, whole in zip(_all(_draws().only(rows)), _all(_draws()), strict=True):
        assert torch.equal(mine, whole[rows])


def test_only_counts_rows_within_this_process() -> None:
    rows = torch.tensor([1, 3])
    for mine, whole in zip(_all(_draws(rows=slice(6, 12), rank=1).only(rows)), _all(_draws()), strict=True):
        assert torch.equal(mine, whole[[7, 9]])


def test_only_of_only_and_children_of_only_keep_to_their_rows() -> None:
    chosen = _draws().only(torch.tensor([2, 4, 6, 8])).only(torch.tensor([3, 1]))
    assert torch.equal(chosen.uniform(3), _draws().uniform(3)[[8, 4]])
    assert torch.equal(chosen.child("a").uniform(3), _draws().child("a").uniform(3)[[8, 4]])


def test_no_rows_are_no_numbers() -> None:
    assert _draws().only(torch.zeros(0, dtype=torch.long)).uniform(3).shape == (0, 3)


def test_numbers_lie_where_they_should() -> None:
    draws = Draws(0, 0, total=20_000)
    uniform, whole = draws.uniform(low=-2, high=5), draws.integers(6)
    assert uniform.min() >= -2 and uniform.max() <= 5
    assert abs(float(uniform.mean()) - 1.5) < 0.07 and abs(float(uniform.std()) - 7 / 12**0.5) < 0.05
    assert set(whole.tolist()) == set(range(6))
    normal = draws.normal()
    assert abs(float(normal.mean())) < 0.04 and abs(float(normal.std()) - 1) < 0.03
    assert torch.equal(draws.order(5).sort(dim=1).values, torch.arange(5).expand(20_000, 5))


def test_chance_takes_one_probability_or_one_a_row() -> None:
    assert not _draws().chance(0.0).any() and _draws().chance(1.0).all()
    assert abs(float(Draws(0, 0, total=20_000).chance(0.2).double().mean()) - 0.2) < 0.015
    each = torch.arange(TOTAL) % 2
    assert torch.equal(_draws().chance(each.float()), each.bool())


def test_numbers_for_the_whole_batch_are_the_same_on_every_process() -> None:
    shares = [_draws(rows=slice(6 * r, 6 * r + 6), rank=r) for r in range(2)]
    assert shares[0].once(2, 3) == shares[1].once(2, 3)
    first, second = (s.permutation() for s in shares)
    assert torch.equal(first, second) and first.sort().values.tolist() == list(range(TOTAL))
    assert 2 <= _draws().once(2, 3) < 3


def test_pixel_noise_differs_between_processes_and_repeats_within_one() -> None:
    def noise(rank: int, step: int = 7, name: str = "a") -> Tensor:
        return torch.randn(50, generator=_draws(step=step, rank=rank).child(name).noise())

    assert torch.equal(noise(0), noise(0))
    for other in (noise(1), noise(0, step=8), noise(0, name="b")):
        assert not torch.equal(noise(0), other)


def test_seeds_are_stable_and_tell_their_parts_apart() -> None:
    assert derive_seed(0, "order", 3) == derive_seed(0, "order", 3)
    found = {derive_seed(*parts) for parts in [(0,), (1,), (0, 1), (1, 0), (0, 0, 1), ("0", "order"), (10,)]}
    assert len(found) == 7 and all(0 <= seed < 2**63 for seed in found)
    # written down: a run resumed by a later version must draw the same numbers
    assert derive_seed(0, 7, "/0") == 5283168319215517011


def test_ragged_numbers_depend_on_row_and_place_alone() -> None:
    row = torch.tensor([0, 0, 0, 1, 2, 2, 3])
    place = torch.tensor([0, 1, 2, 0, 0, 1, 0])
    whole = Draws(0, 5, total=4).ragged(row, place)
    second = Draws(0, 5, total=4, rows=slice(2, 4)).ragged(row[4:] - 2, place[4:])
    assert torch.equal(whole[4:], second)
    assert not torch.equal(whole, Draws(0, 6, total=4).ragged(row, place))


def test_ragged_numbers_are_uniform_and_unrelated_between_places_and_rows() -> None:
    rows, places = 400, 250
    row = torch.arange(rows).repeat_interleave(places)
    place = torch.arange(places).repeat(rows)
    drawn = Draws(1, 0, total=rows).ragged(row, place).double().reshape(rows, places)
    assert float(drawn.min()) >= 0 and float(drawn.max()) < 1
    histogram = torch.histc(drawn.flatten(), 20, 0, 1) / drawn.numel()
    assert float((histogram - 0.05).abs().max()) < 5 * (0.05 * 0.95 / drawn.numel()) ** 0.5
    for centred in (drawn - drawn.mean(0), (drawn - drawn.mean(1, keepdim=True)).T):
        correlation = torch.corrcoef(centred.T[:40]) - torch.eye(40)
        assert float(correlation.abs().max()) < 6 / centred.shape[0] ** 0.5


def test_sized_draws_are_as_many_as_asked_for_and_the_same_on_every_process() -> None:
    whole = Draws(0, 1, total=8).sized(5).uniform()
    share = Draws(0, 1, total=8, rows=slice(4, 8)).sized(5).uniform()
    assert whole.shape == (5,) and torch.equal(whole, share)
