"""The encoders of graphs, with the layers of PyTorch Geometric: GCN, GAT, GIN.

Every one takes `Graphs` and can leave nodes out: what is left out has no part in the computation, only edges
between nodes that stay are used. `build` opens them by name.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from unlabeled.errors import OptionError, missing
from unlabeled.modalities.graph.graphs import Graphs, Level, among
from unlabeled.parts.encoder import (
    Encoded,
    Encoder,
    at_least_float32,
    check_at_least,
    make,
)
from unlabeled.parts.transformer import initialise
from unlabeled.parts.trunk import check_tokens

POOLS = ("mean", "sum")


def build(name: str, *, features: int, level: Level, **options: Any) -> Encoder:
    """The encoder called `name` for nodes of `features` numbers; `build(**encoder.spec, …)` builds it again.

    Refused: an unknown name or option (with the nearest known), 'custom'.
    """
    return make(name, {"gcn": (GCN, {}), "gat": (GAT, {}), "gin": (GIN, {})}, features, level, **options)


class GraphEncoder(Encoder):
    """A linear embedding of each node, then rounds of messages along the edges.

    The embedding comes first so that a hidden node can be replaced after it, as everywhere. `width` is that of
    every layer, `dropout` of what goes into each. Features are the nodes' at node level, and at graph level
    their mean or sum (`pool`); `layers` are the nodes after every round. A subclass makes `rounds` and says
    what one round does.
    """

    leaves_out = True

    def __init__(
        self, name: str, features: int, level: Level, width: int, depth: int, dropout: float, pool: str | None
    ) -> None:
        super().__init__()
        for option, value in {"width": width, "depth": depth}.items():
            check_at_least(name, option, value, 1)
        if not 0 <= dropout < 1:
            raise OptionError(f"{name}: dropout must be in [0, 1), not {dropout}")
        if pool is not None and (level == "node" or pool not in POOLS):
            raise OptionError(
                f"{name}: pool={pool!r}: at graph level nodes are pooled by {' or '.join(POOLS)}, and at node level "
                "they are not"
            )
        self.dim, self.features, self.level = width, features, level
        self.pool = pool if pool is not None or level == "node" else "mean"
        self.dropout = nn.Dropout(dropout)
        self.embed = nn.Linear(features, width)
        self.embed.apply(initialise)  # rows that sum to 1 are small: the usual random bias would drown them

    @abstractmethod
    def messages(
        self, h: Float[Tensor, "nodes dim"], edges: Int[Tensor, "2 edges"], weight: Tensor | None
    ) -> list[Float[Tensor, "nodes dim"]]:
        """The nodes after every round."""

    def encode(
        self,
        x: Graphs,
        *,
        keep: Int[Tensor, "batch kept"] | None = None,
        mask: Bool[Tensor, "batch tokens"] | None = None,
        mask_token: Float[Tensor, " dim"] | None = None,
        present: Bool[Tensor, "batch tokens"] | None = None,
    ) -> Encoded:
        if x.x.shape[1] != self.features:
            raise OptionError(
                f"this encoder was built for {self.features:,} features a node and got {x.x.shape[1]:,}"
            )
        shape = x.x.new_empty(x.count, x.widest, 0)
        check_tokens(str(self.spec["name"]), shape, keep=keep, mask=mask, present=present)
        h = self.embed(x.x)
        if mask is not None:
            if mask_token is None:
                raise OptionError("mask= hides tokens behind mask_token=, which was not given")
            h = torch.where(x.flat(mask)[:, None], mask_token.to(h.dtype), h)
        if keep is None and present is None:
            layers = self.messages(h, x.edges, x.weight)
            tokens = [x.dense(layer) for layer in layers]
            return Encoded(self._features(layers[-1], x.graph, x.count), tokens[-1], tuple(tokens))
        row, column, node, width = _chosen(x, keep, present)
        number = torch.full_like(x.graph, -1)
        number[node] = torch.arange(len(node), device=x.device)
        layers = self.messages(h[node], *among(number, x.edges, x.weight))
        tokens = [
            layer.new_zeros(x.count, width, self.dim).index_put((row, column), layer) for layer in layers
        ]
        if x.level == "node":
            return Encoded(at_least_float32(tokens[-1][0]), tokens[-1], tuple(tokens))
        return Encoded(self._features(layers[-1], row, x.count), tokens[-1], tuple(tokens))

    def forward(self, x: Graphs) -> Float[Tensor, "batch dim"]:
        return self.encode(x).features

    def _features(
        self, h: Float[Tensor, "nodes dim"], graph: Int[Tensor, " nodes"], count: int
    ) -> Float[Tensor, "batch dim"]:
        h = at_least_float32(h)
        if self.pool is None:
            return h
        total = h.new_zeros(count, self.dim).index_add(0, graph, h)
        if self.pool == "sum":
            return total
        return total / torch.bincount(graph, minlength=count).clamp(min=1)[:, None]

    def _round(self, convolution: nn.Module, *after: nn.Module) -> nn.ModuleDict:
        return nn.ModuleDict({"convolution": convolution, "after": nn.Sequential(*after)})


def _chosen(x: Graphs, keep: Tensor | None, present: Tensor | None) -> tuple[Tensor, Tensor, Tensor, int]:
    """The nodes that are computed: their row and column in the tokens, which they are, and the tokens' width."""
    start = x.sizes.cumsum(0) - x.sizes
    if keep is None:
        keep = torch.arange(x.widest, device=x.device).expand(x.count, -1)
    there = keep < x.sizes[:, None]
    if present is not None:
        there = there & present.gather(1, keep)
    row, column = there.nonzero().unbind(1)
    return row, column, start[row] + keep[row, column], keep.shape[1]


