"""What every figure takes in: rows of numbers and a label for each, checked once, here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from unlabeled.errors import DataError

Features = np.ndarray | Tensor
"""(samples, dim) numbers, numpy or torch, of any floating type or whole numbers"""
Labels = np.ndarray | Tensor | Sequence[Any]
"""(samples,) whole numbers or strings; pandas and Arrow columns are taken too"""

CHUNK = 5_000_000
"""numbers held at once in a block of rows or of similarities: what keeps memory bounded"""


def features(z: Features, name: str, *, least_rows: int = 1) -> Tensor:
    """`z` as a tensor (samples, dim), its type kept; refused: other shapes, too few rows, NaN or infinity."""
    tensor = z.detach() if isinstance(z, Tensor) else torch.from_numpy(_numbers(z, name))
    if tensor.ndim != 2:
        raise DataError(
            f"{name} has shape {tuple(tensor.shape)}: two dimensions are needed, one row a sample; "
            "flatten or pool the others first"
        )
    if tensor.shape[0] < least_rows or tensor.shape[1] < 1:
        raise DataError(
            f"{name} has shape {tuple(tensor.shape)}: at least {least_rows} rows of 1 number are needed"
        )
    if tensor.is_complex() or tensor.dtype == torch.bool:
        raise DataError(f"{name} is {tensor.dtype}: give real numbers")
    if tensor.is_floating_point():
        for start, rows in blocks(tensor):
            bad = ~torch.isfinite(rows).all(1)
            if bad.any():
                raise DataError(
                    f"{name} has NaN or infinite numbers, first in row {start + int(bad.int().argmax())}: "
                    "drop such rows, or find out why the encoder gave them"
                )
    return tensor


def _numbers(z: Any, name: str) -> np.ndarray:
    array = np.asarray(z)
    if array.dtype == object or array.dtype.kind not in "fiu":
        raise DataError(f"{name} is {array.dtype}: give numbers, one row a sample")
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    # torch reads neither foreign byte orders, nor negative strides, nor arrays it must not write
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    whole = np.ascontiguousarray(native)
    return whole if whole.flags.writeable else whole.copy()


def same_width(**named: Tensor) -> None:
    """Refuses sets of features whose rows differ in length."""
    (first, one), *others = named.items()
    for name, other in others:
        if other.shape[1] != one.shape[1]:
            raise DataError(
                f"{first} has {one.shape[1]} columns and {name} {other.shape[1]}: "
                "both must come from one encoder"
            )


def blocks(z: Tensor, width: int | None = None, *, least: int = 1) -> Iterator[tuple[int, Tensor]]:
    """`z` in blocks of at least `least` rows, each with the place of its first.

    A row is counted as `width` numbers.
    """
    step = max(least, CHUNK // max(1, width or z.shape[1]))
    for start in range(0, len(z), step):
        yield start, z[start : start + step]


def exact(rows: Tensor) -> Float[Tensor, "rows dim"]:
    """A block in float64; on the CPU where the device has no such type."""
    return rows.cpu().double() if rows.device.type == "mps" else rows.double()


def largest(z: Tensor) -> float:
    """The largest absolute number of `z`: what to divide by so that no square overflows or vanishes."""
    return max(float(exact(rows).abs().max()) for _, rows in blocks(z))


def mean_row(z: Tensor) -> Float[Tensor, " dim"]:
    """Mean over the samples in float64; a constant column's is that constant, without rounding."""
    first = exact(z[:1])
    total = torch.zeros_like(first[0])
    for _, rows in blocks(z):
        total += (exact(rows) - first).sum(0)
    return first[0] + total / len(z)


def unit_rows(rows: Tensor) -> Float[Tensor, "rows dim"]:
    """Rows scaled to length 1, float32 or better. A row of zeros has no direction and stays zero.

    Divided by the largest entry first, so that no square overflows or vanishes.
    """
    rows = rows if rows.dtype in (torch.float32, torch.float64) else rows.float()
    largest = rows.abs().amax(1, keepdim=True)
    scaled = rows / torch.where(largest > 0, largest, 1)
    length = torch.linalg.vector_norm(scaled, dim=1, keepdim=True)
    return scaled / torch.where(length > 0, length, 1)


