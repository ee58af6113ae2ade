"""Graphs as a modality: what is fixed for one data set, and where each of its words is carried out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from unlabeled.data.batch import Tokens
from unlabeled.data.draws import Draws
from unlabeled.data.source import Source
from unlabeled.errors import OptionError
from unlabeled.methods.contract import Branch
from unlabeled.modalities.contract import Changed, Modality
from unlabeled.modalities.covered import HIDDEN
from unlabeled.modalities.graph import encoders, views
from unlabeled.modalities.graph.features import Features, check_scaling, fit
from unlabeled.modalities.graph.find import ACCEPTED, Names, open_graphs
from unlabeled.modalities.graph.graphs import Graphs, Level
from unlabeled.modalities.graph.positions import AXES
from unlabeled.modalities.graph.read import read
from unlabeled.modalities.graph.recognise import recognise
from unlabeled.modalities.graph.structure import tidy
from unlabeled.parts.encoder import Encoder

DEGREES = 32
"""the last degree that the raw input of a graph counts by itself"""


class Graph(Modality):
    """One graph, whose nodes are the samples (`level` "node"), or many, which are the samples ("graph").

    `Batch.x` and views are `Graphs`: at node level always the whole graph, as its nodes cannot be taken apart. A
    token is a node. A module of one's own is called with `Graphs` (which has `to_pyg()`) and gives one row a node
    or a graph.

    `features`: how node features are made, as plain values (see `features.py`). `directed`: messages go along
    edges one way only. `diffusion`: the second of a pair of strong views sees the diffused graph. `label`,
    `source`, `target`, `id`: what the data calls the classes, both ends of an edge, and the nodes.
    """

    name: ClassVar[str] = "graph"
    accepts: ClassVar[str] = ACCEPTED
    default_encoder: ClassVar[str] = "gcn"
    token_encoder: ClassVar[str] = "gat"

    def __init__(
        self,
        level: Level,
        features: dict[str, Any],
        directed: bool = False,
        diffusion: bool = False,
        label: str | None = None,
        source: str | None = None,
        target: str | None = None,
        id: str | None = None,
    ) -> None:
        if level not in ("node", "graph"):
            raise OptionError(f"level must be 'node' (one graph) or 'graph' (many), not {level!r}")
        for name, value in {"directed": directed, "diffusion": diffusion}.items():
            if not isinstance(value, bool):
                raise OptionError(f"{name} must be true or false, not {value!r}")
        self.level: Level = level
        try:
            self.features = Features(**features)
        except TypeError as error:
            raise OptionError(f"features: {error}") from error
        self.directed, self.diffusion, self.label = directed, diffusion, label
        self.names = Names(label, source, target, id)
        if level == "graph":  # sums tell graphs apart that means do not
            self.default_encoder = "gin"  # type: ignore[misc]
        self.categories = self.features.width if self.features.coded else 0

    # read
    @classmethod
    def recognises(cls, data: Any) -> str | None:
        return recognise(data)

    @classmethod
    def measure(
        cls,
        data: Any,
        *,
        level: str | None = None,
        directed: bool = False,
        scaling: str | None = None,
        degrees: int | None = None,
        diffusion: bool = False,
        label: str | None = None,
        source: str | None = None,
        target: str | None = None,
        id: str | None = None,
        **unknown: Any,
    ) -> Graph:
        """Looks at all of the data and fixes what is not given.

        `level`: node where there is one graph, graph where there are several. `directed`: whether edges are used
        one way only. `scaling`: of node features, rows (each sums to 1), standard or none; None: rows for bags
        of words, else standard. `degrees`: where nodes have no features, the degree up to which each gets its
        own (None: the largest, at most 64). `diffusion`: whether the second of a pair of strong views sees the
        graph diffused by personalised PageRank, which takes time to make for a large graph. `label`: the field
        or column of the classes. `source`, `target`: the columns of an edge list (None: so called, or the first
        two). `id`: the column of a table of nodes that names them.
        """
        cls.refuse_others(unknown)
        check_scaling(scaling)
        found = open_graphs(data, Names(label, source, target, id))
        structure = tidy(found.edges, None, found.nodes, directed=directed)
        fitted = fit(found, structure.degrees(found.nodes), scaling=scaling, cap=degrees)
        chosen: Any = ("node" if len(found.sizes) == 1 else "graph") if level is None else level
        return cls(chosen, fitted.config(), directed, diffusion, label, source, target, id)

    def read(self, data: Any, *, cache: Path | None = None, labels: bool = False) -> Source:
        """The nodes of the graph, or the graphs, of `data`, in memory."""
        return read(
            data,
            self.names,
            self.level,
            self.features,
            directed=self.directed,
            diffusion=self.diffusion,
            labels=labels,
        )

    def config(self) -> dict[str, Any]:
        return {
            "level": self.level,
            "features": self.features.config(),
            "directed": self.directed,
            "diffusion": self.diffusion,
            "label": self.label,
            "source": self.names.source,
            "target": self.names.target,
            "id": self.names.id,
        }

    # change
    def change(self, x: Graphs, branch: Branch, draws: Draws) -> Changed:
        return views.change(x, branch, draws)

    def take(self, x: Graphs, rows: Tensor) -> tuple[Graphs, Tensor]:
        """Some of the graphs; at node level all of the nodes."""
        if self.level == "node":
            return x, torch.arange(len(x), device=rows.device)
        return x[rows], rows

    # tokens
    def tokenise(self, x: Graphs) -> Tokens:
        """Nodes as numbers, or as codes where they have one tag each, at their structural coordinates.

        At node level one row; at graph level one a graph, filled up with absent nodes. A node whose tag is not
        a known one counts as absent.
        """
        place = x.positions if x.level == "node" else x.dense(x.positions)
        if x.codes is None:
            return Tokens(place, x.dense(x.x), present=x.present)
        codes = x.dense(x.codes)
        present = x.present
        if bool((x.codes < 0).any()):
            present = codes >= 0 if present is None else present & (codes >= 0)
        return Tokens(place, codes=codes, present=present)

    # encode, and the raw input as a yardstick
    def build_encoder(self, name: str, **options: Any) -> Encoder:
        return encoders.build(name, features=self.features.width, level=self.level, **options)

    def example(self) -> Graphs:
        """Two nodes joined by an edge, or two such graphs."""
        graphs = 1 if self.level == "node" else 2
        nodes = 2 * graphs
        return Graphs(
            x=torch.zeros(nodes, self.features.width),
            pairs=torch.arange(nodes).reshape(graphs, 2).T.contiguous(),
            graph=torch.arange(graphs).repeat_interleave(2),
            count=graphs,
            level=self.level,
            positions=torch.zeros(nodes, AXES[self.level]),
            codes=torch.zeros(nodes, dtype=torch.int64) if self.features.coded else None,
            directed=self.directed,
        )

    def flatten(self, x: Graphs) -> Float[Tensor, "batch values"]:
        """Node features; of a graph their mean and sum, and how many nodes have 0, 1, … 32 or more edges."""
        if x.level == "node":
            return x.x
        total = x.x.new_zeros(x.count, x.x.shape[1]).index_add(0, x.graph, x.x)
        degree = torch.bincount(x.pairs.reshape(-1), minlength=len(x.graph)).clamp(max=DEGREES)
        counts = x.x.new_zeros(x.count, DEGREES + 1).index_add(
            0, x.graph, F.one_hot(degree, DEGREES + 1).to(x.x.dtype)
        )
        return torch.cat([total / x.sizes.clamp(min=1)[:, None], total, counts], dim=1)

    # for a person
    def describe(self, x: Graphs, hidden: Bool[Tensor, "rows nodes"] | None = None) -> list[str]:
        """Of a node its tag, where it has one, its edges, and how many of its features are not zero (▒▒ where they
        are hidden); of a graph its nodes and edges, and how many nodes are hidden."""
        if x.level == "node":
            edges = torch.bincount(x.pairs.reshape(-1), minlength=len(x)).tolist()
            covered = [False] * len(x) if hidden is None else hidden[0].tolist()
            return [
                f"{HIDDEN if out else node}, {counted(count, 'edge')}"
                for node, count, out in zip(self._nodes(x), edges, covered, strict=True)
            ]
        edges = torch.bincount(x.pair_graph, minlength=x.count).tolist()
        said = [
            f"{counted(nodes, 'node')}, {counted(pairs, 'edge')}"
            for nodes, pairs in zip(x.sizes.tolist(), edges, strict=True)
        ]
        if hidden is None:
            return said
        return [
            f"{words}, {counted(out, 'node')} hidden"
            for words, out in zip(said, hidden.sum(1).tolist(), strict=True)
        ]

    def _nodes(self, x: Graphs) -> list[str]:
        """Each node by its tag, or by how much is known of it."""
        if x.codes is not None:
            tags = self.features.tags or range(x.x.shape[1])
            return [f"tag {tags[code]}" if code >= 0 else "no known tag" for code in x.codes.tolist()]
        known = (x.x != 0).sum(dim=1).tolist()
        return [f"{count} of {x.x.shape[1]} features" for count in known]


def counted(count: int, word: str) -> str:
    return f"{count:,} {word}" + "s" * (count != 1)
