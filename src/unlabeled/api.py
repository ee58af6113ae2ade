"""The verbs: training without labels, training with a few, and judging any encoder."""

from __future__ import annotations

import copy
import hashlib
import inspect
import os
import platform
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import torch
from lightning import Callback
from torch import nn

from unlabeled import modalities
from unlabeled.assessment import assess, assess_embeddings
from unlabeled.data.draws import derive_seed
from unlabeled.data.labels import read_labels
from unlabeled.data.source import Source
from unlabeled.errors import CheckpointError, DataError, OptionError, RunError, nearest
from unlabeled.evaluation import Scorecard
from unlabeled.methods import Entry, Facts, Method, lookup
from unlabeled.modalities.contract import Modality
from unlabeled.modalities.facts import find_facts
from unlabeled.parts.encoder import Encoder, Wrapped
from unlabeled.run import (
    Run,
    pick_device,
    read_yaml,
    say_skipped,
    write_skipped,
    write_tensors,
    write_yaml,
)
from unlabeled.training.engine import Engine
from unlabeled.training.fit import Machine, fit
from unlabeled.training.plan import Plan, resolve, seconds
from unlabeled.training.precision import resolve_precision
from unlabeled.training.validate import Held

COMPARED = (
    "verb",
    "method",
    "encoder",
    "modality",
    "init",
    "epochs",
    "batch_size",
    "lr",
    "optimiser",
    "weight_decay",
    "seed",
)
"""what must be the same for a run to be continued"""


def pretrain(
    data: Any,
    *,
    method: str | dict[str, Any],
    encoder: str | dict[str, Any] | nn.Module | None = None,
    modality: str | dict[str, Any] | Modality | None = None,
    labels: Any = None,
    validation: Any = None,
    init: str | Path | Run | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    optimiser: str | None = None,
    weight_decay: float | None = None,
    max_time: Any = None,
    num_workers: int | str = "auto",
    seed: int = 0,
    out: str | Path | None = None,
    devices: int | str | list[int] = "auto",
    num_nodes: int = 1,
    strategy: str = "auto",
    precision: str = "auto",
    resume: bool = False,
    on_collapse: str = "stop",
    **method_options: Any,
) -> Run:
    """Self-supervised training: data without labels in, an encoder out.

    Args:
        data: a folder or archive of files, a parquet, npy or npz file, an array or tensor, a torch or
            Hugging Face dataset. What was recognised is said.
        method: a name from `unlabeled methods`, or a dict {"name": …, option: value, …}.
        encoder: a name, a dict {"name": …, option: value, …}, or your own torch module; None: the
            modality's default.
        modality: the kind of data where it is not recognised by itself, or a dict with its options
            ({"name": "image", "size": 96}).
        labels: only watched (accuracy of neighbours while training), unless the method needs them: a csv
            with the columns key (or index) and label, an array, a table, True for class folders.
        validation: held-out data, only watched; the best checkpoint on it is kept as best.ckpt.
        init: a run to continue from: its encoder and its preparation of data.
        epochs: passes over the data; None: chosen from the recipe and the size of the data.
        batch_size: samples in a step, over all processes; None: the recipe's, at most all samples.
        lr: learning rate as it is used, not scaled; None: the recipe's, scaled to the batch.
        optimiser: adamw, sgd or lars; None: the recipe's.
        weight_decay: constant weight decay; None: the recipe's.
        max_time: longest time to train: seconds, "90s", "30m", "1h30m". The run then ends early, saved.
        num_workers: processes that read data; "auto": none where the data is decoded already.
        seed: the same seed gives the same run.
        out: run folder; None: runs/<method>.
        devices: as in Lightning: how many, or which.
        num_nodes: machines.
        strategy: as in Lightning: ddp, fsdp, …
        precision: auto, 32 or bf16; auto: bfloat16 where the processor has it.
        resume: continue the run in `out`, or start it if there is none.
        on_collapse: stop (an error) or warn, when the embeddings collapse.
        **method_options: the method's own options.

    Raises:
        UserError: something asked for cannot be done; nothing was trained.
        TrainingError: collapse, a loss that is not finite, a checkpoint that cannot be written.
        Interrupted: a signal stopped it; last.ckpt holds the run.
    """
    return _train("pretrain", dict(locals()))


