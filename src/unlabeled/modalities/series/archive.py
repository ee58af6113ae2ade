"""The text files of the UCR and UEA archives: .ts, and .arff with one attribute a step or one relation a series.

Formats: the documentation of aeon and sktime (.ts) and of Weka (.arff); Bagnall et al. 2018, arXiv 1811.00075.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from unlabeled.errors import DataError
from unlabeled.modalities.series.recordings import NOTHING, Recordings

SUFFIXES = (".ts", ".arff")


def from_archive(path: Path) -> Recordings:
    """The series of a .ts or .arff file, with its classes.

    A line that cannot be read has failed. `DataError`: no such file, no @data in it, time stamps in the
    values, a table that is no series.
    """
    if not path.is_file():
        raise DataError(f"there is no file {str(path)!r} (looked in {Path.cwd()})")
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error})") from error
    lines = (line for line in text.splitlines() if line.strip() and not line.lstrip().startswith(("#", "%")))
    header = []
    for line in lines:
        if line.strip().lower() == "@data":
            break
        header.append(line.strip())
    else:
        raise DataError(f"{path} has no line '@data': it is no {path.suffix} file of the archive")
    if path.suffix.lower() == ".ts":
        return _read(lines, path, *_ts_header(header, path))
    kind = arff_kind(header)
    if kind is None:
        raise DataError(f"{path} is a table, not series: its attributes are not the steps of one")
    return _read(lines, path, kind, _has_class(header))


def _ts_header(header: list[str], path: Path) -> tuple[str, bool]:
    said = {line.split()[0].lower(): line.lower().split()[1:] for line in header if line.startswith("@")}
    if said.get("@timestamps", ["false"])[:1] == ["true"]:
        raise DataError(
            f"{path} has time stamps beside its values, which are not read here: write it without "
            "(@timeStamps false), or as a table with a row a step and time="
        )
    marks = (said.get("@classlabel", ["false"]), said.get("@targetlabel", ["false"]))
    return "ts", any(mark[:1] == ["true"] for mark in marks)


def arff_kind(header: list[str]) -> str | None:
    """'relational' (a relation of channels a series), 'steps' (one attribute a step), None: another table."""
    kinds = [line.split()[-1].lower() for line in header if line.lower().startswith("@attribute")]
    if "relational" in kinds:
        return "relational"
    names = [name for name, kind in _attributes(header) if kind in ("numeric", "real", "integer")]
    stems = {re.sub(r"\d+$", "", name) for name in names}
    return (
        "steps" if len(names) > 2 and len(stems) == 1 and len(_attributes(header)) <= len(names) + 1 else None
    )


def _attributes(header: list[str]) -> list[tuple[str, str]]:
    pattern = re.compile(r"@attribute\s+('[^']*'|\"[^\"]*\"|\S+)\s+(.*)", re.IGNORECASE)
    found = (pattern.match(line) for line in header)
    return [(m[1].strip("'\""), m[2].strip().lower()) for m in found if m]


def _has_class(header: list[str]) -> bool:
    attributes = _attributes(header)
    return bool(attributes) and (
        attributes[-1][1].startswith("{") or attributes[-1][1] in ("string", "nominal")
    )


def _read(lines: Iterator[str], path: Path, kind: str, classed: bool) -> Recordings:
    series, labels, failed = [], [], {}
    for i, line in enumerate(lines):
        try:
            channels, label = _split(line.strip(), kind, classed)
            series.append(_values(channels))
            labels.append(label)
        except ValueError as error:
            failed[i] = f"cannot be read ({error})"
            series.append(NOTHING)
            labels.append(None)
    if not series:
        raise DataError(f"{path} holds no series after '@data'")
    return Recordings(
        series, [str(i) for i in range(len(series))], path.name, labels if classed else None, failed=failed
    )


def _split(line: str, kind: str, classed: bool) -> tuple[list[str], str | None]:
    """The text of each channel, and the class."""
    label: str | None = None
    if kind == "ts":
        channels = line.split(":")
        label = channels.pop().strip() if classed else None
    elif kind == "relational":
        quote = line[0]
        end = line.find(quote, 1)  # the class behind it may be quoted as well
        if quote not in "'\"" or end < 0:
            raise ValueError("a quoted relation is missing")
        channels = line[1:end].split("\\n")
        label = line[end + 1 :].strip().lstrip(",").strip()
    else:
        values, _, label = line.rpartition(",") if classed else (line, "", None)
        channels = [values]
    return channels, label.strip("'\"") if label and label != "?" else None


def _values(channels: list[str]) -> np.ndarray:
    """(channel, step) float32, `?` as NaN; channels of unequal length are refused."""
    rows = [np.array(text.replace("?", "nan").split(",")).astype(np.float32) for text in channels]
    steps = sorted({len(row) for row in rows})
    if len(steps) != 1:
        raise ValueError(f"its channels have {' and '.join(map(str, steps))} steps")
    return np.stack(rows)
