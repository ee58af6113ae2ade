"""The command line: the Python functions under the same names, with the same options.

Names (`--method simclr`) resolve in the registries only, and a configuration is data: neither can name
code. A user's mistake ends in one message and status 2, a failed training in status 1, an interrupted
one in 128 + the signal. Everything heavy is imported by the command that needs it.
"""

from __future__ import annotations

import contextlib
import csv
import inspect
import json
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unlabeled.errors import (
    Interrupted,
    MissingExtraError,
    OptionError,
    TrainingError,
    UserError,
    nearest,
)
from unlabeled.options import Option, Options, from_signature, option_docs

NAMED = ("method", "modality", "encoder")
"""named things with options of their own: `--method.temperature 0.2`, `method: {name: …, temperature: …}`"""

COMPARISON = "comparison.html"
"""what `report` writes of several runs, beside the first"""
BROKEN_PIPE = 128 + 13
FAILED, MISUSED, INTERRUPTED = 1, 2, 130


@dataclass(frozen=True)
class Command:
    """One word after `unlabeled`."""

    usage: str
    about: str
    run: Callable[[str, list[str]], None]
    """does it, given the command's name and the words behind it"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _warn
            _run(words)
        sys.stdout.flush()
    except (UserError, MissingExtraError) as error:
        return _end(error, MISUSED)
    except Interrupted as stopped:
        return _end(stopped, 128 + stopped.signal)
    except TrainingError as error:
        return _end(error, FAILED)
    except KeyboardInterrupt:
        return _end("interrupted", INTERRUPTED)
    except BrokenPipeError:
        # whoever read our output has closed it (`| head`): nothing to say, and nobody to say it to
        _silence_stdout()
        return BROKEN_PIPE
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
        return _end(f"{error.strerror or 'cannot be opened'}: {error.filename or error}", MISUSED)
    return 0


def _run(words: list[str]) -> None:
    if not words or words[0] in ("-h", "--help", "help"):
        print(_overview())
    elif words[0] in ("-V", "--version"):
        from unlabeled import __version__

        print(f"unlabeled {__version__}")
    elif words[0] not in COMMANDS:
        raise OptionError(f"there is no command {words[0]!r}: {nearest(words[0], COMMANDS)}")
    else:
        COMMANDS[words[0]].run(words[0], words[1:])


# training


def _train(command: str, words: list[str]) -> None:
    """`pretrain` and `finetune`, with the options of the method and the modality that are named."""
    from unlabeled import api

    function = getattr(api, command)
    parameters = inspect.signature(function).parameters
    path = _peek(words, "config")
    config = _flat(_load(Path(path), command)) if path else {}
    names: dict[str, str] = {}
    for kind in NAMED:
        typed = _peek(words, kind)
        if typed is not None and typed != config.get(kind):
            # another name on the command line: the options in the configuration were the other one's
            config = {key: value for key, value in config.items() if not key.startswith(f"{kind}.")}
        name = typed or config.get(kind) or parameters[kind].default
        if isinstance(name, str):
            names[kind] = name

    asked = [*config, *(word.removeprefix("--").partition("=")[0] for word in words)]
    options = [
        Option(
            "data",
            doc="what to learn from: a folder, an archive or a file",
            group="data:",
            place="positional",
        ),
        *from_signature(function, skip=("data",), docs=_docs(command)),
        Option("config", doc="YAML file of options, such as a run's run.yaml; the command line overrules it"),
    ]
    options += _options_of(names, asked)
    parser = Options(COMMANDS[command].usage, COMMANDS[command].about, options)
    if _wants_help(words):
        print(parser.help())
        if "method" not in names:
            print(f"\n{_method_names()}\nA method's own options: unlabeled {command} --method NAME --help")
        return

    given = parser.read(words, config)
    given.pop("config", None)
    for required, parameter in parameters.items():
        optional = parameter.default is not parameter.empty or parameter.kind is parameter.VAR_KEYWORD
        if not optional and given.get(required) is None:
            label = "DATA" if required == "data" else f"--{required}"
            remedy = _method_names() if required == "method" else f"usage: unlabeled {parser.usage}"
            raise OptionError(f"{command} needs {label}; {remedy}")
    run = function(given.pop("data"), **_nested(given, names))
    if _first():
        print(run.path)


def _docs(command: str) -> dict[str, str]:
    """What the options of training mean; `finetune` refers to `pretrain` for those they share."""
    from unlabeled import api

    docs = option_docs(inspect.getdoc(getattr(api, command)))
    shared = option_docs(inspect.getdoc(api.pretrain))
    return {name: shared[name] if text == "as for pretrain" else text for name, text in docs.items()}


def _options_of(names: Mapping[str, str], asked: Sequence[str]) -> list[Option]:
    """The options of all that is named; refused: those of what is not."""
    options: list[Option] = []
    for kind in NAMED:
        if kind in names:
            options += _own_options(kind, names[kind], asked)
        elif own := [key for key in asked if key.startswith(f"{kind}.")]:
            raise OptionError(f"--{own[0]} needs --{kind} NAME: it is that {kind}'s option")
    return options


def _own_options(kind: str, name: str, asked: Iterable[str]) -> list[Option]:
    """The options of a named method, modality or encoder."""
    prefix = f"{kind}."
    group = f"options of {kind} {name}:"
    if kind == "method":
        from unlabeled import methods

        entry = methods.lookup(name)
        doc = inspect.getdoc(entry.cls) or ""
        heading = f"method {name} ({entry.paper})\n  {doc.splitlines()[0] if doc else ''}".rstrip()
        docs = option_docs(doc)
        return from_signature(entry.cls.__init__, prefix=prefix, group=heading, only=entry.options, docs=docs)
    if kind == "modality":
        from unlabeled.modalities import MODALITIES

        if name not in MODALITIES:
            raise OptionError(f"there is no modality {name!r}: {nearest(name, MODALITIES)}")
        return from_signature(MODALITIES[name].measure, prefix=prefix, group=group, skip=("data",))
    # an encoder's options depend on the modality, which may have to see the data first: it checks them
    return [Option(key, Any, group=group) for key in dict.fromkeys(asked) if key.startswith(prefix)]


def _peek(words: Sequence[str], name: str) -> str | None:
    """The value an option will have, before its parser can exist."""
    value = None
    for place, word in enumerate(words):
        following = words[place + 1 : place + 2]
        if word == f"--{name}" and following and not following[0].startswith("--"):
            value = following[0]
        elif word.startswith(f"--{name}="):
            value = word.partition("=")[2]
    return value


def _load(path: Path, command: str) -> dict[str, Any]:
    """A configuration, read as data. A run's own also names its command and what is to be known about it."""
    import yaml

    class Loader(yaml.SafeLoader):
        """The safe loader, which however takes 1e-3 for text."""

    Loader.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+"),
        list("-+0123456789"),
    )
    try:
        config = yaml.load(path.read_text(encoding="utf-8"), Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise OptionError(f"{path} is not a YAML file of plain values: {error}") from error
    if not isinstance(config, dict) or not all(isinstance(key, str) for key in config):
        raise OptionError(f"{path} must hold options by name, such as 'epochs: 100'")
    config.pop("about", None)
    if (verb := config.pop("verb", command)) != command:
        raise OptionError(f"{path} is of a run of {verb!r}: repeat it with unlabeled {verb} --config {path}")
    return config


def _flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """`method: {name: simclr, temperature: 0.2}` as `method: simclr` and `method.temperature: 0.2`."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if key in NAMED and isinstance(value, dict):
            if not isinstance(value.get("name"), str):
                raise OptionError(f"in the configuration, {key} must be a name or {{name: …, option: value}}")
            flat[key] = value["name"]
            flat.update({f"{key}.{own}": v for own, v in value.items() if own != "name"})
        else:
            flat[key] = value
    return flat


def _nested(given: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The arguments of the Python function: a name with options becomes {name: …, **options}."""
    arguments = {key: value for key, value in given.items() if "." not in key}
    for key, value in given.items():
        kind, dot, own = key.partition(".")
        if dot:
            if not isinstance(arguments.get(kind), dict):
                arguments[kind] = {"name": names[kind]}
            arguments[kind][own] = value
    return arguments


def _method_names() -> str:
    from unlabeled import methods

    return f"methods: {', '.join(methods.names())}"


# using a run


def _use(command: str, words: list[str]) -> None:
    """`embed` and `predict`: a method of the run, with the options of its signature."""
    from unlabeled.run import Run, load

    function = getattr(Run, command)
    options = [
        Option("run", doc="the run's folder", group="what:", place="positional"),
        Option("data", doc="a folder, an archive or a file", group="what:", place="positional"),
        *from_signature(function, skip=("data",)),
    ]
    given = _given(command, words, options)
    if given is None:
        return
    output = given.get("output")
    if output is None:
        raise OptionError(f"{command} needs --output; usage: unlabeled {COMMANDS[command].usage}")
    function(load(given.pop("run")), given.pop("data"), **given)
    print(f"written: {output}")


def _evaluate(command: str, words: list[str]) -> None:
    """Judges a run, a model from elsewhere, or embeddings."""
    from unlabeled.api import evaluate

    names = {"modality": name} if (name := _peek(words, "modality")) is not None else {}
    asked = [word.removeprefix("--").partition("=")[0] for word in words]
    model = "a run's folder, timm/NAME, a .onnx or .pt2 file, a checkpoint's folder, or a file of embeddings"
    options = [
        Option("model", doc=model, group="what:", place="positional"),
        Option(
            "data",
            doc="a folder, an archive or a file; left out for embeddings",
            group="what:",
            place="optional",
        ),
        *from_signature(evaluate, skip=("model", "data")),
        *(_own_options("modality", names["modality"], asked) if names else ()),
    ]
    given = _given(command, words, options)
    if given is None:
        return
    card = evaluate(given.pop("model"), given.pop("data", None), **_nested(given, names))
    print(card.table())
    if given.get("output") is not None:
        print(f"written: {given['output']}")


def _export(command: str, words: list[str]) -> None:
    """A run's encoder as a file of its own."""
    from unlabeled.run import Run, load

    options = [
        Option("run", doc="the run's folder", group="what:", place="positional"),
        *from_signature(Run.export),
    ]
    given = _given(command, words, options)
    if given is None:
        return
    if given.get("output") is None:
        raise OptionError(f"{command} needs --output; usage: unlabeled {COMMANDS[command].usage}")
    print(f"written: {load(given.pop('run')).export(given.pop('output'), **given)}")


def _report(command: str, words: list[str]) -> None:
    """The report of one run, or one page that compares several."""
    from unlabeled.run import Run, load

    options = [
        Option("run", doc="one run's folder, or several to compare", group="what:", place="positionals"),
        *from_signature(Run.report),
    ]
    given = _given(command, words, options)
    if given is None:
        return
    runs = given.pop("run")
    if len(runs) == 1:
        print(f"written: {load(runs[0]).report(**given)}")
        return
    from unlabeled.report import compare

    output, data = given.pop("output", None), given.pop("data", None)
    if data is None and given:
        raise OptionError(f"--{next(iter(given))} is about data: give --data too")
    shown = None if data is None else [load(run).shown(data, **given) for run in runs]
    print(f"written: {compare(runs, output or Path(runs[0]).parent / COMPARISON, shown=shown)}")


# choosing without labels


def _select(command: str, words: list[str]) -> None:
    """Ranks runs, or searches hyperparameters where a space is given."""
    if any(word.partition("=")[0] == "--search" for word in words):
        return _search(command, words)
    from unlabeled.selection import select

    options = [
        Option("run", doc="the folders of two runs or more", group="what:", place="positionals"),
        Option("data", doc="what the runs embed: a folder, an archive or a file", group="what:"),
        *from_signature(select, skip=("runs", "data")),
    ]
    given = _given(command, words, options)
    if given is None:
        print(f"\nThe options of a search: unlabeled {command} --search SPACE.yaml --method NAME --help")
        return
    _needs(command, given, "data")
    found = select(given.pop("run"), given.pop("data"), **given)
    print(found.table())
    for chosen in found.chosen(found.by):
        print(f"chosen by {found.by}: {chosen.path}")
    if "output" in given:
        print(f"written: {given['output']}")


def _search(command: str, words: list[str]) -> None:
    """`search`, with the options of `pretrain` and of the method that every trial has alike."""
    from unlabeled import api
    from unlabeled.selection import search, training_options

    asked = [word.removeprefix("--").partition("=")[0] for word in words]
    names = {kind: name for kind in NAMED if (name := _peek(words, kind)) is not None}
    options = [
        Option("search", doc="YAML file of the space, such as {lr: [0.0001, 0.01, log]}", group="what:"),
        Option("data", doc="what the trials learn from: a folder, an archive or a file", group="what:"),
        *from_signature(search, skip=("data", "space")),
        *from_signature(
            api.pretrain, only=training_options(), docs=_docs("pretrain"), group="the same for every trial:"
        ),
        *_options_of(names, asked),
    ]
    given = _given(command, words, options)
    if given is None:
        return
    _needs(command, given, "search", "data", "method", "out")
    found = search(given.pop("data"), space=given.pop("search"), **_nested(given, names))
    print(found.table())
    print(f"best by {found.by}: {found.best}")


def _needs(command: str, given: Mapping[str, Any], *names: str) -> None:
    """Refuses a command without an option that it cannot do without."""
    for name in names:
        if given.get(name) is None:
            raise OptionError(f"{command} needs --{name}; usage: unlabeled {COMMANDS[command].usage}")


# looking around


def _methods(command: str, words: list[str]) -> None:
    """The registered methods, as a table or a file."""
    given = _given(command, words, [Option("output", doc="write .json or .csv instead of showing the table")])
    if given is None:
        return
    from unlabeled import methods

    rows = methods.table()
    if "output" not in given:
        print(_aligned(rows))
        return
    path = Path(given["output"])
    if path.suffix == ".json":
        path.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    elif path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    else:
        raise OptionError(f"--output must end in .json or .csv, not {path.name!r}")
    print(f"written: {path}")


def _info(command: str, words: list[str]) -> None:
    """Versions and devices."""
    if _given(command, words, []) is None:
        return
    from unlabeled.info import info

    lines = info()
    width = max(map(len, lines))
    for name, text in lines.items():
        print(f"{name:<{width}}  {text}")


def _demo(command: str, words: list[str]) -> None:
    """The demonstration."""
    from unlabeled.demo import demo

    given = _given(command, words, from_signature(demo))
    if given is not None:
        demo(**given)


COMMANDS = {
    "pretrain": Command(
        "pretrain DATA --method NAME [--encoder NAME] [--epochs N] [--out DIR] …",
        "Learn an encoder from data without labels.",
        _train,
    ),
    "finetune": Command(
        "finetune DATA --labels FILE [--method NAME] [--init RUN] [--out DIR] …",
        "Learn to classify from few labels.",
        _train,
    ),
    "embed": Command("embed RUN DATA --output FILE.parquet", "Write a run's embedding of each sample.", _use),
    "predict": Command("predict RUN DATA --output FILE.csv", "Write the class of each sample.", _use),
    "evaluate": Command(
        "evaluate RUN|MODEL|EMBEDDINGS [DATA] [--labels FILE] [--output FILE.json]",
        "Show how good an encoder is, ours or not.",
        _evaluate,
    ),
    "report": Command(
        "report RUN… [--data DATA] [--output FILE]",
        f"Write a run's report.html, or {COMPARISON} of several, beside the first.",
        _report,
    ),
    "export": Command(
        "export RUN --format onnx|torch|timm --output FILE",
        "Write a run's encoder as a file that runs without this library.",
        _export,
    ),
    "select": Command(
        "select RUN RUN… --data DATA [--by NAME] | select --search SPACE.yaml --data DATA --method NAME --out DIR",
        "Choose among runs, or search hyperparameters, without labels.",
        _select,
    ),
    "methods": Command("methods [--output FILE.json|FILE.csv]", "Show which methods there are.", _methods),
    "info": Command("info", "Show versions and devices.", _info),
    "demo": Command(
        "demo [--out DIR]", "Show on handwritten digits what learning without labels gains.", _demo
    ),
}


def _overview() -> str:
    lines = ["Learn from data with few labels or none.", "", "usage: unlabeled COMMAND …", ""]
    for command in COMMANDS.values():
        lines += [f"  unlabeled {command.usage}", f"      {command.about}"]
    return "\n".join(
        [*lines, "", "unlabeled COMMAND --help shows its options; unlabeled --version the version."]
    )


# what the commands share


def _given(command: str, words: Sequence[str], options: Sequence[Option]) -> dict[str, Any] | None:
    """The options given, every positional among them; None after help was asked for and shown."""
    known = COMMANDS[command]
    parser = Options(known.usage, known.about, options)
    if _wants_help(words):
        print(parser.help())
        return None
    given = parser.read(words)
    for option in options:
        if option.place not in ("named", "optional") and not given.get(option.name):
            raise OptionError(f"{command} needs {option.label}; usage: unlabeled {known.usage}")
    return given


def _wants_help(words: Sequence[str]) -> bool:
    return "--help" in words or "-h" in words


def _aligned(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as text in columns: columns without any value left out, the widest words last."""
    columns = [name for name in rows[0] if any(row[name] is not None for row in rows)]
    columns.sort(key=lambda name: name == "paper")
    cells = [columns, *([_cell(row[name]) for name in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(f"{c:<{w}}" for c, w in zip(line, widths, strict=True)).rstrip() for line in cells]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _warn(message: Warning | str, *_: Any, **__: Any) -> None:
    """A warning as one line a person can read, without the place in the code."""
    print(f"unlabeled: warning: {message}", file=sys.stderr)


def _end(message: object, status: int) -> int:
    if _first():
        print(f"unlabeled: {message}", file=sys.stderr)
    return status


def _first() -> bool:
    """Whether this is the process that speaks: of several that train together, one does."""
    return os.environ.get("LOCAL_RANK", "0") == "0" and os.environ.get("NODE_RANK", "0") == "0"


def _silence_stdout() -> None:
    """Python flushes stdout once more when it ends; there must be something to take it."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
