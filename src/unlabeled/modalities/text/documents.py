"""Where documents lie: strings in memory, the lines of a file, JSON objects, a table's column, a file each."""

from __future__ import annotations

import codecs
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unlabeled.data import collection
from unlabeled.data.cache import Unreadable
from unlabeled.data.collection import ARCHIVES, KEY_COLUMNS, LABEL_COLUMNS, Kind, describe
from unlabeled.data.frames import is_frame, read_frame
from unlabeled.errors import DataError, OptionError, nearest
from unlabeled.modalities.text.columns import LOOK, choose, values

LINES = (".txt", ".text")
OBJECTS = (".jsonl", ".ndjson")
ACCEPTED = (
    "a list of strings, a .txt file (one document a line), a .jsonl file, a folder or archive of .txt files, a "
    "column of a table (pandas, polars, Arrow, csv, parquet) or of a Hugging Face dataset"
)
KIND = Kind("text file", "text files", frozenset(LINES), (), ACCEPTED)

Columns = str | list[str] | None


class Empty(Unreadable):
    """There is nothing to read."""


@dataclass(frozen=True)
class Documents:
    """Documents that can be had one by one."""

    keys: list[str]
    load: Callable[[int], str]
    """document i, which has more than white space in it; or `Unreadable`"""
    what: str
    """for a person"""
    labels: list[Any] | None = None
    """what the source says of each document's class (None: unknown); None: nothing of any"""
    fields: list[str] | None = None
    """names of the columns, where there are any"""
    column: Columns = None
    """those that hold the text"""

    def __len__(self) -> int:
        return len(self.keys)


def open_documents(
    data: Any,
    *,
    column: Columns = None,
    label: str | None = None,
    key: str | None = None,
    encoding: str = "utf-8",
    labels: bool = False,
) -> Documents:
    """The documents that `data` is. `labels`: what it says of classes is wanted.

    `column`, `label`, `key`: columns of what has any, else not looked at; a `label` or `key` that is not there
    gives way to the usual names. Of a folder or an archive `label` may be a regular expression
    (`collection.open_collection`).
    `DataError`: no text, none there, not readable, no column to be told from others.
    """
    check_encoding(encoding)
    if isinstance(data, str | os.PathLike):
        path = Path(data).expanduser()
        if not path.exists():
            raise DataError(f"there is no file or folder {str(data)!r} (looked in {Path.cwd()})")
        name = path.name.lower()
        if path.is_dir() or name.endswith(ARCHIVES):
            return _from_files(data, label, encoding, labels)
        if name.endswith(LINES):
            return _from_list(_lines(path, encoding), f"lines of {path.name}", encoding)
        if name.endswith(OBJECTS):
            rows = [_object(line, encoding) for line in _lines(path, encoding)]
            return _from_objects(rows, path.name, column, label, key, encoding, labels)
    if isinstance(data, dict) and hasattr(data, "column_names"):
        raise DataError(
            f"this is a dictionary of data sets ({', '.join(map(str, data))}): choose one, data[name]"
        )
    if is_frame(data):
        return _from_frame(data, column, label, key, encoding, labels)
    strings = in_a_row(data)
    if strings is None:
        raise DataError(f"{describe(data)} cannot be read as text; accepted: {ACCEPTED}")
    if _are_files(strings):
        return _from_files(strings, label, encoding, labels)
    return _from_list(strings, "strings", encoding)


def in_a_row(data: Any) -> list[Any] | None:
    """The values of a list, a tuple, or a column (NumPy, pandas, polars, Arrow); None: it is none of these."""
    if isinstance(data, list | tuple):
        return list(data)
    if isinstance(data, np.ndarray):
        return data.tolist() if data.ndim == 1 and data.dtype.kind in "OSTU" else None
    if type(data).__module__.split(".")[0] in ("pandas", "polars", "pyarrow") and not hasattr(
        data, "columns"
    ):
        for name in ("to_pylist", "to_list"):
            if hasattr(data, name):
                return list(getattr(data, name)())
    return None


