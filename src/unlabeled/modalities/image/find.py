"""Pictures as a collection of files (`data/collection.py`), and one of them as an array of pixels."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import torch

from unlabeled.data import collection
from unlabeled.data.cache import Unreadable
from unlabeled.data.collection import Collection, Kind, describe, opened
from unlabeled.modalities.image.decode import SUFFIXES, Picture, decode, from_pil, picture

KIND = Kind(
    noun="image",
    plural="images",
    suffixes=SUFFIXES,
    columns=("image", "img", "images", "picture", "photo", "bytes", "image_bytes", "jpg", "png", "data"),
    accepted="a folder or archive (.zip, .tar, .tar.gz) of images, a parquet file with a column of encoded images, "
    "an .npy or .npz file, a NumPy array or torch tensor, a torch or Hugging Face dataset, or a list of paths",
    feature="Image",
)


def open_collection(data: Any, *, labels: bool = False) -> Collection:
    """The collection of pictures that `data` is; `labels`: what it says of classes is wanted."""
    return collection.open_collection(data, KIND, labels=labels)


def to_picture(value: Any, side: int) -> Picture:
    """A picture out of a PIL image, array, tensor, open file, encoded bytes, {"bytes", "path"}, or path."""
    try:
        value = opened(value)
        if isinstance(value, io.IOBase):
            with value:
                return decode(value, side)  # type: ignore[arg-type]
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
