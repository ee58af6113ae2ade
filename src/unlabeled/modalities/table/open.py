"""Anything that is a table, as one Arrow table with named columns."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from unlabeled.data.frames import FORMS, is_frame, read_frame, told
from unlabeled.errors import DataError

ACCEPTED = f"{FORMS}, or a 2-d array or tensor (row, column), in memory or as .npy"


def array_of(data: Any) -> np.ndarray | None:
    """The array that `data` is (an array, a tensor, an .npy file, which stays where it is), else None."""
    if isinstance(data, torch.Tensor):
        found = data.detach().cpu()
        return found.to(torch.float32).numpy() if found.dtype == torch.bfloat16 else found.numpy()
    if isinstance(data, np.ndarray):
        return data
    if not isinstance(data, str | os.PathLike) or Path(data).suffix.lower() != ".npy":
        return None
    path = Path(data).expanduser()
    if not path.is_file():
        raise DataError(f"there is no file {str(path)!r} (looked in {Path.cwd()})")
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} is not an array file that can be read ({error})") from error


def open_table(data: Any, *, rows: int | None = None, text: Collection[str] = ()) -> pa.Table:
    """The table that `data` is, or its first `rows` rows. The columns of an array are called 0, 1, 2, …

    `text`: columns of a csv file that are text whatever they look like. `DataError`: no table, nothing in it.
    """
    array = array_of(data)
    if array is not None:
        return _from_array(array if rows is None else array[:rows], told(data))
    if not is_frame(data) and not isinstance(data, str | os.PathLike):
        raise DataError(f"{told(data)} is no table that can be read here: give {ACCEPTED}")
    return read_frame(data, rows=rows, text=text)


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
