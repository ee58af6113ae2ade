"""The promises, for one method of each family on every kind of data: a method never heard of any of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import unlabeled as ul
from tests.contract.conftest import BATCH, CASES, Bench, build, exempt, opened
from tests.contract.test_resume import assert_equal, interrupted_then_resumed, record, weights
from tests.samples import KINDS
from unlabeled.data.batch import Batch
from unlabeled.data.draws import Draws
from unlabeled.data.rows import Rows, features
from unlabeled.methods import Output
from unlabeled.modalities import MODALITIES
from unlabeled.parts.masks import RandomMask
from unlabeled.parts.schedules import Clock
from unlabeled.training.engine import total

pytestmark = pytest.mark.filterwarnings("ignore:.*no benchmark.*")
OTHERS = [case for case in CASES if case[1] != "image"]


def batch_of(kind: str) -> Batch:
    _, source, y = opened(kind)
    return Rows(source, y)[np.arange(min(BATCH, len(source)))]


def forward(method: str, kind: str, *, half: bool) -> Output:
    modality = opened(kind)[0]
    made = build(method, kind).train()
    batch = batch_of(kind)
    views = modality.make_views(batch, made.plan, Draws(0, 0, total=len(batch.index)))
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        output: Output = made(views, batch, Clock(0, 10, 0, 1))
    total(output).backward()
    for parameter in made.parameters():
        assert parameter.grad is None or bool(parameter.grad.isfinite().all())
    return output


@pytest.mark.parametrize("half", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize(("method", "kind"), OTHERS)
def test_terms_are_finite_float32(method: str, kind: str, half: bool) -> None:
    exempt(method, "precision")
    for name, term in forward(method, kind, half=half).terms.items():
        assert term.dtype == torch.float32, name
        assert bool(term.isfinite()), name


@pytest.mark.parametrize(("method", "kind"), OTHERS)
def test_every_part_that_learns_gets_a_gradient(method: str, kind: str) -> None:
    modality = opened(kind)[0]
    made = build(method, kind).train()
    batch = batch_of(kind)
    views = modality.make_views(batch, made.plan, Draws(0, 0, total=len(batch.index)))
    total(made(views, batch, Clock(0, 10, 0, 1))).backward()
    without = [n for n, p in made.encoder.named_parameters() if p.requires_grad and p.grad is None]
    assert [n for n in without if "cls_token" not in n] == []


@pytest.mark.parametrize(("method", "kind"), OTHERS)
def test_resumed_run_equals_uninterrupted_run(method: str, kind: str, tmp_path: Path) -> None:
    exempt(method, "resume")
    bench = Bench(tmp_path, kind=kind, epochs=6 if opened(kind)[1].whole else 2)
    seen: list[list[int]] = []
    whole = weights(bench.train(record(bench.engine(method), seen), "whole"))
    engine, pieces = interrupted_then_resumed(bench, method, stop=3, workers=0)
    assert pieces == seen
    assert_equal(whole, weights(engine))


@pytest.mark.parametrize("kind", KINDS)
def test_views_differ_from_each_other_and_repeat_with_the_seed(kind: str) -> None:
    modality = opened(kind)[0]
    batch, plan = batch_of(kind), (ul.Branch("strong", 1), ul.Branch("strong", 2), ul.Branch("local"))

    def flat(seed: int) -> list[torch.Tensor]:
        views = modality.make_views(batch, plan, Draws(seed, 0, total=len(batch.index)))
        for view in views:
            assert len(view.x) == len(batch.index)
        encoder = build("supervised", kind).encoder.eval()
        with torch.no_grad():
            return [encoder(view.x) for view in views]

    first, again, other = flat(0), flat(0), flat(1)
    for a, b, c in zip(first, again, other, strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)
        assert bool(a.isfinite().all())
    assert not torch.equal(first[0], first[1])


@pytest.mark.parametrize("kind", KINDS)
def test_collating_with_other_samples_changes_no_features(kind: str) -> None:
    """Padding, missing cells and the company in a batch are not part of a sample."""
    modality, source, _ = opened(kind)
    if source.whole:
        pytest.skip("one graph is one batch")
    for name in (modality.default_encoder, modality.token_encoder):
        encoder = modality.build_encoder(name, **KINDS[kind].ENCODERS[name])
        together = features(encoder, source, prepare=modality.plain, size=len(source))
        alone = features(encoder, source, prepare=modality.plain, size=1)
        torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_modality_is_made_again_from_plain_values(kind: str) -> None:
    import yaml

    modality, _, _ = opened(kind)
    config = yaml.safe_load(yaml.safe_dump(modality.config()))
    again = MODALITIES[modality.name](**config)
    assert again.config() == modality.config()
    two = [0, 1]
    encoder = modality.build_encoder(
        modality.default_encoder, **KINDS[kind].ENCODERS[modality.default_encoder]
    ).eval()
    with torch.no_grad():
        a, b = (encoder(m.plain(m.read(KINDS[kind].data()).fetch(two))) for m in (modality, again))
    assert torch.equal(a, b)


@pytest.mark.parametrize("kind", KINDS)
def test_every_sample_and_view_is_told_in_a_line_and_shown_in_a_picture_or_not(kind: str) -> None:
    modality = opened(kind)[0]
    batch = batch_of(kind)
    plan = (ul.Branch("strong"), ul.Branch("local"), ul.Branch("weak", 1, mask=RandomMask(0.5)))
    views = modality.make_views(batch, plan, Draws(0, 0, total=len(batch.index)))
    for x, mask in [(batch.x, None), *((view.x, view.mask) for view in views)]:
        said, pictures = modality.describe(x, mask), modality.show(x, mask)
        assert len(said) == len(x)
        assert all(line and "\n" not in line for line in said)
        if pictures is not None:
            assert pictures.dtype == np.uint8 and pictures.shape == (len(x), *pictures.shape[1:3], 3)


@pytest.mark.parametrize("kind", KINDS)
def test_own_module_gets_what_an_encoder_gets(kind: str) -> None:
    modality, source, _ = opened(kind)

    class Own(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = modality.build_encoder(
                modality.default_encoder, **KINDS[kind].ENCODERS[modality.default_encoder]
            )

        def forward(self, x: Any) -> torch.Tensor:
            return self.inner(x)

    if kind == "image":
        pytest.skip(
            "a module of one's own is given standardised pixels: tests/modalities/test_image_encoders.py"
        )
    encoder = modality.adopt(Own())
    z = features(encoder, source, prepare=modality.plain)
    assert z.shape == (len(source), encoder.dim)


READER = """
import json, sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.startswith(("unlabeled.training", "unlabeled.api", "lightning")):
            raise ImportError("the training code must not be needed: " + name)

