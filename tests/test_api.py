"""`ul.pretrain` and `ul.finetune`: bad input is refused early and by name, and good input gives a run."""

from __future__ import annotations

import csv
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch import Tensor, nn

import unlabeled as ul
from tests.contract.conftest import digits
from unlabeled import run as run_module
from unlabeled.errors import CheckpointError, DataError, Interrupted, OptionError, RunError, UserError
from unlabeled.training.engine import Engine

X, Y = digits(48)
SMALL = {"name": "convnet", "width": 8}
VIT = {"name": "vit", "width": 24, "depth": 1, "heads": 2}
METHOD = {"name": "barlow_twins", "width": 32}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def asked(out: Path | None, **more: Any) -> dict[str, Any]:
    tiny: dict[str, Any] = {
        "method": METHOD,
        "encoder": SMALL,
        "epochs": 1,
        "batch_size": 16,
        "devices": 1,
        "precision": "32",
        "on_collapse": "warn",
        "out": out,
    }
    return {**tiny, **more}


def weights(run: ul.Run | Path, name: str = "encoder") -> dict[str, Tensor]:
    return load_file((run if isinstance(run, Path) else run.path) / f"{name}.safetensors")


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[n], b[n]) for n in a)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> ul.Run:
    """A run to begin from."""
    return ul.pretrain(X, **asked(tmp_path_factory.mktemp("start") / "run"))


# bad input

