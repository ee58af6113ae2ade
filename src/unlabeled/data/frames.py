"""Tables however a person holds them (pandas, polars, csv, parquet, …), as one Arrow table."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Collection, Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unlabeled.errors import DataError, nearest

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIXES = (".csv", ".tsv", ".parquet", ".pq", ".jsonl", ".ndjson", ".feather", ".arrow")
FORMS = "a pandas, polars or Arrow table, a Hugging Face data set, or a .csv, .tsv, .parquet, .jsonl or .feather file"
MISSING = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "?")
"""what a cell of a csv file may hold where its value is missing"""


def is_frame(data: Any) -> bool:
    """Whether `data` is a table in memory, or a file whose name says that it holds one. Looks at no content."""
    if isinstance(data, str | os.PathLike):
        path = Path(data).expanduser()
        return path.is_file() and path.name.lower().endswith(SUFFIXES)
    return _in_memory(data)


def _in_memory(data: Any) -> bool:
    # asked of the type: some tables look their columns up only when asked for them
    return _library(data) in ("pandas", "polars", "pyarrow", "datasets") and (
        hasattr(type(data), "columns") or hasattr(type(data), "column_names")
    )


def _library(data: Any) -> str:
    return type(data).__module__.split(".")[0]


def read_frame(data: Any, *, rows: int | None = None, text: Collection[str] = ()) -> pa.Table:
    """The table that `data` is, or its first `rows` rows: of a large file no more than these are read.

    Columns have text as names. A pandas index that is not 0, 1, 2, … becomes a column (see `index_columns`);
    the classes of a Hugging Face data set get their names. In csv and tsv files empty cells and the usual
    words for a missing value (NA, NaN, null, ?, …) are missing; a .csv file may use semicolons, tabs or bars.
    `text`: columns of a csv or tsv file that are text whatever they look like (a code such as 007).
    `DataError`: not a table, not readable, no rows, no columns, two columns of one name, text that is not UTF-8.
    """
    import pyarrow as pa

    try:
        if isinstance(data, str | os.PathLike):
            table = _from_path(Path(data).expanduser(), rows, text)
        else:
            table = _from_memory(data, rows)
    except DataError:
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError) as error:
        raise DataError(f"{told(data)} cannot be read as a table ({error})") from error
    twice = sorted(name for name, count in Counter(table.column_names).items() if count > 1)
    if twice:
        headless = isinstance(data, str | os.PathLike) and all(map(_is_number, table.column_names))
        why = "its first line holds numbers, so it seems to have no header line: " if headless else ""
        raise DataError(f"{told(data)} has several columns called {twice[0]!r}: {why}give each its own name")
    if not table.num_columns or not table.num_rows:
        raise DataError(
            f"{told(data)} has {table.num_rows} rows and {table.num_columns} columns: nothing to read"
        )
    return table if rows is None else table.slice(0, rows)


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True


def _from_path(path: Path, rows: int | None, text: Collection[str]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.feather
    import pyarrow.json
    import pyarrow.parquet

    if not path.is_file():
        raise DataError(f"there is no file {str(path)!r} (looked in {Path.cwd()})")
    name = path.name.lower()
    if name.endswith((".csv", ".tsv")):
        return _from_csv(path, rows, text)
    if name.endswith((".parquet", ".pq")):
        if rows is None:
            return pyarrow.parquet.read_table(path)
        with pyarrow.parquet.ParquetFile(path) as file:
            return pa.Table.from_batches(islice(file.iter_batches(batch_size=rows), 1), file.schema_arrow)
    if name.endswith((".jsonl", ".ndjson")):
        if rows is None:
            return pyarrow.json.read_json(path)
        with pyarrow.json.open_json(path) as reader:
            return _first(reader, rows)
    if name.endswith((".feather", ".arrow")):
        # where it is not compressed, a memory map: only what is used is read
        return pyarrow.feather.read_table(path, memory_map=True)
    raise DataError(f"{path} is no table that can be read here: give {FORMS}")


def _from_csv(path: Path, rows: int | None, text: Collection[str]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.csv

    options = {
        "parse_options": pyarrow.csv.ParseOptions(delimiter=_delimiter(path), newlines_in_values=True),
        "convert_options": pyarrow.csv.ConvertOptions(
            null_values=[space + word for word in MISSING for space in ("", " ")],
            strings_can_be_null=True,
            column_types={space + name: pa.string() for name in text for space in ("", " ")},
        ),
    }
    if rows is None:
        table = pyarrow.csv.read_csv(path, **options)
    else:
        with pyarrow.csv.open_csv(path, **options) as reader:
            table = _first(reader, rows)
    table = table.rename_columns([name.strip() for name in table.column_names])
    for name, kind in zip(table.column_names, table.schema.types, strict=True):
        if pa.types.is_binary(kind):
            raise DataError(
                f"column {name!r} of {path} holds bytes that are not UTF-8: save the file as UTF-8"
            )
    return table


def _delimiter(path: Path) -> str:
    """What stands between two cells: of a .csv file without commas what its first two lines share as often."""
    if path.name.lower().endswith(".tsv"):
        return "\t"
    with path.open(encoding="utf-8", errors="replace") as file:
        first, second = file.readline(), file.readline()
    if "," not in first:
        for mark in (";", "\t", "|"):
            if mark in first and first.count(mark) == second.count(mark):
                return mark
    return ","


def _first(batches: Iterable[Any], rows: int) -> pa.Table:
    """The first batches that hold `rows` rows together."""
    import pyarrow as pa

    held: list[Any] = []
    for batch in batches:
        held.append(batch)
        if sum(map(len, held)) >= rows:
            break
    return pa.Table.from_batches(held)


def _from_memory(data: Any, rows: int | None) -> pa.Table:
    import pyarrow as pa

    library = _library(data)
    if library == "pandas":
        renamed = (data if rows is None else data.head(rows)).rename(columns=str)
        plain = type(data.index).__name__ == "RangeIndex"
        return pa.Table.from_pandas(renamed, preserve_index=not plain)
    if library == "polars":
        few = data if rows is None else data.head(rows)
        return (few.collect() if hasattr(few, "collect") else few).to_arrow()
    if library == "datasets":
        return _from_hugging_face(data, rows)
    if isinstance(data, pa.RecordBatch):
        return pa.Table.from_batches([data])
    if isinstance(data, pa.Table):
        return data
    raise DataError(f"{told(data)} is no table that can be read here: give {FORMS}")


def _from_hugging_face(data: Any, rows: int | None) -> pa.Table:
    import pyarrow as pa

    if isinstance(data, dict):
        raise DataError(f"{told(data)} holds several data sets ({', '.join(data)}): give one of them")
    if not hasattr(data, "__len__"):
        raise DataError(
            f"{told(data)} is a stream, which has no length: give a data set that is not streamed"
        )
    table = data.with_format("arrow")[: len(data) if rows is None else rows]
    for place, (name, feature) in enumerate((data.features or {}).items()):
        if type(feature).__name__ == "ClassLabel":
            codes = table[name].combine_chunks().cast(pa.int64())
            codes = pa.array([c if c is not None and c >= 0 else None for c in codes.to_pylist()], pa.int64())
            named = pa.DictionaryArray.from_arrays(codes, pa.array(feature.names, pa.string()))
            table = table.set_column(place, name, named)
    return table.replace_schema_metadata(None)


def index_columns(table: pa.Table) -> list[str]:
    """Which columns of a table that was read are the index of a pandas frame, not something measured."""
    said = table.schema.pandas_metadata or {}
    names = table.column_names
    return [name for name in said.get("index_columns", ()) if name in names]


def column(table: pa.Table, name: str, what: str) -> list[Any]:
    """The values of one column as Python objects; `what` says in the error why it was asked for."""
    if name not in table.column_names:
        raise DataError(f"there is no column {name!r} ({what}): {nearest(name, table.column_names)}")
    return table[name].to_pylist()


def fingerprint(table: pa.Table) -> str:
    """Changes when a value, a column's name or its type does."""
    import pyarrow as pa

    table = table.replace_schema_metadata(None)
    digest = hashlib.blake2b(str(table.schema).encode(), digest_size=16)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    digest.update(sink.getvalue())
    return digest.hexdigest()


def told(data: Any) -> str:
    """What the data is, for a message."""
    if isinstance(data, str | os.PathLike):
        return str(data)
    return f"this {_library(data)} {type(data).__name__}"
