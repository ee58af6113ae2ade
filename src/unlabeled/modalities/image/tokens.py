"""Pixels as numbers between 0 and 1, and images as rows of patches."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from unlabeled.errors import OptionError


def unit(x: Shaped[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Pixels from 0 to 1: uint8 divided by 255, floating point as it is. Other types are refused."""
    if x.dtype == torch.uint8:
        return x.float().div_(255)
    if x.is_floating_point():
        return x
    raise OptionError(f"images must be uint8 (0 to 255) or floating point (0 to 1), not {x.dtype}")


def patchify(x: Float[Tensor, "n bands height width"], patch: int) -> Float[Tensor, "n tokens values"]:
    """One row of patch · patch · bands numbers a patch.

    Tokens go by patch row, then patch column; the numbers of one by row, column and band inside it.
    Refuses sides that `patch` does not divide.
    """
    n, bands, height, width = x.shape
    rows, columns = grid(height, width, patch)
    x = x.reshape(n, bands, rows, patch, columns, patch)
    return x.permute(0, 2, 4, 3, 5, 1).reshape(n, rows * columns, patch * patch * bands)


def unpatchify(
    tokens: Float[Tensor, "n tokens values"], patch: int, size: tuple[int, int]
) -> Float[Tensor, "n bands height width"]:
    """The images that `patchify` made the tokens of; `size` is their (height, width)."""
    n, count, values = tokens.shape
    rows, columns = grid(*size, patch)
    bands, rest = divmod(values, patch * patch)
    if count != rows * columns or rest:
        raise OptionError(
            f"{count} tokens of {values} numbers are not the patches of {patch}×{patch} "
            f"of an image of {size[0]}×{size[1]}"
        )
    x = tokens.reshape(n, rows, columns, patch, patch, bands)
    return x.permute(0, 5, 1, 3, 2, 4).reshape(n, bands, *size)


def grid(height: int, width: int, patch: int) -> tuple[int, int]:
    """Patches down and across; refuses sides that `patch` does not divide."""
    if patch < 1 or height % patch or width % patch:
        raise OptionError(
            f"an image of {height}×{width} cannot be cut into patches of {patch}×{patch}: "
            "choose a patch that divides both sides"
        )
    return height // patch, width // patch
