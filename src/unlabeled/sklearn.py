"""The library as scikit-learn estimators: they go into pipelines, grids and cross-validation.

    from unlabeled.sklearn import SelfSupervisedEncoder, SemiSupervisedClassifier

    model = make_pipeline(SelfSupervisedEncoder(method="vicreg"), LogisticRegression())
    model = SemiSupervisedClassifier()            # y == -1 is unlabelled

What is fitted is kept as the bytes of a run folder, so that `save` and `load` need no pickle; `pickle`
and `joblib` work as with any estimator.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    clone,
)
from sklearn.exceptions import NotFittedError
from sklearn.semi_supervised import LabelSpreading
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from unlabeled import api
from unlabeled.assessment import raw_features
from unlabeled.data.frames import read_frame
from unlabeled.errors import OptionError, RunError
from unlabeled.run import Run, read_yaml, write_yaml

FILES = ("run.yaml", "encoder.yaml", "encoder.safetensors", "method.yaml", "method.safetensors")
"""what of a run folder an estimator keeps"""
ABOUT = "estimator.yaml"
"""what `save` writes beside them: parameters, names of features, classes"""


class _Fitted(BaseEstimator):
    """What both estimators share: reading X, training, and a run kept as bytes."""

    def _read(self, X: Any, *, reset: bool) -> Any:
        """X as the library reads it. Rows of numbers become a table with named columns."""
        if self.modality != "table":
            return X
        if hasattr(X, "columns") or hasattr(X, "column_names"):
            validate_data(self, X, reset=reset, skip_check_array=True)
            if hasattr(self, "feature_names_in_"):
                return X
            # without names that are text, or fitted on an array: columns go by their place, as in scikit-learn
            table = read_frame(X)
            return table.rename_columns([f"x{i}" for i in range(table.num_columns)])
        import pyarrow as pa

        least = 2 if reset else 1
        try:
            X = validate_data(
                self,
                X,
                reset=reset,
                ensure_all_finite="allow-nan",
                ensure_min_samples=least,
                ensure_min_features=least,
            )
        except ValueError as error:
            if "could not convert string" not in str(error):
                raise
            raise ValueError(
                f"{error}: an array must hold numbers; give columns of words as a data frame (pandas, polars or Arrow)"
            ) from error
        names = getattr(self, "feature_names_in_", [f"x{i}" for i in range(X.shape[1])])
        return pa.table({str(name): X[:, i] for i, name in enumerate(names)})

    def _train(self, verb: Callable[..., Run], data: Any, rows: int, **more: Any) -> None:
        said = io.StringIO()
        with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as quiet:
            if not self.verbose:
                quiet.enter_context(contextlib.redirect_stderr(said))
            run = api.train(
                verb,
                data,
                method=self.method,
                encoder=self.encoder,
                modality=self.modality,
                epochs=self.epochs,
                batch_size=None if self.batch_size is None else min(self.batch_size, rows),
                lr=self.lr,
                seed=int(check_random_state(self.random_state).randint(2**31)),
                out=Path(folder) / "run",
                on_collapse="warn",
                **(self.method_options or {}),
                **more,
            )
            skipped = run.config["about"]["skipped"]
            if skipped:
                raise ValueError(
                    f"{skipped} of the {_rows(data)} rows of X hold nothing that is known ({said.getvalue().strip()}): "
                    "drop them, or fill them in"
                )
            self.files_ = {name: (run.path / name).read_bytes() for name in FILES}
            self._loaded = _whole(run)

    def _run(self) -> Run:
        """The fitted run, opened again from its bytes after unpickling."""
        check_is_fitted(self)
        if getattr(self, "_loaded", None) is None:
            with tempfile.TemporaryDirectory() as folder:
                self._write(Path(folder))
                self._loaded = _whole(Run(folder))
        return self._loaded

    def _write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.files_.items():
            (folder / name).write_bytes(content)

    def save(self, folder: str | Path) -> Path:
        """Writes what was fitted as a run folder, which `ul.load` reads too: plain data, no pickle."""
        check_is_fitted(self)
        folder = Path(folder)
        if folder.exists() and any(folder.iterdir()):
            raise OptionError(f"{folder} holds something already: give a new or an empty folder")
        params = {name: v for name, v in self.get_params(deep=False).items() if name != "init"}
        for name, value in params.items():
            if not _is_plain(value):
                raise OptionError(
                    f"{name}={value!r} cannot be saved as plain data: give numbers, text, lists or dictionaries "
                    "of them (for random_state a whole number)"
                )
        self._write(folder)
        about = {"estimator": type(self).__name__, "params": params}
        for name in ("n_features_in_", "feature_names_in_", "classes_"):
            if (value := getattr(self, name, None)) is not None:
                about[name] = value.tolist() if isinstance(value, np.ndarray) else value
        write_yaml(folder / ABOUT, about)
        return folder

    @classmethod
    def _restored(cls, folder: str | Path) -> Any:
        folder = Path(folder)
        for name in (*FILES, ABOUT):
            if not (folder / name).is_file():
                raise RunError(f"{folder} is no saved estimator: it has no {name}")
        about = read_yaml(folder / ABOUT)
        if about.pop("estimator", None) != cls.__name__:
            raise RunError(f"{folder} holds another estimator than {cls.__name__}")
        made = cls(**about.pop("params"))
        made.files_ = {name: (folder / name).read_bytes() for name in FILES}
        made._loaded = _whole(Run(folder))
        for name, value in about.items():
            listed = np.array(value, dtype=object if name == "feature_names_in_" else None)
            setattr(made, name, listed if isinstance(value, list) else value)
        return made

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "_loaded"}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = self.modality == "text"
        tags.input_tags.categorical = self.modality == "table"
        tags.non_deterministic = self.random_state is None
        return tags


class SelfSupervisedEncoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, _Fitted):
    """Learns an encoder from rows without labels; `transform` gives their embeddings.

    Args:
        method: a self-supervised method by name (`unlabeled methods` lists them).
        encoder: an encoder by name, or a dict with its options; None: the modality's default.
        modality: the kind of data; "table" takes arrays and data frames (numbers, categories, dates, missing
            values), the others what `ul.pretrain` takes.
        epochs: passes over the data; None: chosen from its size.
        batch_size: rows in a step; None: the method's.
        lr: learning rate; None: the method's.
        method_options: a dict of the method's own options.
        random_state: a number for the same result every time.
        verbose: say what is going on, on stderr.

    Attributes:
        n_features_in_, feature_names_in_: as in scikit-learn (tables).
        files_: the fitted run folder, file by file.
    """

    def __init__(
        self,
        method: str = "vicreg",
        *,
        encoder: str | dict[str, Any] | None = None,
        modality: str = "table",
        epochs: int | None = None,
        batch_size: int | None = None,
        lr: float | None = None,
        method_options: dict[str, Any] | None = None,
        random_state: Any = 0,
        verbose: bool = False,
    ) -> None:
        self.method = method
        self.encoder = encoder
        self.modality = modality
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.method_options = method_options
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> SelfSupervisedEncoder:
        """Trains on X; `y` is ignored."""
        self._train(api.pretrain, data := self._read(X, reset=True), _rows(data))
        return self

    def transform(self, X: Any) -> np.ndarray:
        """(rows, dim) float32 embeddings."""
        check_is_fitted(self)
        data = self._read(X, reset=False)
        table = self._run().embed(data)
        check_rows(table["index"].to_numpy(), _rows(data))
        column = table["embedding"].combine_chunks()
        return column.flatten().to_numpy(zero_copy_only=False).reshape(table.num_rows, -1)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # embeddings are float32 whatever X is
        return tags

    @classmethod
    def load(cls, folder: str | Path) -> SelfSupervisedEncoder:
        """What `save` wrote."""
        return cls._restored(folder)

    @property
    def _n_features_out(self) -> int:
        return self._run().encoder.dim


class SemiSupervisedClassifier(ClassifierMixin, _Fitted):
    """A classifier from a few labelled rows and many unlabelled ones: y == -1 (or None, NaN) is unlabelled.

    Where y holds -1 and one class only, there is nothing to tell apart but these two: both are taken as classes,
    with a warning (fully labelled data often has the classes -1 and 1).

    Args:
        method: "supervised" trains a network on the labelled rows; "label_spreading" (Zhou et al. 2003) spreads
            their labels over the neighbours of every row, among the embeddings of `init` or else the
            prepared input.
        init: a `SelfSupervisedEncoder` to start from, or a run folder; None: from scratch. One that is not fitted
            yet (as in cross-validation, which unfits what it clones) is fitted on a copy, to all rows of X.
        neighbours: how many neighbours labels spread to ("label_spreading").
        encoder, modality, epochs, batch_size, lr, method_options, random_state, verbose: as for
            `SelfSupervisedEncoder`.

    Attributes:
        classes_: the known classes, without the mark of unlabelled rows.
        n_features_in_, feature_names_in_: as in scikit-learn (tables).
    """

    def __init__(
        self,
        method: str = "supervised",
        *,
        init: Any = None,
        neighbours: int = 7,
        encoder: str | dict[str, Any] | None = None,
        modality: str = "table",
        epochs: int | None = None,
        batch_size: int | None = None,
        lr: float | None = None,
        method_options: dict[str, Any] | None = None,
        random_state: Any = 0,
        verbose: bool = False,
    ) -> None:
        self.method = method
        self.init = init
        self.neighbours = neighbours
        self.encoder = encoder
        self.modality = modality
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.method_options = method_options
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any) -> SemiSupervisedClassifier:
        """Trains on X, of which y says the classes of some rows."""
        data = self._read(X, reset=True)
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        y = column_or_1d(y, warn=True)
        if len(y) != _rows(data):
            raise ValueError(
                f"X has {_rows(data)} rows and y has {len(y)}: one class a row, -1 where unknown"
            )
        unknown = np.array([_is_unlabelled(value) for value in y])
        if unknown.any() and len(set(y[~unknown].tolist())) == 1 and {-1} == set(y[unknown].tolist()):
            warnings.warn(
                f"y holds -1 and one class only ({y[~unknown][0]!r}): they are taken as two classes, and no row as "
                "unlabelled; with rows of a second class, -1 means unlabelled",
                stacklevel=2,
            )
            unknown[:] = False
        check_classification_targets(y[~unknown])
        self.classes_, codes = np.unique(y[~unknown], return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least two classes among the labelled rows, "
                f"found {len(self.classes_)} class"
            )
        if self.method == "label_spreading":
            labels = np.full(len(y), -1)
            labels[~unknown] = codes
            self._spread(data, labels, self._start(X))
        else:
            names = [None if u else _name(value) for value, u in zip(y, unknown, strict=True)]
            self._train(api.finetune, data, int((~unknown).sum()), labels=names, init=self._start(X))
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """(rows, classes) probabilities, in the order of `classes_`."""
        check_is_fitted(self)
        data = self._read(X, reset=False)
        if self.method == "label_spreading":
            with np.errstate(invalid="ignore"):
                found = self.spreading_.predict_proba(self._features(data))
            # no label reaches a row all of whose neighbours are as far from any: the classes as often as labelled
            return np.where(np.isfinite(found).all(axis=1, keepdims=True), found, self.prior_)
        table = self._run().predict(data)
        check_rows(table["index"].to_numpy(), _rows(data))
        return np.stack([table[f"probability_{_name(c)}"].to_numpy() for c in self.classes_], axis=1)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable known class of every row."""
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]

    def _start(self, X: Any) -> Run | None:
        if self.init is None or isinstance(self.init, str | Path):
            return None if self.init is None else Run(self.init)
        try:
            check_is_fitted(self.init)
        except NotFittedError:
            return clone(self.init).fit(X)._run()
        return self.init._run()

    def _spread(self, data: Any, labels: np.ndarray, start: Run | None) -> None:
        from unlabeled import modalities

        self.modality_ = (
            start.modality if start is not None else modalities.detect(data, self.modality).measure(data)
        )
        self.start_ = None if start is None else start.encoder
        z = self._features(data)
        self.spreading_ = LabelSpreading(kernel="knn", n_neighbors=min(self.neighbours, len(z) - 1))
        with np.errstate(invalid="ignore"):
            self.spreading_.fit(z, labels)
        self.prior_ = np.bincount(labels[labels >= 0]) / (labels >= 0).sum()

    def _features(self, data: Any) -> np.ndarray:
        from unlabeled.data.rows import features

        source = self.modality_.read(data)
        check_rows(source.index, _rows(data))
        z = (
            raw_features(self.modality_, source)
            if self.start_ is None
            else features(self.start_, source, prepare=self.modality_.plain)
        )
        return z.numpy().astype(np.float64)

    def save(self, folder: str | Path) -> Path:
        """Writes what was fitted as a run folder, which `ul.load` reads too: plain data, no pickle."""
        if self.method == "label_spreading":
            raise OptionError(
                "label spreading keeps its rows, not a network: there is no run to save; use joblib, or fit again"
            )
        return super().save(folder)

    @classmethod
    def load(cls, folder: str | Path) -> SemiSupervisedClassifier:
        """What `save` wrote."""
        made: SemiSupervisedClassifier = cls._restored(folder)
        return made


