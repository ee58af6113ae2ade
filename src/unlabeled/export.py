"""An encoder as a file that runs without this library, checked against the original before it counts as written.

    onnx    one .onnx file, for ONNX Runtime and whatever else reads ONNX
    torch   one .pt2 file, a program of torch.export: torch.export.load("it.pt2").module()(x)
    timm    a folder, for an encoder that is a model of timm: timm.create_model("local-dir:it", pretrained=True)

A program takes what the modality collates (images at the size an encoder sees), prepares it inside, and gives
features (batch, dim) and, where the run has classes, probabilities (batch, classes). The batch may be of any size,
and so may time or tokens where samples differ in length.
"""

from __future__ import annotations

import copy
import io
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unlabeled.errors import ExportError, OptionError, missing
from unlabeled.modalities.contract import Modality
from unlabeled.parts.encoder import Encoder

Format = Literal["onnx", "torch", "timm"]
ENDS = {"onnx": ".onnx", "torch": ".pt2", "timm": ""}
"""format → how the name of the output ends"""
TOLERANCE = 1e-4
"""largest difference from the original that is let through, as a share of the largest output (of 1, if that is less)"""
CHECKED = tuple((rows, seed) for seed, rows in enumerate((1, 1, 1, 2, 2, 3, 3, 16)))
"""batches of random samples that are compared: rows, and the seed that also draws their length, so that a length
which a program does not take is found"""
LARGEST = 2**31
"""bytes that one ONNX file can hold"""
ABOUT = "unlabeled.json"
"""file inside a .pt2 that says what the model is"""
TEXTS = ("unlabeled", "method", "modality")
"""entries of the metadata that are plain text; the others are JSON"""


@dataclass(frozen=True)
class Exported:
    """What was written, and how far its outputs are from those of the original."""

    path: Path
    outputs: tuple[str, ...]
    """ "features", and "probabilities" where the run has classes"""
    difference: float
    """the largest, of any output on the random samples compared"""
    samples: int
    """how many these were"""

    def __str__(self) -> str:
        return (
            f"{self.path}: {' and '.join(self.outputs)}, at most {self.difference:.1e} from the original's on "
            f"{self.samples} random samples"
        )


class Shipped(nn.Module):
    """An encoder, and the layer from features to classes where there is one."""

    weight: Tensor | None
    bias: Tensor | None

    def __init__(self, encoder: Encoder, classifier: tuple[Tensor, Tensor] | None = None) -> None:
        super().__init__()
        self.encoder = encoder
        weight, bias = (None, None) if classifier is None else classifier
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("features",) if self.weight is None else ("features", "probabilities")

    def forward(self, x: Any) -> tuple[Float[Tensor, "batch dim"], *tuple[Tensor, ...]]:
        z = self.encoder(x)
        if self.weight is None or self.bias is None:
            return (z,)
        return z, (z @ self.weight.T + self.bias).softmax(dim=1)


def export(
    shipped: Shipped, modality: Modality, output: str | Path, *, format: Format, about: Mapping[str, Any]
) -> Exported:
    """Writes `output`, and takes it away again where its outputs are not those of `shipped`.

    `about`: what the file is to say of itself, plain values by name; a timm folder says what timm reads.
    What is compared are random samples of the modality in batches of several sizes (`CHECKED`): with ONNX
    Runtime, or in another process that imports only torch, or with what timm makes of its folder. The largest
    difference is measured, and may be `TOLERANCE` of the largest output.

    Refused (`ExportError`): data whose batches are not one tensor (graphs), an encoder whose code cannot be
    traced, outputs that differ; `OptionError`: a name with another ending than the format's.
    """
    if format not in ENDS:
        raise OptionError(f"format must be one of {', '.join(ENDS)}, not {format!r}")
    output = Path(output)
    if output.suffix != ENDS[format]:
        what = f"file ending in {ENDS[format]}" if ENDS[format] else "folder, without an ending"
        raise OptionError(f"format {format!r} is written to a {what}, not to {output.name!r}")
    if output.is_dir() and (format != "timm" or any(output.iterdir())):
        raise OptionError(f"{output} is a folder that is there already: give another output")
    batches = [modality.synthetic(rows, seed=seed) for rows, seed in CHECKED]
    if any(x is None for x in batches):
        raise ExportError(
            f"a batch of the modality {modality.name!r} is not one tensor, so its encoders cannot be exported to "
            f"{format}: ship the run's folder, which ul.load reads without the training code"
        )
    write = cast(Callable[..., list[Any]], {"onnx": _onnx, "torch": _torch, "timm": _timm}[format])
    # a head of timm's own would be part of its model; our layer to classes stays in the run
    shipped = (Shipped(shipped.encoder) if format == "timm" else shipped).cpu().eval()
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=output.parent) as made, torch.no_grad():
        path = Path(made) / output.name
        found = write(shipped, modality, path, batches, about)
        difference = _compare(shipped.outputs, [shipped(x) for x in batches], found)
        if output.is_dir():
            output.rmdir()
        os.replace(path, output)
    return Exported(output, shipped.outputs, difference, sum(rows for rows, _ in CHECKED))