def labels(y: Labels, name: str, *, rows: int, of: str) -> np.ndarray:
    """`y` as an array (samples,) of whole numbers or of strings.

    Refused: a number of labels other than `rows` (the rows of the features called `of`), missing labels (-1,
    None, NaN, empty text) and fractions.
    """
    array = y.detach().cpu().numpy() if isinstance(y, Tensor) else np.asarray(y)
    if array.ndim != 1:
        raise DataError(f"{name} has shape {array.shape}: one label a sample is needed, in one dimension")
    if len(array) != rows:
        raise DataError(f"{of} has {rows} rows and {name} {len(array)} labels: one label a row is needed")
    if array.dtype == object:
        array = _plain(array, name)
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise _missing(name, int(np.argmin(np.isfinite(array))), "NaN")
        if not (array == np.round(array)).all():
            raise DataError(
                f"{name} holds fractions such as {_fraction(array)}: "
                "these are numbers to predict, not classes"
            )
        array = array.astype(np.int64)
    if array.dtype.kind in "iub":
        array = array.astype(np.int64)
        if (array == -1).any():
            raise _missing(name, int((array == -1).argmax()), "-1")
    elif array.dtype.kind == "U":
        if (array == "").any():
            raise _missing(name, int((array == "").argmax()), "empty")
    else:
        raise DataError(f"{name} is {array.dtype}: give whole numbers or strings")
    return array


def _plain(array: np.ndarray, name: str) -> np.ndarray:
    """An object array (what pandas and Arrow give) as whole numbers, numbers or strings."""
    for place, value in enumerate(array):
        if value is None or (isinstance(value, float) and value != value):
            raise _missing(name, place, str(value))
    kinds = {str if isinstance(v, str) else float for v in array}
    if len(kinds) > 1:
        raise DataError(f"{name} mixes strings and numbers: write every label the same way")
    try:
        return np.array([str(v) for v in array]) if kinds == {str} else np.array(array.tolist())
    except ValueError as error:
        raise DataError(f"{name} cannot be read as labels: give whole numbers or strings") from error


def _missing(name: str, place: int, value: str) -> DataError:
    return DataError(
        f"{name} is {value} at row {place}, which means unlabelled: leave such rows out of the evaluation"
    )


def _fraction(array: np.ndarray) -> float:
    return float(array[array != np.round(array)][0])


def labelled(
    train: Features, train_labels: Labels, test: Features, test_labels: Labels
) -> tuple[Tensor, np.ndarray, Tensor, np.ndarray]:
    """Both parts checked: as many labels as rows in each, rows of one width."""
    known, asked = features(train, "train"), features(test, "test")
    same_width(train=known, test=asked)
    y_train = labels(train_labels, "train_labels", rows=len(known), of="train")
    y_test = labels(test_labels, "test_labels", rows=len(asked), of="test")
    return known, y_train, asked, y_test


def encoded(
    train_labels: np.ndarray, test_labels: np.ndarray
) -> tuple[np.ndarray, Int64[np.ndarray, " train"], Int64[np.ndarray, " test"]]:
    """The classes of train in order, and each label as its place among them; -1 for a class only test has.

    Refused: fewer than two classes in train, and test labels of which train has none (most often the same
    classes written differently).
    """
    if (train_labels.dtype.kind == "U") != (test_labels.dtype.kind == "U"):
        raise DataError(
            "train_labels are strings and test_labels numbers, or the reverse: write both the same way"
        )
    classes, train = np.unique(train_labels, return_inverse=True)
    if len(classes) < 2:
        raise DataError(f"train_labels has one class only ({classes[0]}): at least 2 are needed")
    place = np.searchsorted(classes, test_labels).clip(max=len(classes) - 1)
    test = np.where(classes[place] == test_labels, place, -1)
    if (test < 0).all():
        raise DataError(
            f"no class of test_labels (such as {test_labels[0]}) occurs in train_labels "
            f"(such as {classes[0]}): both must name the same classes"
        )
    return classes, train.astype(np.int64), test.astype(np.int64)
