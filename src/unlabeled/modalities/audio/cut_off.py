"""Whether a file of sound is cut off, told by its own headers: decoders take what is left for the whole."""

from __future__ import annotations

import os
from typing import BinaryIO

SAMPLES = {b"RIFF": (b"data", "little"), b"FORM": (b"SSND", "big")}
"""WAV and AIFF: which chunk holds the samples, and the order of the bytes of a length"""
UNKNOWN = 0x7FFFF000
"""from this length on a chunk was written into a pipe, its length not known"""
HEAD = 8
"""bytes of a chunk's name and length, which some writers count as part of it"""
PAGE = 65_307
"""bytes of the largest page of Ogg"""
LAST = 4
"""flag of a stream's last page"""


def lacking(file: BinaryIO) -> str | None:
    """What a WAV or AIFF file says that it holds and does not, as a reason; None where nothing is lacking."""
    size = _size(file)
    start = file.read(12)
    told = SAMPLES.get(start[:4])
    place = 12
    while told is not None and place + HEAD <= size:
        file.seek(place)
        head = file.read(HEAD)
        length = int.from_bytes(head[4:], told[1])  # type: ignore[arg-type]
        place += HEAD
        if head[:4] == told[0]:
            file.seek(0)
            if place + length <= size + HEAD or length >= UNKNOWN:
                return None
            return f"cut off: its header promises {length:,} bytes of samples and {size - place:,} of them are there"
        place += length + length % 2
    file.seek(0)
    return None


def unfinished(file: BinaryIO) -> str | None:
    """That an Ogg file does not end with a whole last page, as a reason; None where it does or is another's.

    A stream that was stopped has no last page either and can be decoded, so this only explains a failure.
    """
    size = _size(file)
    if file.read(4) != b"OggS":
        return None
    file.seek(max(0, size - 2 * PAGE))
    tail = file.read()
    file.seek(0)
    page = tail[tail.rfind(b"OggS") :]
    # a page: 27 bytes, of which the last counts its segments; their lengths; the segments
    segments = page[27 : 27 + page[26]] if len(page) > 26 else b""
    whole = len(page) > 26 and len(segments) == page[26] and len(page) >= 27 + len(segments) + sum(segments)
    return None if whole and page[5] & LAST else "cut off: its last page is missing or not whole"


def _size(file: BinaryIO) -> int:
    """The bytes of a file, which is left at its start."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return size
