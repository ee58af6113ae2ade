"""Whether data is a table, told by a look at it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from unlabeled.data import npz
from unlabeled.data.frames import is_frame, told
from unlabeled.modalities.table.measure import Asked, fit
from unlabeled.modalities.table.open import array_of, choose, npz_file, open_table, title

LOOK = 10_000
"""rows looked at"""


def recognise(data: Any) -> str | None:
    """One line saying what `data` is if it is a table, else None.

    An array is one where it has two axes and at least two columns, and in an .npz file nothing but classes beside
    it; a frame or a file of one where at least two columns can be learned from and none holds pictures or sounds.
    """
    path = npz_file(data)
    npy = isinstance(data, str | os.PathLike) and Path(data).suffix.lower() == ".npy"
    try:
        if path is not None and not {*npz.shapes(path)} <= {choose(path), *npz.LABELS}:
            return None  # what else is in it may say that it is another kind of data
        if npy or path is not None or isinstance(data, np.ndarray | torch.Tensor):
            array = array_of(data)
            assert array is not None
            fits = array.ndim == 2 and array.shape[1] > 1 and len(array) and array.dtype.kind in "buifOUS"
            return f"a table: {title(data)} of shape {array.shape}" if fits else None
        if not is_frame(data):
            return None
        table = open_table(data, rows=LOOK)
        if any(map(_encoded, table.schema.types)):
            return None
        asked = Asked()
        usable = [
            name
            for name in table.column_names
            if not isinstance(fit(name, table[name], asked, table.num_columns), str)
        ]
    except Exception:  # whatever it is that cannot even be looked at, it is no table
        return None
    if len(usable) < 2:
        return None
    return f"a table with {len(usable)} columns to learn from: {told(data)}"


def _encoded(kind: pa.DataType) -> bool:
    """Whether a column holds files: bytes, or what Hugging Face data sets keep of pictures and sounds."""
    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0
    types = pa.types
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind))
