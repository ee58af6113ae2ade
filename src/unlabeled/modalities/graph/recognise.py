"""Whether data is graphs, told by a look at it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from unlabeled.modalities.graph.find import (
    graphml_in,
    is_networkx,
    is_pyg,
    is_pyg_set,
    npz_in,
    tables_in,
)


def recognise(data: Any) -> str | None:
    """One line saying what `data` is if it is graphs, else None."""
    try:
        if isinstance(data, str | os.PathLike):
            return _recognise_path(Path(data).expanduser())
        if is_pyg(data):
            return "a PyTorch Geometric graph"
        if is_pyg_set(data):
            return f"the PyTorch Geometric data set {type(data).__name__} of {len(data):,} graphs"
        if is_networkx(data):
            return f"a networkx graph of {len(data):,} nodes"
        if isinstance(data, list | tuple) and data:
            if all(is_pyg(one) or is_networkx(one) for one in (data[0], data[-1])):
                return f"{len(data):,} graphs"
            if all(map(_is_graphml, data)):
                return f"{len(data):,} GraphML files"
            return None
        if isinstance(data, dict) and "edges" in data and set(data) <= {"edges", "nodes"}:
            return f"an edge list{' and a table of nodes' * ('nodes' in data)}"
    except Exception:  # an object that cannot be looked at is not ours
        return None
    return None


def _is_graphml(value: Any) -> bool:
    """Whether a value is the path of a GraphML file: a folder (as "" would be) is none."""
    if not isinstance(value, str | os.PathLike):
        return False
    path = Path(value).expanduser()
    return graphml_in(path) == [path]


def _recognise_path(path: Path) -> str | None:
    npz = npz_in(path)
    if npz is not None:
        return f"graphs in {npz.name}"
    tables = tables_in(path)
    if tables:
        return f"the edge list {tables['edges'].name} of {path.name}"
    graphml = graphml_in(path)
    if graphml:
        return f"{len(graphml):,} GraphML file{'s' * (len(graphml) > 1)} in {path.name}"
    return None
