"""Whether data is images, told by a look at it."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from unlabeled.data import collection, npz
from unlabeled.modalities.image.decode import TIFF_STARTS, formats
from unlabeled.modalities.image.find import KIND
from unlabeled.modalities.image.stack import array_file, choose_images


def recognise(data: Any) -> str | None:
    """One line saying what `data` is if it is images, else None.

    Three axes are not enough: (image, height, width) and (sample, channel, time) look the same.
    """
    if isinstance(data, np.ndarray | torch.Tensor):
        return f"an array of images {tuple(data.shape)}" if data.ndim == 4 else None
    path = array_file(Path(data).expanduser()) if isinstance(data, str | os.PathLike) else None
    if path is None:
        return collection.recognise(data, KIND, _is_image)
    try:
        shape = array_shape(path)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None
    return f"an array of images {shape} in {path.name}" if shape is not None and len(shape) == 4 else None


def array_shape(path: Path) -> tuple[int, ...] | None:
    """Shape of an .npy file, or of the array of images in an .npz file (None where none is)."""
    if path.suffix.lower() == ".npy":
        return tuple(np.load(path, mmap_mode="r", allow_pickle=False).shape)
    shapes = npz.shapes(path)
    name = choose_images(shapes)
    return None if name is None else shapes[name]


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
