"""Tables however a person holds them (pandas, polars, csv, parquet, …), as one Arrow table."""

from __future__ import annotations

import hashlib
import os
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
    root = type(data).__module__.split(".")[0]
    return root in ("pandas", "polars", "pyarrow", "datasets") and (
        hasattr(data, "columns") or hasattr(data, "column_names")
    )


def read_frame(data: Any, *, rows: int | None = None) -> pa.Table:
    """The table that `data` is, or its first `rows` rows.

    Columns have text as names. A pandas index that is not 0, 1, 2, … becomes a column. In csv and tsv files
    empty cells and the usual words for a missing value (NA, NaN, null, ?, …) are missing.
    `DataError`: not a table, not readable, no rows, no columns, two columns of one name.
    """
    import pyarrow as pa

    try:
        table = (
            _from_path(Path(data).expanduser()) if isinstance(data, str | os.PathLike) else _from_memory(data)
        )
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{told(data)} cannot be read as a table ({error})") from error
    twice = sorted({name for name in table.column_names if table.column_names.count(name) > 1})
    if twice:
        raise DataError(f"{told(data)} has several columns called {twice[0]!r}: give each its own name")
    if not table.num_columns or not table.num_rows:
        raise DataError(
            f"{told(data)} has {table.num_rows} rows and {table.num_columns} columns: nothing to read"
        )
    return table if rows is None else table.slice(0, rows)


def _from_path(path: Path) -> pa.Table:
    import pyarrow.csv
    import pyarrow.feather
    import pyarrow.json
    import pyarrow.parquet

    if not path.is_file():
        raise DataError(f"there is no file {str(path)!r} (looked in {Path.cwd()})")
    name = path.name.lower()
    if name.endswith((".csv", ".tsv")):
        return pyarrow.csv.read_csv(
            path,
            parse_options=pyarrow.csv.ParseOptions(
                delimiter="\t" if name.endswith(".tsv") else ",", newlines_in_values=True
            ),
            convert_options=pyarrow.csv.ConvertOptions(null_values=list(MISSING), strings_can_be_null=True),
        )
    if name.endswith((".parquet", ".pq")):
        return pyarrow.parquet.read_table(path)
    if name.endswith((".jsonl", ".ndjson")):
        return pyarrow.json.read_json(path)
    if name.endswith((".feather", ".arrow")):
        return pyarrow.feather.read_table(path)
    raise DataError(f"{path} is no table that can be read here: give {FORMS}")


def _from_memory(data: Any) -> pa.Table:
    import pyarrow as pa

    root = type(data).__module__.split(".")[0]
    if root == "pandas":
        renamed = data.rename(columns=str)
        plain = type(data.index).__name__ == "RangeIndex"
        return pa.Table.from_pandas(renamed, preserve_index=not plain).replace_schema_metadata(None)
    if root == "polars":
        return (data.collect() if hasattr(data, "collect") else data).to_arrow()
    if root == "datasets":
        return data.with_format("arrow")[:]
    if isinstance(data, pa.RecordBatch):
        return pa.Table.from_batches([data])
    if isinstance(data, pa.Table):
        return data
    raise DataError(f"{told(data)} is no table that can be read here: give {FORMS}")


def column(table: pa.Table, name: str, what: str) -> list[Any]:
    """The values of one column as Python objects; `what` says in the error why it was asked for."""
    if name not in table.column_names:
        raise DataError(f"there is no column {name!r} ({what}): {nearest(name, table.column_names)}")
    return table[name].to_pylist()


def fingerprint(table: pa.Table) -> str:
    """Changes when a value, a column's name or its type does."""
    import pyarrow as pa

    digest = hashlib.blake2b(str(table.schema.remove_metadata()).encode(), digest_size=16)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    digest.update(sink.getvalue())
    return digest.hexdigest()


def told(data: Any) -> str:
    """What the data is, for a message."""
    if isinstance(data, str | os.PathLike):
        return str(data)
    return f"this {type(data).__module__.split('.')[0]} {type(data).__name__}"
