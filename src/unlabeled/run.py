"""What training leaves behind on disk, and what a user does with it.

    run.yaml                             the whole resolved configuration
    encoder.safetensors + encoder.yaml   the encoder, and how its data is prepared
    method.safetensors + method.yaml     heads and other state of the method; classes
    last.ckpt, best.ckpt                 what resumes; the best on held-out data
    metrics.csv, skipped.csv, report.html, scorecard.json

Everything is read as data: nothing found in a run folder is executed.
"""

from __future__ import annotations

import contextlib
import csv
import itertools
from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from unlabeled.assessment import assess
from unlabeled.data.draws import derive_seed
from unlabeled.data.labels import read_labels
from unlabeled.data.rows import features, passes
from unlabeled.data.source import Skipped, Source
from unlabeled.errors import OptionError, RunError
from unlabeled.evaluation import Scorecard
from unlabeled.modalities import MODALITIES
from unlabeled.modalities.contract import Modality
from unlabeled.parts.encoder import Encoder

if TYPE_CHECKING:
    import pyarrow as pa

    from unlabeled.export import Exported
    from unlabeled.report.shown import Shown

PART_ROWS = 100_000
"""rows of one part where embeddings are written as a folder"""


class Run:
    """A finished run: its encoder, how to prepare data for it, and what to do with both."""

    def __init__(self, folder: str | Path, *, encoder: nn.Module | None = None) -> None:
        self.path = Path(folder)
        if not (self.path / "run.yaml").is_file():
            raise RunError(f"{self.path} is not a run folder: it has no run.yaml")
        if not (self.path / "encoder.yaml").is_file():
            raise RunError(f"{self.path} is unfinished: it has no encoder yet; continue it with resume=True")
        self.config: dict[str, Any] = read_yaml(self.path / "run.yaml")
        self.about: dict[str, Any] = read_yaml(self.path / "encoder.yaml")
        self.own = encoder
        try:
            self.modality = restore_modality(self.about["modality"])
            self.encoder = self._build(encoder)
        except (KeyError, TypeError) as error:
            if encoder is not None:
                raise  # of the module that was passed
            raise RunError(
                f"{self.path / 'encoder.yaml'} does not say what an encoder is made of: {error}"
            ) from error
        load_weights(self.encoder, self.path / "encoder.safetensors")
        self.encoder.eval()
        held = read_yaml(self.path / "method.yaml")
        self.classes: list[str] | None = held.get("classes")

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, method={self.about['method']!r}, encoder={self.about['encoder']['name']!r})"

    def _build(self, module: nn.Module | None) -> Encoder:
        spec = dict(self.about["encoder"])
        if spec["name"] == "custom":
            if module is None:
                raise RunError(
                    f"{self.path} holds weights of your own module: pass it, ul.load(path, encoder=module)"
                )
            return self.modality.adopt(module)
        if module is not None:
            raise RunError(
                f"{self.path} holds the encoder {spec['name']!r}: encoder= is for runs of your own module"
            )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(self.about["seed"], "encoder"))
            return self.modality.build_encoder(**spec)

    def untrained(self) -> Encoder:
        """The encoder as it was before training: the same architecture and the same seed."""
        if self.about["encoder"]["name"] == "custom":
            raise RunError("an own module cannot be built again untrained")
        if self.config.get("init"):
            return Run(self.config["init"]).untrained()
        return self._build(None).eval()

    @cached_property
    def classifier(self) -> tuple[Tensor, Tensor]:
        """Weight (classes, dim) and bias (classes,) of the layer from features to classes."""
        if self.classes is None:
            raise RunError(
                f"{self.path} was trained without classes: use finetune with labels to get a classifier"
            )
        held = read_tensors(self.path / "method.safetensors")
        if not {"classifier.weight", "classifier.bias"} <= held.keys():
            raise RunError(f"{self.path / 'method.safetensors'} holds no classifier")
        return held["classifier.weight"], held["classifier.bias"]

    def embed(
        self,
        data: Any,
        *,
        output: str | Path | None = None,
        batch_size: int = 256,
        device: str = "auto",
    ) -> pa.Table:
        """The features of every sample, as a table.

        Columns: `index` (place in the source; a skipped sample leaves a gap), `key`, `embedding`
        (fixed-size list of float32), `label` (what the source itself says, null where unknown).
        `output`: a `.parquet` file, or else a folder that gets parts of 100,000 rows.
        """
        import pyarrow as pa

        check_positive("batch_size", batch_size)
        source = self.read(data, labels=True)
        tables = self._embedded(source, batch_size, pick_device(device))
        if output is None:
            return pa.concat_tables(tables).combine_chunks()
        return write_tables(tables, Path(output))

    def read(self, data: Any, *, labels: bool = False) -> Source:
        """Opens data, prepared as this run was; says what was skipped."""
        source = self.modality.read(data, labels=labels)
        say_skipped(source)
        return source

    def _embedded(self, source: Source, batch_size: int, device: torch.device) -> Iterator[pa.Table]:
        import pyarrow as pa

        encoder = self.encoder.to(device).eval()
        first = 0
        for batch in passes(source, size=batch_size):
            with torch.no_grad():
                z = encoder(self.modality.plain(batch.to(device).x)).float().cpu().numpy()
            rows = slice(first, first + len(z))
            known = [None] * len(z) if source.labels is None else [as_text(v) for v in source.labels[rows]]
            flat = pa.array(np.ascontiguousarray(z, dtype=np.float32).ravel())
            yield pa.table(
                {
                    "index": pa.array(source.index[rows], pa.int64()),
                    "key": pa.array(list(source.keys[rows]), pa.string()),
                    "embedding": pa.FixedSizeListArray.from_arrays(flat, z.shape[1]),
                    "label": pa.array(known, pa.string()),
                }
            )
            first += len(z)

    def predict(
        self, data: Any, *, output: str | Path | None = None, batch_size: int = 256, device: str = "auto"
    ) -> pa.Table:
        """The class of every sample: columns `index`, `key`, `label`, `probability_<class>`. `output`: a csv file."""
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        classes = self.classes or []
        weight, bias = self.classifier
        check_positive("batch_size", batch_size)
        source = self.read(data)
        z = features(
            self.encoder, source, prepare=self.modality.plain, device=pick_device(device), size=batch_size
        )
        probabilities = (z @ weight.T + bias).softmax(dim=1).numpy()
        columns: dict[str, Any] = {
            "index": source.index,
            "key": list(source.keys),
            "label": [classes[c] for c in probabilities.argmax(axis=1)],
        }
        columns |= {f"probability_{name}": probabilities[:, c] for c, name in enumerate(classes)}
        table = pa.table(columns)
        if output is not None:
            Path(output).parent.mkdir(parents=True, exist_ok=True)
            arrow_csv.write_csv(table, str(output))
        return table

    def export(self, output: str | Path, *, format: Literal["onnx", "torch", "timm"] = "onnx") -> Exported:
        """The encoder as a file that runs without this library; says how far its outputs are from the original's.

        `output`: where to write it. `format`: onnx, a .onnx file; torch, a .pt2 file, which
        `torch.export.load(…).module()` runs; timm, a folder, of an encoder that is a model of timm, which
        `timm.create_model("local-dir:…", pretrained=True)` reads.

        A program (onnx, torch) takes a batch as it is collated here, such as uint8 images at the encoder's size
        or series with NaN after their end, normalises inside, and gives `features` (batch, dim) and, where the
        run has classes, `probabilities` (batch, classes); its batch may be of any size, and so may steps,
        samples of sound and tokens of text. Its metadata say: `unlabeled` (version), `method`, `encoder`,
        `modality`, `preparation`, `classes`. A timm folder holds plain weights for images standardised by the
        mean and std in its config.json.

        The outputs are compared with the original's on random samples in batches of several sizes: by ONNX
        Runtime, by another process that imports only torch, or by timm. A difference above 1e-4 of the largest
        output (of 1, if that is less) is an error and leaves no file. Refused: graphs, whose batches are not one
        tensor; an encoder whose code cannot be traced; timm for an encoder that is none of its models.
        """
        from unlabeled.export import Shipped, export

        about = {
            "unlabeled": version("unlabeled"),
            "method": self.about["method"],
            "encoder": self.about["encoder"],
            "modality": self.modality.name,
            "preparation": self.modality.config(),
            "classes": self.classes,
        }
        shipped = Shipped(self.encoder, None if self.classes is None else self.classifier)
        return export(shipped, self.modality, output, format=format, about=about)

    def evaluate(
        self,
        data: Any,
        *,
        labels: Any = None,
        test: Any = None,
        test_labels: Any = None,
        k: int = 20,
        device: str = "auto",
        output: str | Path | None = None,
    ) -> Scorecard:
        """How good the features are, each figure beside chance, the raw input and the untrained encoder.

        Without labels: ranks, spread, dimensions and what views have in common. With labels of classes: `knn`,
        `linear_probe`, `few_shot`, `retrieval`, `clustering`; with quantities (numbers with fractions)
        `regression_probe`. `ul.evaluation.score` says what each is and how its interval is made.

        `labels`: a csv with the columns key (or index) and label, an array, a table, the column that was kept out
        of the inputs; None uses what the source itself says (class folders, a label column); False gives the figures
        without labels. `test`: other data to test on, with `test_labels`, labels of its own, or keys in the same
        labels file; without it a fifth of the labelled samples is held out, class by class, seed 0. `k`:
        neighbours of `knn`.
        `output`: a JSON file; the run folder always gets `scorecard.json`.
        """
        check_positive("k", k)
        notes = [f"encoder of {self.path}"]
        encoders: dict[str, nn.Module] = {"learned": self.encoder}
        try:
            encoders["untrained"] = self.untrained()
        except RunError as error:
            notes.append(f"no untrained encoder to compare with: {error}")
        card = assess(
            self.modality,
            encoders,
            self.read(data, labels=True),
            labels=labels,
            test=None if test is None else self.read(test, labels=True),
            test_labels=test_labels,
            k=k,
            device=pick_device(device),
            notes=notes,
        )
        card.save(self.path / "scorecard.json")
        if output is not None:
            card.save(output)
        return card

    def report(
        self,
        data: Any = None,
        *,
        labels: Any = None,
        column: str | None = None,
        output: str | Path | None = None,
        points: int = 2000,
    ) -> Path:
        """Writes `report.html`: what was run, curves, scorecard, what was skipped; with `data` also what the encoder
        makes of it: a map, nearest neighbours, the spectrum, and the views the method saw.

        `labels`: as for evaluate; they colour the map. `column`: a column of the data (a table of one row a sample)
        that colours it too. `output`: another file. `points`: samples shown at most.
        """
        from unlabeled.report import run_report

        if data is None and (labels is not None or column is not None):
            raise OptionError("labels and column are about data: give the data too")
        shown = None if data is None else self.shown(data, labels=labels, column=column, points=points)
        return run_report(self.path, shown=shown, output=output)

    def shown(self, data: Any, *, labels: Any = None, column: str | None = None, points: int = 2000) -> Shown:
        """What a report shows of data; the options are those of `report`."""
        from unlabeled.report.shown import column_of, look

        check_positive("points", points)
        source = self.read(data, labels=True)
        columns = {} if column is None else {column: column_of(data, column, source)}
        try:
            untrained = self.untrained()
        except RunError:
            untrained = None
        return look(
            self.modality,
            source,
            self.encoder,
            self.config,
            untrained=untrained,
            labels=self._names(labels, source),
            columns=columns,
            classes=None if self.classes is None else len(self.classes),
            points=points,
        )

    def _names(self, labels: Any, source: Source) -> list[str | None] | None:
        """What is said of the class of each sample, in words."""
        if labels is None:
            return None if source.labels is None else [as_text(v) for v in source.labels]
        y, classes = read_labels(self.modality.named_labels(labels), source)
        return [None if c < 0 else classes[c] for c in y]