def texts(about: Mapping[str, Any]) -> dict[str, str]:
    """Plain values as the texts that a file's metadata holds."""
    return {key: value if key in TEXTS else json.dumps(value) for key, value in about.items()}


def read_texts(held: Mapping[str, str]) -> dict[str, Any]:
    """What `texts` made them of."""
    return {key: value if key in TEXTS else json.loads(value) for key, value in held.items()}


def _compare(
    names: Sequence[str], wanted: Sequence[Sequence[Tensor]], found: Sequence[Sequence[Tensor]]
) -> float:
    """The largest difference; above what is tolerated it is an error."""
    worst = 0.0
    for want, got in zip(wanted, found, strict=True):
        for name, a, b in zip(names, want, got, strict=True):
            if a.shape != b.shape:
                raise ExportError(
                    f"the {name} of what was exported have the shape {tuple(b.shape)} where the original's have "
                    f"{tuple(a.shape)}: nothing was written"
                )
            difference, most = float((a - b).abs().max()), max(1.0, float(a.abs().max()))
            if not difference <= TOLERANCE * most:
                raise ExportError(
                    f"the {name} of what was exported are up to {difference:.2g} from the original's, where "
                    f"{TOLERANCE * most:.2g} is tolerated: nothing was written"
                )
            worst = max(worst, difference)
    return worst


# torch


def _trace(shipped: Shipped, modality: Modality, example: Tensor) -> torch.export.ExportedProgram:
    """The program of one forward pass, free along the modality's free axes."""
    free = {axis: torch.export.Dim.DYNAMIC for axis in modality.free_axes}
    try:
        with _quiet():
            # strict: Dynamo reads the code, and to it len(x) is a size that may vary; without it len(x) is a number
            return torch.export.export(shipped, (example,), dynamic_shapes={"x": free}, strict=True)
    except Exception as error:  # whatever an encoder's code may raise when it is traced
        raise ExportError(
            f"the encoder {shipped.encoder.spec.get('name')!r} cannot be exported: torch.export cannot trace its "
            f"code ({_first_line(error)})"
        ) from error


def _torch(
    shipped: Shipped, modality: Modality, path: Path, batches: Sequence[Tensor], about: Mapping[str, Any]
) -> list[Any]:
    program = _trace(shipped, modality, batches[-1])
    with _quiet():
        torch.export.save(program, path, extra_files={ABOUT: json.dumps(about)})
    return _elsewhere(path, batches)


ELSEWHERE = """
import sys, torch
program, given, found = sys.argv[1:]
run = torch.export.load(program).module()
with torch.no_grad():
    outputs = [list(run(x)) for x in torch.load(given)]
assert "unlabeled" not in sys.modules
torch.save(outputs, found)
"""


