"""Models that were not trained here, opened so that they can be judged like a run.

    timm/NAME            a model of timm with its own weights, where they are cached (nothing is downloaded)
    a folder             a checkpoint of transformers, for text
    a .onnx file         exported here, or by anybody
    a .pt2 file          a torch.export program that was exported here
    a torch module

and embeddings that were made anywhere.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from unlabeled import modalities
from unlabeled.data.frames import SUFFIXES, is_frame, read_frame
from unlabeled.data.source import Source
from unlabeled.errors import DataError, ExportError, OptionError, missing
from unlabeled.evaluation import arrays
from unlabeled.export import ABOUT, open_onnx, read_texts
from unlabeled.modalities.contract import Modality
from unlabeled.parts.encoder import Encoder, Wrapped
from unlabeled.run import restore_modality

ACCEPTED = (
    "a run's folder, 'timm/NAME', the folder of a checkpoint of transformers, a .onnx file, a .pt2 file that "
    "was exported here, or a torch module"
)


@dataclass(frozen=True)
class Opened:
    """A model beside the preparation of the data it is to be judged on."""

    encoder: Encoder
    """features (batch, dim) of what `prepare` gives"""
    modality: Modality
    """reads the data"""
    name: str
    untrained: Encoder | None
    """the same architecture with weights drawn anew (seed 0); None where it is not known"""

    def prepare(self, x: Any) -> Any:
        """Of collated samples, what `encoder` is given: `unlabeled.data.rows.features(encoder, source,
        prepare=opened.prepare)`. That is `modality.plain(x)`, but for files that take sound as it is."""
        return x if isinstance(self.encoder, AsCollated) else self.modality.plain(x)


class AsCollated(Wrapped):
    """A model that takes samples as they are collated, where the modality's own encoders see them changed."""


