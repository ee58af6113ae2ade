"""Which column of a table holds the text, told by its name or by what its first rows hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

from unlabeled.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

USUAL = ("text", "content", "document", "sentence", "body")
LOOK = 1000
"""rows looked at"""
LONG = 40
"""characters above which the median value is that of a text, not of a name"""
DIFFERENT = 0.5
"""share of the values that must be different: classes repeat"""


def choose(held: Mapping[str, Sequence[Any]], name: str) -> str:
    """The column of text: one with a usual name, else the only long one, else the only one with text at all.

    `held`: the first values of every column. `DataError`, naming the candidates, where that leaves none or
    several.
    """
    texts = [field for field, first in held.items() if is_text(first)]
    usual = next((field for word in USUAL for field in texts if field.lower() == word), None)
    if usual is not None:
        return usual
    long = [field for field in texts if is_long(held[field])]
    for found in (long, texts):
        if len(found) == 1:
            return found[0]
    several = long or texts
    if not several:
        raise DataError(f"{name} has no column of text; columns: {', '.join(held) or 'none'}")
    raise DataError(
        f"which column of {name} holds the text cannot be told from several ({', '.join(map(repr, several))}): "
        f"name it, column={several[0]!r}, or join them, column=[{', '.join(map(repr, several[:2]))}]"
    )


def values(table: pa.Table) -> dict[str, list[Any]]:
    """What every column of a small table holds, those of lists and structures aside."""
    import pyarrow as pa

    return {f.name: table[f.name].to_pylist() for f in table.schema if not pa.types.is_nested(f.type)}


def is_text(held: Sequence[Any]) -> bool:
    """Whether most of a column's values are strings (or bytes), the missing ones aside."""
    there = [value for value in held if value is not None]
    return sum(isinstance(value, str | bytes) for value in there) > len(there) / 2


def is_long(held: Sequence[Any]) -> bool:
    """Whether a column holds free text: long, in words, and seldom the same twice."""
    there = [value for value in held if isinstance(value, str)]
    if len(there) < 2 or median(map(len, there)) <= LONG:
        return False
    # paths, addresses and hashes are long too, but have no spaces; many languages have none either
    wordy = sum(" " in value.strip() or not value.isascii() for value in there)
    return wordy > len(there) / 2 and len(set(there)) > DIFFERENT * len(there)
