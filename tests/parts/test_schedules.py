"""What schedules promise."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from unlabeled.parts import Clock, Cosine, Linear, WarmupCosine
from unlabeled.parts.schedules import at

STEPS = 40


def _clock(step: int, steps: int = STEPS) -> Clock:
    return Clock(step, steps, 0, 1)


def _values(schedule: Cosine | Linear | WarmupCosine, steps: int = STEPS) -> list[float]:
    return [schedule(_clock(step, steps)) for step in range(steps + 1)]


def test_progress_runs_from_0_to_1_and_no_further() -> None:
    assert _clock(0).progress == 0 and _clock(STEPS).progress == 1 and _clock(STEPS + 5).progress == 1
    assert _clock(10).progress == 0.25
    assert 0 <= _clock(0, 0).progress <= 1


@pytest.mark.parametrize(("start", "end"), [(0.996, 1.0), (0.4, 0.04), (0.0, 1.0)])
def test_cosine_starts_and_ends_where_it_says_and_never_turns(start: float, end: float) -> None:
    values = _values(Cosine(start, end))
    assert values[0] == pytest.approx(start, abs=1e-12) and values[-1] == pytest.approx(end, abs=1e-12)
    assert values[STEPS // 2] == pytest.approx((start + end) / 2)
    assert all((b - a) * (end - start) > 0 for a, b in pairwise(values))


def test_cosine_is_the_momentum_formula_of_byol() -> None:
    for k, value in enumerate(_values(Cosine(0.996, 1.0))):
        assert value == pytest.approx(1 - (1 - 0.996) * (math.cos(math.pi * k / STEPS) + 1) / 2, abs=1e-12)


def test_a_momentum_schedule_stays_a_momentum() -> None:
    for start in (0.0, 0.3, 0.99, 0.996, 1.0):
        assert all(0 <= value <= 1 for value in _values(Cosine(start, 1.0), 97))


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_linear_runs_straight_over_its_share_and_is_constant_after(share: float) -> None:
    values = _values(Linear(0.04, 0.07, share))
    assert values[0] == 0.04
    assert values[-1] == pytest.approx(0.07)
    for step, value in enumerate(values):
        done = min(1.0, step / STEPS / share) if share else float(step > 0)
        assert value == pytest.approx(0.04 + 0.03 * done)


def test_warm_up_rises_in_equal_steps_then_falls_to_the_floor() -> None:
    values = _values(WarmupCosine(0.1, 0.2), 100)
    rise, fall = values[:11], values[10:]
    assert 0 < values[0] < 0.2 and values[10] == 1.0 == max(values)
    gaps = [b - a for a, b in pairwise(rise)]
    assert all(gap == pytest.approx(gaps[0]) for gap in gaps)
    assert all(b < a for a, b in pairwise(fall))
    assert values[-1] == pytest.approx(0.2)


def test_without_warm_up_the_first_step_is_at_full_rate() -> None:
    values = _values(WarmupCosine(0.0))
    assert values[0] == 1.0 and values[-1] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("steps", [1, 2, 3, 7])
def test_no_step_of_a_short_run_is_wasted_at_rate_0(steps: int) -> None:
    assert all(value > 0 for value in _values(WarmupCosine(0.1), steps)[:-1])


def test_a_number_is_a_schedule_that_never_moves() -> None:
    assert at(0.3, _clock(0)) == at(0.3, _clock(STEPS)) == 0.3
    assert at(Cosine(0.04, 0.4), _clock(STEPS)) == pytest.approx(0.4)


def test_schedules_know_nothing_but_the_clock() -> None:
    schedule = WarmupCosine(0.2)
    forward = [schedule(_clock(step)) for step in range(STEPS)]
    assert [schedule(_clock(step)) for step in reversed(range(STEPS))] == forward[::-1]
