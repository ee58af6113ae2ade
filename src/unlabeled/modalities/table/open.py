"""Anything that is a table, as one Arrow table with named columns."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from unlabeled.data import npz
from unlabeled.data.frames import FORMS, is_frame, read_frame, told
from unlabeled.errors import DataError

ACCEPTED = f"{FORMS}, or a 2-d array or tensor (row, column), in memory, as .npy or in an .npz"
FILES = (".npy", ".npz")
NAMES = ("X", "x", "data", "table", "features", "arr_0")
"""what the array of an .npz file may be called where it holds several of two axes"""


def array_of(data: Any) -> np.ndarray | None:
    """The array that `data` is (an array, a tensor, an .npy file, which stays where it is), or that an .npz file
    holds, else None."""
    if isinstance(data, torch.Tensor):
        found = data.detach().cpu()
        return found.to(torch.float32).numpy() if found.dtype == torch.bfloat16 else found.numpy()
    if isinstance(data, np.ndarray):
        return data
    if not isinstance(data, str | os.PathLike) or Path(data).suffix.lower() not in FILES:
        return None
    path = Path(data).expanduser()
    if not path.is_file():
        raise DataError(f"there is no file {str(path)!r} (looked in {Path.cwd()})")
    try:
        if npz_file(data) is not None:
            with np.load(path, allow_pickle=False) as archive:
                return archive[choose(path)]  # type: ignore[no-any-return]
        return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
    except DataError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is not an array file that can be read ({error})") from error


def open_table(data: Any, *, rows: int | None = None, text: Collection[str] = ()) -> pa.Table:
    """The table that `data` is, or its first `rows` rows. The columns of an array are called 0, 1, 2, …, the
    classes beside it in an .npz file as they are there.

    `text`: columns of a csv file that are text whatever they look like. `DataError`: no table, nothing in it.
    """
    array = array_of(data)
    if array is not None:
        table = _from_array(array, title(data))
        classes = npz_labels(data, len(array))
        if classes is not None:
            table = table.append_column(classes[0], pa.array(classes[1]))
        return table if rows is None else table.slice(0, rows)
    if not is_frame(data) and not isinstance(data, str | os.PathLike):
        raise DataError(f"{told(data)} is no table that can be read here: give {ACCEPTED}")
    return read_frame(data, rows=rows, text=text)


def npz_file(data: Any) -> Path | None:
    """The path, where `data` names an .npz file."""
    if not isinstance(data, str | os.PathLike) or Path(data).suffix.lower() != ".npz":
        return None
    return Path(data).expanduser()


def npz_labels(data: Any, rows: int) -> tuple[str, list[Any]] | None:
    """Name and values of the classes beside the array of an .npz file; None where there are none."""
    path = npz_file(data)
    if path is None:
        return None
    with np.load(path, allow_pickle=False) as archive:
        return npz.labels_of(archive, rows, f"rows of {path.name}")


def title(data: Any) -> str:
    """What the table is, for a message: of an .npz file with the name of its array."""
    path = npz_file(data)
    return told(data) if path is None else f"{path}[{choose(path)!r}]"


def choose(path: Path) -> str:
    """The only array of two axes in an .npz file, or the one of several with a usual name. `DataError`: neither."""
    shapes = npz.shapes(path)
    possible = [name for name, shape in shapes.items() if len(shape) == 2]
    if len(possible) == 1:
        return possible[0]
    usual = next((name for name in NAMES if name in possible), None)
    if usual is not None:
        return usual
    held = ", ".join(f"{key} {shape}" for key, shape in shapes.items())
    raise DataError(
        f"which array of {path.name} holds the table cannot be told (it has {held}): call it X, or pass the array "
        f"itself, np.load({str(path)!r})[name]"
    )


def _from_array(array: np.ndarray, what: str) -> pa.Table:
    if array.ndim != 2:
        raise DataError(f"{what} has the shape {array.shape}: a table is (row, column)")
    if 0 in array.shape:
        raise DataError(f"{what} has the shape {array.shape}: nothing to read")
    if array.dtype.kind not in "buifOUS":
        raise DataError(f"{what} is of type {array.dtype}: numbers, truth values or text are needed")
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    columns = {}
    for place, cells in enumerate(array.T):
        try:
            columns[str(place)] = pa.array(
                cells.astype(str) if cells.dtype.kind == "S" else cells, from_pandas=True
            )
        except (pa.ArrowException, UnicodeDecodeError, TypeError) as error:
            raise DataError(f"column {place} of {what} mixes values of several kinds ({error})") from error
    return pa.table(columns)
