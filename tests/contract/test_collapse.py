"""Promise 2: it does not collapse silently."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tests.contract.conftest import Bench, exempt, opened, small_encoder
from unlabeled.errors import CollapseError
from unlabeled.parts.encoder import Encoded, Encoder


class Dead(Encoder):
    """A real encoder whose features and tokens no longer depend on the input."""

    def __init__(self, alive: Encoder) -> None:
        super().__init__()
        self.alive = alive
        self.dim, self.spec, self.leaves_out = alive.dim, alive.spec, alive.leaves_out
        self.constant = nn.Parameter(torch.ones(()))

    def encode(self, x: Any, **how: Any) -> Encoded:
        encoded = self.alive.encode(x, **how)
        tokens = None if encoded.tokens is None else encoded.tokens * 0 + self.constant
        return Encoded(encoded.features * 0 + self.constant, tokens)


def test_collapsed_encoder_raises_and_leaves_its_checkpoint(method: str, bench: Bench) -> None:
    exempt(method, "collapse")
    modality = opened("image")[0]
    engine = bench.engine(method, encoder=Dead(small_encoder(method, modality)), epochs=3)
    with pytest.raises(CollapseError, match="on_collapse='warn'"):
        bench.train(engine, "dead", on_collapse="stop")
    assert (bench.folder / "dead" / "last.ckpt").exists()


def test_collapse_can_be_only_warned_of(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    modality = opened("image")[0]
    engine = bench.engine("simclr", encoder=Dead(small_encoder("simclr", modality)), epochs=3)
    bench.train(engine, "dead", on_collapse="warn")
    assert engine.moved == engine.plan.steps
    assert "collapsed at step" in capsys.readouterr().err


def test_a_healthy_run_is_not_called_collapsed(method: str, bench: Bench) -> None:
    engine = bench.engine(method, epochs=4)
    bench.train(engine, "healthy", on_collapse="stop")
    assert engine.moved == engine.plan.steps


def test_a_classifier_that_knows_one_class_is_called_collapsed() -> None:
    from unlabeled.methods import Output
    from unlabeled.training.watch import read

    z = torch.randn(32, 8)
    one_class = torch.zeros(32, 10)
    one_class[:, 3] = 20
    assert read(Output({}, (z,), one_class)).trouble() is not None
    assert read(Output({}, (z,), torch.randn(32, 10))).trouble() is None


def test_simsiam_without_stop_gradient_is_called_collapsed(bench: Bench) -> None:
    """The stop-gradient is what keeps SimSiam from collapsing (Chen & He 2020, figure 2)."""
    from torch.nn import functional as F

    from unlabeled.methods import Output
    from unlabeled.methods.distilled import SimSiam
    from unlabeled.parts import joint

    def forward(self: SimSiam, views: Any, batch: Any, clock: Any) -> Output:
        z1, z2 = (self.projector(h) for h in joint(self.encoder, *views))
        cosines = F.cosine_similarity(self.predictor(z1), z2) + F.cosine_similarity(self.predictor(z2), z1)
        return Output({"negative_cosine": -cosines.mean() / 2}, (z1, z2))

    engine = bench.engine("simsiam", epochs=150, lr=0.02)
    engine.method.forward = forward.__get__(engine.method)  # type: ignore[method-assign]
    with pytest.raises(CollapseError):
        bench.train(engine, "no_stop", on_collapse="stop")


def test_swav_without_its_equal_partition_is_called_collapsed(bench: Bench) -> None:
    """Codes that are the scores themselves send every sample to one prototype (Caron et al. 2020, section 3.1)."""
    from unlabeled.methods.clustered import SwAV

    def codes(self: SwAV, scores: Any, clock: Any) -> Any:
        return [(s.detach() / self.epsilon).softmax(dim=1) for s in scores]

    engine = bench.engine("swav", epochs=40, lr=0.01)
    engine.method.codes = codes.__get__(engine.method)
    with pytest.raises(CollapseError, match="same prototype"):
        bench.train(engine, "no_partition", on_collapse="stop")


def test_vicreg_without_its_covariance_term_is_called_collapsed(bench: Bench) -> None:
    """Every dimension varies, and all vary together: a line (Bardes, Ponce & LeCun 2021, section 3)."""
    engine = bench.engine("vicreg", epochs=20, lr=0.005)
    engine.method.weights["covariance"] = 0.0
    with pytest.raises(CollapseError, match="to a line"):
        bench.train(engine, "no_covariance", on_collapse="stop")