def _whole(run: Run) -> Run:
    """The run with everything read, so that its folder may go."""
    if run.classes is not None:
        _ = run.classifier
    return run


def check_rows(index: np.ndarray, rows: int) -> None:
    """Refuses X of which some rows cannot be read: an estimator gives one row for each."""
    if len(index) < rows:
        gone = sorted(set(range(rows)) - set(index.tolist()))
        first = ", ".join(map(str, gone[:5])) + (", …" if len(gone) > 5 else "")
        raise ValueError(
            f"{len(gone)} of the {rows} rows of X hold nothing that is known (rows {first}): drop them, or fill "
            "them in"
        )


def _rows(data: Any) -> int:
    return int(data.num_rows) if hasattr(data, "num_rows") else len(data)


def _is_plain(value: Any) -> bool:
    """Whether a YAML file can hold it as data."""
    if isinstance(value, dict):
        return all(isinstance(name, str) and _is_plain(inner) for name, inner in value.items())
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is None or type(value) in (bool, int, float, str)


def _name(value: Any) -> str:
    """A class as text; -1 as text alone would be read as no class."""
    return f"class {value}" if str(value) == "-1" else str(value)


def _is_unlabelled(value: Any) -> bool:
    if value is None or isinstance(value, str):
        return value is None
    return bool(value == -1 or value != value)
