"""Where the pictures lie: a folder, an archive, a parquet file, a list of paths, somebody else's data set.

A collection knows its keys, perhaps labels, and how to get at one picture; it decodes nothing
before it is asked to. Collections pickle without open files and without what they read ahead.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import threading
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Generic, TypeVar

import numpy as np
import torch

from unlabeled.data.cache import Unreadable
from unlabeled.errors import DataError
from unlabeled.modalities.image.decode import SUFFIXES, Picture, decode, from_pil, picture

ACCEPTED = (
    "a folder or archive (.zip, .tar, .tar.gz) of images, a parquet file with a column of encoded images, "
    "an .npy or .npz file, a NumPy array or torch tensor, a torch or Hugging Face dataset, or a list of paths"
)
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
SPLITS = frozenset(["train", "test", "val", "valid", "validation", "training", "testing"])
"""folders that hold class folders, not a class"""
NO_CLASS = "unlabeled"
"""a class folder of this name holds pictures whose class is not known"""
MEMBER = 2 * 2**30
"""largest file taken out of an archive, in bytes unpacked"""
TOGETHER = 4 * 2**30
"""bytes that all pictures of a compressed tar archive may have together"""
AHEAD = 2**30
"""bytes of a parquet file kept in memory"""
IMAGE_COLUMNS = ("image", "img", "images", "picture", "photo", "bytes", "image_bytes", "jpg", "png", "data")
LABEL_COLUMNS = ("label", "labels", "class", "target", "fine_label")
KEY_COLUMNS = ("key", "name", "path", "file_name", "filename", "id", "image_id")


class Collection(ABC):
    """Pictures that can be had one by one."""

    keys: list[str]
    labels: list[Any] | None = None
    """what the source says of each picture's class (None: unknown); None: nothing of any"""
    what: str
    """for a person"""
    fingerprint: str | None
    """changes when the data does; None: cannot be told without reading everything"""

    def __len__(self) -> int:
        return len(self.keys)

    @abstractmethod
    def load(self, i: int, side: int) -> Picture:
        """Picture i, perhaps reduced as long as its shorter side stays over twice `side`; or `Unreadable`."""


Handle = TypeVar("Handle")


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
    """Image files on disk."""

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

    def load(self, i: int, side: int) -> Picture:
        try:
            file = self.paths[i].open("rb")
        except OSError as error:
            raise Unreadable(f"cannot be opened ({error.strerror or error})") from error
        with file:
            return decode(file, side)


class Zip(Collection):
    """Image files in a zip archive, read in place."""

    def __init__(self, path: Path, labels: bool) -> None:
        self.path = path.absolute()
        self._handle: PerProcess[zipfile.ZipFile] = PerProcess()
        with zipfile.ZipFile(path) as archive:
            names = [info.filename for info in archive.infolist() if not info.is_dir()]
        self.keys, others = _images_among(names)
        self.labels = _folder_labels(self.keys, wrapped=True) if labels else None
        self.what = _say(len(self.keys), self.keys, f"in {path.name}", others)
        self.fingerprint = _stamp(path)

    def load(self, i: int, side: int) -> Picture:
        _refuse_outside(self.keys[i])
        archive = self._handle.get(lambda: zipfile.ZipFile(self.path))
        try:
            info = archive.getinfo(self.keys[i])
            if info.file_size > MEMBER:
                raise Unreadable(
                    f"{info.file_size:,} bytes unpacked are more than the {MEMBER:,} that are read"
                )
            data = archive.read(info)
        except (
            OSError,
            RuntimeError,
            NotImplementedError,
            zipfile.BadZipFile,
            EOFError,
            zlib.error,
        ) as error:
            raise Unreadable(f"cannot be unpacked ({error})") from error
        return decode(io.BytesIO(data), side)


