"""Opens data as a source of nodes of one graph, or of graphs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unlabeled.data.source import Source
from unlabeled.errors import DataError
from unlabeled.modalities.graph.diffusion import diffuse
from unlabeled.modalities.graph.features import Features
from unlabeled.modalities.graph.find import Found, Names, labels_of, open_graphs
from unlabeled.modalities.graph.graphs import Graphs, Level
from unlabeled.modalities.graph.positions import positions
from unlabeled.modalities.graph.structure import Structure, tidy


class GraphSource(Source):
    """Graphs held in memory: the nodes of one of them, or all of them as samples."""

    def __init__(
        self, found: Found, level: Level, features: Features, *, directed: bool, diffusion: bool, labels: bool
    ) -> None:
        if level == "node" and len(found.sizes) > 1:
            raise DataError(
                f"{found.what} holds {len(found.sizes):,} graphs, and this was made for the nodes of one: "
                "choose level='graph', or join them into one graph"
            )
        structure = tidy(found.edges, found.weight, found.nodes, directed=directed)
        if level == "node" and not structure.pairs.shape[1]:
            raise DataError(
                f"{found.what} has no edges between different nodes: without any there is nothing that a graph "
                "adds to its table of nodes (modality='table')"
            )
        made = features.apply(found, structure.degrees(found.nodes))
        pairs = structure.pairs
        far = diffuse(pairs, structure.weight, found.sizes) if diffusion else None
        self.all = Graphs(
            x=torch.from_numpy(np.ascontiguousarray(made.x, np.float32)),
            pairs=torch.from_numpy(pairs),
            graph=torch.from_numpy(found.graph),
            count=len(found.sizes),
            level=level,
            positions=torch.from_numpy(positions(pairs, found.sizes, level)),
            codes=None if made.codes is None else torch.from_numpy(made.codes),
            pair_weight=None if structure.weight is None else torch.from_numpy(structure.weight),
            directed=directed,
            diffused=None if far is None else (torch.from_numpy(far[0]), torch.from_numpy(far[1])),
        )
        self.whole = level == "node"
        keys = found.node_keys if self.whole else found.graph_keys
        self.keys = [str(i) for i in range(len(self.all))] if keys is None else keys
        self.index = np.arange(len(self.all)) if self.whole or found.index is None else found.index
        said = labels_of(found, level) if labels else None
        self.labels = None if said is None else _objects(said)
        self.skipped = found.skipped
        self.description = _described(found, structure, level, features, directed, made.notes)
        self.fingerprint = _fingerprint(self.all, self.keys)

    def fetch(self, positions: Sequence[int] | np.ndarray) -> Graphs:
        """The one graph whole, or the graphs at these positions."""
        if self.whole:
            return self.all
        return self.all[torch.as_tensor(np.asarray(positions, dtype=np.int64))]


def read(
    data: Any,
    names: Names,
    level: Level,
    features: Features,
    *,
    directed: bool,
    diffusion: bool,
    labels: bool,
) -> GraphSource:
    """The graphs of `data`, prepared as fixed."""
    found = open_graphs(data, names)
    return GraphSource(found, level, features, directed=directed, diffusion=diffusion, labels=labels)


def _described(
    found: Found, structure: Structure, level: Level, features: Features, directed: bool, notes: list[str]
) -> str:
    edges = structure.pairs.shape[1]
    degrees = structure.degrees(found.nodes)
    alone = int((degrees == 0).sum())
    head = (
        f"the {found.nodes:,} nodes"
        if level == "node"
        else f"{len(found.sizes):,} graphs of {found.nodes:,} nodes"
    )
    said = [
        f"{head} and {edges:,} {'directed' if directed else 'undirected'} edges of {found.what}",
        features.said,
    ]
    dropped = [
        f"{count:,} {name}"
        for count, name in ((structure.loops, "loops"), (structure.repeats, "repeated edges"))
        if count
    ]
    if structure.weight is not None and edges:
        low, high = structure.weight.min(), structure.weight.max()
        said.append(f"edges weigh {low:.4g} to {high:.4g}, which of the encoders only gcn uses")
    if dropped:
        said.append(f"without {' and '.join(dropped)}")
    if alone:
        said.append(f"{alone:,} nodes without edges are kept")
    if level == "graph":
        pairs = np.bincount(found.graph[structure.pairs[0]], minlength=len(found.sizes))
        bare = int((pairs == 0).sum())
        if bare:
            said.append(f"{bare:,} graphs without edges are kept")
    return "; ".join([*said, *found.notes, *notes])


def _objects(values: list[Any]) -> np.ndarray:
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out


def _fingerprint(x: Graphs, keys: Sequence[str]) -> str:
    digest = hashlib.blake2b("\n".join(keys).encode("utf-8", "surrogateescape"), digest_size=16)
    for values in (x.x, x.pairs, x.graph, x.pair_weight):
        if isinstance(values, Tensor):
            digest.update(f"{tuple(values.shape)}".encode())
            digest.update(values.contiguous().numpy().tobytes())
    return digest.hexdigest()
