"""What a batch of graphs is: all of its nodes in one row, all of its edges in one list."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from unlabeled.errors import OptionError

Level = Literal["node", "graph"]


@dataclass(frozen=True, eq=False)
class Graphs:
    """Graphs side by side, their nodes numbered through; nodes and pairs of a graph stand together, in order.

    At node level there is one graph and its nodes are the rows of the batch; at graph level the graphs are.
    A module of one's own is called with this: `module.x`, `module.edges` and `module.graph` are what PyTorch
    Geometric calls `x`, `edge_index` and `batch`, and `to_pyg()` gives its own object.
    """

    x: Float[Tensor, "nodes features"]
    """node features, scaled as the modality was fixed"""
    pairs: Int[Tensor, "2 pairs"]
    """both ends of every edge, each edge once (so both directions of one are always dropped together)"""
    graph: Int[Tensor, " nodes"]
    """which graph a node belongs to"""
    count: int
    """graphs"""
    level: Level
    positions: Float[Tensor, "nodes axes"]
    """structural coordinates in the unchanged graph, each from −10 to 10"""
    codes: Int[Tensor, " nodes"] | None = None
    """the tag of each node where tags are all there is, −1 where it is not a known one; `x` is then one-hot"""
    pair_weight: Float[Tensor, " pairs"] | None = None
    """None: every edge weighs 1"""
    directed: bool = False
    """whether a pair is an edge from its first end to its second only"""
    diffused: tuple[Int[Tensor, "2 far"], Float[Tensor, " far"]] | None = None
    """the pairs of the diffused graph and their weights, where the modality makes them"""

    @property
    def edges(self) -> Int[Tensor, "2 edges"]:
        """From (row 0) and to (row 1); undirected edges stand twice."""
        return self.pairs if self.directed else torch.cat([self.pairs, self.pairs.flip(0)], dim=1)

    @property
    def weight(self) -> Float[Tensor, " edges"] | None:
        """One number an edge, in the order of `edges`."""
        if self.pair_weight is None or self.directed:
            return self.pair_weight
        return self.pair_weight.repeat(2)

    def __len__(self) -> int:
        return len(self.graph) if self.level == "node" else self.count

    @property
    def device(self) -> torch.device:
        return self.x.device

    def to(self, device: Any, non_blocking: bool = False) -> Graphs:
        def moved(value: Any) -> Any:
            if isinstance(value, tuple):
                return tuple(moved(part) for part in value)
            return value.to(device, non_blocking=non_blocking) if isinstance(value, Tensor) else value

        return Graphs(**{name: moved(value) for name, value in self._held().items()})

    def __getitem__(self, rows: Any) -> Graphs:
        """Some of the graphs, in the order asked for."""
        if self.level == "node":
            raise OptionError("the nodes of one graph cannot be taken apart: a batch is all of them")
        chosen = torch.arange(self.count, device=self.device)[rows]
        graph, nodes = spread(self._start, self.sizes, chosen)
        shift = (self.sizes[chosen].cumsum(0) - self.sizes[chosen]) - self._start[chosen]

        row, places = spread(*self._pairs_at, chosen)
        diffused = None
        if self.diffused is not None:
            far, weight = self.diffused
            far_row, far_places = spread(*self._far_at, chosen)
            diffused = (far[:, far_places] + shift[far_row], weight[far_places])
        return replace(
            self,
            x=self.x[nodes],
            pairs=self.pairs[:, places] + shift[row],
            graph=graph,
            count=len(chosen),
            positions=self.positions[nodes],
            codes=None if self.codes is None else self.codes[nodes],
            pair_weight=None if self.pair_weight is None else self.pair_weight[places],
            diffused=diffused,
        )

    def only(self, stays: Bool[Tensor, " nodes"]) -> Graphs:
        """Without the other nodes and their edges; a diffused graph is left behind."""
        number = torch.cumsum(stays, 0) - 1
        pairs, weight = among(torch.where(stays, number, -1), self.pairs, self.pair_weight)
        return replace(
            self,
            x=self.x[stays],
            pairs=pairs,
            graph=self.graph[stays],
            positions=self.positions[stays],
            codes=None if self.codes is None else self.codes[stays],
            pair_weight=weight,
            diffused=None,
        )

    def to_pyg(self) -> Any:
        """The same as a `torch_geometric.data.Data`, with `batch` saying which graph a node belongs to."""
        from torch_geometric.data import Data

        return Data(
            x=self.x,
            edge_index=self.edges,
            edge_weight=self.weight,
            batch=self.graph,
            ptr=torch.cat([self._start, self._start.new_tensor([len(self.graph)])]),
        )

    # where things stand
    @cached_property
    def sizes(self) -> Int[Tensor, " graphs"]:
        """Nodes of each graph."""
        return torch.bincount(self.graph, minlength=self.count)

    @cached_property
    def _start(self) -> Int[Tensor, " graphs"]:
        return self.sizes.cumsum(0) - self.sizes

    @cached_property
    def place(self) -> Int[Tensor, " nodes"]:
        """Each node's place in its graph."""
        return torch.arange(len(self.graph), device=self.device) - self._start[self.graph]

    @cached_property
    def widest(self) -> int:
        """Nodes of the largest graph."""
        return int(self.sizes.max()) if self.count else 0

    @property
    def pair_graph(self) -> Int[Tensor, " pairs"]:
        """Which graph a pair belongs to."""
        return self.graph[self.pairs[0]]

    @property
    def pair_place(self) -> Int[Tensor, " pairs"]:
        """Each pair's place in its graph."""
        start, _ = self._pairs_at
        return torch.arange(self.pairs.shape[1], device=self.device) - start[self.pair_graph]

    @cached_property
    def _pairs_at(self) -> tuple[Tensor, Tensor]:
        """Where each graph's pairs begin, and how many there are."""
        sizes = torch.bincount(self.pair_graph, minlength=self.count)
        return sizes.cumsum(0) - sizes, sizes

    @cached_property
    def _far_at(self) -> tuple[Tensor, Tensor]:
        """The same of the diffused graphs."""
        assert self.diffused is not None
        sizes = torch.bincount(self.graph[self.diffused[0][0]], minlength=self.count)
        return sizes.cumsum(0) - sizes, sizes

    # nodes as a rectangle
    def dense(self, values: Shaped[Tensor, " n *rest"]) -> Shaped[Tensor, "graphs widest *rest"]:
        """One row a graph, filled up with zeros."""
        if self.level == "node":
            return values[None]
        out = values.new_zeros(self.count, self.widest, *values.shape[1:])
        return out.index_put((self.graph, self.place), values)

    @property
    def present(self) -> Bool[Tensor, "graphs widest"] | None:
        """Where the rectangle holds a node; None, at node level: everywhere."""
        if self.level == "node":
            return None
        return torch.arange(self.widest, device=self.device) < self.sizes[:, None]

    def flat(self, values: Shaped[Tensor, "graphs widest *rest"]) -> Shaped[Tensor, " n *rest"]:
        """What a rectangle says of each node."""
        return values[self.graph, self.place]

    def _held(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def __getstate__(self) -> dict[str, Any]:
        return self._held()


def among(
    number: Int[Tensor, " nodes"], pairs: Int[Tensor, "2 pairs"], weight: Float[Tensor, " pairs"] | None
) -> tuple[Int[Tensor, "2 kept"], Float[Tensor, " kept"] | None]:
    """The pairs whose ends both have a new number (not −1), renumbered, and their weights."""
    ends = number[pairs]
    there = (ends >= 0).all(dim=0)
    return ends[:, there], None if weight is None else weight[there]


def spread(
    start: Int[Tensor, " groups"], sizes: Int[Tensor, " groups"], chosen: Int[Tensor, " rows"]
) -> tuple[Int[Tensor, " items"], Int[Tensor, " items"]]:
    """The items of the chosen groups: which of the chosen each belongs to, and where it stands."""
    many = sizes[chosen]
    row = torch.repeat_interleave(torch.arange(len(chosen), device=sizes.device), many)
    first = many.cumsum(0) - many
    inside = torch.arange(len(row), device=sizes.device) - first[row]
    return row, start[chosen][row] + inside