NAN = X.astype(np.float32) / 255
NAN[3, 0, 0, 0] = float("nan")

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown method": ({"method": "simclear"}, "no method 'simclear': did you mean 'simclr'"),
    "method of another type": ({"method": 3}, "method must be a name or a dict with a 'name', not 3"),
    "method without a name": (
        {"method": {"temperature": 1}},
        "method must be a name or a dict with a 'name'",
    ),
    "unknown encoder": ({"encoder": "convnot"}, "unknown encoder 'convnot': did you mean 'convnet'"),
    "encoder of another type": ({"encoder": 50}, "encoder must be a name or a dict with a 'name', not 50"),
    "unknown option of an encoder": (
        {"encoder": {"name": "convnet", "widht": 8}},
        "'widht': did you mean 'width'",
    ),
    "unknown modality": ({"modality": "imag"}, "unknown modality 'imag': did you mean 'image'"),
    "modality of another type": ({"modality": 3}, "modality must be a name or a dict with a 'name', not 3"),
    "unknown method option": (
        {"temprature": 0.1, "method": "simclr"},
        "simclr has no option 'temprature': did you",
    ),
    "method option of a wrong type": (
        {"method": "simclr", "temperature": "hot"},
        "must be of type float, not 'hot'",
    ),
    "method option out of range": (
        {"method": "simclr", "temperature": -1.0},
        "temperature must be in .*not -1",
    ),
    "mask ratio 0": (
        {"method": {"name": "mae", "mask_ratio": 0.0}, "encoder": VIT},
        "between 0 and 1, not 0",
    ),
    "mask ratio 1": ({"method": {"name": "mae", "mask_ratio": 1}, "encoder": VIT}, "between 0 and 1, not 1"),
    "tokens from a convolution": ({"method": "mae"}, "'convnet' has none: leave encoder= out"),
    "size not divisible by the patch": (
        {"modality": {"name": "image", "patch": 3}, "encoder": VIT, "method": "mae"},
        "image size 8×8 is not divisible by patch 3",
    ),
    "fewer samples than the batch": ({"batch_size": 64}, "batch_size 64 is more than the 48 samples"),
    "batch below the least": ({"batch_size": 1}, "a batch of 1 is too small: this method needs at least 2"),
    "epochs": ({"epochs": 0}, "epochs must be at least 1, not 0"),
    "max_time": ({"max_time": "soon"}, "max_time 'soon' is not a time"),
    "workers": ({"num_workers": -1}, "num_workers must be 'auto' or a number of at least 0, not -1"),
    "workers in words": ({"num_workers": "many"}, "num_workers must be .* not 'many'"),
    "devices that do not divide the batch": ({"devices": 3}, "batch_size 16 cannot be shared by 3 processes"),
    "devices": ({"devices": 0}, "devices=0"),
    "strategy": ({"strategy": "nonsense"}, "strategy='nonsense'"),
    "on_collapse": ({"on_collapse": "ignore"}, "on_collapse must be 'stop' or 'warn', not 'ignore'"),
    "precision": ({"precision": "8"}, "precision must be 'auto', '32' or 'bf16', not '8'"),
    "optimiser": ({"optimiser": "adam"}, "optimiser must be one of adamw, sgd, lars, not 'adam'"),
    "NaN": ({"data": NAN}, "(?i)nan"),
    "no such folder": ({"data": "no/such/folder"}, "no file or folder 'no/such/folder'"),
    "no samples": ({"data": X[:0]}, "holds no images"),
    "three axes": ({"data": X[:, 0]}, "name the modality"),
    "labels that are needed": ({"method": "supervised"}, "supervised learns from labels and none were given"),
    "labels of a wrong length": ({"labels": Y[:5]}, "5 labels for 48 samples"),
    "labels with unknown keys": ({"labels": {"nobody.png": 1}}, "does not match the data"),
    "labels that say nothing": ({"labels": [-1] * 48}, "none of the 48 samples has a label"),
    "too few labels to watch": ({"labels": [1] + [-1] * 47}, "too few"),
    "one class": ({"method": "supervised", "labels": [1] * 48}, "all labels are '1'"),
    "too little held-out data": ({"validation": X[:1]}, "validation data has 1 samples"),
    "init that is no run": ({"init": "no/run", "encoder": None}, "no/run is not a run folder"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_is_refused_and_leaves_no_folder(name: str, tmp_path: Path) -> None:
    given, said = REFUSED[name]
    with pytest.raises(UserError, match=said):
        ul.pretrain(**{"data": X, **asked(tmp_path / "run"), **given})
    assert not (tmp_path / "run").exists()


def test_a_crop_larger_than_the_stored_image_is_refused() -> None:
    with pytest.raises(OptionError, match=r"stored size \(8, 8\) is smaller than size \(12, 12\)"):
        ul.modalities.MODALITIES["image"](size=12, bands=1, mean=[0.5], std=[0.5], stored=(8, 8))


def test_a_folder_without_anything_readable_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="it is empty"):
        ul.pretrain(tmp_path / "empty", **asked(tmp_path / "run"))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_bytes(b"nothing")
    with pytest.raises(DataError):
        ul.pretrain(tmp_path / "broken", **asked(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_why_samples_were_skipped_is_said_before_too_few_are_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = "\n".join(["plain words"] + [f"un café, numéro {i}" for i in range(79)])
    (tmp_path / "latin.txt").write_bytes(lines.encode("latin-1"))
    with pytest.raises(OptionError, match="79 of the 80 samples could not be read"):
        ul.pretrain(tmp_path / "latin.txt", **asked(tmp_path / "run", encoder=None, batch_size=None))
    assert "skipped 79 that could not be read (1: not utf-8" in capsys.readouterr().err


def test_what_was_skipped_is_said_once_in_a_whole_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = "\n".join([*(f"plain words, number {i}" for i in range(20)), "", " ", "the end"])
    (tmp_path / "few.txt").write_text(lines)
    tiny = {"name": "transformer", "width": 16, "depth": 1, "heads": 2}
    ul.pretrain(tmp_path / "few.txt", **asked(tmp_path / "run", encoder=tiny))
    assert capsys.readouterr().err.count("skipped 2 that could not be read") == 1


def test_held_out_samples_that_are_skipped_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [f"plain words, number {i}" for i in range(20)]
    with pytest.raises(DataError, match="the validation data has 1 samples"):
        ul.pretrain(lines, **asked(tmp_path / "run", encoder=None, validation=["some words", "", " "]))
    assert "skipped 2 that could not be read (1: empty" in capsys.readouterr().err


def test_a_method_without_labels_is_not_for_finetuning(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="'barlow_twins' does not learn from labels: use pretrain"):
        ul.finetune(X, labels=Y, **asked(tmp_path / "run"))


def test_held_out_data_needs_labels_of_its_own_where_labels_are_learnt(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="validation data has no labels of its own"):
        ul.finetune(X, labels=Y, validation=X, **asked(tmp_path / "run", method="supervised"))


def test_init_brings_encoder_and_preparation(start: ul.Run, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="init= brings its own encoder"):
        ul.pretrain(X, init=start, **asked(tmp_path / "run", encoder={"name": "convnet", "width": 12}))
    with pytest.raises(OptionError, match="init= brings its own preparation"):
        ul.pretrain(
            X, init=start, modality={"name": "image", "size": 12}, **asked(tmp_path / "run", encoder=None)
        )


def test_a_folder_that_is_used_is_refused(start: ul.Run, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"holds a run already: continue it with resume=True"):
        ul.pretrain(X, **asked(start.path))
    (tmp_path / "notes.txt").write_text("mine")
    for resume in (False, True):
        with pytest.raises(RunError, match="is not empty and not a run of ours: give another out="):
            ul.pretrain(X, resume=resume, **asked(tmp_path))
    with pytest.raises(RunError, match="is a file"):
        ul.pretrain(X, **asked(tmp_path / "notes.txt"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["notes.txt"]


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"method": {**METHOD, "lambd": 0.5}}, "method: .*0.0051.* there, .*0.5.* now"),
        ({"method": "simclr"}, "method"),
        ({"encoder": {"name": "convnet", "width": 12}}, "encoder"),
        ({"epochs": 2}, "epochs: 1 there, 2 now"),
        ({"batch_size": 12}, "batch_size: 16 there, 12 now"),
        ({"lr": 0.5}, "lr"),
        ({"optimiser": "sgd"}, "optimiser: 'adamw' there, 'sgd' now"),
        ({"weight_decay": 0.5}, "weight_decay: None there, 0.5 now"),
        ({"seed": 1}, "seed: 0 there, 1 now"),
        ({"modality": {"name": "image", "patch": 2}}, "modality"),
        ({"data": X[::-1].copy()}, "the data changed"),
    ],
)
def test_resuming_with_other_options_is_refused_by_name(
    other: dict[str, Any], named: str, start: ul.Run
) -> None:
    before = {p.name: p.stat().st_mtime_ns for p in start.path.iterdir()}
    with pytest.raises(RunError, match=rf"holds another run \(.*{named}.*resume with the same options"):
        ul.pretrain(**{"data": X, "resume": True, **asked(start.path), **other})
    assert {p.name: p.stat().st_mtime_ns for p in start.path.iterdir()} == before


