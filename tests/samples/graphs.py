"""Many graphs: the surroundings of each person in three small social networks."""

from __future__ import annotations

from itertools import islice
from typing import Any

import networkx
import numpy as np

MODALITY = {"name": "graph"}
ROWS = 64
ENCODERS = {
    "gin": {"width": 32, "depth": 2},
    "gcn": {"width": 32},
    "gat": {"width": 32, "depth": 1, "heads": 2},
}


def _all() -> Any:
    """In turn from each network as long as it lasts, so that any number of them has several classes."""
    networks = (
        networkx.les_miserables_graph(),
        networkx.karate_club_graph(),
        networkx.florentine_families_graph(),
    )
    for place in range(max(map(len, networks))):
        for label, network in enumerate(networks):
            if place < len(network):
                around = sorted({list(network)[place], *network[list(network)[place]]})
                ego = networkx.Graph()  # in an order that does not depend on how text is hashed
                ego.add_nodes_from(around)
                ego.add_edges_from(sorted(map(sorted, network.subgraph(around).edges())))
                yield ego, label


def data(rows: int = ROWS) -> list[Any]:
    return [graph for graph, _ in islice(_all(), rows)]


def labels(rows: int = ROWS) -> np.ndarray:
    """Which network each is from."""
    return np.array([label for _, label in islice(_all(), rows)], np.int64)
