"""What the registry promises: a method is added by one class, and mistakes in it are refused at once."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.contract.conftest import Bench
from unlabeled import api, methods
from unlabeled.data.batch import Batch, View
from unlabeled.errors import OptionError
from unlabeled.methods import Branch, Facts, Method, Output, Requires, lookup, register, registry
from unlabeled.parts import Clock, Encoder


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test registers is forgotten after it."""
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def toy() -> type[Method]:
    @register("toy_mean", paper="nobody 2000, arXiv 0000.00000", family="toys")
    class Toy(Method):
        """Two views have the same embedding, and embeddings keep their spread."""

        plan = (Branch("strong"), Branch("weak"))
        requires = Requires(least_batch=4)

        def __init__(self, encoder: Encoder, facts: Facts, *, spread: float = 1.0) -> None:
            super().__init__(encoder, facts)
            self.spread = spread
            self.head = nn.Linear(encoder.dim, 8)
            self.register_buffer("moved", torch.zeros((), dtype=torch.long))

        def forward(self, views: tuple[View, ...], batch: Batch, clock: Clock) -> Output:
            z1, z2 = (self.head(self.encoder(view.x)) for view in views)
            terms: dict[str, Tensor] = {
                "apart": (z1 - z2).square().mean(),
                "spread": (z1.std(0) - self.spread).square().mean(),
            }
            return Output(terms, (z1, z2))

        def after_step(self, clock: Clock) -> None:
            self.moved += 1

    return Toy


def test_a_method_trains_and_is_listed_by_being_registered(tmp_path: Path) -> None:
    cls = toy()
    bench = Bench(tmp_path, rows=32, epochs=1)
    engine = bench.engine("toy_mean", lr=0.01)
    assert type(engine.method) is cls and cls.name == "toy_mean"
    before = {n: p.detach().clone() for n, p in engine.method.named_parameters()}
    bench.train(engine, "run")
    assert engine.moved == 2 and int(engine.method.moved) == 2
    assert all(not torch.equal(p, before[n]) for n, p in engine.method.named_parameters())
    assert (tmp_path / "run" / "last.ckpt").exists()
    (row,) = [row for row in methods.table() if row["name"] == "toy_mean"]
    assert row["family"] == "toys" and row["paper"].startswith("nobody") and row["modalities"] == "all"
    assert row["status"] == "not shown" and row["knn"] is None
    assert "toy_mean" in methods.names()


def test_a_method_is_found_by_pretrain_with_its_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Prepared(Exception):
        pass

    def instead(engine: Any, *args: Any, **how: Any) -> None:
        raise Prepared(engine)

    toy()
    monkeypatch.setattr(api, "fit", instead)
    asked: dict[str, Any] = {"modality": "image", "out": tmp_path / "run"}
    with pytest.raises(Prepared) as caught:
        api.pretrain(torch.rand(32, 3, 8, 8).numpy(), method="toy_mean", spread=0.5, **asked)
    assert caught.value.args[0].method.spread == 0.5
    with pytest.raises(OptionError, match=r"no option 'spred'.*'spread'"):
        api.pretrain(torch.rand(32, 3, 8, 8).numpy(), method="toy_mean", spred=0.5, **asked)


def test_an_entry_knows_the_options_with_their_types_and_defaults() -> None:
    toy()
    entry = lookup("toy_mean")
    assert list(entry.options) == ["spread"]
    assert entry.options["spread"].default == 1.0 and entry.options["spread"].annotation == "float"


def test_what_a_method_needs_is_in_the_table() -> None:
    needs = {row["name"]: row["needs"] for row in methods.table()}
    assert needs["mae"] == "tokens" and needs["diet"] == "index"
    assert needs["supervised"] == "labels" and needs["simclr"] == "-"


def test_an_unknown_name_suggests_the_near_one() -> None:
    with pytest.raises(OptionError, match=r"no method 'simclt'.*did you mean 'simclr'"):
        lookup("simclt")
    with pytest.raises(OptionError, match=r"known: .*barlow_twins.*vicreg"):
        lookup("zzzz")


