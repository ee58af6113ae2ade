"""What a run left behind, read as data; whatever is missing or cannot be read is said, not raised."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from unlabeled.errors import DataError, RunError
from unlabeled.evaluation import Scorecard

PARTS = ("run.yaml", "metrics.csv", "scorecard.json", "skipped.csv")


@dataclass
class Left:
    """The contents of a run folder that a report shows."""

    path: Path
    config: Mapping[str, Any] = field(default_factory=dict)
    """run.yaml; empty where there is none"""
    config_text: str = ""
    metrics: Mapping[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    """column → (steps, values), where the column has a number"""
    scorecard: Scorecard | None = None
    skipped: list[tuple[str, str]] | None = None
    """(key, reason); None where the run did not say"""
    troubles: list[str] = field(default_factory=list)
    """what could not be read"""

    @property
    def name(self) -> str:
        return self.path.resolve().name

    @property
    def about(self) -> Mapping[str, Any]:
        about = self.config.get("about")
        return about if isinstance(about, Mapping) else {}

    def named(self, key: str) -> str:
        """The name of the method, encoder or modality; empty where unknown."""
        value = self.config.get(key)
        if isinstance(value, Mapping):
            value = value.get("name")
        return str(value) if value is not None else ""

    def last(self, column: str) -> float | None:
        """The last number of a column of the metrics."""
        return float(self.metrics[column][1][-1]) if column in self.metrics else None


def read_folder(folder: str | Path) -> Left:
    """Reads a run folder. Refused: one that holds nothing of a run."""
    path = Path(folder)
    if not path.is_dir():
        raise RunError(f"{path} is not a folder: give the folder of a run")
    if not any((path / part).is_file() for part in PARTS):
        raise RunError(f"{path} is not a run folder: it has none of {', '.join(PARTS)}")
    left = Left(path)
    if (path / "run.yaml").is_file():
        _read_config(left)
    if (path / "metrics.csv").is_file():
        try:
            left.metrics = read_metrics(path / "metrics.csv")
        except (OSError, csv.Error) as error:
            left.troubles.append(f"metrics.csv cannot be read: {error}")
    if (path / "scorecard.json").is_file():
        try:
            left.scorecard = Scorecard.load(path / "scorecard.json")
        except DataError as error:
            left.troubles.append(str(error))
    if (path / "skipped.csv").is_file():
        try:
            left.skipped = [
                (row.get("key") or "", row.get("reason") or "") for row in _rows(path / "skipped.csv")
            ]
        except (OSError, csv.Error) as error:
            left.troubles.append(f"skipped.csv cannot be read: {error}")
    return left


def _read_config(left: Left) -> None:
    try:
        left.config_text = (left.path / "run.yaml").read_text(encoding="utf-8", errors="replace")
        config = yaml.safe_load(left.config_text)
    except (OSError, yaml.YAMLError) as error:
        left.troubles.append(f"run.yaml cannot be read: {error}")
        return
    if isinstance(config, Mapping):
        left.config = config
    else:
        left.troubles.append("run.yaml holds no configuration")


def _rows(path: Path) -> list[dict[str, str]]:
    # errors are replaced and NUL dropped: a run that was cut off may leave either
    text = path.read_text(encoding="utf-8", errors="replace").replace("\0", "")
    return list(csv.DictReader(text.splitlines()))


def read_metrics(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Each column that has a finite number: its steps and its values. Rows without a step are numbered."""
    rows = _rows(path)
    columns: dict[str, list[tuple[float, float]]] = {}
    for number, row in enumerate(rows):
        step = _number(row.get("step"))
        for name, cell in row.items():
            value = _number(cell)
            if name and name != "step" and value is not None:
                columns.setdefault(name, []).append((number + 1 if step is None else step, value))
    return {
        name: (np.array([s for s, _ in pairs]), np.array([v for _, v in pairs]))
        for name, pairs in columns.items()
    }


def _number(cell: Any) -> float | None:
    try:
        value = float(cell)
    except (TypeError, ValueError):
        return None
    return value if np.isfinite(value) else None