def as_text(value: Any, encoding: str) -> str:
    """A document as a string, or `Unreadable`: missing, of another type, undecodable, nothing but white space."""
    if value is None or (isinstance(value, float) and value != value):
        raise Empty("empty cell")
    if isinstance(value, Unreadable):
        raise value
    if isinstance(value, bytes | bytearray):
        try:
            value = bytes(value).decode(encoding)
        except UnicodeDecodeError as error:
            raise Unreadable(
                f"not {encoding}: byte 0x{error.object[error.start]:02x} at place {error.start} ({error.reason}); "
                "encoding= names another"
            ) from error
    if not isinstance(value, str):
        raise Unreadable(f"holds {value!r:.40}, which is no text")
    value = value.removeprefix("\ufeff")
    if not value.strip():
        raise Empty("empty, or nothing but white space")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Unreadable(
            f"holds half a character (U+{ord(value[error.start]):04X}) at {error.start}"
        ) from error
    return value


def check_encoding(encoding: str) -> str:
    """`encoding`, or `OptionError` where Python knows none of this name."""
    try:
        "a".encode(encoding)
    except (LookupError, TypeError):
        raise OptionError(
            f"encoding {encoding!r} is unknown: utf-8, latin-1, cp1252, utf-16, … are known"
        ) from None
    return encoding


# one after another


def _from_list(held: Sequence[Any], what: str, encoding: str) -> Documents:
    if not held:
        raise DataError(f"no documents: 0 {what}")
    keys = [str(i) for i in range(len(held))]
    return Documents(keys, lambda i: as_text(held[i], encoding), f"{len(held):,} {what}")


def _lines(path: Path, encoding: str) -> list[bytes] | list[str]:
    """The lines of a file, decoded only where their breaks are not single bytes; a break at the end begins none."""
    try:
        content = path.read_bytes()
        if "\n".encode(encoding).removeprefix(codecs.BOM_UTF8) != b"\n":
            decoded = content.decode(encoding)
            return (
                [line.removesuffix("\r") for line in decoded.removesuffix("\n").split("\n")]
                if decoded
                else []
            )
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not {encoding} ({error.reason} at byte {error.start}): change encoding="
        ) from error
    return [line.removesuffix(b"\r") for line in content.removesuffix(b"\n").split(b"\n")] if content else []


# files


def _from_files(data: Any, label: str | None, encoding: str, labels: bool) -> Documents:
    pattern = label if label is not None and "(" in label else None
    found = collection.open_collection(data, KIND, labels=labels, label=pattern)

    def load(i: int) -> str:
        with found.open(i) as file:
            try:
                content = file.read()
            except OSError as error:
                raise Unreadable(f"cannot be read ({error.strerror or error})") from error
        return as_text(content, encoding)

    return Documents(found.keys, load, found.what, found.labels)


def _are_files(strings: Sequence[Any]) -> bool:
    """Whether these are paths of text files; a document is no path of a file that exists."""
    return bool(strings) and all(is_file(value, LINES) for value in strings)


def is_file(value: Any, suffixes: tuple[str, ...] = ("",)) -> bool:
    """Whether a value is the path of a file that exists and ends like this."""
    if not isinstance(value, str | os.PathLike) or not str(value).lower().endswith(suffixes):
        return False
    try:
        return Path(value).expanduser().is_file()
    except (OSError, ValueError, RuntimeError):  # too long for a path, a null character, an unknown user
        return False


# columns


def _object(line: bytes | str, encoding: str) -> Any:
    """The JSON value of one line, or why there is none."""
    try:
        return json.loads(as_text(line, encoding))
    except Unreadable as error:
        return error
    except (ValueError, RecursionError) as error:
        return Unreadable(f"no JSON ({error})")