def test_resuming_with_other_labels_is_refused(tmp_path: Path) -> None:
    few = asked(tmp_path / "run", method="supervised")
    ul.finetune(X, labels=Y, **few)
    with pytest.raises(RunError, match="the labels changed"):
        ul.finetune(X, labels=(Y + 1) % 10, resume=True, **few)


def test_a_checkpoint_of_another_method_is_refused(start: ul.Run, tmp_path: Path) -> None:
    other = ul.pretrain(X, **asked(tmp_path / "run", method="simclr"))
    (other.path / "last.ckpt").write_bytes((start.path / "last.ckpt").read_bytes())
    with pytest.raises(RunError, match=r"is a checkpoint of 'barlow_twins', not of 'simclr'"):
        ul.pretrain(X, resume=True, **asked(other.path, method="simclr"))


# good input


@pytest.mark.parametrize("name", ["sgd", "lars"])
def test_another_optimiser_trains_and_is_written_down(name: str, tmp_path: Path) -> None:
    run = ul.pretrain(X, optimiser=name, **asked(tmp_path / "run"))
    assert run.config["optimiser"] == name
    assert all(bool(t.isfinite().all()) for t in weights(run).values())
    assert not same(weights(run), dict(run.untrained().state_dict()))


def test_what_was_chosen_is_said_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = ul.pretrain(X, **asked(tmp_path / "run", batch_size=None))
    said = capsys.readouterr().err
    assert "chosen: batch size 48: there are only 48 samples" in said
    assert "chosen: learning rate" in said
    assert "expected: about" in said
    assert f"saved in {run.path}" in said
    config = yaml.safe_load((run.path / "run.yaml").read_text())
    assert config["batch_size"] == 48
    assert config["lr"] == pytest.approx(1e-3 * 48 / 256)
    assert config["method"] == {"name": "barlow_twins", "lambd": 0.0051, "width": 32}
    assert config["about"]["samples"] == 48