def open_model(
    model: str | os.PathLike[str] | nn.Module,
    data: Any = None,
    *,
    modality: str | Mapping[str, Any] | Modality | None = None,
    labels: Any = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Opened:
    """A model that was not trained here, and the modality that prepares `data` for it.

    `modality`: that of the data, by name or with its options, or one that is fixed already; None: what `data`
    is recognised as. A file that was exported here brings its own. `labels`: where it names a column, that column
    is kept out of the inputs. `mean`, `std`: of images from 0 to 1, one number a band, by which the model's
    inputs were standardised; a model of timm brings its own; a foreign ONNX file of floating-point images needs
    them (0 and 1 for pixels from 0 to 1); for a module of one's own they are by default those of the data.

    What a model is given: of timm, images of the size it was trained at; of transformers, documents cut by its
    own tokenizer; an ONNX file, its one input as the modality collates it (float (batch, bands, height, width)
    standardised, or uint8; float (batch, channels, steps) standardised, 0 where nothing is; (batch, columns);
    token numbers (batch, length); waveforms (batch, samples), 0 after the end), and its output `features`, else
    the first, is taken: (batch, dim), or maps or tokens, which are averaged.

    A .pt2 file is read by torch.export, which may run code that is in it: open only files that you trust.

    Refused: a model that is none of these; timm's weights that are not cached; an ONNX file with several inputs,
    or whose input is not what the modality collates.
    """
    if isinstance(modality, Mapping | Modality):
        asked: Any = modality if isinstance(modality, Modality) else dict(modality)
    else:
        asked = {"name": modality}

    def fitted(**wanted: Any) -> Modality:
        """The modality; `wanted`: options that the model needs, unless others were asked for."""
        fixed = asked if isinstance(asked, Modality) else _fit(model, data, labels, {**wanted, **asked})
        if "name" in wanted and fixed.name != wanted["name"]:
            raise OptionError(f"{model} is a model of {wanted['name']}s, and this data is of {fixed.name!r}")
        return fixed if mean is None and std is None else _standardised(fixed, mean, std)

    if isinstance(model, nn.Module):
        fixed = fitted()
        return Opened(fixed.adopt(model).eval(), fixed, type(model).__name__, None)
    name = os.fspath(model)
    path = Path(name).expanduser()
    if name.startswith("timm/"):
        return _open_timm(name.removeprefix("timm/"), fitted, scaled=mean is not None)
    if path.suffix == ".onnx":
        return _open_onnx(_there(path), fitted, scaled=mean is not None)
    if path.suffix == ".pt2":
        return _open_program(_there(path))
    if (path / "run.yaml").is_file():
        raise OptionError(f"{name} is the folder of a run: open it with ul.load")
    if (path / "config.json").is_file():
        fixed = fitted(name="text", tokenizer=str(path))
        encoder = fixed.build_encoder(str(path))
        return Opened(encoder.eval(), fixed, path.name, _untrained(encoder, fixed))
    raise OptionError(_unknown(name, path))


def _fit(model: Any, data: Any, labels: Any, options: dict[str, Any]) -> Modality:
    if data is None:
        raise OptionError(
            f"how samples are prepared for {model} is not known: give data=, or modality= as a modality that "
            "is fixed already, such as run.modality"
        )
    return modalities.fit(data, labels, **options)


def _standardised(modality: Modality, mean: Sequence[float] | None, std: Sequence[float] | None) -> Modality:
    """The same modality, but for the mean and the deviation by which images are standardised."""
    if modality.name != "image":
        raise OptionError(f"mean= and std= are of images, and this data is of {modality.name!r}")
    if mean is None or std is None:
        raise OptionError("mean= and std= belong together: give both, or neither")
    own = {"mean": [float(v) for v in mean], "std": [float(v) for v in std]}
    return type(modality)(**{**modality.config(), **own})


def _untrained(encoder: Encoder, modality: Modality) -> Encoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return modality.build_encoder(**encoder.spec).eval()


def _there(path: Path) -> Path:
    if not path.is_file():
        raise OptionError(f"there is no file {str(path)!r} (looked in {Path.cwd()})")
    return path


def _unknown(name: str, path: Path) -> str:
    if path.suffix in (".pt", ".pth", ".ckpt", ".bin", ".safetensors"):
        return f"{name} holds weights without their model: build the model in Python, load them, and pass it"
    if not path.exists() and "/" not in name and not path.suffix:
        return f"there is no {name!r} here; a model of timm is 'timm/{name}'. Accepted: {ACCEPTED}"
    what = "is none of the models that are known here" if path.exists() else "is not there"
    return f"{name} {what}. Accepted: {ACCEPTED}"


# timm


def _open_timm(name: str, fitted: Callable[..., Modality], *, scaled: bool) -> Opened:
    try:
        import timm
    except ImportError as error:
        raise missing("timm", "image") from error
    if not timm.is_model(name):
        near = timm.list_models(f"*{name.partition('.')[0]}*")[:3]
        hint = f"did you mean {' or '.join(near)}?" if near else "timm.list_models() shows all"
        raise OptionError(f"timm has no model {name!r}: {hint}")
    own = timm.models.get_pretrained_cfg(name)
    assert own is not None
    weights = _cached(own, name)
    how = timm.data.resolve_data_config({}, pretrained_cfg=own.to_dict())
    bands, *size = how["input_size"]
    modality = fitted(name="image", size=size, bands=bands)
    config = modality.config() | {"patch": None}  # that of the model
    if config["bands"] == bands and not scaled:
        config |= {"mean": list(how["mean"]), "std": list(how["std"])}
    modality = type(modality)(**config)
    encoder = modality.build_encoder(name, pretrained=weights).eval()
    return Opened(encoder, modality, f"timm/{name}", _untrained(encoder, modality))


def _cached(config: Any, name: str) -> str:
    """The file of a timm model's weights that was downloaded before."""
    from huggingface_hub import try_to_load_from_cache

    files = [config.file] if config.file else []
    if config.hf_hub_id:
        names = [config.hf_hub_filename or "model.safetensors", "pytorch_model.bin"]
        files += [try_to_load_from_cache(config.hf_hub_id, file) for file in names]
    if config.url:
        files.append(os.path.join(torch.hub.get_dir(), "checkpoints", os.path.basename(config.url)))
    for file in files:
        if isinstance(file, str) and os.path.isfile(file):
            return file
    raise OptionError(
        f"the weights of timm/{name} are not cached here, and nothing is downloaded: run "
        f"timm.create_model({name!r}, pretrained=True) once where there is a network"
    )


# files


class Outside(nn.Module):
    """A function of tensors on the processor that is no module of torch's, and has no mode to be in."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x.cpu()).to(x.device)


class Bytes(nn.Module):
    """Pixels from 0 to 1 as uint8; uint8 as it is."""

    def forward(self, x: Tensor) -> Tensor:
        return x if x.dtype == torch.uint8 else (x * 255).round().to(torch.uint8)


class Silent(nn.Module):
    """0 where nothing is."""

    def forward(self, x: Tensor) -> Tensor:
        return x.nan_to_num(0.0)


def _open_program(path: Path) -> Opened:
    held = {ABOUT: ""}
    try:
        program = torch.export.load(path, extra_files=held)
    except Exception as error:  # whatever a broken file may raise
        raise ExportError(f"torch.export cannot read {path.name} ({error})") from error
    if not held[ABOUT]:
        raise OptionError(
            f"{path.name} was not exported here and does not say how its data is prepared: pass "
            "torch.export.load(…).module() inside a module of your own"
        )
    run = program.module()
    return _ours(path, json.loads(held[ABOUT]), lambda x: run(x)[0])


def _ours(path: Path, about: Mapping[str, Any], function: Callable[[Tensor], Tensor]) -> Opened:
    """A file that says how its data is prepared. It takes collated samples; of images those at the encoder's size."""
    modality = restore_modality({"name": about["modality"], **about["preparation"]})
    example = modality.synthetic(2)
    bytes_ = Bytes() if example is not None and example.dtype == torch.uint8 else None
    kind = AsCollated if modality.name == "audio" else Wrapped
    encoder = kind(Outside(function), example, bytes_)
    return Opened(encoder.eval(), modality, path.stem, None)


def _open_onnx(path: Path, fitted: Callable[..., Modality], *, scaled: bool) -> Opened:
    session = open_onnx(path)
    inputs, outputs = session.get_inputs(), [out.name for out in session.get_outputs()]
    function = _session_function(session, "features" if "features" in outputs else outputs[0])
    held = session.get_modelmeta().custom_metadata_map
    if {"unlabeled", "modality", "preparation"} <= held.keys():
        return _ours(path, read_texts(held), function)
    if len(inputs) != 1:
        names = ", ".join(given.name for given in inputs)
        raise OptionError(f"{path.name} has several inputs ({names}): a model of one input is needed")
    return _theirs(path, inputs[0], function, fitted, scaled=scaled)


def _theirs(
    path: Path,
    given: Any,
    function: Callable[[Tensor], Tensor],
    fitted: Callable[..., Modality],
    *,
    scaled: bool,
) -> Opened:
    """A foreign ONNX file: what its input says decides what it is given."""
    size = [side if isinstance(side, int) else None for side in given.shape]
    image = len(size) == 4
    wanted: dict[str, Any] = {"name": "image"} if image else {}
    if image and size[1] is not None:
        wanted["bands"] = size[1]
    if image and size[2] is not None and size[3] is not None:
        wanted["size"] = size[2:]
    modality = fitted(**wanted)
    example = modality.example()
    if not isinstance(example, Tensor) or example.ndim != len(size):
        form = f"{example.ndim} axes" if isinstance(example, Tensor) else type(example).__name__
        raise OptionError(
            f"{path.name} takes {given.shape}, and a batch of the modality {modality.name!r} is {form}: name "
            "another modality=, or export the model with such an input"
        )
    module = Outside(function)
    if modality.name == "audio":
        return Opened(AsCollated(module, example, Silent()).eval(), modality, path.stem, None)
    if not image:
        return Opened(modality.adopt(module).eval(), modality, path.stem, None)
    plain = modality.plain(example)
    if given.type == "tensor(uint8)":
        return Opened(Wrapped(module, plain, Bytes()).eval(), modality, path.stem, None)
    if not scaled:
        raise OptionError(
            f"{path.name} takes floating-point images and does not say how they were standardised: give mean= "
            "and std=, one number a band (0 and 1 for pixels from 0 to 1)"
        )
    return Opened(modality.adopt(module).eval(), modality, path.stem, None)


def _session_function(session: Any, output: str) -> Callable[[Tensor], Tensor]:
    """One output of an ONNX session as a function of a batch; a model of fixed batch is run as often as it takes."""
    given = session.get_inputs()[0]
    fixed = given.shape[0] if given.shape and isinstance(given.shape[0], int) else None

    def run(x: Tensor) -> Tensor:
        found = []
        for part in x.split(fixed or len(x)):
            rows = len(part)
            if fixed is not None and rows < fixed:
                part = torch.cat([part, part[-1:].expand(fixed - rows, *part.shape[1:])])
            try:
                (out,) = session.run([output], {given.name: part.contiguous().numpy()})
            except Exception as error:  # its exceptions have no root of their own
                raise DataError(
                    f"the ONNX model takes {given.type} {given.shape}, was given {part.dtype} "
                    f"{tuple(part.shape)}, and says: {error}"
                ) from error
            found.append(torch.from_numpy(out)[:rows])
        return torch.cat(found)

    return run


# embeddings


def read_embeddings(source: Any) -> np.ndarray:
    """Embeddings made anywhere, as an array (samples, dim) of finite numbers.

    `source`: an array, tensor, list of rows or Arrow, pandas or polars table; or a .npy file, a .npz file (its
    one array, or the one called embedding, embeddings, features or x), a .parquet, .feather, .jsonl or .csv file.
    Of a table the column `embedding`, a list a row, as `embed` writes it; without one, every column is a number
    of the embedding, where all are numbers, and a csv file needs no header. The columns index, key and label are
    left out.

    Refused: another shape, NaN or infinity, several arrays or columns among which none stands out.
    """
    if isinstance(source, str | os.PathLike):
        path = _there(Path(source).expanduser())
        if path.suffix in (".npy", ".npz"):
            return _rows(_from_numpy(path), path.name)
        if not is_frame(path):
            raise DataError(f"{path.name} is no file of embeddings: give .npy, .npz or {', '.join(SUFFIXES)}")
        return _rows(_from_table(read_frame(path), path.name), path.name)
    if is_frame(source):
        return _rows(_from_table(read_frame(source), "the table"), "the table")
    return _rows(source, "the embeddings")


def is_embeddings(source: Any) -> bool:
    """Whether `source` may hold embeddings: by its type or its name, its content is not looked at."""
    if isinstance(source, str | os.PathLike):
        path = Path(source).expanduser()
        return path.is_file() and (path.suffix in (".npy", ".npz") or is_frame(path))
    return is_frame(source) or isinstance(source, np.ndarray | Tensor | list)


class Embeddings(Source):
    """Embeddings as a source: a table's columns `index`, `key` and `label` say what `embed` meant by them.

    `fetch` gives rows of the array. `source`: as for `read_embeddings`. `label`: another column of a table that holds
    the classes (what is no column of it is passed over: it may be a file).
    """

    def __init__(self, source: Any, *, label: str | None = None) -> None:
        self.label = None
        if label is not None and _is_table(source):
            table = read_frame(source)
            if label in table.column_names and label not in EMBEDDING:
                others = [name for name in table.column_names if name not in ("label", label)]
                source, self.label = table.select(others).append_column("label", table[label]), label
        self.z = read_embeddings(source)
        beside = _beside(source, len(self.z))
        self.index = np.asarray(beside.get("index", np.arange(len(self.z))), dtype=np.int64)
        self.keys = [str(key) for key in beside.get("key", self.index.tolist())]
        self.labels = np.array(beside["label"], dtype=object) if "label" in beside else None
        self.skipped = []
        self.description = f"{len(self.z)} embeddings of {self.z.shape[1]} dimensions"
        self.fingerprint = hashlib.blake2b(self.z.tobytes(), digest_size=8).hexdigest()

    def fetch(self, positions: Any) -> np.ndarray:
        return self.z[np.asarray(positions)]


def _beside(source: Any, rows: int) -> dict[str, list[Any]]:
    """The columns of a table that say what each embedding is of."""
    if not _is_table(source):
        return {}
    table = read_frame(source)
    named = [name for name in ("index", "key", "label") if name in table.column_names]
    # a csv file without a header has a row more than its table, and no such column
    return {name: table[name].to_pylist() for name in named} if table.num_rows == rows else {}


def _is_table(source: Any) -> bool:
    return is_frame(source) and not (
        isinstance(source, str | os.PathLike) and Path(source).suffix in (".npy", ".npz")
    )


EMBEDDING = ("embedding", "embeddings", "features", "x")
"""names under which embeddings are found"""
BESIDE = ("index", "key", "label", "", "Unnamed: 0")
"""columns that `embed` writes beside the embedding, or pandas beside any table"""


def _rows(given: Any, name: str) -> np.ndarray:
    return arrays.features(given, name).cpu().numpy()


def _from_numpy(path: Path) -> np.ndarray:
    try:
        held = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{path.name} is no file of numbers that can be read ({error})") from error
    if isinstance(held, np.ndarray):
        return held
    with held:
        names = list(held)
        chosen = names if len(names) == 1 else [name for name in EMBEDDING if name in names]
        if not chosen:
            raise DataError(
                f"{path.name} holds {', '.join(names) or 'nothing'}: call the array of embeddings {EMBEDDING[0]!r}"
            )
        return np.asarray(held[chosen[0]])


def _from_table(table: Any, name: str) -> np.ndarray:
    import pyarrow as pa

    kinds = {field.name: field.type for field in table.schema}
    nested = [c for c, kind in kinds.items() if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)]
    nested = [c for c in nested if c in EMBEDDING] or nested
    if len(nested) > 1:
        raise DataError(f"{name} has several columns of lists ({', '.join(nested)}): call one 'embedding'")
    if nested:
        return _from_lists(table[nested[0]], f"the column {nested[0]!r} of {name}")
    numbers = [c for c in kinds if c not in BESIDE]
    other = [c for c in numbers if not (pa.types.is_integer(kinds[c]) or pa.types.is_floating(kinds[c]))]
    if other or not numbers:
        what = f"{', '.join(other[:3])} hold no numbers" if other else "it has no column of numbers"
        raise DataError(f"{name}: {what}; call a column of lists 'embedding', or leave only numbers")
    rows = np.column_stack([table[c].to_numpy() for c in numbers])
    first = _header_of_numbers(numbers)
    return rows if first is None else np.vstack([first, rows])


def _from_lists(column: Any, name: str) -> np.ndarray:
    """A column of lists of one length as rows."""
    import pyarrow.compute as pc

    lengths = pc.value_counts(pc.fill_null(pc.list_value_length(column), -1)).field("values").to_pylist()
    if len(lengths) != 1 or lengths[0] < 1:
        said = ", ".join("none" if n < 0 else str(n) for n in sorted(lengths))
        raise DataError(f"the rows of {name} hold {said} numbers: every row needs as many as the others")
    return np.asarray(pc.list_flatten(column).to_numpy()).reshape(-1, lengths[0])


def _header_of_numbers(names: Sequence[str]) -> np.ndarray | None:
    """The first row of a csv file without a header, which was taken for one. 0, 1, 2, … are a header."""
    try:
        first = np.array([float(name) for name in names])
    except ValueError:
        return None
    return None if (first == np.arange(len(first))).all() else first
