"""How a batch of graphs is changed into a view, on the device it is on.

`looks.py` says what a branch asks for; here it is carried out on all graphs at once. At graph level every random
number belongs to a graph and a place in it, so that a graph's view does not depend on its company; at node level
the batch is one graph, which no process shares.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from unlabeled.data.draws import Draws
from unlabeled.methods.contract import Branch
from unlabeled.modalities.amounts import Amount, possible
from unlabeled.modalities.contract import Changed
from unlabeled.modalities.graph.graphs import Graphs
from unlabeled.modalities.graph.looks import look
from unlabeled.modalities.graph.positions import REACH


def change(x: Graphs, branch: Branch, draws: Draws) -> Changed:
    """The view of a batch that `branch` asks for.

    `where`: the coordinates of the nodes that are left, from 0 to 1. `params`, at graph level: `nodes` and
    `edges`, the share of each that is left, one value a graph. No graph loses all of its nodes, nor a view all
    of its columns.
    """
    made = look(branch, x.level, len(x), x.device)
    given = x
    with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
        if made.diffused and x.diffused is not None:
            x = replace(x, pairs=x.diffused[0], pair_weight=x.diffused[1])
        edges = made.edges
        if made.low is not None and made.high is not None:
            share = _between(made.low, made.high, draws.child("share"), x)
            if x.level == "graph":
                x = x.only(grown(x, share, draws.child("grow")))
            else:
                edges = 1 - share
        if possible(made.nodes):
            x = _drop_nodes(x, made.nodes, draws.child("nodes"))
        if possible(edges):
            coin = _coin_a_pair(x, draws.child("edges"))
            stays = coin >= _a_pair(edges, x)
            weight = None if x.pair_weight is None else x.pair_weight[stays]
            x = replace(x, pairs=x.pairs[:, stays], pair_weight=weight)
        if possible(made.features):
            x = replace(x, x=_mask_features(x, made.features, draws.child("features")))
        if possible(made.noise):
            noise = torch.randn(x.x.shape, generator=draws.child("noise").noise(), device=x.device)
            x = replace(x, x=x.x + noise * _a_node(made.noise, x))
        where = x.dense(x.positions) / (2 * REACH) + 0.5
    return Changed(x, where, _left(given, x) if x.level == "graph" else {})


def _left(before: Graphs, after: Graphs) -> dict[str, Tensor]:
    def pairs(x: Graphs) -> Tensor:
        return torch.bincount(x.pair_graph, minlength=x.count)

    return {
        "nodes": after.sizes / before.sizes,
        "edges": pairs(after) / pairs(before).clamp(min=1),
    }


def grown(x: Graphs, share: Float[Tensor, " graphs"], draws: Draws) -> Bool[Tensor, " nodes"]:
    """Which nodes stay: the first ones that a growth from a random node reaches, ⌈share · size⌉ of each graph.

    Every edge takes an exponentially distributed time to cross, so that the next edge at the border to be crossed
    is any of them with equal probability. What is not connected with the first node comes last, in random order.
    """
    coin = draws.child("node").ragged(x.graph, x.place)
    first = (draws.child("first").uniform() * x.sizes).long().clamp(max=x.sizes - 1)
    takes = -torch.log1p(-_coin_a_pair(x, draws.child("time")).double()).repeat(2)
    start, end = torch.cat([x.pairs, x.pairs.flip(0)], dim=1)
    reached = torch.full_like(coin, torch.inf, dtype=torch.float64)
    reached[x.place == first[x.graph]] = 0.0
    while True:
        sooner = reached.scatter_reduce(0, end, reached[start] + takes, "amin")
        if torch.equal(sooner, reached):
            break
        reached = sooner
    reached = torch.where(reached.isinf(), 1e9 + coin.double(), reached)
    order = reached.argsort(stable=True)
    order = order[x.graph[order].argsort(stable=True)]
    rank = torch.empty_like(x.place)
    rank[order] = x.place  # graphs stand in order, so the k-th of the sorted is at the place of the k-th
    wanted = (share * x.sizes - 1e-4).ceil().clamp(min=1)
    return rank < wanted[x.graph]


def _drop_nodes(x: Graphs, probability: Amount, draws: Draws) -> Graphs:
    if x.level == "node":
        stays = draws.sized(len(x)).uniform() >= _a_node(probability, x).reshape(-1)
        ends = stays[x.pairs].all(dim=0)
        weight = None if x.pair_weight is None else x.pair_weight[ends]
        return replace(x, x=x.x * stays[:, None], pairs=x.pairs[:, ends], pair_weight=weight)
    coin = draws.ragged(x.graph, x.place)
    luckiest = coin.new_zeros(x.count).scatter_reduce(0, x.graph, coin, "amax")
    return x.only((coin >= _a_node(probability, x).reshape(-1)) | (coin == luckiest[x.graph]))


def _mask_features(x: Graphs, probability: Amount, draws: Draws) -> Float[Tensor, "nodes features"]:
    many = _a_node(probability, x)
    if x.codes is not None:
        nodes = draws.sized(len(x)).uniform() if x.level == "node" else draws.ragged(x.graph, x.place)
        return x.x * (nodes[:, None] >= many)
    width = x.x.shape[1]
    columns = draws.sized(1).uniform(width) if x.level == "node" else draws.uniform(width)
    stays = (columns[x.graph] >= many) | (columns == columns.amax(dim=1, keepdim=True))[x.graph]
    return x.x * stays


def _between(low: Amount, high: Amount, draws: Draws, x: Graphs) -> Tensor:
    """One number from low to high: for each graph, or for the one there is."""
    drawn = draws.uniform() if x.level == "graph" else draws.sized(1).uniform()
    return low + (high - low) * drawn


def _coin_a_pair(x: Graphs, draws: Draws) -> Float[Tensor, " pairs"]:
    """One number in [0, 1) a pair: both directions of an edge share it."""
    if x.level == "node":
        return draws.sized(x.pairs.shape[1]).uniform()
    return draws.ragged(x.pair_graph, x.pair_place)


def _a_pair(amount: Amount, x: Graphs) -> Amount:
    """An amount for every pair, of one a row: the graph's, or the mean of both ends'."""
    if not isinstance(amount, Tensor) or amount.numel() == 1:
        return amount
    return amount[x.pair_graph] if x.level == "graph" else amount[x.pairs].mean(dim=0)


def _a_node(amount: Amount, x: Graphs) -> Tensor:
    """An amount for every node, of one a row, as a column."""
    values = torch.as_tensor(amount, device=x.device, dtype=torch.float32)
    if values.numel() == 1:
        return values.reshape(1, 1)
    return (values[x.graph] if x.level == "graph" else values)[:, None]
