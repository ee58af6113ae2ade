"""Where samples lie that are files: a folder, an archive, a parquet file, a list of paths, somebody's data set.

A collection knows its keys, perhaps labels, and how to get at one sample; what a sample is, only its
`Kind` says. Nothing is opened before it is asked for. Collections pickle without open files and
without what they read ahead.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import tarfile
import threading
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Generic, TypeVar

import numpy as np
import torch

from unlabeled.data.cache import Unreadable, threads, whole
from unlabeled.errors import DataError, OptionError, nearest

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
SPLITS = frozenset(["train", "test", "val", "valid", "validation", "training", "testing"])
"""folders that hold class folders, not a class"""
NO_CLASS = "unlabeled"
"""a class folder of this name holds samples whose class is not known"""
MEMBER = 2 * 2**30
"""largest file taken out of an archive, in bytes unpacked"""
TOGETHER = 4 * 2**30
"""bytes that all samples of a compressed tar archive may have together"""
AHEAD = 2**30
"""bytes of a parquet file kept in memory"""
LOOK = 10_000
"""names of a folder or archive looked at to recognise it"""
LABEL_COLUMNS = ("label", "labels", "class", "target", "fine_label")
KEY_COLUMNS = ("key", "name", "path", "file_name", "filename", "id")


@dataclass(frozen=True)
class Kind:
    """What the samples of one kind of data look like from outside."""

    noun: str
    plural: str
    suffixes: frozenset[str]
    """of its files, lower case with the dot"""
    columns: tuple[str, ...]
    """usual names of a column (or of an item's field) that holds them, best first"""
    accepted: str
    """everything that can be read as this kind, for a person"""
    feature: str | None = None
    """class name of the Hugging Face feature that declares a column of them"""

    def named(self, path: str) -> bool:
        """Whether a path ends like one of this kind and no part of it is hidden."""
        parts = PurePosixPath(path).parts
        hidden = any(
            (part.startswith(".") and part not in (".", "..")) or part == "__MACOSX" for part in parts
        )
        return not hidden and PurePosixPath(path).suffix.lower() in self.suffixes


class Collection(ABC):
    """Samples that can be had one by one."""

    keys: list[str]
    labels: list[Any] | None = None
    """what the source says of each sample's class (None: unknown); None: nothing of any"""
    what: str
    """for a person"""
    fingerprint: str | None
    """changes when the data does; None: cannot be told without reading everything"""

    def __len__(self) -> int:
        return len(self.keys)

    @abstractmethod
    def open(self, i: int) -> BinaryIO | Any:
        """Sample i as a file open for reading, for the caller to close; or what a data set in memory has
        in its place (an array, …); or `Unreadable`."""


Handle = TypeVar("Handle")
T = TypeVar("T")


class PerProcess(Generic[Handle]):
    """Something open that must not be shared with a forked process, nor pickled: opened again there."""

    def __init__(self) -> None:
        self._open: Handle | None = None
        self._process = 0
        self._lock = threading.Lock()

    def get(self, make: Any) -> Handle:
        """What is open in this process, made by `make()` where nothing is."""
        if self._process != os.getpid():
            self._lock = threading.Lock()
            self._open, self._process = None, os.getpid()
        with self._lock:
            if self._open is None:
                self._open = make()
            return self._open

    def __reduce__(self) -> tuple[Any, ...]:
        return (PerProcess, ())


class Files(Collection):
    """Files on disk."""

    def __init__(
        self, paths: Sequence[Path], keys: list[str], what: str, labels: list[Any] | None = None
    ) -> None:
        self.paths = [path.absolute() for path in paths]
        self.keys, self.what, self.labels = keys, what, labels
        digest = hashlib.blake2b(digest_size=16)
        for path in self.paths:
            try:
                status = path.stat()
                said = f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n"
            except OSError:
                said = f"{path}\0missing\n"
            digest.update(said.encode("utf-8", "surrogateescape"))
        self.fingerprint = digest.hexdigest()

    def open(self, i: int) -> BinaryIO:
        return _open_file(self.paths[i])


class Zip(Collection):
    """Files in a zip archive, read in place."""

    def __init__(self, path: Path, kind: Kind, labels: bool) -> None:
        self.path = path.absolute()
        self._handle: PerProcess[zipfile.ZipFile] = PerProcess()
        with zipfile.ZipFile(path) as archive:
            names = [info.filename for info in archive.infolist() if not info.is_dir()]
        self.keys, others = _among(names, kind)
        self.labels = _folder_labels(self.keys, wrapped=True) if labels else None
        self.what = _say(self.keys, kind, f"in {path.name}", others)
        self.fingerprint = _stamp(path)

    def open(self, i: int) -> BinaryIO:
        _refuse_outside(self.keys[i])
        archive = self._handle.get(lambda: zipfile.ZipFile(self.path))
        try:
            info = archive.getinfo(self.keys[i])
            if info.file_size > MEMBER:
                raise Unreadable(
                    f"{info.file_size:,} bytes unpacked are more than the {MEMBER:,} that are read"
                )
            return io.BytesIO(archive.read(info))
        except (
            OSError,
            RuntimeError,
            NotImplementedError,
            zipfile.BadZipFile,
            EOFError,
            zlib.error,
        ) as error:
            raise Unreadable(f"cannot be unpacked ({error})") from error


class Tar(Collection):
    """Files in a tar archive: read in place, or as a whole into memory where it is compressed."""

    def __init__(self, path: Path, kind: Kind, labels: bool) -> None:
        self.path = path.absolute()
        self._handle: PerProcess[dict[str, bytes]] = PerProcess()
        self.places: dict[str, tuple[int, int]] = {}
        with tarfile.open(path) as archive:
            self.compressed = not isinstance(archive.fileobj, io.BufferedReader)
            names = []
            for member in archive:
                if member.isreg() and not member.issparse():
                    names.append(member.name.removeprefix("./"))
                    self.places[names[-1]] = (member.offset_data, member.size)
        self.keys, others = _among(names, kind)
        self.labels = _folder_labels(self.keys, wrapped=True) if labels else None
        self.what = _say(self.keys, kind, f"in {path.name}", others)
        self.fingerprint = _stamp(path)
        self.places = {key: self.places[key] for key in self.keys}
        together = sum(size for _, size in self.places.values())
        if self.compressed and together > TOGETHER:
            raise DataError(
                f"{path} holds {together:,} bytes of {kind.plural}; a compressed tar archive can only be "
                f"read as a whole, into memory, up to {TOGETHER:,}: make it a .zip or a plain .tar"
            )

    def open(self, i: int) -> BinaryIO:
        key = self.keys[i]
        _refuse_outside(key)
        offset, size = self.places[key]
        if size > MEMBER:
            raise Unreadable(f"{size:,} bytes are more than the {MEMBER:,} that are read")
        if self.compressed:
            return io.BytesIO(self._handle.get(self._unpack)[key])
        try:
            with self.path.open("rb") as file:
                file.seek(offset)
                return io.BytesIO(file.read(size))
        except OSError as error:
            raise Unreadable(f"cannot be read ({error})") from error

    def _unpack(self) -> dict[str, bytes]:
        found = {}
        with tarfile.open(self.path) as archive:
            for member in archive:
                key = member.name.removeprefix("./")
                file = archive.extractfile(member) if key in self.places and member.isreg() else None
                if file is not None:
                    found[key] = file.read()
        return found


class Parquet(Collection):
    """Encoded samples in a column of a parquet file."""

    def __init__(
        self, path: Path, kind: Kind, labels: bool, label: str | None = None, key: str | None = None
    ) -> None:
        import pyarrow.parquet as pq

        self.path = path.absolute()
        found = parquet_column(path, kind)
        file = pq.ParquetFile(path)
        names = file.schema_arrow.names
        if found is None:
            raise DataError(
                f"{path} has no column of encoded {kind.plural} (binary, or a struct with 'bytes'); "
                f"columns: {names}"
            )
        self.column, self.in_struct = found
        key = _column(names, key, _key_columns(kind), "key")
        label = _column(names, label, LABEL_COLUMNS, "label") if labels else None
        self.keys = [str(i) for i in range(file.metadata.num_rows)]
        if key is not None:
            given = file.read([key])[key].to_pylist()
            self.keys = [str(i) if k is None else str(k) for i, k in enumerate(given)]
        if label is not None:
            self.labels = file.read([label])[label].to_pylist()
        sizes = [file.metadata.row_group(g).num_rows for g in range(file.num_row_groups)]
        self.starts = np.cumsum([0, *sizes])
        weight = max(
            [file.metadata.row_group(g).total_byte_size for g in range(file.num_row_groups)], default=1
        )
        self.room = max(2, AHEAD // max(1, weight))
        self._handle: PerProcess[OrderedDict[int, Any]] = PerProcess()
        self._lock: PerProcess[threading.Lock] = PerProcess()
        self.what = f"{len(self.keys):,} {kind.plural} in column {self.column!r} of {path.name}"
        self.fingerprint = _stamp(path)

    def open(self, i: int) -> BinaryIO:
        group = int(np.searchsorted(self.starts, i, side="right")) - 1
        value = self._group(group)[i - int(self.starts[group])].as_py()
        if value is None:
            raise Unreadable("empty cell")
        return io.BytesIO(value)

    def _group(self, group: int) -> Any:
        import pyarrow.parquet as pq

        kept = self._handle.get(OrderedDict)
        with self._lock.get(threading.Lock):
            if group not in kept:
                while len(kept) >= self.room:
                    kept.popitem(last=False)
                with pq.ParquetFile(self.path) as file:
                    name = f"{self.column}.bytes" if self.in_struct else self.column
                    column = file.read_row_group(group, columns=[name], use_threads=False)[
                        self.column
                    ].combine_chunks()
                if hasattr(column, "num_chunks"):
                    column = column.chunk(0)
                kept[group] = column.field("bytes") if self.in_struct else column
            kept.move_to_end(group)
            return kept[group]


class Items(Collection):
    """Somebody else's data set, asked for one item at a time."""

    def __init__(
        self, items: Any, column: str | None, what: str, labels: list[Any] | None, keys: list[str]
    ) -> None:
        self.items, self.column, self.what, self.labels, self.keys = items, column, what, labels, keys
        own = getattr(items, "_fingerprint", None)
        self.fingerprint = str(own) if isinstance(own, str) else None
        self._lock: PerProcess[threading.Lock] = PerProcess()

    def open(self, i: int) -> Any:
        # a data set we know nothing of may not bear two threads
        with self._lock.get(threading.Lock):
            try:
                item = self.items[i]
            except Exception as error:
                raise Unreadable(f"the data set raised {type(error).__name__}: {error}") from error
        return opened(value_of(item, self.column))


def open_collection(
    data: Any, kind: Kind, *, labels: bool = False, label: str | None = None, key: str | None = None
) -> Collection:
    """The collection that `data` is; `labels`: what it says of classes is wanted.

    `label`: the column that holds the classes, or a regular expression with one group, which is the class
    where it is found in a key (None: class folders, or the column with a usual name). `key`: the column that
    holds the keys.
    `DataError`: it is none, is empty or is missing. `OptionError`: a regular expression that is none.
    """
    pattern = _pattern(label) if labels else None
    column = label if labels and pattern is None else None
    found = _open(data, kind, labels and pattern is None, column, key)
    if pattern is not None:
        told = [pattern.search(k) for k in found.keys]
        found.labels = [None if match is None else match[1] for match in told]
    return found


def _open(data: Any, kind: Kind, labels: bool, label: str | None, key: str | None) -> Collection:
    if isinstance(data, str | os.PathLike):
        return _open_path(Path(data).expanduser(), kind, labels, label, key)
    if is_hugging_face(data):
        return _open_hugging_face(data, kind, labels, label, key)
    if isinstance(data, list | tuple) and data and all(isinstance(p, str | os.PathLike) for p in data):
        _refuse_columns(label, key, "a list of paths")
        paths = [Path(p).expanduser() for p in data]
        keys = [Path(p).as_posix() for p in data]
        return Files(paths, keys, f"{len(paths):,} {kind.plural} named one by one")
    if (
        hasattr(data, "__getitem__")
        and hasattr(data, "__len__")
        and not isinstance(data, list | tuple | dict | str)
    ):
        return _open_items(data, kind, labels, label, key)
    raise DataError(f"{describe(data)} cannot be read as {kind.plural}; accepted: {kind.accepted}")


def _open_path(path: Path, kind: Kind, labels: bool, label: str | None, key: str | None) -> Collection:
    if not path.exists():
        raise DataError(f"there is no file or folder {str(path)!r} (looked in {Path.cwd()})")
    name = path.name.lower()
    if name.endswith((".parquet", ".pq")) and not path.is_dir():
        return Parquet(path, kind, labels, label, key)
    _refuse_columns(label, key, str(path))
    if path.is_dir():
        return _open_folder(path, kind, labels)
    try:
        if name.endswith(".zip"):
            return _refuse_empty(Zip(path, kind, labels), kind, path)
        if name.endswith(ARCHIVES):
            return _refuse_empty(Tar(path, kind, labels), kind, path)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise DataError(f"{path} is not an archive that can be read ({error})") from error
    if path.suffix.lower() in kind.suffixes:
        return Files([path], [path.name], f"the {kind.noun} {path.name}")
    raise DataError(f"{path} is not {_a(kind.noun)}, nor a collection of them; accepted: {kind.accepted}")


def _open_folder(folder: Path, kind: Kind, labels: bool) -> Collection:
    names = sorted(walk(folder))
    keys, others = _among(names, kind)
    if not keys:
        found = f"{len(names):,} other files ({_count(names)})" if names else "no files"
        raise DataError(
            f"the folder {folder} holds no {kind.plural}: found {found}; "
            f"{kind.plural} end in {_few(kind.suffixes)}"
        )
    places = "" if all("/" not in key for key in keys) else "and its folders "
    what = _say(keys, kind, f"in {folder} {places}".strip(), others)
    return Files([folder / key for key in keys], keys, what, _folder_labels(keys) if labels else None)


def walk(folder: Path) -> Iterable[str]:
    """Paths of all files below a folder, relative to it; links to folders are followed, once each."""
    seen = set()
    for here, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(here)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = os.path.relpath(here, folder).replace(os.sep, "/")
        for name in files:
            if not name.startswith("."):
                yield name if below == "." else f"{below}/{name}"


def _open_hugging_face(data: Any, kind: Kind, labels: bool, label: str | None, key: str | None) -> Collection:
    if isinstance(data, dict):
        raise DataError(
            f"this is a dictionary of data sets ({', '.join(map(str, data))}): choose one, data[name]"
        )
    if not hasattr(data, "__len__") or not hasattr(data, "__getitem__"):
        raise DataError(
            "a Hugging Face data set that streams cannot be read by position: load it without streaming=True"
        )
    column = hugging_face_column(data, kind)
    if column is None:
        raise DataError(
            f"no column of {kind.plural} in this Hugging Face data set; columns: {list(data.column_names)}"
        )
    names = list(data.column_names)
    label = _column(names, label, LABEL_COLUMNS, "label") if labels else None
    said = None
    if label is not None:
        said = list(data[label])
        classes = getattr((getattr(data, "features", None) or {}).get(label), "names", None)
        if classes:
            said = [classes[v] if isinstance(v, int) and 0 <= v < len(classes) else None for v in said]
    key = _column(names, key, _key_columns(kind), "key")
    keys = [str(k) for k in data[key]] if key is not None else [str(i) for i in range(len(data))]
    what = f"{len(keys):,} {kind.plural} in column {column!r} of a Hugging Face data set"
    return Items(data, column, what, said, keys)


def _open_items(data: Any, kind: Kind, labels: bool, label: str | None, key: str | None) -> Collection:
    count = len(data)
    if not count:
        raise DataError(f"the data set {type(data).__name__} is empty")
    first = data[0]
    fields = list(first) if isinstance(first, dict) else []
    label, key = _column(fields, label, (), "label"), _column(fields, key, (), "key")
    said = None
    if labels:
        targets = getattr(data, "targets", None)
        if label is None and targets is not None and len(targets) == count:
            said = targets.tolist() if hasattr(targets, "tolist") else list(targets)
        else:
            said = [label_of(data[i], label) for i in range(count)]
    keys = [str(i) if key is None else str(data[i][key]) for i in range(count)]
    what = f"{count:,} {kind.plural} in a data set ({type(data).__name__})"
    return Items(data, item_column(first, kind), what, said, keys)


def look_at(collection: Collection, look: Callable[[Any], T], sample: int) -> list[T]:
    """What `look` says of up to `sample` samples spread evenly, each opened; of others where it can read none.

    `DataError`: it can read nothing in the whole collection.
    """
    count = len(collection)
    chosen = spread(count, sample)
    failed: dict[int, str] = {}
    found = _looked(collection, look, chosen, failed)
    if not found:
        # the whole sample is unreadable: the set is only refused when everything in it is
        left = iter(sorted(set(range(count)) - set(chosen)))
        while not found and (more := list(islice(left, sample))):
            found = _looked(collection, look, more, failed)
    whole(failed, count, collection.what, collection.keys.__getitem__)
    return found


def spread(count: int, sample: int) -> list[int]:
    """Up to `sample` places spread evenly over `count`."""
    return sorted({int(i) for i in np.linspace(0, count - 1, min(count, sample))})


def _looked(
    collection: Collection, look: Callable[[Any], T], places: list[int], failed: dict[int, str]
) -> list[T]:
    def attempt(i: int) -> T | Unreadable:
        try:
            return look(collection.open(i))
        except Unreadable as error:
            return error

    found = []
    with ThreadPoolExecutor(threads()) as pool:
        for i, one in zip(places, pool.map(attempt, places), strict=True):
            if isinstance(one, Unreadable):
                failed[i] = str(one)
            else:
                found.append(one)
    return found


# what somebody else's data sets hold


def is_hugging_face(data: Any) -> bool:
    """Whether this looks like a Hugging Face data set, or a dictionary of them."""
    if isinstance(data, dict):
        return bool(data) and all(is_hugging_face(value) for value in data.values())
    return hasattr(data, "features") and hasattr(data, "column_names")


def hugging_face_column(data: Any, kind: Kind) -> str | None:
    """The column of samples: declared as such, or by its name."""
    features = getattr(data, "features", None) or {}
    for name in data.column_names:
        if kind.feature is not None and type(features.get(name)).__name__ == kind.feature:
            return str(name)
    return next((name for name in kind.columns if name in data.column_names), None)


def item_column(item: Any, kind: Kind) -> str | None:
    """Under which name an item holds its sample, where an item is a dictionary."""
    if isinstance(item, dict):
        return next((name for name in kind.columns if name in item), None)
    return None


def value_of(item: Any, column: str | None) -> Any:
    """The sample of an item: itself, the first of a tuple, or what stands under a name."""
    if column is not None and isinstance(item, dict):
        return item.get(column)
    return item[0] if isinstance(item, tuple | list) and item else item


def label_of(item: Any, column: str | None = None) -> Any:
    """The label of an item (sample, label) or {"label": …}; None where there is none."""
    if isinstance(item, dict):
        names = LABEL_COLUMNS if column is None else (column,)
        said = next((item[name] for name in names if name in item), None)
    else:
        said = item[1] if isinstance(item, tuple | list) and len(item) > 1 else None
    return said.item() if isinstance(said, np.generic | torch.Tensor) and np.ndim(said) == 0 else said


def opened(value: Any) -> BinaryIO | Any:
    """Encoded bytes, a path, or {"bytes", "path"}, as an open file; anything else as it is."""
    if isinstance(value, dict) and ("bytes" in value or "path" in value):
        value = value["bytes"] if value.get("bytes") is not None else value.get("path")
    if isinstance(value, bytes | bytearray):
        return io.BytesIO(value)
    return _open_file(Path(value)) if isinstance(value, str | os.PathLike) else value


def parquet_column(path: Path, kind: Kind) -> tuple[str, bool] | None:
    """The column of encoded samples and whether it is a struct with `bytes`; None where there is none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path} is not a parquet file that can be read ({error})") from error
    found = {}
    for field in schema:
        if pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type):
            found[field.name] = False
        elif pa.types.is_struct(field.type) and field.type.get_field_index("bytes") >= 0:
            found[field.name] = True
    named = next((name for name in kind.columns if name in found), None)
    if named is None and len(found) == 1:
        named = next(iter(found))
    return None if named is None else (named, found[named])


# recognised by a look


def recognise(data: Any, kind: Kind, holds: Callable[[Any], bool]) -> str | None:
    """One line saying what `data` is if it is a collection of this kind, else None. Never raises.

    `holds` tells of one value of a data set (encoded bytes, {"bytes", …}, an array, …) whether it is a sample.
    """
    if isinstance(data, str | os.PathLike):
        return _recognise_path(Path(data).expanduser(), kind, holds)
    if isinstance(data, list | tuple):
        named = bool(data) and all(isinstance(p, str | os.PathLike) for p in data)
        ours = (
            named and _any(map(str, data), kind) and any(Path(p).expanduser().exists() for p in data[:LOOK])
        )
        return f"{len(data):,} paths of {kind.plural}" if ours else None
    if is_hugging_face(data):
        return _recognise_hugging_face(data, kind, holds)
    if not (hasattr(data, "__getitem__") and hasattr(data, "__len__")) or isinstance(data, dict):
        return None
    try:
        item = data[0]
    except Exception:
        return None
    column = item_column(item, kind)
    return f"a data set of {kind.plural} ({type(data).__name__})" if holds(value_of(item, column)) else None


def _recognise_path(path: Path, kind: Kind, holds: Callable[[Any], bool]) -> str | None:
    name = path.name.lower()
    if path.is_dir():
        return f"the folder of {kind.plural} {path}" if _any(walk(path), kind) else None
    if not path.is_file():
        return None
    if name.endswith(ARCHIVES):
        return f"the archive of {kind.plural} {path.name}" if _any(members(path), kind) else None
    if name.endswith((".parquet", ".pq")):
        return _recognise_parquet(path, kind, holds)
    return f"the {kind.noun} {path.name}" if path.suffix.lower() in kind.suffixes else None


def _any(names: Iterable[str], kind: Kind) -> bool:
    return any(kind.named(name) for name in islice(names, LOOK))


def members(path: Path) -> list[str]:
    try:
        if path.suffix.lower() == ".zip":
            with zipfile.ZipFile(path) as archive:
                return archive.namelist()
        with tarfile.open(path) as tar:
            return [member.name for member in islice(tar, LOOK)]
    except (OSError, EOFError, zipfile.BadZipFile, tarfile.TarError):
        return []


def _recognise_parquet(path: Path, kind: Kind, holds: Callable[[Any], bool]) -> str | None:
    import pyarrow.parquet as pq

    try:
        found = parquet_column(path, kind)
    except DataError:
        return None
    if found is None:
        return None
    column, in_struct = found
    with pq.ParquetFile(path) as file:
        name = f"{column}.bytes" if in_struct else column
        batch = next(file.iter_batches(batch_size=8, columns=[name]), None)
    values = [] if batch is None else batch.column(0).to_pylist()
    first = next((value for value in values if value is not None), None)
    return f"{kind.plural} in column {column!r} of {path.name}" if first and holds(first) else None


def _recognise_hugging_face(data: Any, kind: Kind, holds: Callable[[Any], bool]) -> str | None:
    if isinstance(data, dict):
        found = [_recognise_hugging_face(value, kind, holds) for value in data.values()]
        said = ", ".join(map(str, found))
        return f"a dictionary of data sets of {kind.plural} ({said})" if all(found) else None
    column = hugging_face_column(data, kind)
    if column is None:
        return None
    if type((getattr(data, "features", None) or {}).get(column)).__name__ != kind.feature:
        try:
            if not holds(data[0][column]):
                return None
        except Exception:
            return None
    return f"{kind.plural} in column {column!r} of a Hugging Face data set"


# small helpers


def describe(data: Any) -> str:
    """What an object is, in a few words."""
    shape = getattr(data, "shape", None)
    if shape is not None:
        return f"an array of shape {tuple(shape)}"
    if isinstance(data, str | os.PathLike):
        return f"the file {str(data)!r}"
    return f"an object of type {type(data).__name__}"


def _open_file(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise Unreadable(f"cannot be opened ({error.strerror or error})") from error


def _pattern(label: str | None) -> re.Pattern[str] | None:
    """The regular expression that `label` is; None where it names a column."""
    if label is None or "(" not in label:
        return None
    try:
        pattern = re.compile(label)
    except re.error as error:
        raise OptionError(f"label {label!r} is not a regular expression ({error})") from error
    if pattern.groups != 1:
        raise OptionError(
            f"label {label!r} has {pattern.groups} groups: the class is what one group of it matches in a key"
        )
    return pattern


def _column(names: Sequence[str], given: str | None, usual: Sequence[str], what: str) -> str | None:
    """The column that was asked for, else the first with a usual name, else None."""
    if given is not None and given not in names:
        raise DataError(f"there is no column {given!r} ({what}): {nearest(given, names)}")
    return given if given is not None else next((name for name in usual if name in names), None)


def _key_columns(kind: Kind) -> tuple[str, ...]:
    return (*KEY_COLUMNS, f"{kind.noun}_id")


def _refuse_columns(label: str | None, key: str | None, where: str) -> None:
    for what, name in (("label", label), ("key", key)):
        if name is not None:
            raise DataError(
                f"{what} {name!r} names a column, and {where} has none: leave it out to take the class from "
                "folders and the key from paths; a class in the path is found by a regular expression with a "
                "group, such as label='^([^_]+)_'"
            )


def _among(names: Iterable[str], kind: Kind) -> tuple[list[str], list[str]]:
    """Those of this kind, and the others that are not hidden."""
    ours, others = [], []
    for name in sorted(set(names)):
        if kind.named(name):
            ours.append(name)
        elif not PurePosixPath(name).name.startswith(".") and "__MACOSX" not in name:
            others.append(name)
    return ours, others


def _folder_labels(keys: Sequence[str], *, wrapped: bool = False) -> list[Any]:
    """The top folder of each key; train, test, … and one folder around a whole archive are no classes."""
    parts = [PurePosixPath(key).parts[:-1] for key in keys]
    while parts and all(len(p) > 1 for p in parts):
        tops = {p[0] for p in parts}
        if not (tops <= SPLITS or tops == {"."} or (wrapped and len(tops) == 1)):
            break
        parts = [p[1:] for p in parts]
    return [p[0] if p and p[0] != NO_CLASS else None for p in parts]


def _say(keys: Sequence[str], kind: Kind, where: str, others: Sequence[str]) -> str:
    said = f"{len(keys):,} {kind.noun if len(keys) == 1 else kind.plural} ({_count(keys)}) {where}"
    if others:
        said += f"; {len(others):,} other file{'s' * (len(others) != 1)} ({_count(others)}) left alone"
    return said


def _count(names: Sequence[str]) -> str:
    kinds = Counter(PurePosixPath(name).suffix.lower() or "no suffix" for name in names)
    said = ", ".join(kind for kind, _ in kinds.most_common(4))
    return said + (", …" if len(kinds) > 4 else "")


def _few(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _stamp(path: Path) -> str:
    status = path.stat()
    said = f"{path.resolve()}\0{status.st_size}\0{status.st_mtime_ns}"
    return hashlib.blake2b(said.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def _refuse_empty(collection: Collection, kind: Kind, path: Path) -> Collection:
    if not len(collection):
        raise DataError(
            f"{path} holds no {kind.plural} ({collection.what}); {kind.plural} end in {_few(kind.suffixes)}"
        )
    return collection


def _refuse_outside(key: str) -> None:
    if key.startswith(("/", "\\")) or ".." in PurePosixPath(key).parts:
        raise Unreadable("its path leaves the archive")