class Tar(Collection):
    """Image files in a tar archive: read in place, or as a whole into memory where it is compressed."""

    def __init__(self, path: Path, labels: bool) -> None:
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
        self.keys, others = _images_among(names)
        self.labels = _folder_labels(self.keys, wrapped=True) if labels else None
        self.what = _say(len(self.keys), self.keys, f"in {path.name}", others)
        self.fingerprint = _stamp(path)
        self.places = {key: self.places[key] for key in self.keys}
        together = sum(size for _, size in self.places.values())
        if self.compressed and together > TOGETHER:
            raise DataError(
                f"{path} holds {together:,} bytes of images; a compressed tar archive can only be "
                f"read as a whole, into memory, up to {TOGETHER:,}: make it a .zip or a plain .tar"
            )

    def load(self, i: int, side: int) -> Picture:
        key = self.keys[i]
        _refuse_outside(key)
        offset, size = self.places[key]
        if size > MEMBER:
            raise Unreadable(f"{size:,} bytes are more than the {MEMBER:,} that are read")
        if self.compressed:
            return decode(io.BytesIO(self._handle.get(self._unpack)[key]), side)
        try:
            with self.path.open("rb") as file:
                file.seek(offset)
                return decode(io.BytesIO(file.read(size)), side)
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
    """Encoded images in a column of a parquet file."""

    def __init__(self, path: Path, labels: bool) -> None:
        import pyarrow.parquet as pq

        self.path = path.absolute()
        found = parquet_column(path)
        file = pq.ParquetFile(path)
        names = file.schema_arrow.names
        if found is None:
            raise DataError(
                f"{path} has no column of encoded images (binary, or a struct with 'bytes'); columns: {names}"
            )
        self.column, self.in_struct = found
        key = next((name for name in KEY_COLUMNS if name in names), None)
        label = next((name for name in LABEL_COLUMNS if name in names), None) if labels else None
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
        self.what = f"{len(self.keys):,} images in column {self.column!r} of {path.name}"
        self.fingerprint = _stamp(path)

    def load(self, i: int, side: int) -> Picture:
        group = int(np.searchsorted(self.starts, i, side="right")) - 1
        value = self._group(group)[i - int(self.starts[group])].as_py()
        if value is None:
            raise Unreadable("empty cell")
        return decode(io.BytesIO(value), side)

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

    def load(self, i: int, side: int) -> Picture:
        # a data set we know nothing of may not bear two threads
        with self._lock.get(threading.Lock):
            try:
                item = self.items[i]
            except Exception as error:
                raise Unreadable(f"the data set raised {type(error).__name__}: {error}") from error
        return to_picture(image_of(item, self.column), side)


def open_collection(data: Any, *, labels: bool = False) -> Collection:
    """The collection that `data` is; `labels`: what it says of classes is wanted.

    `DataError`: it is none, is empty or is missing.
    """
    if isinstance(data, str | os.PathLike):
        return _open_path(Path(data).expanduser(), labels)
    if is_hugging_face(data):
        return _open_hugging_face(data, labels)
    if isinstance(data, list | tuple) and data and all(isinstance(p, str | os.PathLike) for p in data):
        paths = [Path(p).expanduser() for p in data]
        return Files(paths, [Path(p).as_posix() for p in data], f"{len(paths):,} images named one by one")
    if (
        hasattr(data, "__getitem__")
        and hasattr(data, "__len__")
        and not isinstance(data, list | tuple | dict | str)
    ):
        return _open_items(data, labels)
    raise DataError(f"{describe(data)} cannot be read as images; accepted: {ACCEPTED}")


def _open_path(path: Path, labels: bool) -> Collection:
    if not path.exists():
        raise DataError(f"there is no file or folder {str(path)!r} (looked in {Path.cwd()})")
    if path.is_dir():
        return _open_folder(path, labels)
    name = path.name.lower()
    try:
        if name.endswith(".zip"):
            return _refuse_empty(Zip(path, labels), path)
        if name.endswith(ARCHIVES):
            return _refuse_empty(Tar(path, labels), path)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise DataError(f"{path} is not an archive that can be read ({error})") from error
    if name.endswith((".parquet", ".pq")):
        return Parquet(path, labels)
    if path.suffix.lower() in SUFFIXES:
        return Files([path], [path.name], f"the image {path.name}")
    raise DataError(f"{path} is not an image, nor a collection of them; accepted: {ACCEPTED}")