def finetune(
    data: Any,
    *,
    labels: Any,
    method: str | dict[str, Any] = "supervised",
    encoder: str | dict[str, Any] | nn.Module | None = None,
    modality: str | dict[str, Any] | Modality | None = None,
    validation: Any = None,
    init: str | Path | Run | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    optimiser: str | None = None,
    weight_decay: float | None = None,
    max_time: Any = None,
    num_workers: int | str = "auto",
    seed: int = 0,
    out: str | Path | None = None,
    devices: int | str | list[int] = "auto",
    num_nodes: int = 1,
    strategy: str = "auto",
    precision: str = "auto",
    resume: bool = False,
    on_collapse: str = "stop",
    **method_options: Any,
) -> Run:
    """Training with a few labels; a label of -1 means unlabelled. The run can `predict`.

    Args:
        data: as for pretrain.
        labels: a csv with the columns key (or index) and label, an array, a table, True for class folders.
        method: a method that learns from labels, by name or as a dict.
        encoder: as for pretrain.
        modality: as for pretrain.
        validation: held-out data with labels of its own, only watched.
        init: a run whose encoder is the start, e.g. one that was pre-trained.
        epochs: as for pretrain.
        batch_size: as for pretrain.
        lr: as for pretrain.
        optimiser: as for pretrain.
        weight_decay: as for pretrain.
        max_time: as for pretrain.
        num_workers: as for pretrain.
        seed: as for pretrain.
        out: run folder; None: runs/<method>.
        devices: as for pretrain.
        num_nodes: as for pretrain.
        strategy: as for pretrain.
        precision: as for pretrain.
        resume: as for pretrain.
        on_collapse: stop or warn, when nearly all samples get one class.
        **method_options: the method's own options.
    """
    return _train("finetune", dict(locals()))


def evaluate(
    model: Any,
    data: Any = None,
    *,
    labels: Any = None,
    test: Any = None,
    test_labels: Any = None,
    modality: str | dict[str, Any] | Modality | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    k: int = 20,
    device: str = "auto",
    output: str | Path | None = None,
) -> Scorecard:
    """How good any encoder is, ours or not: each figure beside chance, the raw input and an untrained encoder.

    Args:
        model: a run or its folder; "timm/NAME"; the folder of a checkpoint of transformers; a .onnx or .pt2 file;
            your own torch module; or embeddings: an array, a table, a .npy, .npz, .parquet or .csv file, and then
            no `data`.
        data: what to judge it on, as for pretrain.
        labels: a csv with the columns key (or index) and label, an array, a table, a column of the data, True for
            what the data itself says; None: what it says, or figures without labels; False: figures without
            labels. Numbers with fractions are quantities, met by a regression.
        test: other data (or embeddings) to test on; None: a fifth of every class is held out.
        test_labels: labels of test; None: what a labels file or table says of its keys, else what it itself says.
        modality: the kind of data where it is not recognised by itself; a run has its own.
        mean: of images from 0 to 1, by which a model from elsewhere had its inputs standardised, one number a band.
        std: the deviation that goes with it.
        k: neighbours that vote.
        device: auto, cpu, cuda, cuda:0.
        output: a JSON file that gets the scorecard; a run's own folder always gets scorecard.json.
    """
    from unlabeled.foreign import AsCollated, Embeddings, is_embeddings, open_model

    if isinstance(model, str | Path) and (Path(model).expanduser() / "run.yaml").is_file():
        model = Run(Path(model).expanduser())
    if k < 1:
        raise OptionError(f"k must be at least 1, not {k}")
    if isinstance(model, Run):
        if modality is not None or mean is not None or std is not None:
            raise OptionError(
                "a run has its own preparation of the data: leave modality=, mean= and std= out"
            )
        if data is None:
            raise OptionError(f"give the data to judge {model.path} on")
        common: dict[str, Any] = {"labels": labels, "test": test, "test_labels": test_labels}
        return model.evaluate(data, **common, k=k, device=device, output=output)
    if data is None:
        if isinstance(model, str | Path) and Path(model).suffix and not Path(model).expanduser().exists():
            raise OptionError(f"there is no file {str(model)!r} (looked in {Path.cwd()})")
        if not is_embeddings(model):
            raise OptionError(f"give the data to judge {_told(model)} on; only embeddings need none")
        column = labels if isinstance(labels, str) else None
        held = Embeddings(model, label=column)
        asked = None if test is None else Embeddings(test, label=column)
        card = assess_embeddings(
            held,
            labels=True if held.label is not None else labels,
            test=asked,
            test_labels=test_labels,
            k=k,
            notes=[held.description],
        )
    else:
        if isinstance(model, nn.Module):  # it is given back as it was
            training = model.training
            place = next((t.device for t in model.parameters()), torch.device("cpu"))
        opened = open_model(model, data, modality=modality, labels=labels, mean=mean, std=std)
        source = opened.modality.read(data, labels=True)
        say_skipped(source)
        other = None if test is None else opened.modality.read(test, labels=True)
        encoders = {"learned": opened.encoder}
        notes = [f"encoder: {opened.name}"]
        if opened.untrained is not None:
            encoders["untrained"] = opened.untrained
        else:
            notes.append("no untrained encoder to compare with: how this one was made is not known")
        card = assess(
            opened.modality,
            encoders,
            source,
            labels=labels,
            test=other,
            test_labels=test_labels,
            k=k,
            device=pick_device(device),
            as_collated=isinstance(opened.encoder, AsCollated),
            notes=notes,
        )
        if isinstance(model, nn.Module):
            model.train(training).to(place)
    if output is not None:
        card.save(output)
    return card