def test_run_yaml_repeats_the_run(start: ul.Run, tmp_path: Path) -> None:
    config = yaml.safe_load((start.path / "run.yaml").read_text())
    assert config.pop("verb") == "pretrain"
    config.pop("about")
    again = ul.pretrain(**{**config, "data": X, "out": tmp_path / "again"})
    assert same(weights(start), weights(again))
    assert same(weights(start, "method"), weights(again, "method"))


def test_numbers_of_any_kind_can_be_written_and_resumed(tmp_path: Path) -> None:
    given = asked(
        tmp_path / "run",
        lr=np.float64(1e-3),
        epochs=np.int64(1),
        modality={"name": "image", "size": (8, 8)},
        max_time=np.float32(600),
    )
    run = ul.pretrain(X, **given)
    assert same(weights(run), weights(ul.pretrain(X, resume=True, **given)))


def test_out_is_runs_and_the_method_s_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = ul.pretrain(X, **asked(None))
    assert run.path.resolve() == (tmp_path / "runs" / "barlow_twins").resolve()
    assert (tmp_path / "runs" / "barlow_twins" / "report.html").exists()


def test_labels_and_held_out_data_are_only_watched(start: ul.Run, tmp_path: Path) -> None:
    """The same weights with and without; best.ckpt is beside last.ckpt, encoder.safetensors holds the last."""
    run = ul.pretrain(X, labels=Y, validation=digits(80)[0][48:], **asked(tmp_path / "run"))
    assert same(weights(run), weights(start))
    with (run.path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert all(0 <= float(row["knn"]) <= 1 and float(row["validation_loss"]) > 0 for row in rows)
    best = torch.load(run.path / "best.ckpt", weights_only=True)["unlabeled"]["moved"]
    assert best == 1 + int(np.argmin([float(row["validation_loss"]) for row in rows]))
    last = torch.load(run.path / "last.ckpt", weights_only=True)["state_dict"]
    kept = {n.removeprefix("method.encoder."): t for n, t in last.items() if n.startswith("method.encoder.")}
    assert same(weights(run), kept)
    assert not (start.path / "best.ckpt").exists()


def test_max_time_leaves_a_run_that_can_be_used_and_finished(start: ul.Run, tmp_path: Path) -> None:
    short = ul.pretrain(X, max_time=1e-6, **asked(tmp_path / "run"))
    assert short.embed(X).num_rows == 48
    assert not same(weights(short), weights(start))
    long = ul.pretrain(X, resume=True, **asked(tmp_path / "run"))
    assert same(weights(long), weights(start))
    assert same(weights(long, "method"), weights(start, "method"))


def stop_in_step(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    step = Engine.step

    def stopped(engine: Engine, *given: Any) -> Any:
        if engine.moved + 1 == number:
            os.kill(os.getpid(), signal.SIGINT)
        return step(engine, *given)

    monkeypatch.setattr(Engine, "step", stopped)


def test_an_interrupted_run_is_unfinished_until_it_is_resumed(
    start: ul.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stop_in_step(patch, 2)
        with pytest.raises(Interrupted) as stopped:
            ul.pretrain(X, **asked(tmp_path / "run"))
    assert stopped.value.signal == signal.SIGINT
    with pytest.raises(RunError, match="is unfinished"):
        ul.load(tmp_path / "run")
    assert same(weights(ul.pretrain(X, resume=True, **asked(tmp_path / "run"))), weights(start))


def test_a_disk_that_is_full_at_the_end_loses_nothing(
    start: ul.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> bytes:
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(run_module, "save", full)
        with pytest.raises(CheckpointError, match=r"its last\.ckpt holds the whole run"):
            ul.pretrain(X, **asked(tmp_path / "run"))
    assert not list((tmp_path / "run").glob("*.part"))
    assert same(weights(ul.pretrain(X, resume=True, **asked(tmp_path / "run"))), weights(start))


# own modules, and runs that go on from others


class Own(nn.Module):
    """A user's network: knows nothing of this library."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


def test_an_own_module_is_read_back_by_passing_it_again(tmp_path: Path) -> None:
    run = ul.pretrain(X, **asked(tmp_path / "run", encoder=Own()))
    with pytest.raises(RunError, match=r"your own module: pass it, ul\.load\(path, encoder=module\)"):
        ul.load(run.path)
    again = ul.load(run.path, encoder=Own())
    assert again.embed(X)["embedding"].to_pylist() == run.embed(X)["embedding"].to_pylist()
    assert again.encoder.dim == 24
    card = again.evaluate(X, labels=Y % 2)
    assert card["knn"].untrained is None and card["knn"].raw is not None


def first_state(monkeypatch: pytest.MonkeyPatch, call: Callable[[], Any]) -> dict[str, Tensor]:
    """The encoder's weights as the first step of training finds them."""
    seen: list[dict[str, Tensor]] = []
    begin = Engine.on_train_batch_start

    def noted(engine: Engine, batch: Any, number: int) -> None:
        if not seen:
            seen.append({n: t.clone() for n, t in engine.method.encoder.state_dict().items()})
        begin(engine, batch, number)

    with monkeypatch.context() as patch:
        patch.setattr(Engine, "on_train_batch_start", noted)
        call()
    return seen[0]


@pytest.mark.parametrize("as_path", [True, False], ids=["path", "run"])
@pytest.mark.parametrize("verb", ["pretrain", "finetune"])
def test_init_goes_on_from_the_run_s_weights_and_preparation(
    verb: str, as_path: bool, start: ul.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {n: t.clone() for n, t in start.encoder.state_dict().items()}
    init = str(start.path) if as_path else start
    more = {"labels": Y, "method": "supervised"} if verb == "finetune" else {}
    given = asked(tmp_path / "run", encoder=None, init=init, **more)
    darker = X // 2  # whose own mean and deviation are others
    found = first_state(monkeypatch, lambda: getattr(ul, verb)(darker, **given))
    assert same(found, before)
    run = ul.load(tmp_path / "run")
    assert run.modality.config() == start.modality.config()
    assert run.config["init"] == str(start.path)
    assert not same(dict(run.encoder.state_dict()), before)
    assert same(dict(start.encoder.state_dict()), before)  # the run it began from stays what it is
    assert same(dict(run.untrained().state_dict()), dict(start.untrained().state_dict()))


def test_a_run_from_init_can_be_repeated_from_its_run_yaml(start: ul.Run, tmp_path: Path) -> None:
    run = ul.pretrain(X, init=start, **asked(tmp_path / "run", encoder=None))
    config = yaml.safe_load((run.path / "run.yaml").read_text())
    del config["verb"], config["about"]
    again = ul.pretrain(**{**config, "data": X, "out": tmp_path / "again"})
    assert same(weights(run), weights(again))


def test_init_from_a_run_of_an_own_module(tmp_path: Path) -> None:
    first = ul.pretrain(X, **asked(tmp_path / "first", encoder=Own()))
    before = {n: t.clone() for n, t in first.encoder.state_dict().items()}
    given = asked(tmp_path / "few", encoder=None, method="supervised")
    with pytest.raises(RunError, match="your own module"):
        ul.finetune(X, labels=Y, init=str(first.path), **given)
    few = ul.finetune(X, labels=Y, init=first, **given)
    assert few.predict(X[:3]).num_rows == 3
    assert same(dict(first.encoder.state_dict()), before)
    assert not same(dict(few.encoder.state_dict()), before)