def _open_folder(folder: Path, labels: bool) -> Collection:
    names = sorted(walk(folder))
    keys, others = _images_among(names)
    if not keys:
        found = f"{len(names):,} other files ({_count(names)})" if names else "no files"
        raise DataError(f"the folder {folder} holds no images: found {found}; images end in {_few(SUFFIXES)}")
    places = "" if all("/" not in key for key in keys) else "and its folders "
    what = _say(len(keys), keys, f"in {folder} {places}".strip(), others)
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


def _open_hugging_face(data: Any, labels: bool) -> Collection:
    if isinstance(data, dict):
        raise DataError(
            f"this is a dictionary of data sets ({', '.join(map(str, data))}): choose one, data[name]"
        )
    if not hasattr(data, "__len__") or not hasattr(data, "__getitem__"):
        raise DataError(
            "a Hugging Face data set that streams cannot be read by position: load it without streaming=True"
        )
    column = hugging_face_column(data)
    if column is None:
        raise DataError(
            f"no column of images in this Hugging Face data set; columns: {list(data.column_names)}"
        )
    names = list(data.column_names)
    label = next((name for name in LABEL_COLUMNS if name in names), None) if labels else None
    said = None
    if label is not None:
        said = list(data[label])
        classes = getattr((getattr(data, "features", None) or {}).get(label), "names", None)
        if classes:
            said = [classes[v] if isinstance(v, int) and 0 <= v < len(classes) else None for v in said]
    key = next((name for name in KEY_COLUMNS if name in names), None)
    keys = [str(k) for k in data[key]] if key is not None else [str(i) for i in range(len(data))]
    what = f"{len(keys):,} images in column {column!r} of a Hugging Face data set"
    return Items(data, column, what, said, keys)


def _open_items(data: Any, labels: bool) -> Collection:
    count = len(data)
    if not count:
        raise DataError(f"the data set {type(data).__name__} is empty")
    column = item_column(data[0])
    said = None
    if labels:
        targets = getattr(data, "targets", None)
        if targets is not None and len(targets) == count:
            said = targets.tolist() if hasattr(targets, "tolist") else list(targets)
        else:
            said = [label_of(data[i]) for i in range(count)]
    keys = [str(i) for i in range(count)]
    return Items(data, column, f"{count:,} images in a data set ({type(data).__name__})", said, keys)


def is_hugging_face(data: Any) -> bool:
    """Whether this looks like a Hugging Face data set, or a dictionary of them."""
    if isinstance(data, dict):
        return bool(data) and all(is_hugging_face(value) for value in data.values())
    return hasattr(data, "features") and hasattr(data, "column_names")


def hugging_face_column(data: Any) -> str | None:
    """The column of images: declared as such, or by its name."""
    features = getattr(data, "features", None) or {}
    for name in data.column_names:
        if type(features.get(name)).__name__ == "Image":
            return str(name)
    return next((name for name in IMAGE_COLUMNS if name in data.column_names), None)


def item_column(item: Any) -> str | None:
    """Under which name an item holds its image, where an item is a dictionary."""
    if isinstance(item, dict):
        return next((name for name in IMAGE_COLUMNS if name in item), None)
    return None


def image_of(item: Any, column: str | None) -> Any:
    """The image of an item: itself, the first of a tuple, or what stands under a name."""
    if column is not None and isinstance(item, dict):
        return item.get(column)
    return item[0] if isinstance(item, tuple | list) and item else item


def label_of(item: Any) -> Any:
    """The label of an item (image, label) or {"label": …}; None where there is none."""
    if isinstance(item, dict):
        said = next((item[name] for name in LABEL_COLUMNS if name in item), None)
    else:
        said = item[1] if isinstance(item, tuple | list) and len(item) > 1 else None
    return said.item() if isinstance(said, np.generic | torch.Tensor) and np.ndim(said) == 0 else said


