"""What the command line promises: Python's names, one message for a mistake, no code from files."""

from __future__ import annotations

import functools
import inspect
import json
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from unlabeled import __version__, api, cli, errors, methods
from unlabeled.run import Run

Call = dict[str, Any]


def run(command: str) -> int:
    """The exit status of a command as it would be typed, without the `unlabeled` before it."""
    return cli.main(command.split())


def replace(monkeypatch: pytest.MonkeyPatch, name: str, stand_in: Callable[..., Any]) -> None:
    """Puts a function in the place of one of `api`, keeping the original's signature and docstring."""

    @functools.wraps(getattr(api, name))
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return stand_in(*args, **kwargs)

    monkeypatch.setattr(api, name, wrapped)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """What `pretrain` and `finetune` were called with, instead of training."""
    seen: list[Call] = []

    def record(data: Any, **options: Any) -> SimpleNamespace:
        seen.append({"data": data, **options})
        return SimpleNamespace(path="runs/x")

    replace(monkeypatch, "pretrain", record)
    replace(monkeypatch, "finetune", record)
    return seen


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[[str], str]:
    """Runs a command that must end in status 2 and one line on stderr; gives back that line."""

    def refuse(command: str) -> str:
        assert run(command) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.count("\n") == 1, said.err
        assert "Traceback" not in said.err
        return said.err

    return refuse


# what it shows


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_the_overview_names_every_command(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words) == 0
    shown = capsys.readouterr().out
    for name in cli.COMMANDS:
        assert f"  unlabeled {name}" in shown


def test_the_version_is_the_library_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"unlabeled {__version__}\n"


@pytest.mark.parametrize(
    ("command", "function"),
    [
        ("pretrain", api.pretrain),
        ("finetune", api.finetune),
        ("embed", Run.embed),
        ("predict", Run.predict),
        ("evaluate", api.evaluate),
        ("export", Run.export),
        ("report", Run.report),
    ],
)
def test_options_keep_the_python_names(
    command: str, function: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([command, "--help"]) == 0
    shown = capsys.readouterr().out
    parameters = inspect.signature(function).parameters.values()
    for name in [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]:
        assert f"--{name} " in shown


@pytest.mark.parametrize("name", methods.names())
def test_a_method_s_help_shows_its_own_options_with_their_defaults(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["pretrain", "--method", name, "--help"]) == 0
    shown = capsys.readouterr().out
    for option, parameter in methods.lookup(name).options.items():
        after = shown[shown.index(f"--method.{option} ") :]
        assert parameter.default is None or f"(default: {parameter.default})" in " ".join(after.split())


def test_methods_are_shown_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["methods"]) == 0
    shown = capsys.readouterr().out
    assert [line.split()[0] for line in shown.splitlines()[2:]] == methods.names()
    for suffix in ("json", "csv"):
        file = tmp_path / f"methods.{suffix}"
        assert cli.main(["methods", "--output", str(file)]) == 0
        assert all(name in file.read_text(encoding="utf-8") for name in methods.names())


