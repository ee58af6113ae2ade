"""How a picture shows a person what a method cannot see."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, UInt8

HIDDEN = "▒▒"
"""a hidden cell or word"""
CHEQUERS = np.array([[88, 84, 104], [150, 146, 168]], dtype=np.uint8)
"""two colours that hardly any picture alternates from pixel to pixel"""


def cover(
    pictures: UInt8[np.ndarray, "n height width 3"], hidden: Bool[np.ndarray, "n height width"]
) -> UInt8[np.ndarray, "n height width 3"]:
    """The pictures with their hidden pixels chequered."""
    rows, columns = np.indices(pictures.shape[1:3])
    return np.where(hidden[..., None], CHEQUERS[(rows + columns) % 2], pictures)
