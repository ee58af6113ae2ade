import numpy as np
import pytest

from unlabeled.report.timing import seconds, span, told


def test_seconds_are_samples_over_speed_added_up():
    # 10 steps of 64 samples in 2 s, then 5 in 4 s, after a row without a speed
    metrics = {
        "loss": (np.array([10.0, 12, 15]), np.array([3.0, 2, 1])),
        "samples_per_second": (np.array([10.0, 15]), np.array([320.0, 80])),
    }
    assert seconds(metrics, 64) == pytest.approx(6)
    assert told(metrics, 64) == ("Training took 6 s: 15 steps, 960 samples, 160 samples a second on average.")


@pytest.mark.parametrize(
    ("metrics", "batch_size"),
    [
        ({}, 64),
        ({"samples_per_second": (np.array([1.0]), np.array([5.0]))}, None),
        ({"samples_per_second": (np.array([1.0]), np.array([0.0]))}, 64),
    ],
)
def test_what_is_not_known_is_said(metrics, batch_size):
    assert seconds(metrics, batch_size) is None
    assert "not known" in told(metrics, batch_size)


@pytest.mark.parametrize(
    ("spent", "text"),
    [(0.5, "0.5 s"), (42.25, "42.2 s"), (100, "1 min 40 s"), (3600, "1 h 0 min"), (9000, "2 h 30 min")],
)
def test_a_span_is_in_the_units_of_a_person(spent, text):
    assert span(spent) == text
