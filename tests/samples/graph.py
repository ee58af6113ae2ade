"""One graph: who met whom in Zachary's karate club, with a few attributes of the members."""

from __future__ import annotations

from typing import Any

import networkx
import numpy as np
import pandas as pd

MODALITY = {"name": "graph"}
ROWS = 34
ENCODERS = {
    "gcn": {"width": 32},
    "gin": {"width": 32, "depth": 2},
    "gat": {"width": 32, "depth": 1, "heads": 2},
}


def data(rows: int = ROWS) -> dict[str, Any]:
    """An edge list and a table of nodes; there are always 34."""
    club = networkx.karate_club_graph()
    edges = pd.DataFrame(list(club.edges()), columns=["source", "target"])
    nodes = pd.DataFrame(
        {
            "id": list(club.nodes),
            "degree": [degree for _, degree in club.degree()],
            "triangles": list(networkx.triangles(club).values()),
            "clustering": list(networkx.clustering(club).values()),
            "core": [f"core {k}" for k in networkx.core_number(club).values()],
        }
    )
    return {"edges": edges, "nodes": nodes}


def labels(rows: int = ROWS) -> np.ndarray:
    """Which of the two clubs each member went to when it split."""
    return np.array(
        [side != "Mr. Hi" for _, side in networkx.karate_club_graph().nodes(data="club")], np.int64
    )