sys.meta_path.insert(0, Block())
sys.path.insert(0, sys.argv[1])
import pickle
def refuse(*a, **k): raise RuntimeError("unpickling")
class Refusing(pickle.Unpickler): load = refuse  # a class: other packages derive from it
pickle.load, pickle.loads, pickle.Unpickler = refuse, refuse, Refusing
import unlabeled as ul
from tests.samples import KINDS
found = {}
for kind in sys.argv[3:]:
    found[kind] = ul.load(f"{sys.argv[2]}/{kind}").embed(KINDS[kind].data())["embedding"].to_pylist()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ul.Run]:
    """One method trained on every kind of data through the public function."""
    folder = tmp_path_factory.mktemp("kinds")
    made = {}
    for kind, sample in KINDS.items():
        modality = MODALITIES[sample.MODALITY["name"]]
        name = modality.default_encoder
        made[kind] = ul.pretrain(
            sample.data(),
            method="vicreg",
            modality=sample.MODALITY,
            encoder={"name": name, **sample.ENCODERS[name]},
            epochs=1,
            batch_size=None if opened(kind)[1].whole else BATCH,
            labels=sample.labels(),
            out=folder / kind,
            on_collapse="warn",
            width=32,
        )
    return made


def test_every_kind_is_read_back_elsewhere_with_the_same_outputs(runs: dict[str, ul.Run]) -> None:
    folder = next(iter(runs.values())).path.parent
    root = str(Path(__file__).parents[2])
    said = subprocess.run(
        [sys.executable, "-c", READER, root, str(folder), *KINDS], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr[-2000:]
    elsewhere = json.loads(said.stdout.splitlines()[-1])
    for kind, run in runs.items():
        here = np.array(run.embed(KINDS[kind].data())["embedding"].to_pylist())
        np.testing.assert_allclose(np.array(elsewhere[kind]), here, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_embedded_and_evaluated(kind: str, runs: dict[str, ul.Run], tmp_path: Path) -> None:
    run, sample = runs[kind], KINDS[kind]
    rows = len(opened(kind)[1])
    table = run.embed(sample.data(), output=tmp_path / "z.parquet")
    assert table.column_names == ["index", "key", "embedding", "label"] and table.num_rows == rows
    card = run.evaluate(sample.data(), labels=sample.labels(), k=3)
    assert {"effective_rank", "knn", "linear_probe"} <= set(card)
    assert run.report(sample.data()).exists()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_finetuned_and_predicted(kind: str, runs: dict[str, ul.Run], tmp_path: Path) -> None:
    sample, (_, source, y) = KINDS[kind], opened(kind)
    names = np.array([f"class {c}" for c in y], dtype=object)
    few = np.where(np.arange(len(y)) % 5 < 2, names, -1)
    whole = {} if source.whole else {"batch_size": 8}
    run = ul.finetune(
        sample.data(),
        labels=few,
        init=runs[kind],
        epochs=2,
        on_collapse="warn",
        out=tmp_path / "few",
        **whole,
    )
    table = ul.load(run.path).predict(sample.data(), output=tmp_path / "p.csv")
    classes = sorted(set(names))
    assert table.column_names == ["index", "key", "label", *(f"probability_{c}" for c in classes)]
    assert table.num_rows == len(y) and set(table["label"].to_pylist()) <= set(classes)
    probabilities = np.array([table[f"probability_{c}"].to_pylist() for c in classes])
    np.testing.assert_allclose(probabilities.sum(axis=0), 1, rtol=1e-4)
    assert len((tmp_path / "p.csv").read_text().splitlines()) == len(y) + 1
