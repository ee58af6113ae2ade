"""What an .npz file holds, told without reading it, and the classes that stand beside the samples."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from unlabeled.errors import DataError

LABELS = ("labels", "label", "y", "Y", "targets", "target", "classes")
"""what the array of classes may be called, best first"""


def shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the arrays in an .npz file, without reading them."""
    found = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            with archive.open(name) as file:
                version = np.lib.format.read_magic(file)
                read = (
                    np.lib.format.read_array_header_1_0
                    if version == (1, 0)
                    else np.lib.format.read_array_header_2_0
                )
                found[name.removesuffix(".npy")] = read(file)[0]
    return found


def labels_of(archive: Any, samples: int, what: str) -> tuple[str, list[Any]] | None:
    """Name and values of the array of classes in an open .npz file; None where there is none.

    `what`: the samples, for a person. `DataError`: there are classes, and not one a sample.
    """
    held = {name: archive[name] for name in LABELS if name in archive.files}
    for name, values in held.items():
        if values.shape == (samples,):
            return name, values.tolist()
    for name, values in held.items():
        raise DataError(
            f"{name!r} has shape {values.shape} beside the {samples:,} {what}: one label for each is needed, in an "
            f"array of shape ({samples},)"
        )
    return None