def train(verb: Callable[..., Run], data: Any, *, callbacks: Sequence[Callback] = (), **asked: Any) -> Run:
    """As `verb`, which is `pretrain` or `finetune`, but without a report: for those who keep only the encoder.

    `callbacks`: Lightning's, for those who look at the training itself.
    """
    defaults = {n: p.default for n, p in inspect.signature(verb).parameters.items() if n != "method_options"}
    own = {name: asked.pop(name) for name in list(asked) if name not in defaults}
    return _train(
        verb.__name__,
        {**defaults, **asked, "data": data, "method_options": own},
        report=False,
        callbacks=callbacks,
    )


def _train(
    verb: str, asked: dict[str, Any], *, report: bool = True, callbacks: Sequence[Callback] = ()
) -> Run:
    entry, options = _method(asked["method"], asked["method_options"], verb)
    if asked["on_collapse"] not in ("stop", "warn"):
        raise OptionError(f"on_collapse must be 'stop' or 'warn', not {asked['on_collapse']!r}")
    resolve_precision(asked["precision"], torch.device("cpu"))
    _check_workers(asked["num_workers"])
    limit = seconds(asked["max_time"])
    folder = Path(asked["out"] if asked["out"] is not None else Path("runs") / entry.name)
    _check_folder(folder, asked["resume"])
    if entry.status == "not shown":
        _say(f"warning: no benchmark shows yet that {entry.name!r} learns (see `unlabeled methods`)")

    start = Run(asked["init"]) if isinstance(asked["init"], str | Path) else asked["init"]
    prepared = _prepare(asked, entry, start)
    torch.manual_seed(derive_seed(asked["seed"], "encoder"))
    built, spec, own = _encoder(asked["encoder"], prepared, entry, start)
    torch.manual_seed(derive_seed(asked["seed"], "method"))
    method = entry.cls(built, prepared.facts, **options)
    plan, chosen = resolve(
        method.recipe,
        rows=len(prepared.rows),
        whole=prepared.source.whole,
        least_batch=method.requires.least_batch,
        seed=asked["seed"],
        unread=(len(prepared.source.skipped), len(prepared.source) + len(prepared.source.skipped)),
        **{name: asked[name] for name in ("epochs", "batch_size", "lr", "optimiser", "weight_decay")},
    )
    config = _config(verb, asked, entry, options, spec, prepared, plan, start)
    if asked["resume"]:
        _refuse_another(folder, config)
    for line in chosen:
        _say(f"chosen: {line}")
    engine = Engine(
        method,
        prepared.modality,
        prepared.source,
        prepared.y,
        plan,
        rows=prepared.rows,
        workers=_workers(asked["num_workers"], prepared.source),
    )
    held = None
    if prepared.validation is not None or prepared.watched is not None:
        held = Held(prepared.validation, prepared.watched, asked["seed"])
    ended = fit(
        engine,
        folder,
        Machine(asked["devices"], asked["num_nodes"], asked["strategy"], asked["precision"]),
        held=held,
        limit=limit,
        on_collapse=asked["on_collapse"],
        resume=asked["resume"],
        say=_say,
        begin=lambda: _begin(folder, config, prepared.source),
        callbacks=callbacks,
    )
    if ended.main:
        try:
            _leave(folder, engine, prepared, spec, asked["seed"])
        except OSError as error:
            raise CheckpointError(
                f"{folder} could not be written ({error}); its last.ckpt holds the whole run: free some space "
                "and resume"
            ) from error
        if report:
            from unlabeled.report import run_report

            run_report(folder)
        if not ended.finished:
            _say(
                f"max_time reached at step {engine.moved} of {plan.steps}: saved as it is; resume=True goes on"
            )
        _say(f"saved in {folder}")
    engine.trainer.strategy.barrier()
    return Run(folder, encoder=own)