def load(path: str | Path, encoder: nn.Module | None = None) -> Run:
    """Reads a run folder, without running any code found in it. `encoder`: your own module, if it was one."""
    return Run(path, encoder=encoder)


def as_text(value: Any) -> str | None:
    return None if value is None else str(value)


def check_positive(name: str, value: int) -> None:
    if value < 1:
        raise OptionError(f"{name} must be at least 1, not {value}")


def pick_device(asked: str) -> torch.device:
    """ "auto" is the GPU where there is one."""
    if asked == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(asked)
    except RuntimeError as error:
        raise OptionError(f"device {asked!r} is none: give 'auto', 'cpu', 'cuda' or 'cuda:0'") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise OptionError(
            f"there is no device {asked!r} here ({torch.cuda.device_count()} GPUs): give 'cpu' or 'auto'"
        )
    return device


def write_tables(tables: Iterator[Any], output: Path) -> Any:
    """Writes tables to one `.parquet` file, or to a folder of parts; gives back what was written, unread."""
    import pyarrow as pa
    from pyarrow import dataset
    from pyarrow import parquet as pq

    if output.suffix == ".parquet":
        output.parent.mkdir(parents=True, exist_ok=True)
        first = next(tables)
        with whole(output) as part, pq.ParquetWriter(part, first.schema) as writer:
            for table in itertools.chain([first], tables):
                writer.write_table(table)
        return pq.read_table(output, memory_map=True)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise OptionError(
            f"{output} holds something already: give an empty folder, or a file ending in .parquet"
        )
    output.mkdir(parents=True, exist_ok=True)
    waiting: list[Any] = []
    number = itertools.count()

    def flush() -> None:
        if waiting:
            pq.write_table(pa.concat_tables(waiting), output / f"part-{next(number):05d}.parquet")
            waiting.clear()

    for table in tables:
        waiting.append(table)
        if sum(t.num_rows for t in waiting) >= PART_ROWS:
            flush()
    flush()
    return dataset.dataset(output).to_table()