def _from_objects(
    rows: list[Any],
    name: str,
    column: Columns,
    label: str | None,
    key: str | None,
    encoding: str,
    labels: bool,
) -> Documents:
    good = [row for row in rows if isinstance(row, dict)]
    if not good:
        why = f": line 1 is {rows[0]!s:.60}" if rows else ": it is empty"
        raise DataError(f"no line of {name} is a JSON object{why}")
    fields = list(dict.fromkeys(field for row in good for field in row))
    held = {field: [row.get(field) for row in good[:LOOK]] for field in fields}
    columns = _columns(column, held, name)

    def load(i: int) -> str:
        row = rows[i]
        if isinstance(row, Unreadable):
            raise row
        if not isinstance(row, dict):
            raise Unreadable(f"holds {row!r:.40}, which is no JSON object")
        return _joined([row.get(field) for field in columns], encoding)

    def told(field: str | None) -> list[Any] | None:
        return None if field is None else [row.get(field) if isinstance(row, dict) else None for row in rows]

    label = _usual(label, LABEL_COLUMNS, fields, columns) if labels else None
    keys = _keys(told(_usual(key, KEY_COLUMNS, fields, columns)), len(rows))
    what = f"{len(rows):,} objects of {name}, text in {_said(columns)}"
    return Documents(keys, load, what, told(label), fields, _single(columns))


def _from_frame(
    data: Any, column: Columns, label: str | None, key: str | None, encoding: str, labels: bool
) -> Documents:
    table = read_frame(data, text=[column] if isinstance(column, str) else column or ())
    name = Path(data).name if isinstance(data, str | os.PathLike) else f"a {type(data).__name__}"
    held = values(table.slice(0, LOOK))
    columns = _columns(column, held, name)
    cells = [table[field].combine_chunks() for field in columns]

    def load(i: int) -> str:
        return _joined([cell[i].as_py() for cell in cells], encoding)

    fields = list(table.column_names)
    label = _usual(label, LABEL_COLUMNS, fields, columns) if labels else None
    said = None if label is None else table[label].to_pylist()
    key = _usual(key, KEY_COLUMNS, fields, columns)
    keys = _keys(None if key is None else table[key].to_pylist(), len(table))
    what = f"{len(table):,} rows of {name}, text in {_said(columns)}"
    return Documents(keys, load, what, said, fields, _single(columns))


def _columns(asked: Columns, held: Mapping[str, Sequence[Any]], name: str) -> list[str]:
    """The columns that were asked for, else the one that is chosen among what the first rows hold."""
    if asked is None:
        return [choose(held, name)]
    columns = [asked] if isinstance(asked, str) else list(asked)
    for field in columns:
        if field not in held:
            raise DataError(f"{name} has no column {field!r} (the text): {nearest(field, held)}")
        if all(isinstance(value, bool | int | float) for value in held[field] if value is not None) and any(
            value is not None for value in held[field]
        ):
            raise DataError(f"column {field!r} of {name} holds numbers and no text: column= names another")
    return columns


def _joined(values: Iterable[Any], encoding: str) -> str:
    """The text of several cells, a line each; those that are missing or empty are left out."""
    parts, reason = [], Empty("empty cell")
    for value in values:
        try:
            parts.append(as_text(value, encoding))
        except Empty as error:
            reason = error
    if not parts:
        raise reason
    return "\n".join(parts)


def _usual(
    given: str | None, usual: Iterable[str], fields: Sequence[str], taken: Sequence[str]
) -> str | None:
    """The column that was asked for, else the first with a usual name, else None."""
    if given in fields:
        return given
    return next((name for name in usual if name in fields and name not in taken), None)


def _keys(given: list[Any] | None, count: int) -> list[str]:
    if given is None:
        return [str(i) for i in range(count)]
    return [str(i) if value is None else str(value) for i, value in enumerate(given)]


def _single(columns: list[str]) -> str | list[str]:
    return columns[0] if len(columns) == 1 else columns


def _said(columns: Sequence[str]) -> str:
    return " and ".join(repr(name) for name in columns)
