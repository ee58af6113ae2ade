"""Intervals from leaving samples out."""

import numpy as np
import pytest

from unlabeled.errors import DataError, OptionError
from unlabeled.evaluation import jackknife_interval, left_out


def test_every_sample_is_left_out_exactly_once_and_the_draw_is_repeatable():
    kept = left_out(23, groups=5, seed=3)
    missing = [set(range(23)) - set(rows.tolist()) for rows in kept]
    assert sorted(i for rows in missing for i in rows) == list(range(23))
    assert {len(rows) for rows in missing} == {4, 5}
    assert all(np.array_equal(a, b) for a, b in zip(kept, left_out(23, groups=5, seed=3), strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(kept, left_out(23, groups=5, seed=4), strict=True))


def test_leaving_single_samples_out_of_a_mean_gives_its_standard_error():
    x = np.random.default_rng(0).normal(size=40)
    low, high = jackknife_interval(x.mean(), [x[rows].mean() for rows in left_out(40, groups=40)])
    half = 1.959964 * x.std(ddof=1) / 40**0.5
    assert (low, high) == pytest.approx((x.mean() - half, x.mean() + half))


def test_the_interval_of_a_mean_covers_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(0)
    covered = []
    for _ in range(600):
        x = generator.normal(size=200)
        low, high = jackknife_interval(x.mean(), [x[rows].mean() for rows in left_out(200, seed=1)])
        covered.append(low <= 0 <= high)
    # ten groups estimate the error from nine degrees of freedom: a little too narrow
    assert np.mean(covered) == pytest.approx(0.93, abs=0.03)


def test_a_figure_that_no_group_moves_is_certain():
    assert jackknife_interval(2.0, [2.0] * 10) == (2.0, 2.0)


def test_too_few_groups_or_samples_are_refused():
    with pytest.raises(OptionError, match="at least 2"):
        left_out(10, groups=1)
    with pytest.raises(DataError, match="3 samples cannot be divided into 10"):
        left_out(3)
    with pytest.raises(OptionError, match="leave out at least 2"):
        jackknife_interval(1.0, [1.0])
