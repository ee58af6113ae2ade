"""What is shipped gives what the run gave, elsewhere and without the library, or it is not shipped."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import timm
import torch
from torch import nn

import unlabeled as ul
from tests.contract.conftest import digits, opened
from tests.samples import KINDS
from unlabeled import __version__, cli, export
from unlabeled.errors import ExportError, MissingExtraError, OptionError
from unlabeled.export import ABOUT, Shipped, read_texts
from unlabeled.modalities.image.modality import Image
from unlabeled.parts.encoder import Encoder
from unlabeled.run import Run

TENSORS = [kind for kind in KINDS if not kind.startswith("graph")]
CASES = [
    (kind, name)
    for kind in TENSORS
    for name in dict.fromkeys((opened(kind)[0].default_encoder, opened(kind)[0].token_encoder))
]
X, Y = digits(40)


def built(kind: str, name: str) -> Encoder:
    torch.manual_seed(0)
    encoder = opened(kind)[0].build_encoder(name, **KINDS[kind].ENCODERS[name])
    for module in encoder.modules():  # as after training, where batch norm is not the identity
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return encoder


def shipped(kind: str, name: str) -> Shipped:
    encoder = built(kind, name)
    return Shipped(encoder, (torch.randn(3, encoder.dim), torch.randn(3)))


def real(kind: str) -> list[torch.Tensor]:
    """Batches of real samples: of one and of several, and where lengths are free, of several lengths."""
    modality, source, _ = opened(kind)
    batches = [source.fetch(np.arange(first, last)) for first, last in ((0, 1), (1, 3), (3, 15))]
    for axis in set(modality.free_axes) - {0}:
        steps = batches[-1].shape[axis]
        shares = (1.0, 0.97, 0.9, 0.83, 0.7, 0.6)
        batches += [batches[-1].narrow(axis, 0, int(share * steps) - 1).contiguous() for share in shares]
    return batches


def here(model: Shipped, x: torch.Tensor) -> list[np.ndarray]:
    with torch.no_grad():
        return [out.numpy() for out in model.eval()(x)]


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with the classes 0, 1 and 2."""
    folder = tmp_path_factory.mktemp("few") / "run"
    ul.finetune(
        X,
        labels=np.where(Y < 3, Y, -1),
        encoder={"name": "convnet", "width": 8},
        epochs=1,
        batch_size=4,
        on_collapse="warn",
        devices=1,
        out=folder,
    )
    return folder