def _method(**parameters: Any) -> type[Method]:
    """A method class whose `__init__` takes these keyword-only options."""

    class Made(Method):
        def forward(self, views: tuple[View, ...], batch: Batch, clock: Clock) -> Output:
            raise NotImplementedError

    def __init__(self: Any, encoder: Encoder, facts: Facts, **options: Any) -> None: ...

    lead = [
        inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD) for n in ("self", "encoder", "facts")
    ]
    keyword = inspect.Parameter.KEYWORD_ONLY
    own = [inspect.Parameter(n, keyword, default=d, annotation=int) for n, d in parameters.items()]
    __init__.__signature__ = inspect.Signature(lead + own)
    Made.__init__ = __init__
    return Made


def _register(cls: type[Method], name: str = "toy_made") -> type[Method]:
    return register(name, paper="-", family="toys")(cls)


def _refused(cls: type[Method], words: str, name: str = "toy_made") -> None:
    before = dict(registry._ENTRIES)
    with pytest.raises(OptionError, match=words):
        _register(cls, name)
    assert before == registry._ENTRIES


@pytest.mark.parametrize("option", ["epochs", "seed", "out", "labels", "lr"])
def test_option_names_of_pretrain_are_refused(option: str) -> None:
    _refused(_method(**{option: 1}), rf"\['{option}'\] belong to pretrain")


def test_a_name_that_only_begins_like_a_reserved_one_is_fine() -> None:
    _register(_method(encoder_depth=1))


def test_every_option_of_pretrain_and_finetune_is_reserved() -> None:
    for verb in (api.pretrain, api.finetune):
        parameters = inspect.signature(verb).parameters.values()
        assert {p.name for p in parameters if p.kind is not p.VAR_KEYWORD} <= registry.RESERVED


def test_options_without_a_default_are_refused() -> None:
    _refused(_method(width=8, depth=inspect.Parameter.empty), r"\['depth'\] need a default")


def test_options_without_a_type_are_refused() -> None:
    class Untyped(Method):
        def __init__(self, encoder: Encoder, facts: Facts, *, width=8) -> None: ...  # type: ignore[no-untyped-def]

        forward = None  # type: ignore[assignment]

    _refused(Untyped, r"\['width'\] need a type")


def test_options_that_are_not_keyword_only_are_refused() -> None:
    class Positional(Method):
        def __init__(self, encoder: Encoder, facts: Facts, width: int = 8) -> None: ...

        def forward(self, views: tuple[View, ...], batch: Batch, clock: Clock) -> Output:
            raise NotImplementedError

    _refused(Positional, "by keyword only")


def test_a_method_that_takes_no_facts_is_refused() -> None:
    class NoFacts(Method):
        def __init__(self, encoder: Encoder, *, width: int = 8) -> None: ...

        def forward(self, views: tuple[View, ...], batch: Batch, clock: Clock) -> Output:
            raise NotImplementedError

    _refused(NoFacts, "encoder, facts")


def test_a_method_without_options_is_fine() -> None:
    class Plain(Method):
        def forward(self, views: tuple[View, ...], batch: Batch, clock: Clock) -> Output:
            raise NotImplementedError

    _register(Plain)
    assert lookup("toy_made").options == {}


def test_a_name_that_is_taken_is_refused() -> None:
    _refused(_method(), "'simclr' is registered already: .*SimCLR", name="simclr")
    assert lookup("simclr").cls.__name__ == "SimCLR"


def test_a_class_of_the_same_name_from_elsewhere_does_not_take_its_place() -> None:
    class SimCLR(Method):
        def forward(self, views: tuple[View, ...], batch: Batch, clock: Clock) -> Output:
            raise NotImplementedError

    SimCLR.__qualname__ = "SimCLR"
    _refused(SimCLR, "registered already: unlabeled.methods.contrastive.SimCLR", name="simclr")


def test_the_same_class_may_be_registered_again() -> None:
    first = toy()
    second = toy()
    assert second is not first and lookup("toy_mean").cls is second