def test_info_shows_versions_and_cores(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info"]) == 0
    shown = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert shown["unlabeled"] == __version__
    assert shown["torch"].startswith("2.")
    assert "usable" in shown["cores"]


# what it passes on


def test_what_is_typed_arrives_in_the_function(calls: list[Call]) -> None:
    words = "pretrain photos --method simclr --epochs 2 --lr -1e-3 --devices 2 --resume --out runs/x"
    assert (
        cli.main([*words.split(), "--method.temperature", "0.5", "--encoder=conv", "--encoder.width", "96"])
        == 0
    )
    assert calls == [
        {
            "data": "photos",
            "method": {"name": "simclr", "temperature": 0.5},
            "encoder": {"name": "conv", "width": 96},
            "epochs": 2,
            "lr": -1e-3,
            "devices": 2,
            "resume": True,
            "out": "runs/x",
        }
    ]


def test_what_is_not_typed_is_left_to_the_function(calls: list[Call]) -> None:
    assert run("finetune photos --labels few.csv") == 0
    assert calls == [{"data": "photos", "labels": "few.csv"}]


def test_a_configuration_repeats_a_run_and_the_command_line_overrules_it(
    calls: list[Call], tmp_path: Path
) -> None:
    config = tmp_path / "run.yaml"
    config.write_text(
        "verb: pretrain\ndata: photos\nmethod: {name: simclr, temperature: 0.3, width: 64}\nlr: 1e-3\n"
        "epochs: 5\nmodality: {name: image, size: 96}\nabout: {torch: 2.15.0, samples: 10}\n"
    )
    assert cli.main(["pretrain", "--config", str(config), "--epochs", "7", "--method.width", "32"]) == 0
    assert calls == [
        {
            "data": "photos",
            "method": {"name": "simclr", "temperature": 0.3, "width": 32},
            "modality": {"name": "image", "size": 96},
            "lr": 1e-3,
            "epochs": 7,
        }
    ]


def test_another_method_drops_the_options_of_the_configuration_s(calls: list[Call], tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("method: {name: simclr, temperature: 0.3}\n")
    assert cli.main(["pretrain", "photos", "--config", str(config), "--method", "byol"]) == 0
    assert calls == [{"data": "photos", "method": "byol"}]


# mistakes


@pytest.mark.parametrize(
    ("command", "remedy"),
    [
        ("pretrian", "'pretrain'"),
        ("pretrain", "needs DATA"),
        ("pretrain photos", "barlow_twins"),
        ("pretrain photos --method simcl", "'simclr'"),
        ("pretrain photos --method", "needs a value"),
        ("pretrain photos --method simclr --bach_size 3", "'batch_size'"),
        ("pretrain photos --method simclr --temperature 3", "'method.temperature'"),
        ("pretrain photos --method simclr --method.temprature 3", "'method.temperature'"),
        ("pretrain photos --method simclr --modality imag", "'image'"),
        ("pretrain photos --method simclr --modality.size 3", "needs --modality NAME"),
        ("pretrain photos --method simclr --batch_size many", "a whole number"),
        ("pretrain photos --method simclr --batch_size 1.5", "a whole number"),
        ("pretrain photos --method simclr --method.temperature hot", "a number"),
        ("pretrain photos more --method simclr", "'more'"),
        ("pretrain photos --method simclr -e 3", "--name value"),
        ("pretrain photos --method simclr --config nowhere.yaml", "nowhere.yaml"),
        ("finetune photos", "needs --labels"),
        ("embed runs/x photos", "needs --output"),
        ("embed nowhere photos --output x.parquet", "nowhere"),
        ("evaluate nowhere", "give the data to judge nowhere on"),
        ("report", "needs RUN"),
        ("methods --output methods.xls", ".json or .csv"),
    ],
)
def test_a_mistake_ends_in_one_line_that_says_what_to_do(
    command: str, remedy: str, refused: Callable[[str], str]
) -> None:
    assert remedy in refused(command)


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("methd: simclr", "'method'"),
        ("method: {name: simclr, temprature: 1}", "'method.temperature'"),
        ("method: {temperature: 1}", "a name"),
        ("{method: simclr, epochs: many}", "a whole number"),
        ("{method: simclr, epochs: [1, 2]}", "a whole number"),
        ("- simclr", "options by name"),
        ("method: [", "not a YAML file"),
        ("verb: finetune", "unlabeled finetune --config"),
    ],
)
def test_a_mistake_in_a_configuration_says_which_key(
    text: str, remedy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run.yaml").write_text(text)
    assert cli.main(["pretrain", "photos", "--config", str(tmp_path / "run.yaml")]) == 2
    assert remedy in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    [
        "method: !!python/object/apply:pathlib.Path.touch [{mark}]",
        "method: {{class_path: evil.Evil}}",
        "method: {{name: simclr, temperature: {{class_path: evil.Evil, init_args: {{}}}}}}",
        "{{method: simclr, encoder: {{class_path: evil.Evil}}}}",
        "{{method: simclr, encoder: {{name: conv, width: {{class_path: evil.Evil}}}}}}",
        "{{method: simclr, labels: {{class_path: evil.Evil}}}}",
        "{{method: simclr, init: {{class_path: evil.Evil}}}}",
        "{{method: evil.Evil}}",
        "{{method: simclr, modality: evil}}",
    ],
)
def test_a_configuration_never_imports_or_runs_code(
    text: str, calls: list[Call], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "ran"
    (tmp_path / "evil.py").write_text(
        f"import pathlib\npathlib.Path({str(mark)!r}).touch()\nclass Evil: pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    config = tmp_path / "run.yaml"
    config.write_text(text.format(mark=mark))
    assert cli.main(["pretrain", "photos", "--config", str(config)]) == 2
    assert not mark.exists()
    assert "evil" not in sys.modules
    assert calls == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.DataError("no images in photos"), 2),
        (errors.missing("timm", "image"), 2),
        (FileNotFoundError(2, "No such file or directory", "photos"), 2),
        (errors.CollapseError("all embeddings are equal at step 7"), 1),
        (errors.Interrupted(signal.SIGTERM, "step 7"), 143),
        (errors.Interrupted(signal.SIGINT, "step 7"), 130),
        (KeyboardInterrupt(), 130),
    ],
)
def test_what_goes_wrong_decides_the_exit_status(
    error: BaseException, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    replace(monkeypatch, "pretrain", fail)
    assert run("pretrain photos --method simclr") == status
    said = capsys.readouterr().err
    assert said.startswith("unlabeled: ")
    assert said.count("\n") == 1


def test_a_fault_of_the_library_is_not_dressed_up_as_the_user_s(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ValueError("shapes do not fit")

    replace(monkeypatch, "pretrain", fail)
    with pytest.raises(ValueError, match="shapes"):
        run("pretrain photos --method simclr")


def test_a_warning_is_one_line_without_the_place_in_the_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def warn(*_: Any, **__: Any) -> SimpleNamespace:
        warnings.warn("few samples", stacklevel=1)
        return SimpleNamespace(path="runs/x")

    replace(monkeypatch, "pretrain", warn)
    assert run("pretrain photos --method simclr") == 0
    assert capsys.readouterr().err == "unlabeled: warning: few samples\n"


def test_a_closed_pipe_is_met_in_silence() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "unlabeled", "methods"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 141
    assert said == b""


# the real thing


def test_a_folder_of_images_goes_all_the_way_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UNLABELED_CACHE", str(tmp_path / "cache"))
    generator = np.random.default_rng(0)
    for i in range(24):
        folder = Path("photos") / "ab"[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(0, 90, (8, 8, 3)) + 120 * (np.arange(3) == i % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{i}.png")
    small = "--epochs 1 --batch_size 8 --devices 1 --num_workers 0 --precision 32"

    assert run(f"pretrain photos --method simclr --method.hidden 8 --out runs/first {small}") == 0
    assert capsys.readouterr().out == "runs/first\n"
    assert run(f"pretrain photos --method simclr --out runs/first {small}") == 2
    assert "resume" in capsys.readouterr().err
    assert run("pretrain --config runs/first/run.yaml --out runs/second") == 0
    first, second = (Path(f"runs/{name}/encoder.safetensors").read_bytes() for name in ("first", "second"))
    assert first == second

    assert run("embed runs/first photos --output out/e.parquet") == 0
    assert pq.read_table("out/e.parquet").column_names == ["index", "key", "embedding", "label"]
    assert run("evaluate runs/first photos --output out/card.json") == 0
    assert "effective_rank" in json.loads(Path("out/card.json").read_text(encoding="utf-8"))
    assert run(f"finetune photos --labels true --init runs/first --out runs/few {small}") == 0
    assert run("predict runs/few photos --output out/p.csv") == 0
    assert Path("out/p.csv").read_text(encoding="utf-8").count("\n") == 25
    assert run("report runs/first --output out/report.html") == 0
    assert Path("out/report.html").is_file()
    assert run("report runs/first --data photos") == 0
    assert "Nearest neighbours" in Path("runs/first/report.html").read_text(encoding="utf-8")
    capsys.readouterr()
    assert run("report runs/first runs/second --data photos --points 20") == 0
    assert capsys.readouterr().out == "written: runs/comparison.html\n"
    assert "first: " in Path("runs/comparison.html").read_text(encoding="utf-8")
    assert run("report runs/first runs/second --output out/both.html") == 0
    assert "2 runs compared" in Path("out/both.html").read_text(encoding="utf-8")
    assert run("report runs/first runs/second --points 20") == 2
    assert "--points is about data: give --data too" in capsys.readouterr().err