def _elsewhere(path: Path, batches: Sequence[Tensor]) -> list[Any]:
    """What a program gives in another process, which imports only torch."""
    given, found = (path.with_name(f"{path.stem}-{name}.pt") for name in ("given", "found"))
    torch.save(list(batches), given)
    command = [sys.executable, "-I", "-c", ELSEWHERE, str(path), str(given), str(found)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    if said.returncode:
        raise ExportError(
            f"the program does not run in another process, nothing was written: {said.stderr.strip()[-300:]}"
        )
    return cast(list[Any], torch.load(found, weights_only=True))


# ONNX


def _onnx(
    shipped: Shipped, modality: Modality, path: Path, batches: Sequence[Tensor], about: Mapping[str, Any]
) -> list[Any]:
    try:
        # what torch.onnx imports, asked for here so that the error can name the extra
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise missing(error.name or "onnx", "export") from error
    if sum(t.numel() * t.element_size() for t in shipped.state_dict().values()) >= LARGEST:
        raise ExportError("the encoder is larger than the 2 GiB that one ONNX file holds: use format='torch'")
    program = _trace(shipped, modality, batches[-1])
    try:
        # Not optimised here: onnxscript takes ln(power + 1e-10) for ln(power). ONNX Runtime optimises as it loads.
        with _quiet():
            made = torch.onnx.export(
                program,
                dynamo=True,
                verbose=False,
                optimize=False,
                input_names=[modality.name],
                output_names=list(shipped.outputs),
            )
    except Exception as error:  # an operator that ONNX does not have, or one that fails on its way there
        raise ExportError(
            f"the encoder {shipped.encoder.spec.get('name')!r} cannot be exported to ONNX "
            f"({_first_line(error)}): use format='torch'"
        ) from error
    assert made is not None
    shape = made.model.graph.inputs[0].shape
    assert shape is not None
    made.rename_axes({shape[axis]: name for axis, name in modality.free_axes.items()})  # type: ignore[misc]
    made.model.metadata_props.update(texts(about))
    made.save(path, external_data=False)
    return run_onnx(open_onnx(path), batches)


def open_onnx(path: Path) -> Any:
    """A session of ONNX Runtime on the processor."""
    try:
        import onnxruntime
    except ImportError as error:
        raise missing("onnxruntime", "export") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # what it warns of is its own optimisation
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no root of their own
        raise ExportError(f"ONNX Runtime cannot open {path.name}: {_first_line(error)}") from error


def run_onnx(session: Any, batches: Sequence[Tensor]) -> list[list[Tensor]]:
    """The outputs of each batch."""
    name = session.get_inputs()[0].name
    try:
        return [[torch.from_numpy(out) for out in session.run(None, {name: x.numpy()})] for x in batches]
    except Exception as error:  # its exceptions have no root of their own
        raise ExportError(f"ONNX Runtime cannot run the model: {_first_line(error)}") from error


# timm


def _timm(
    shipped: Shipped, modality: Modality, path: Path, batches: Sequence[Tensor], about: Mapping[str, Any]
) -> list[Any]:
    from unlabeled.modalities.image.encoders import Timm, TimmTransformer

    encoder = shipped.encoder
    if not isinstance(encoder, Timm | TimmTransformer):
        raise ExportError(
            f"the encoder {encoder.spec.get('name')!r} is no model of timm: use format='onnx' or 'torch'"
        )
    if isinstance(encoder, Timm) and encoder.altered:
        raise ExportError(
            f"the first layers of {encoder.spec['name']!r} were changed for small images, and timm cannot build "
            "that: train with the encoder's option small_stem: false"
        )
    import timm  # it is here: the encoder is made of it

    timm.models.save_for_hf(
        # safetensors refuses the order of memory in which convolutions are fast
        copy.deepcopy(encoder.net).to(memory_format=torch.contiguous_format),
        str(path),
        safe_serialization=True,
        # what timm says of its own weights is not so of these
        model_config={"pretrained_cfg": {"tag": "unlabeled", "license": None}},
        data_config={
            "mean": encoder.standardise.mean.flatten().tolist(),
            "std": encoder.standardise.std.flatten().tolist(),
            "input_size": list(batches[0].shape[1:]),
        },
    )
    # safetensors keeps its files from everybody but their owner
    shutil.copymode(path / "config.json", path / "model.safetensors")
    again = timm.create_model(f"local-dir:{path}", pretrained=True).eval()
    return [[again(encoder.standardise(x))] for x in batches]


# what they share


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporters' progress and advice."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