class GCN(GraphEncoder):
    """Each round is the symmetrically normalised mean over a node and its neighbours, by edge weight, after a
    linear map (Kipf & Welling 2016, arXiv 1609.02907), then batch norm and PReLU as in BGRL (Thakoor et al.
    2021, arXiv 2102.06514). `norm`: "batch" or "none"."""

    def __init__(
        self,
        features: int,
        level: Level,
        *,
        width: int = 256,
        depth: int = 2,
        norm: str = "batch",
        dropout: float = 0.0,
        pool: str | None = None,
    ) -> None:
        super().__init__("gcn", features, level, width, depth, dropout, pool)
        from_pyg = layers()
        self.spec = {
            "name": "gcn",
            "width": width,
            "depth": depth,
            "norm": norm,
            "dropout": dropout,
            "pool": pool,
        }
        check_norm("gcn", norm)
        self.rounds = nn.ModuleList(
            self._round(
                from_pyg.GCNConv(width, width, normalize=False, bias=norm == "none"),
                *([nn.BatchNorm1d(width)] if norm == "batch" else []),
                nn.PReLU(),
            )
            for _ in range(depth)
        )

    def messages(
        self, h: Float[Tensor, "nodes dim"], edges: Int[Tensor, "2 edges"], weight: Tensor | None
    ) -> list[Float[Tensor, "nodes dim"]]:
        from torch_geometric.nn.conv.gcn_conv import gcn_norm

        edges, weight = gcn_norm(edges, weight, len(h), dtype=torch.float32)
        out = []
        for one in self.rounds:
            h = one["after"](one["convolution"](self.dropout(h), edges, weight))  # type: ignore[index]
            out.append(h)
        return out


class GAT(GraphEncoder):
    """Each round is a mean over a node and its neighbours weighted by attention, in several heads side by side
    (Veličković et al. 2017, arXiv 1710.10903), then ELU. Edge weights have no part in it. `dropout` is also that
    of the attention."""

    def __init__(
        self,
        features: int,
        level: Level,
        *,
        width: int = 256,
        depth: int = 2,
        heads: int = 4,
        norm: str = "batch",
        dropout: float = 0.0,
        pool: str | None = None,
    ) -> None:
        super().__init__("gat", features, level, width, depth, dropout, pool)
        from_pyg = layers()
        check_at_least("gat", "heads", heads, 1)
        check_norm("gat", norm)
        if width % heads:
            raise OptionError(f"gat: heads={heads} does not divide width={width}")
        self.spec = {"name": "gat", "width": width, "depth": depth, "heads": heads, "norm": norm}
        self.spec |= {"dropout": dropout, "pool": pool}
        self.rounds = nn.ModuleList(
            self._round(
                from_pyg.GATConv(width, width // heads, heads, dropout=dropout, bias=norm == "none"),
                *([nn.BatchNorm1d(width)] if norm == "batch" else []),
                nn.ELU(),
            )
            for _ in range(depth)
        )

    def messages(
        self, h: Float[Tensor, "nodes dim"], edges: Int[Tensor, "2 edges"], weight: Tensor | None
    ) -> list[Float[Tensor, "nodes dim"]]:
        out = []
        for one in self.rounds:
            h = one["after"](one["convolution"](self.dropout(h), edges))  # type: ignore[index]
            out.append(h)
        return out


class GIN(GraphEncoder):
    """Each round is the sum over a node, times 1 + ε with ε learned, and its neighbours, then a network of two
    layers with batch norm (Xu et al. 2018, arXiv 1810.00826). Edge weights have no part in it."""

    def __init__(
        self,
        features: int,
        level: Level,
        *,
        width: int = 256,
        depth: int = 3,
        dropout: float = 0.0,
        pool: str | None = None,
    ) -> None:
        super().__init__("gin", features, level, width, depth, dropout, pool)
        from_pyg = layers()
        self.spec = {"name": "gin", "width": width, "depth": depth, "dropout": dropout, "pool": pool}
        self.rounds = nn.ModuleList(
            self._round(
                from_pyg.GINConv(
                    nn.Sequential(
                        nn.Linear(width, width, bias=False),
                        nn.BatchNorm1d(width),
                        nn.ReLU(),
                        nn.Linear(width, width, bias=False),
                    ),
                    train_eps=True,
                ),
                nn.BatchNorm1d(width),
                nn.ReLU(),
            )
            for _ in range(depth)
        )

    def messages(
        self, h: Float[Tensor, "nodes dim"], edges: Int[Tensor, "2 edges"], weight: Tensor | None
    ) -> list[Float[Tensor, "nodes dim"]]:
        out = []
        for one in self.rounds:
            h = one["after"](one["convolution"](self.dropout(h), edges))  # type: ignore[index]
            out.append(h)
        return out


def check_norm(name: str, norm: str) -> None:
    if norm not in ("batch", "none"):
        raise OptionError(f"{name}: norm must be 'batch' or 'none', not {norm!r}")


def layers() -> Any:
    """PyTorch Geometric's layers."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # it uses torch.jit.script
            import torch_geometric.nn
    except ImportError as error:
        raise missing("torch_geometric", "graph") from error
    return torch_geometric.nn