# the method
def _method(asked: str | dict[str, Any], more: dict[str, Any], verb: str) -> tuple[Entry, dict[str, Any]]:
    named = _named("method", asked)
    if not isinstance(named.get("name"), str):
        raise OptionError(f"method must be a name or a dict with a 'name', not {asked!r}")
    entry = lookup(named.pop("name"))
    options = {**named, **more}
    for name, value in options.items():
        if name not in entry.options:
            raise OptionError(f"{entry.name} has no option {name!r}: {nearest(name, entry.options)}")
        _check_type(entry, name, value)
    if verb == "finetune" and not entry.cls.requires.labels:
        raise OptionError(
            f"{entry.name!r} does not learn from labels: use pretrain, then finetune with init="
        )
    return entry, options


def _check_type(entry: Entry, name: str, value: Any) -> None:
    hint = get_type_hints(entry.cls.__init__)[name]
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise OptionError(f"{entry.name}: {name} must be one of {get_args(hint)}, not {value!r}")
        return
    members = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    allowed = [get_origin(kind) or kind for kind in members]
    fine = any(
        (isinstance(value, kind) and not (isinstance(value, bool) and kind is not bool))
        or (kind is float and isinstance(value, int) and not isinstance(value, bool))
        for kind in allowed
        if isinstance(kind, type)
    )
    if not fine:
        wanted = " or ".join(getattr(kind, "__name__", str(kind)) for kind in allowed)
        raise OptionError(f"{entry.name}: {name} must be of type {wanted}, not {value!r}")


# the data
@dataclass
class Prepared:
    """Everything a run knows of its data."""

    modality: Modality
    source: Source
    y: np.ndarray
    """what the method sees: all −1 unless it learns from labels"""
    rows: np.ndarray
    """what is trained on"""
    watched: np.ndarray | None
    classes: list[str] | None
    validation: tuple[Source, np.ndarray] | None
    facts: Facts


def _prepare(asked: dict[str, Any], entry: Entry, start: Run | None) -> Prepared:
    data, labels = asked["data"], asked["labels"]
    if start is not None and not _same_kind(asked["modality"], start.modality):
        raise OptionError("init= brings its own preparation of the data: leave modality= out")
    modality = start.modality if start is not None else _modality(asked["modality"], data, labels)
    if entry.modalities and modality.name not in entry.modalities:
        raise OptionError(
            f"{entry.name} is for {', '.join(entry.modalities)}, and this data is of {modality.name!r}"
        )
    labels = modality.named_labels(labels)
    source = modality.read(data, labels=labels is True)
    found = start is None and _named("modality", asked["modality"])["name"] is None
    other = "; recognised, modality= overrules" if found else ""
    _say(f"data ({modality.name}{other}): {source.description}")
    if _main():  # before anything is asked of what is left
        say_skipped(source)
    unknown = np.full(len(source), -1, dtype=np.int64)
    y, classes = (unknown, None) if labels is None or labels is False else read_labels(labels, source)
    learns = entry.cls.requires.labels
    if learns and classes is None:
        raise OptionError(f"{entry.name} learns from labels and none were given: pass labels=")
    if learns and classes is not None and len(classes) < 2:
        raise DataError(f"all labels are {classes[0]!r}: {entry.name} needs at least two classes")
    labelled = entry.cls.requires.sampler == "labelled" and not source.whole
    rows = np.flatnonzero(y >= 0) if labelled else np.arange(len(source))
    return Prepared(
        modality,
        source,
        y if learns else unknown,
        rows,
        None if learns or classes is None else y,
        classes,
        _validation(asked, modality, classes, entry),
        find_facts(modality, source, len(classes) if learns and classes is not None else None),
    )


