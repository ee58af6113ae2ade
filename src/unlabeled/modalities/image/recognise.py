"""Whether data is images, told by a look at it."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from unlabeled.errors import DataError
from unlabeled.modalities.image.decode import SUFFIXES, TIFF_STARTS, formats
from unlabeled.modalities.image.find import (
    ARCHIVES,
    hugging_face_column,
    image_of,
    is_hugging_face,
    is_image_name,
    item_column,
    parquet_column,
    walk,
)
from unlabeled.modalities.image.stack import array_file, choose_images, npz_shapes

LOOK = 10_000
"""names of a folder or archive looked at"""


def recognise(data: Any) -> str | None:
    """One line saying what `data` is if it is images, else None.

    Three axes are not enough: (image, height, width) and (sample, channel, time) look the same.
    """
    if isinstance(data, np.ndarray | torch.Tensor):
        return f"an array of images {tuple(data.shape)}" if data.ndim == 4 else None
    if isinstance(data, str | os.PathLike):
        return _recognise_path(Path(data).expanduser())
    if isinstance(data, list | tuple):
        named = bool(data) and all(isinstance(p, str | os.PathLike) for p in data)
        return f"{len(data):,} paths of images" if named and _any_image(map(str, data)) else None
    if is_hugging_face(data):
        return _recognise_hugging_face(data)
    return _recognise_items(data)


def _recognise_path(path: Path) -> str | None:
    name = path.name.lower()
    if path.is_dir():
        return f"the folder of images {path}" if _any_image(walk(path)) else None
    if not path.is_file():
        return None
    if name.endswith(ARCHIVES):
        return f"the archive of images {path.name}" if _any_image(_members(path)) else None
    if name.endswith((".parquet", ".pq")):
        return _recognise_parquet(path)
    if array_file(path) is not None:
        try:
            shape = array_shape(path)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile):
            return None
        return f"an array of images {shape} in {path.name}" if shape is not None and len(shape) == 4 else None
    return f"the image {path.name}" if path.suffix.lower() in SUFFIXES else None


def array_shape(path: Path) -> tuple[int, ...] | None:
    """Shape of an .npy file, or of the array of images in an .npz file (None where none is)."""
    if path.suffix.lower() == ".npy":
        return tuple(np.load(path, mmap_mode="r", allow_pickle=False).shape)
    shapes = npz_shapes(path)
    name = choose_images(shapes)
    return None if name is None else shapes[name]


def _any_image(names: Iterable[str]) -> bool:
    return any(is_image_name(name) for name in islice(names, LOOK))


def _members(path: Path) -> list[str]:
    try:
        if path.suffix.lower() == ".zip":
            with zipfile.ZipFile(path) as archive:
                return archive.namelist()
        with tarfile.open(path) as tar:
            return [member.name for member in islice(tar, LOOK)]
    except (OSError, EOFError, zipfile.BadZipFile, tarfile.TarError):
        return []


def _recognise_parquet(path: Path) -> str | None:
    import pyarrow.parquet as pq

    try:
        found = parquet_column(path)
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
    encoded = first["bytes"] if in_struct and first is not None else first
    return f"images in column {column!r} of {path.name}" if encoded and _encoded(encoded) else None


def _recognise_hugging_face(data: Any) -> str | None:
    if isinstance(data, dict):
        found = {name: _recognise_hugging_face(value) for name, value in data.items()}
        return (
            f"a dictionary of data sets of images ({', '.join(map(str, found))})"
            if all(found.values())
            else None
        )
    column = hugging_face_column(data)
    if column is None:
        return None
    if type((getattr(data, "features", None) or {}).get(column)).__name__ != "Image":
        try:
            if not _is_image(data[0][column]):
                return None
        except Exception:
            return None
    return f"images in column {column!r} of a Hugging Face data set"


def _recognise_items(data: Any) -> str | None:
    if not (hasattr(data, "__getitem__") and hasattr(data, "__len__")) or isinstance(data, dict):
        return None
    try:
        item = data[0]
    except Exception:
        return None
    column = item_column(item)
    return f"a data set of images ({type(data).__name__})" if _is_image(image_of(item, column)) else None


def _is_image(value: Any) -> bool:
    if isinstance(value, dict):
        value = value.get("bytes")
    if isinstance(value, bytes):
        return _encoded(value)
    if isinstance(value, np.ndarray | torch.Tensor):
        return value.ndim == 3
    return hasattr(value, "getexif")


def _encoded(data: bytes) -> bool:
    if data[:4] in TIFF_STARTS or data[:6] == b"\x93NUMPY":
        return True
    try:
        Image.open(io.BytesIO(data), formats=formats())
    except Exception:
        return False
    return True
