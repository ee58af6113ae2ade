"""Whether data is text, told by a look at it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from unlabeled.data import collection
from unlabeled.data.collection import ARCHIVES
from unlabeled.data.collection import LOOK as NAMES
from unlabeled.data.frames import is_frame, read_frame
from unlabeled.modalities.text.columns import is_long, values
from unlabeled.modalities.text.documents import KIND, LINES, OBJECTS, in_a_row, is_file

ROWS = 200
"""strings, lines or rows looked at"""
FILES = 20
"""text files of a folder looked into, until one has words"""
BYTES = 2**16
"""of a file looked at"""


def recognise(data: Any) -> str | None:
    """One line saying what `data` is if it is text, else None. Never raises.

    Strings that look like paths are not text, nor is a file whose beginning has no letters; a table is where
    a column holds free text.
    """
    try:
        return _recognise(data)
    except Exception:
        return None


def _recognise(data: Any) -> str | None:
    if isinstance(data, str | os.PathLike):
        return _recognise_path(Path(data).expanduser())
    if is_frame(data):
        return _recognise_columns(values(read_frame(data, rows=ROWS)), f"a {type(data).__name__}")
    first = [value for value in in_a_row(data[:ROWS]) or [] if value is not None]
    if not first or not all(isinstance(value, str) for value in first):
        return None
    if any(is_file(value) for value in first[:20]) or sum(map(_like_a_path, first)) > len(first) / 2:
        return None
    return f"{len(data):,} strings"


def _recognise_path(path: Path) -> str | None:
    name = path.name.lower()
    if path.is_dir() or (path.is_file() and name.endswith(ARCHIVES)):
        return _recognise_files(path)
    if not path.is_file():
        return None
    if name.endswith(LINES):
        return f"the lines of {path.name}" if _begins_with_words(path) else None
    if name.endswith(OBJECTS):
        with path.open("rb") as file:
            lines = file.read(BYTES).splitlines()
        rows = [row for row in map(_object, lines) if isinstance(row, dict)]
        fields = dict.fromkeys(field for row in rows for field in row)
        return _recognise_columns({field: [row.get(field) for row in rows] for field in fields}, path.name)
    return _recognise_columns(values(read_frame(path, rows=ROWS)), path.name) if is_frame(path) else None


def _recognise_files(path: Path) -> str | None:
    """A folder or an archive in which more than half of the files are text files with words in them."""
    names = list(islice(collection.walk(path), NAMES)) if path.is_dir() else collection.members(path)
    names = [
        name for name in names if not name.endswith("/") and not PurePosixPath(name).name.startswith(".")
    ]
    ours = [name for name in names if KIND.named(name)]
    if not ours or 2 * len(ours) <= len(names):
        return None
    if path.is_dir() and not any(_begins_with_words(path / name) for name in ours[:FILES]):
        return None
    return f"the {'folder' if path.is_dir() else 'archive'} of text files {path.name}"


def _recognise_columns(held: Mapping[str, Sequence[Any]], name: str) -> str | None:
    long = [field for field, values in held.items() if is_long(values)]
    said = ", ".join(map(repr, long))
    return f"free text in {'columns' if len(long) > 1 else 'column'} {said} of {name}" if long else None


def _object(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:  # the last line looked at is cut
        return None


def _begins_with_words(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return _has_words(file.read(BYTES))
    except OSError:  # one of many
        return False


def _has_words(content: bytes) -> bool:
    """Whether the beginning of a file reads like words: no zero bytes, and letters among its characters."""
    wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    text = content.decode("utf-16" if wide else "utf-8", "replace")
    letters = sum(character.isalpha() for character in text)
    return "\0" not in text and letters > len(text) / 4


def _like_a_path(value: str) -> bool:
    return len(value) < 300 and not any(c.isspace() for c in value) and ("/" in value or "." in value[1:-1])