def _modality(asked: Any, data: Any, labels: Any) -> Modality:
    if isinstance(asked, Modality):
        return asked
    return modalities.fit(data, labels, **_named("modality", asked))


def _same_kind(asked: Any, modality: Modality) -> bool:
    return asked is modality or asked in (None, modality.name, {"name": modality.name})


def _named(what: str, asked: Any) -> dict[str, Any]:
    """A name, or a name with options, as a dict with a `name`."""
    if asked is None or isinstance(asked, str):
        return {"name": asked}
    if not isinstance(asked, dict):
        raise OptionError(f"{what} must be a name or a dict with a 'name', not {asked!r}")
    return dict(asked)


def _validation(
    asked: dict[str, Any], modality: Modality, classes: list[str] | None, entry: Entry
) -> tuple[Source, np.ndarray] | None:
    if asked["validation"] is None:
        return None
    learns = entry.cls.requires.labels
    source = modality.read(asked["validation"], labels=learns)
    if _main():
        say_skipped(source)
    least = max(2, entry.cls.requires.least_batch)
    if len(source) < least:
        raise DataError(f"the validation data has {len(source)} samples; {entry.name} needs at least {least}")
    y = np.full(len(source), -1, dtype=np.int64)
    if learns:
        if source.labels is None:
            raise DataError(
                "the validation data has no labels of its own: give class folders or a label column"
            )
        y, _ = read_labels(True, source, classes=classes)
    return source, y


def _check_workers(asked: int | str) -> None:
    if asked != "auto" and (isinstance(asked, bool) or not isinstance(asked, int) or asked < 0):
        raise OptionError(f"num_workers must be 'auto' or a number of at least 0, not {asked!r}")


def _workers(asked: int | str, source: Source) -> int:
    if not isinstance(asked, str):
        return asked
    return 0 if getattr(source, "decoded", True) else min(4, os.cpu_count() or 1)


# the encoder
def _encoder(
    asked: Any, prepared: Prepared, entry: Entry, start: Run | None
) -> tuple[Encoder, dict[str, Any], nn.Module | None]:
    """The encoder, what builds it again, and the module of the user's own that it is made of."""
    modality = prepared.modality
    if start is not None:
        spec: dict[str, Any] = start.about["encoder"]
        if asked is not None and asked != spec:
            raise OptionError("init= brings its own encoder: leave encoder= out")
        # a copy: the run that is continued stays what it is
        built = copy.deepcopy(start.encoder).train()
        own = built.module if isinstance(built, Wrapped) else built
        return built, spec, None if start.own is None else own
    if isinstance(asked, nn.Module):
        return modality.adopt(asked), {"name": "custom"}, asked
    named = _named("encoder", asked)
    default = modality.token_encoder if entry.cls.requires.tokens else modality.default_encoder
    built = modality.build_encoder(**{**named, "name": named.get("name") or default})
    return built, built.spec, None


# the folder
def _config(
    verb: str,
    asked: dict[str, Any],
    entry: Entry,
    options: dict[str, Any],
    spec: dict[str, Any],
    prepared: Prepared,
    plan: Plan,
    start: Run | None,
) -> dict[str, Any]:
    from unlabeled import __version__

    defaults = {name: p.default for name, p in entry.options.items()}
    kind = asked["modality"]
    given = {k: v for k, v in kind.items() if k != "name"} if isinstance(kind, dict) else {}
    config = {
        "verb": verb,
        "data": _told(asked["data"]),
        "method": {"name": entry.name, **defaults, **options},
        "encoder": spec,
        "modality": {"name": prepared.modality.name, **given},
        "labels": _told(asked["labels"]),
        "validation": _told(asked["validation"]),
        "init": str(start.path) if start is not None else None,
        "epochs": plan.epochs,
        "batch_size": plan.batch_size,
        "lr": plan.lr,
        "optimiser": plan.recipe.optimiser,
        "weight_decay": asked["weight_decay"],
        "max_time": asked["max_time"] if isinstance(asked["max_time"], str) else seconds(asked["max_time"]),
        "num_workers": asked["num_workers"],
        "seed": plan.seed,
        "out": None if asked["out"] is None else str(asked["out"]),
        "devices": asked["devices"],
        "num_nodes": asked["num_nodes"],
        "strategy": asked["strategy"],
        "precision": asked["precision"],
        "on_collapse": asked["on_collapse"],
        "about": {
            "unlabeled": __version__,
            "torch": str(torch.__version__),
            "python": platform.python_version(),
            "samples": len(prepared.source),
            "trained_on": len(prepared.rows),
            "skipped": len(prepared.source.skipped),
            "data": prepared.source.description,
            "fingerprint": prepared.source.fingerprint,
            "labels": hashlib.blake2b(prepared.y.tobytes(), digest_size=8).hexdigest(),
        },
    }
    return {name: _plain(value) for name, value in config.items()}