# every kind of data, both encoders, both formats


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_onnx_runtime_gives_what_the_encoder_gives_on_real_samples(
    kind: str, name: str, tmp_path: Path
) -> None:
    model = shipped(kind, name)
    said = export.export(model, opened(kind)[0], tmp_path / "it.onnx", format="onnx", about={})
    assert said.outputs == ("features", "probabilities")
    session = onnxruntime.InferenceSession(tmp_path / "it.onnx")
    (given,) = session.get_inputs()
    assert given.name == opened(kind)[0].name
    assert [given.shape[axis] for axis in opened(kind)[0].free_axes] == list(
        opened(kind)[0].free_axes.values()
    )
    for x in real(kind):
        for ours, theirs in zip(here(model, x), session.run(None, {given.name: x.numpy()}), strict=True):
            np.testing.assert_allclose(theirs, ours, rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_a_torch_program_gives_what_the_encoder_gives_on_real_samples(
    kind: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # another process takes seconds to begin: one test below starts it, here the file is read in this one
    def at_home(path: Path, batches: Any) -> Any:
        program = torch.export.load(path).module()
        return [program(x) for x in batches]

    monkeypatch.setattr(export, "_elsewhere", at_home)
    model = shipped(kind, name)
    said = export.export(model, opened(kind)[0], tmp_path / "it.pt2", format="torch", about={})
    assert said.difference < 1e-5
    program = torch.export.load(tmp_path / "it.pt2").module()
    for x in real(kind):
        with torch.no_grad():
            theirs = program(x)
        for ours, other in zip(here(model, x), theirs, strict=True):
            np.testing.assert_allclose(other.numpy(), ours, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["graph", "graphs"])
@pytest.mark.parametrize("format", ["onnx", "torch"])
def test_graphs_are_refused_with_the_reason(kind: str, format: Any, tmp_path: Path) -> None:
    modality = opened(kind)[0]
    model = Shipped(built(kind, modality.default_encoder))
    with pytest.raises(ExportError, match=r"not one tensor.*ship the run's folder"):
        export.export(model, modality, tmp_path / f"it{export.ENDS[format]}", format=format, about={})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", TENSORS)
def test_synthetic_samples_are_of_the_form_of_real_ones(kind: str) -> None:
    """An export is checked on them: kind of number, shape but for the free axes, and gaps where real ones have some."""
    modality, source, _ = opened(kind)
    real = source.fetch(np.arange(16))  # of unequal length and with gaps, where this kind has such
    made = [modality.synthetic(rows, seed=rows) for rows in (1, 16, 17)]
    free = [axis for axis in range(real.ndim) if axis not in modality.free_axes]
    for rows, x in zip((1, 16, 17), made, strict=True):
        assert x is not None and x.dtype == real.dtype and x.ndim == real.ndim and len(x) == rows
        assert [x.shape[axis] for axis in free] == [real.shape[axis] for axis in free]
    for axis in set(modality.free_axes) - {0}:
        assert len({x.shape[axis] for x in made if x is not None}) > 1
    if bool(real.isnan().any()):
        assert bool(made[1].isnan().any())  # type: ignore[union-attr]
    again = modality.synthetic(16, seed=16)
    assert again is not None and torch.equal(again.nan_to_num(0.0), made[1].nan_to_num(0.0))  # type: ignore[union-attr]


# a run


def test_a_run_is_exported_with_what_it_says_of_itself(few: Path, tmp_path: Path) -> None:
    run = ul.load(few)
    said = run.export(tmp_path / "deep" / "it.onnx")
    assert said.path == tmp_path / "deep" / "it.onnx" and said.samples == 29
    assert 0 <= said.difference < 1e-4 and f"{said.difference:.1e}" in str(said)
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["it.onnx"]
    model = onnx.load(said.path)
    onnx.checker.check_model(model)
    about = read_texts({entry.key: entry.value for entry in model.metadata_props})
    assert about == {
        "unlabeled": __version__,
        "method": "supervised",
        "encoder": {"name": "convnet", "width": 8},
        "modality": "image",
        "preparation": run.modality.config(),
        "classes": ["0", "1", "2"],
    }
    session = onnxruntime.InferenceSession(said.path)
    assert [out.name for out in session.get_outputs()] == ["features", "probabilities"]
    _, probabilities = session.run(None, {"image": X})
    table = run.predict(X)
    for place, name in enumerate(about["classes"]):
        np.testing.assert_allclose(probabilities[:, place], table[f"probability_{name}"], atol=1e-5)


READER = """
import sys, torch
held = {"unlabeled.json": ""}
program = torch.export.load(sys.argv[1], extra_files=held).module()
x = torch.load(sys.argv[2])
torch.save([*program(x), held["unlabeled.json"]], sys.argv[3])
assert "unlabeled" not in sys.modules
"""


def test_a_program_needs_only_torch(few: Path, tmp_path: Path) -> None:
    run = ul.load(few)
    said = run.export(tmp_path / "it.pt2", format="torch")
    assert said.difference < 1e-5
    torch.save(torch.from_numpy(X), tmp_path / "x.pt")
    paths = [str(tmp_path / name) for name in ("it.pt2", "x.pt", "z.pt")]
    subprocess.run([sys.executable, "-I", "-c", READER, *paths], check=True, cwd=tmp_path)
    features, probabilities, about = torch.load(tmp_path / "z.pt")
    table = run.embed(X)
    np.testing.assert_allclose(features.detach(), np.stack(table["embedding"].to_numpy()), atol=1e-5)
    assert probabilities.shape == (40, 3)
    assert json.loads(about)["classes"] == ["0", "1", "2"] and ABOUT == "unlabeled.json"


def test_a_run_without_classes_gives_features_alone(few: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(few, tmp_path / "run")
    (folder / "method.yaml").write_text("method: simclr\n")
    assert ul.load(folder).export(tmp_path / "it.onnx").outputs == ("features",)


def test_the_command_writes_it_and_says_how_far_it_is(
    few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "it.onnx"
    assert cli.main(["export", str(few), "--format", "onnx", "--output", str(file)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"written: {file}: features and probabilities, at most ") and file.is_file()
    assert shown.count("\n") == 1
    assert cli.main(["export", str(few)]) == 2
    assert "export needs --output" in capsys.readouterr().err
    assert cli.main(["export", str(few), "--output", str(tmp_path / "it.onx")]) == 2
    assert "a file ending in .onnx" in capsys.readouterr().err


# what is not let through


class Lying(nn.Module):
    """Gives something else while it is traced."""

    def __init__(self, shape: bool = False) -> None:
        super().__init__()
        self.layer, self.shape = nn.Linear(192, 4), shape

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = self.layer(x.flatten(1))
        if torch.compiler.is_exporting():
            return z[:, :3] if self.shape else z + 1e-2
        return z


@pytest.mark.parametrize(("shape", "said"), [(False, "up to 0.01 from"), (True, r"shape \(1, 3\) where")])
def test_what_differs_from_the_original_is_an_error_and_leaves_no_file(
    shape: bool, said: str, tmp_path: Path
) -> None:
    modality = opened("image")[0]
    model = Shipped(modality.adopt(Lying(shape)))
    with pytest.raises(ExportError, match=said):
        export.export(model, modality, tmp_path / "it.onnx", format="onnx", about={})
    assert not list(tmp_path.iterdir())


class Deciding(nn.Module):
    """Looks at the values it is given to choose what to compute."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1) if float(x.sum()) > 0 else -x.flatten(1)


def test_code_that_cannot_be_traced_is_refused_by_name(tmp_path: Path) -> None:
    modality = opened("image")[0]
    with pytest.raises(ExportError, match=r"'custom' cannot be exported: torch.export cannot trace"):
        export.export(
            Shipped(modality.adopt(Deciding())), modality, tmp_path / "it.pt2", format="torch", about={}
        )
    assert not list(tmp_path.iterdir())
    assert logging.root.manager.disable == logging.NOTSET


@pytest.mark.parametrize(
    ("output", "format", "said"),
    [
        ("it.onnx", "jax", "format must be one of onnx, torch, timm"),
        ("it.pt", "torch", "a file ending in .pt2"),
        ("it.pt2", "onnx", "a file ending in .onnx"),
        ("it.bin", "timm", "a folder, without an ending"),
        ("full", "timm", "is a folder that is there already"),
        ("there.onnx", "onnx", "is a folder that is there already"),
    ],
)
def test_outputs_that_are_refused(few: Path, output: str, format: Any, said: str, tmp_path: Path) -> None:
    (tmp_path / "there.onnx").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    with pytest.raises(OptionError, match=said):
        ul.load(few).export(tmp_path / output, format=format)


def test_a_missing_package_is_named_with_its_extra(
    few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(MissingExtraError, match=r"'onnxscript': pip install 'unlabeled\[export\]'"):
        ul.load(few).export(tmp_path / "it.onnx")


# timm


@pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
def test_timm_opens_what_was_exported_to_it(name: str, tmp_path: Path) -> None:
    modality = Image(32, 3, [0.5, 0.4, 0.3], [0.2, 0.25, 0.3], patch=8)
    torch.manual_seed(0)
    encoder = modality.build_encoder(name, **({} if name == "test_vit" else {"small_stem": False})).eval()
    export.export(Shipped(encoder), modality, tmp_path / "it", format="timm", about={})
    net = timm.create_model(f"local-dir:{tmp_path / 'it'}", pretrained=True).eval()
    data = timm.data.resolve_model_data_config(net)
    assert data["mean"] == pytest.approx((0.5, 0.4, 0.3)) and data["std"] == pytest.approx((0.2, 0.25, 0.3))
    x = torch.rand(3, 3, 32, 32)
    mean, std = (torch.tensor(data[key]).view(3, 1, 1) for key in ("mean", "std"))
    with torch.no_grad():
        torch.testing.assert_close(net((x - mean) / std), encoder(x), rtol=1e-4, atol=1e-5)
    assert "apache" not in (tmp_path / "it" / "config.json").read_text()


def test_timm_does_not_get_what_it_cannot_build(few: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="'convnet' is no model of timm: use format='onnx'"):
        ul.load(few).export(tmp_path / "it", format="timm")
    modality = Image(32, 3, [0.5] * 3, [0.2] * 3)
    with pytest.raises(ExportError, match="option small_stem: false"):
        small = modality.build_encoder("resnet10t", small_stem=True)
        export.export(Shipped(small), modality, tmp_path / "it", format="timm", about={})
    assert not list(tmp_path.iterdir())


def test_classes_of_a_timm_encoder_stay_in_the_run(tmp_path: Path) -> None:
    modality = Image(32, 3, [0.5] * 3, [0.2] * 3)
    encoder = modality.build_encoder("test_resnet", small_stem=False)
    model = Shipped(encoder, (torch.randn(3, encoder.dim), torch.randn(3)))
    assert export.export(model, modality, tmp_path / "it", format="timm", about={}).outputs == ("features",)


def test_an_exported_run_is_still_usable(few: Path, tmp_path: Path) -> None:
    run: Run = ul.load(few)
    before = run.embed(X)
    run.export(tmp_path / "it.onnx")
    assert run.embed(X).equals(before)