def to_picture(value: Any, side: int) -> Picture:
    """A picture out of a PIL image, array, tensor, encoded bytes, {"bytes", "path"}, or path."""
    try:
        if isinstance(value, dict):
            value = value["bytes"] if value.get("bytes") is not None else value.get("path")
        if isinstance(value, bytes | bytearray):
            return decode(io.BytesIO(value), side)
        if isinstance(value, str | os.PathLike):
            with Path(value).open("rb") as file:
                return decode(file, side)
        if isinstance(value, torch.Tensor):
            return picture(_tensor_bands_last(value.detach().cpu()))
        if isinstance(value, np.ndarray):
            return picture(value)
        if hasattr(value, "getexif"):
            return from_pil(value, side)
    except Unreadable:
        raise
    except Exception as error:
        raise Unreadable(f"cannot be decoded ({type(error).__name__}: {error})") from error
    raise Unreadable(f"{describe(value)} is not an image")


def _tensor_bands_last(value: torch.Tensor) -> np.ndarray:
    """A tensor (band, height, width), as torchvision has it, unless only the last axis can be the bands."""
    array = value.to(torch.float32).numpy() if value.dtype == torch.bfloat16 else value.numpy()
    if array.ndim == 3 and not (array.shape[2] <= 4 < array.shape[0]):
        return np.moveaxis(array, 0, -1)
    return array


def parquet_column(path: Path) -> tuple[str, bool] | None:
    """The column of encoded images and whether it is a struct with `bytes`; None where there is none."""
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
    named = next((name for name in IMAGE_COLUMNS if name in found), None)
    if named is None and len(found) == 1:
        named = next(iter(found))
    return None if named is None else (named, found[named])


def describe(data: Any) -> str:
    """What an object is, in a few words."""
    shape = getattr(data, "shape", None)
    if shape is not None:
        return f"an array of shape {tuple(shape)}"
    if isinstance(data, str | os.PathLike):
        return f"the file {str(data)!r}"
    return f"an object of type {type(data).__name__}"


def is_image_name(name: str) -> bool:
    """Whether a path ends like an image and no part of it is hidden."""
    parts = PurePosixPath(name).parts
    hidden = any((part.startswith(".") and part not in (".", "..")) or part == "__MACOSX" for part in parts)
    return not hidden and PurePosixPath(name).suffix.lower() in SUFFIXES


def _images_among(names: Iterable[str]) -> tuple[list[str], list[str]]:
    images, others = [], []
    for name in sorted(set(names)):
        if is_image_name(name):
            images.append(name)
        elif not PurePosixPath(name).name.startswith(".") and "__MACOSX" not in name:
            others.append(name)
    return images, others


def _folder_labels(keys: Sequence[str], *, wrapped: bool = False) -> list[Any]:
    """The top folder of each key; train, test, … and one folder around a whole archive are no classes."""
    parts = [PurePosixPath(key).parts[:-1] for key in keys]
    while parts and all(len(p) > 1 for p in parts):
        tops = {p[0] for p in parts}
        if not (tops <= SPLITS or tops == {"."} or (wrapped and len(tops) == 1)):
            break
        parts = [p[1:] for p in parts]
    return [p[0] if p and p[0] != NO_CLASS else None for p in parts]


def _say(count: int, keys: Sequence[str], where: str, others: Sequence[str]) -> str:
    said = f"{count:,} image{'s' * (count != 1)} ({_count(keys)}) {where}"
    if others:
        said += f"; {len(others):,} other file{'s' * (len(others) != 1)} ({_count(others)}) left alone"
    return said


def _count(names: Sequence[str]) -> str:
    kinds = Counter(PurePosixPath(name).suffix.lower() or "no suffix" for name in names)
    said = ", ".join(kind for kind, _ in kinds.most_common(4))
    return said + (", …" if len(kinds) > 4 else "")


def _few(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _stamp(path: Path) -> str:
    status = path.stat()
    said = f"{path.resolve()}\0{status.st_size}\0{status.st_mtime_ns}"
    return hashlib.blake2b(said.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def _refuse_empty(collection: Collection, path: Path) -> Collection:
    if not len(collection):
        raise DataError(f"{path} holds no images ({collection.what}); images end in {_few(SUFFIXES)}")
    return collection


def _refuse_outside(key: str) -> None:
    if key.startswith(("/", "\\")) or ".." in PurePosixPath(key).parts:
        raise Unreadable("its path leaves the archive")