def _told(value: Any) -> Any:
    """A path, True, False or None as they are; of an array or a table only its kind."""
    if value is None or isinstance(value, bool):
        return value
    return str(value) if isinstance(value, str | Path) else f"<{type(value).__name__}>"


def _plain(value: Any) -> Any:
    """What a YAML file can hold, so that what is written equals what is read back."""
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, np.generic):
        return value.item()
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _check_folder(folder: Path, resume: bool) -> None:
    if not _main() or not folder.exists():
        return
    if not folder.is_dir():
        raise RunError(f"{folder} is a file: give another out=")
    if any(folder.iterdir()):
        if not (folder / "run.yaml").exists():
            raise RunError(f"{folder} is not empty and not a run of ours: give another out=")
        if not resume:
            raise RunError(
                f"{folder} holds a run already: continue it with resume=True, or give another out="
            )


def _refuse_another(folder: Path, config: dict[str, Any]) -> None:
    """Checks that the run in the folder, if there is one, is this one."""
    if not _main() or not (folder / "run.yaml").exists():
        return
    held = read_yaml(folder / "run.yaml")
    about = held.get("about") or {}
    told = [
        f"{name}: {held.get(name)!r} there, {config[name]!r} now"
        for name in COMPARED
        if held.get(name) != config[name]
    ]
    told += [
        f"the {name} changed"
        for name, mark in (("data", "fingerprint"), ("labels", "labels"))
        if about.get(mark) != config["about"][mark]
    ]
    if told:
        raise RunError(
            f"{folder} holds another run ({'; '.join(told)}): resume with the same options, or give another out="
        )


def _begin(folder: Path, config: dict[str, Any], source: Source) -> None:
    """Makes the run folder: from here on it holds a run."""
    if not _main():
        return
    folder.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(folder).free < 2**20:
        raise RunError(f"the disk of {folder} is full")
    if not (folder / "run.yaml").exists():
        write_yaml(folder / "run.yaml", config)
    write_skipped(folder / "skipped.csv", source.skipped)


def _leave(folder: Path, engine: Engine, prepared: Prepared, spec: dict[str, Any], seed: int) -> None:
    """Writes what outlives the training code."""
    method: Method = engine.method
    kept = method.kept
    write_tensors(folder / "encoder.safetensors", dict(kept.state_dict()))
    mine = {id(t) for t in kept.state_dict(keep_vars=True).values()}
    rest = {n: t for n, t in method.state_dict(keep_vars=True).items() if id(t) not in mine}
    if method.classifier is not None:
        rest |= {"classifier.weight": method.classifier.weight, "classifier.bias": method.classifier.bias}
    write_tensors(folder / "method.safetensors", rest)
    write_yaml(
        folder / "method.yaml",
        {"method": method.name, "classes": prepared.classes if method.classifier is not None else None},
    )
    about = {
        "method": method.name,
        "seed": seed,
        "encoder": spec,
        "dim": kept.dim,
        "modality": {"name": prepared.modality.name, **prepared.modality.config()},
    }
    write_yaml(folder / "encoder.yaml", about)


def _main() -> bool:
    """Whether this is the process that speaks and writes (Lightning starts the others with these set)."""
    return os.environ.get("LOCAL_RANK", "0") == "0" and os.environ.get("NODE_RANK", "0") == "0"


def _say(line: str) -> None:
    if _main():
        print(line, file=sys.stderr)
