"""Labels in any form a person has them, brought to one class number a sample."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from unlabeled.data.source import Source
from unlabeled.errors import DataError

FORMS = (
    "a .csv or .parquet file with the columns 'key' (or 'index') and 'label', a table with these columns, a "
    "dictionary from key to label, a list with one label a sample, or True for what the data itself says"
)
UNSAID = (
    "neither class folders nor a column of the data say any. Give a labels file; or, where names of recordings or of "
    "text files hold the class, train with a regular expression that finds it, label='^(.)_' of the modality "
    "(--modality audio --modality.label '^(.)_')"
)
NAMED = 5
"""how many of the wrong keys or labels a message names"""


def read_labels(
    labels: Any, source: Source, *, classes: Sequence[str] | None = None, beside: Sequence[Source] = ()
) -> tuple[Int[np.ndarray, " samples"], list[str]]:
    """(class of each sample, −1 where it is unknown; names of the classes).

    `labels`: a file, a table, a dictionary, a list aligned with the data as it was given (or with
    what of it can be read), or True. −1, None, NaN and "" are unlabelled. Classes are sorted, as
    numbers where all of them are numbers. `classes` fixes them instead, in this order. `beside`: sources whose
    keys a labels file or table may name as well.

    `DataError`, counting and naming the first few: keys that are not in the data, one key with two
    labels, a wrong length, no label at all, a label that is not in `classes`.
    """
    said = _by_sample(labels, source, beside)
    names = [None if _is_missing(value) else _name(value) for value in said]
    known = {name for name in names if name is not None}
    if not known:
        why = UNSAID if labels is True else "all are empty or −1"
        raise DataError(f"none of the {len(source):,} samples has a label: {why}")
    if classes is None:
        classes = _sorted(known)
    unknown = sorted(known - set(classes))
    if unknown:
        raise DataError(
            f"{len(unknown):,} {_plural(unknown, 'label')} not among the {len(classes):,} classes: "
            f"{_first(unknown)}; the classes are {_first(classes, 20)}"
        )
    number = {name: i for i, name in enumerate(classes)}
    y = np.array([-1 if name is None else number[name] for name in names], dtype=np.int64)
    return y, list(classes)


def read_numbers(
    labels: Any, source: Source, *, beside: Sequence[Source] = ()
) -> Float[np.ndarray, " samples"] | None:
    """(samples,) float64 where every label is a number, NaN where unknown; None where one is not.

    Whether such numbers are quantities or the names of classes is for `are_quantities` to say. −1 is a number
    like any other; None, NaN and "" are unknown. `labels`, `beside` and the errors are those of `read_labels`.
    """
    said = _by_sample(labels, source, beside)
    try:
        values = np.array(
            [np.nan if _is_missing(v) and str(v) not in ("-1", "-1.0") else float(v) for v in said]
        )
    except (TypeError, ValueError):
        return None
    return values


def are_quantities(values: Float[np.ndarray, " samples"]) -> bool:
    """Whether numbers are something to be predicted and not classes: one of them has a fraction. 0.5 is no class."""
    known = values[np.isfinite(values)]
    return bool((known != np.round(known)).any())


def _by_sample(labels: Any, source: Source, beside: Sequence[Source] = ()) -> Sequence[Any]:
    """What is said of each sample of the source, in its order."""
    if labels is True:
        if source.labels is None:
            raise DataError(
                "labels=True asks for what the data itself says of its classes, and it says nothing (class "
                f"folders or a label column do): give {FORMS}"
            )
        return list(source.labels)
    if isinstance(labels, str | os.PathLike):
        table = _read_file(Path(labels).expanduser())
        return _from_table(table, source, f"the labels file {labels}", beside=beside)
    if isinstance(labels, Mapping):
        by_index = bool(labels) and all(isinstance(k, int | np.integer) for k in labels)
        keys, said = list(labels), list(labels.values())
        return _match(keys, said, source, by_index, "the dictionary of labels", beside)
    if hasattr(labels, "columns") or hasattr(labels, "column_names"):
        names = labels.column_names if hasattr(labels, "column_names") else labels.columns
        table = {str(name): _listed(labels[name]) for name in names if str(name) in ("key", "index", "label")}
        return _from_table(table, source, "the table of labels", [str(name) for name in names], beside=beside)
    if isinstance(labels, bool | int | float) or not isinstance(labels, Iterable):
        raise DataError(f"labels={labels!r} is not understood: give {FORMS}")
    return _aligned(_listed(labels), source)


def _aligned(said: list[Any], source: Source) -> Sequence[Any]:
    given = len(source) + len(source.skipped)
    nested = next((value for value in said if isinstance(value, list | tuple | np.ndarray)), None)
    if nested is not None:
        raise DataError(f"labels must be one value a sample, not {nested!r}")
    if len(said) == len(source):
        return said
    if len(said) == given:
        return [said[i] for i in source.index]
    skipped = f" ({len(source):,} of them readable)" if source.skipped else ""
    raise DataError(
        f"{len(said):,} labels for {given:,} samples{skipped}: one label a sample is needed, −1 where unknown"
    )


def _read_file(path: Path) -> dict[str, list[Any]]:
    """The columns of a labels file, by name."""
    if not path.is_file():
        raise DataError(f"there is no labels file {str(path)!r} (looked in {Path.cwd()})")
    kind = path.suffix.lower()
    try:
        if kind in (".parquet", ".pq"):
            import pyarrow.parquet as pq

            table = pq.read_table(path)
            return {name: table[name].to_pylist() for name in table.column_names}
        if kind in (".csv", ".txt"):
            with path.open(newline="", encoding="utf-8-sig") as file:
                rows = csv.reader(file)
                header = next(rows, [])
                body = [row for row in rows if row]
            for number, row in enumerate(body):
                if len(row) != len(header):
                    raise DataError(
                        f"row {number + 1} of {path} has {len(row)} values under {len(header)} columns "
                        f"({', '.join(header)})"
                    )
            return {name.strip(): [row[i] for row in body] for i, name in enumerate(header)}
    except DataError:
        raise
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"the labels file {path} cannot be read ({error})") from error
    raise DataError(f"the labels file {path} ends in {kind or 'nothing'}: .csv or .parquet is needed")


def _from_table(
    table: dict[str, list[Any]],
    source: Source,
    what: str,
    names: Sequence[str] = (),
    *,
    beside: Sequence[Source] = (),
) -> Sequence[Any]:
    where = "key" if "key" in table else "index"
    if where not in table or "label" not in table:
        found = ", ".join(repr(name) for name in (names or table)) or "none"
        raise DataError(f"{what} needs the columns 'key' (or 'index') and 'label'; it has {found}")
    return _match(table[where], table["label"], source, where == "index", what, beside)


def _match(
    keys: list[Any], said: list[Any], source: Source, by_index: bool, what: str, beside: Sequence[Source]
) -> Sequence[Any]:
    """Labels by key, or by place in the source; what was skipped may be named and is passed over."""
    if by_index:
        keys = [_whole(key, what) for key in keys]
        places: dict[Any, list[int]] = {int(place): [i] for i, place in enumerate(source.index)}
        passed: set[Any] = set(range(len(source) + len(source.skipped)))
    else:
        keys = [str(key) for key in keys]
        places = {}
        for i, key in enumerate(source.keys):
            places.setdefault(key, []).append(i)
        passed = {skipped.key for skipped in source.skipped}
        passed |= {key for other in beside for key in (*other.keys, *(s.key for s in other.skipped))}
    found: dict[Any, Any] = {}
    unknown, torn = [], []
    for key, value in zip(keys, said, strict=True):
        if key not in places and key not in passed:
            unknown.append(key)
        elif not _is_missing(value):
            if key in found and _name(found[key]) != _name(value):
                torn.append(f"{key} ({_name(found[key])} and {_name(value)})")
            found[key] = value
    where = "index" if by_index else "key"
    if unknown:
        example = _first([*source.index] if by_index else source.keys, 3)
        all_of = "none of its keys is in the data: " if len(unknown) == len(keys) else ""
        raise DataError(
            f"{what} does not match the data: {all_of}{len(unknown):,} of {len(keys):,} rows name "
            f"a{'n' * by_index} {where} that is not in it, such as {_first(unknown)}; the data has {example}"
        )
    if torn:
        raise DataError(
            f"{what} gives {len(torn):,} {_plural(torn, where)} more than one label: {_first(torn)}"
        )
    out: list[Any] = [None] * len(source)
    for key, value in found.items():
        for i in places.get(key, ()):
            out[i] = value
    return out


def _listed(values: Any) -> list[Any]:
    for name in ("to_pylist", "to_list", "tolist"):
        if hasattr(values, name):
            return list(getattr(values, name)())
    return list(values)


def _whole(value: Any, what: str) -> int:
    try:
        number = float(value)
        if number != int(number):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise DataError(f"{what} has the index {value!r}: whole numbers are needed") from None
    return int(number)


def _is_missing(value: Any) -> bool:
    """−1, None, NaN, "" and what tables put in their place. A file cannot tell −1 from "-1"."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, str):
        return value in ("", "-1")
    if isinstance(value, bool | np.bool_):
        return False
    if isinstance(value, int | float | np.number):
        return bool(value != value or value == -1)
    return False


def _name(value: Any) -> str:
    """A class's name: a whole number without a point, whatever type held it."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _sorted(names: Iterable[str]) -> list[str]:
    names = list(names)
    try:
        return sorted(names, key=lambda name: (float(name), name))
    except ValueError:
        return sorted(names)


def _first(names: Sequence[Any], most: int = NAMED) -> str:
    said = ", ".join(str(name) for name in names[:most])
    return said + (", …" if len(names) > most else "")


def _plural(things: Sequence[Any], word: str) -> str:
    if len(things) == 1:
        return word
    return "indices" if word == "index" else word + "s"
