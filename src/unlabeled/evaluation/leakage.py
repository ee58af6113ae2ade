"""Are there test samples among the train samples? Then figures say too much."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

import torch
from jaxtyping import Int64
from torch import Tensor

from unlabeled.evaluation.arrays import Features, blocks, features, same_width


def leakage(train: Features, test: Features) -> int:
    """Number of test rows that are equal, number by number, to a train row.

    Rows are compared by a 128-bit hash of their bytes, so the two sets may be of any length; memory is a
    hash a train row. Both are read in the wider of their two types, and 0 and -0 are the same.
    Give the raw input where it is there: two samples can have equal features without being equal. Near copies
    (another crop, another encoding of the file) are not found.

    Shapes: train (n, dim), test (m, dim).
    Refused: unequal widths, no rows, NaN.
    """
    return len(leakage_details(train, test))


def leakage_details(train: Features, test: Features) -> Int64[Tensor, "found 2"]:
    """Place in test, and first place in train, of every test row that is also a train row."""
    known, asked = features(train, "train"), features(test, "test")
    same_width(train=known, test=asked)
    common = torch.promote_types(known.dtype, asked.dtype)
    first: dict[bytes, int] = {}
    for place, digest in _digests(known, common):
        first.setdefault(digest, place)
    found = [(place, first[digest]) for place, digest in _digests(asked, common) if digest in first]
    return torch.tensor(found, dtype=torch.long).reshape(-1, 2)


def _digests(z: Tensor, common: torch.dtype) -> Iterator[tuple[int, bytes]]:
    """The hash of every row, with its place."""
    for start, rows in blocks(z):
        # as bytes, since numpy has no bfloat16; adding 0 makes the two zeros one
        plain = (rows.to(common) + 0).cpu().contiguous().view(torch.uint8).numpy()
        for place, row in enumerate(plain, start):
            yield place, blake2b(row.tobytes(), digest_size=16).digest()