# reading and writing the folder
def read_yaml(path: Path) -> dict[str, Any]:
    """Plain values from a file of ours; anything else in it is refused."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RunError(f"{path} cannot be read: {error}") from error
    if not isinstance(values, dict):
        raise RunError(f"{path} does not hold the values of a run")
    return values


def write_yaml(path: Path, values: dict[str, Any]) -> None:
    with whole(path) as part:
        part.write_text(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), encoding="utf-8")


def write_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    with whole(path) as part:
        # not save_file, whose files nobody but their owner may read
        part.write_bytes(save({name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}))


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to: it takes its place when it is whole, and is gone when it is not."""
    part = path.with_name(path.name + ".part")
    try:
        yield part
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def restore_modality(values: dict[str, Any]) -> Modality:
    values = dict(values)
    name = values.pop("name", None)
    if name not in MODALITIES:
        raise RunError(f"this run is of the modality {name!r}, which this version does not know")
    return MODALITIES[name](**values)


def read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise RunError(f"{path} cannot be read: {error}") from error


def load_weights(module: nn.Module, path: Path) -> None:
    tensors = read_tensors(path)
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        raise RunError(f"{path} does not fit this encoder: {error}") from error


def say_skipped(source: Source) -> None:
    """Says on stderr what could not be read."""
    import sys

    if source.skipped:
        first = "; ".join(f"{s.key}: {s.reason}" for s in source.skipped[:3])
        print(
            f"skipped {len(source.skipped)} that could not be read ({first}{' …' * (len(source.skipped) > 3)})",
            file=sys.stderr,
        )


def write_skipped(path: Path, skipped: Sequence[Skipped]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["key", "reason"])
        writer.writerows([s.key, s.reason] for s in skipped)
