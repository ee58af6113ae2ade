"""Which number format a run computes in."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from unlabeled.errors import OptionError
from unlabeled.training import precision
from unlabeled.training.precision import autocast, lightning_name, resolve_precision

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("asked", "means"),
    [
        ("32", "32"),
        (32, "32"),
        ("32-true", "32"),
        ("bf16", "bf16"),
        ("bf16-mixed", "bf16"),
        ("bfloat16", "bf16"),
    ],
)
def test_names(asked: Any, means: str) -> None:
    assert resolve_precision(asked, CPU) == means
    assert lightning_name(means) in ("32-true", "bf16-mixed")


@pytest.mark.parametrize("able", [True, False])
def test_auto_follows_the_processor(able: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: able)
    assert resolve_precision("auto", CPU) == ("bf16" if able else "32")


@pytest.mark.parametrize("asked", ["16", "half", "", None, 64])
def test_nonsense_is_refused(asked: Any) -> None:
    with pytest.raises(OptionError, match="precision must be 'auto', '32' or 'bf16', not"):
        resolve_precision(asked, CPU)


def test_autocast_does_what_was_chosen() -> None:
    a = torch.ones(2, 2)
    with autocast(CPU, "bf16"):
        assert (a @ a).dtype == torch.bfloat16
    with autocast(CPU, "32"):
        assert (a @ a).dtype == torch.float32
