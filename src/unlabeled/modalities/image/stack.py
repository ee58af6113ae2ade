"""Images that are one array already: (image, height, width[, band]) or (image, band, height, width)."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped

from unlabeled.data import npz
from unlabeled.data.cache import Mapped
from unlabeled.errors import DataError
from unlabeled.modalities.image.decode import band_axis

NAMES = ("images", "image", "x", "X", "data", "imgs", "arr_0")
WHOLE = 64 * 2**20
"""bytes up to which an array's content is part of its fingerprint; beyond, evenly spread rows of it are"""


@dataclass
class Stack:
    """An array of images, its pixels left where they are."""

    values: np.ndarray | Mapped
    band_axis: int | None
    """1, 3, or None where the array has no axis of bands"""
    what: str
    fingerprint: str
    labels: list[Any] | None = None

    def __len__(self) -> int:
        return len(self.array)

    @property
    def array(self) -> np.ndarray:
        """The array, opened where it is a file."""
        return self.values.array if isinstance(self.values, Mapped) else self.values

    def rows(self, places: Any) -> Shaped[np.ndarray, "n height width bands"]:
        """Some of the images; `places` as NumPy takes them (a slice gives a view)."""
        chosen: np.ndarray = self.array[places]
        if chosen.dtype.kind == "b":
            chosen = chosen.astype(np.uint8) * 255
        if not chosen.dtype.isnative:
            chosen = chosen.astype(chosen.dtype.newbyteorder("="))
        if self.band_axis is None:
            return chosen[..., None]
        return np.moveaxis(chosen, self.band_axis, -1)

    @property
    def height_width_bands(self) -> tuple[int, int, int]:
        height, width, bands = self.rows(slice(0, 1)).shape[1:]
        return height, width, bands

    def chunks(self, size: int = 256) -> Iterator[tuple[int, np.ndarray]]:
        """All images, a few at a time, each with the place of its first."""
        for start in range(0, len(self), size):
            yield start, self.rows(slice(start, start + size))


def open_stack(data: Any, *, labels: bool = False) -> Stack | None:
    """The stack that `data` is (an array, a tensor, an .npy or .npz file); None where it is something else.

    `DataError`: an array that cannot be a stack of images, saying why.
    """
    if isinstance(data, torch.Tensor):
        array = data.detach().cpu()
        array = array.float() if array.dtype == torch.bfloat16 else array
        return _stack(array.numpy(), "tensor", bands_first=True)
    if isinstance(data, np.ndarray):
        return _stack(data, "array")
    path = array_file(data)
    if path is None:
        return None
    try:
        if path.suffix.lower() == ".npy":
            stack = _stack(Mapped(path.absolute()), path.name)
        else:
            with np.load(path, allow_pickle=False) as archive:
                stack = _from_npz(archive, path, labels)
        # of a large file only some rows were looked at: its date speaks for the others
        if stack.array.nbytes > WHOLE:
            stack.fingerprint += f"-{path.stat().st_mtime_ns}"
        return stack
    except DataError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is not an array file that can be read ({error})") from error


def array_file(data: Any) -> Path | None:
    """The path, where `data` names an .npy or .npz file that exists."""
    if not isinstance(data, str | Path):
        return None
    path = Path(data).expanduser()
    return path if path.suffix.lower() in (".npy", ".npz") and path.is_file() else None


def _from_npz(archive: Any, path: Path, labels: bool) -> Stack:
    shapes = npz.shapes(path)
    name = choose_images(shapes)
    if name is None:
        held = ", ".join(f"{key} {shape}" for key, shape in shapes.items())
        raise DataError(
            f"which array of {path.name} holds the images cannot be told (it has {held}): "
            f"pass the array itself, np.load({str(path)!r})[name]"
        )
    stack = _stack(archive[name], f"{path.name}[{name!r}]")
    if labels:
        named = npz.labels_of(archive, len(stack), f"images of {path.name}")
        stack.labels = None if named is None else named[1]
    return stack


def choose_images(shapes: dict[str, tuple[int, ...]]) -> str | None:
    """The only array that can be images, or the one of several with a usual name."""
    possible = [name for name, shape in shapes.items() if len(shape) in (3, 4)]
    if len(possible) == 1:
        return possible[0]
    return next((name for name in NAMES if name in possible), None)


def stack_axis(shape: tuple[int, ...], *, bands_first: bool = False) -> int | None:
    """Which axis of a stack counts the bands: 1, 3, or None where there is none (three axes).

    `bands_first` decides where the shape does not (torch tensors). `DataError` where nothing does.
    """
    if len(shape) == 3:
        return None
    if len(shape) != 4:
        hint = "a table, perhaps: modality='table'" if len(shape) == 2 else "reshape it"
        raise DataError(
            f"an array of shape {shape} is not a stack of images: (image, height, width), (image, height, "
            f"width, band) or (image, band, height, width) are; {hint}"
        )
    axis = band_axis(shape[1:])
    if axis is None and bands_first:
        return 1
    if axis is None:
        raise DataError(
            f"which axis of an array of shape {shape} counts the bands cannot be told: make it a torch "
            "tensor (image, band, height, width): torch.from_numpy(array)"
        )
    return 1 + axis


def _stack(values: np.ndarray | Mapped, what: str, *, bands_first: bool = False) -> Stack:
    array = values.array if isinstance(values, Mapped) else values
    axis = stack_axis(array.shape, bands_first=bands_first)
    if array.dtype.kind not in "buif":
        raise DataError(
            f"an array of type {array.dtype} holds no pixels: whole numbers or floating point are needed"
        )
    if 0 in array.shape:
        raise DataError(f"an array of shape {array.shape} holds no images")
    layout = {
        None: "(image, height, width)",
        3: "(image, height, width, band)",
        1: "(image, band, height, width)",
    }[axis]
    said = f"{len(array):,} images in {what}, {layout} = {array.shape}, {array.dtype}"
    return Stack(values, axis, said, _digest(array))


def _digest(array: np.ndarray) -> str:
    digest = hashlib.blake2b(f"{array.shape}{array.dtype}".encode(), digest_size=16)
    row = max(1, array.nbytes // len(array))
    chosen = range(len(array))
    if array.nbytes > WHOLE:
        chosen = range(0, len(array), -(-len(array) // max(1, WHOLE // row)))
    for i in chosen:
        digest.update(np.ascontiguousarray(array[i]).tobytes())
    return digest.hexdigest()
