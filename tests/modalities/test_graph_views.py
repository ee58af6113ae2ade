"""Views of graphs: what each kind changes and how much, and that no graph's view depends on its company."""

from __future__ import annotations

from functools import cache
from typing import Any

import networkx
import numpy as np
import pytest
import torch

from unlabeled.data.batch import Batch
from unlabeled.data.draws import Draws
from unlabeled.errors import OptionError
from unlabeled.methods.contract import Branch
from unlabeled.modalities.graph import Graph
from unlabeled.modalities.graph.graphs import Graphs
from unlabeled.modalities.graph.looks import LOOKS

BRANCHES = [Branch(kind, v) for kind in LOOKS["node"] for v in range(len(LOOKS["node"][kind]))]
COMMUNITIES = networkx.stochastic_block_model([150, 150], [[0.06, 0.01], [0.01, 0.06]], seed=0)


@cache
def node_level(**options: Any) -> tuple[Graph, Graphs]:
    """300 nodes in two communities with 60 numbers each."""
    held = {
        "edges": np.array(COMMUNITIES.edges).T,
        "nodes": np.random.default_rng(0).normal(size=(300, 60)).astype(np.float32),
    }
    modality = Graph.measure(held, **options)
    return modality, modality.read(held).fetch([0])


@cache
def graph_level(count: int = 40, *, tags: bool = False, **options: Any) -> tuple[Graph, Graphs]:
    """Small worlds of 5 to 44 nodes."""
    graphs = []
    for i in range(count):
        graph = networkx.connected_watts_strogatz_graph(5 + i, 4, 0.3, seed=i)
        if not tags:
            numbers = np.random.default_rng(i).normal(size=(len(graph), 12))
            for node in graph:
                graph.nodes[node].update({f"f{j}": float(v) for j, v in enumerate(numbers[node])})
        graphs.append(graph)
    modality = Graph.measure(graphs, **options)
    return modality, modality.read(graphs).fetch(range(count))


def changed(x: Graphs, branch: Branch, seed: int = 0, **more: Any) -> Graphs:
    modality = Graph("node", {"kind": "degree", "width": 2})
    return modality.change(x, branch, Draws(seed, 0, total=len(x), **more)).x


def edge_set(x: Graphs) -> set[tuple[int, int]]:
    return {(a, b) for a, b in x.edges.T.tolist()}


@pytest.mark.parametrize("level", ["node", "graph"])
def test_raw_changes_nothing_and_the_same_seed_gives_the_same_view(level: str) -> None:
    _, x = node_level() if level == "node" else graph_level()
    raw = changed(x, Branch("raw"))
    assert torch.equal(raw.x, x.x) and torch.equal(raw.pairs, x.pairs)
    for branch in BRANCHES[2:]:
        a, b, c = (changed(x, branch, seed) for seed in (0, 0, 1))
        assert torch.equal(a.x, b.x) and torch.equal(a.pairs, b.pairs)
        if branch.kind != "weak":
            assert a.x.shape != c.x.shape or not torch.equal(a.x, c.x)
    assert torch.equal(x.x, raw.x)  # and the batch stays what it was


@pytest.mark.parametrize("level", ["node", "graph"])
@pytest.mark.parametrize("branch", BRANCHES, ids=str)
def test_every_view_is_sound(level: str, branch: Branch) -> None:
    modality, x = node_level() if level == "node" else graph_level()
    view = modality.change(x, branch, Draws(0, 0, total=len(x)))
    y = view.x
    assert len(y) == len(x) and bool((y.sizes >= 1).all()) and bool(y.x.isfinite().all())
    assert {(b, a) for a, b in edge_set(y)} == edge_set(y)  # both directions of an edge share their fate
    assert y.pairs.numel() == 0 or int(y.pairs.max()) < len(y.graph)
    assert torch.equal(y.graph[y.pairs[0]], y.graph[y.pairs[1]])
    assert bool(((view.where >= 0) & (view.where <= 1)).all())
    tokens = modality.tokenise(y)
    assert tokens.positions.shape[-2] == y.widest and tokens.numbers.shape[:2] == (y.count, y.widest)
    assert all(len(value) == len(x) for value in view.params.values())


def test_stronger_views_leave_less() -> None:
    for _, x in (node_level(), graph_level()):
        left = {}
        for branch in (Branch("weak"), Branch("strong"), Branch("local")):
            y = changed(x, branch)
            left[branch.kind] = y.pairs.shape[1] * float((y.x != 0).float().mean())
        assert x.pairs.shape[1] > left["weak"] > left["strong"] > left["local"]


@pytest.mark.parametrize(("variant", "edges", "features"), [(1, 0.2, 0.3), (2, 0.4, 0.4)])
def test_a_pair_of_strong_views_of_one_graph_has_the_rates_of_grace(
    variant: int, edges: float, features: float
) -> None:
    _, x = node_level()
    views = [changed(x, Branch("strong", variant), seed) for seed in range(12)]
    dropped = np.mean([1 - y.pairs.shape[1] / x.pairs.shape[1] for y in views])
    assert abs(dropped - edges) < 4 * (edges * (1 - edges) / (12 * x.pairs.shape[1])) ** 0.5
    hidden = [(y.x == 0).all(dim=0) for y in views]
    assert abs(float(torch.stack(hidden).float().mean()) - features) < 4 * (0.25 / (12 * 60)) ** 0.5
    for y, columns in zip(views, hidden, strict=True):  # whole columns, and the rest as it was
        assert torch.equal(y.x, x.x * ~columns)


def test_columns_are_hidden_graph_by_graph_and_never_all() -> None:
    _, x = graph_level()
    y = changed(x, Branch("weak", options={"features": 0.5, "edges": 0}))
    gone = torch.stack([(y.x[y.graph == g] == 0).all(dim=0) for g in range(40)])
    assert 0.4 < float(gone.float().mean()) < 0.6 and len(gone.unique(dim=0)) > 30
    assert torch.equal(y.x, x.x * ~gone[x.graph])
    everything = changed(x, Branch("weak", options={"features": 1.0}))
    assert bool(((everything.x != 0).sum(1) == 1).all())


def test_tags_are_hidden_node_by_node() -> None:
    modality, x = graph_level(tags=True)
    y = changed(x, Branch("weak", options={"features": 0.4}))
    hidden = (y.x == 0).all(dim=1)
    assert 0.33 < float(hidden.float().mean()) < 0.47
    # what a masked method predicts is the tag all the same
    assert torch.equal(modality.tokenise(y).codes, modality.tokenise(x).codes)


def test_dropped_nodes_take_their_edges_along_and_one_always_stays() -> None:
    _, x = graph_level()
    y = changed(x, Branch("weak", options={"nodes": 0.3, "edges": 0, "features": 0}))
    assert 0.65 < len(y.graph) / len(x.graph) < 0.75
    places = [torch.where((x.x == row).all(dim=1))[0].item() for row in y.x]
    kept = set(places)
    wanted = {(a, b) for a, b in edge_set(x) if a in kept and b in kept}
    assert {(places[a], places[b]) for a, b in edge_set(y)} == wanted
    assert changed(x, Branch("weak", options={"nodes": 1.0})).sizes.tolist() == [1] * 40


def test_rows_stay_where_nodes_of_one_graph_are_dropped() -> None:
    _, x = node_level()
    y = changed(x, Branch("strong", options={"nodes": 0.5, "edges": 0, "features": 0}))
    gone = (y.x == 0).all(dim=1)
    assert len(y) == 300 and 100 < int(gone.sum()) < 200
    assert edge_set(y) == {(a, b) for a, b in edge_set(x) if not gone[a] and not gone[b]}


def test_a_subgraph_has_the_share_asked_for_and_hangs_together() -> None:
    _, x = graph_level()
    share = torch.linspace(0.1, 1, 40)
    options = {"low": share, "high": share, "edges": 0, "features": 0}
    y = changed(x, Branch("local", options=options))
    assert y.sizes.tolist() == (share * x.sizes - 1e-4).ceil().long().tolist()
    for g in range(40):
        part = networkx.Graph()
        part.add_nodes_from(torch.where(y.graph == g)[0].tolist())
        part.add_edges_from(y.pairs[:, y.pair_graph == g].T.tolist())
        assert networkx.is_connected(part)
    starts = [set(map(tuple, changed(x, Branch("local"), seed).x.tolist())) for seed in range(3)]
    assert starts[0] != starts[1] != starts[2]


def test_what_hangs_together_loosely_is_filled_up() -> None:
    pieces = networkx.disjoint_union_all([networkx.path_graph(3)] * 4)
    modality = Graph.measure([pieces, pieces])
    x = modality.read([pieces, pieces]).fetch([0, 1])
    y = changed(x, Branch("local", options={"low": 0.75, "high": 0.75, "edges": 0}))
    assert y.sizes.tolist() == [9, 9]


def test_low_and_high_are_the_share_of_edges_of_one_graph() -> None:
    _, x = node_level()
    left = [
        changed(x, Branch("strong", options={"low": 0.4}), seed).pairs.shape[1] / x.pairs.shape[1]
        for seed in range(30)
    ]
    assert 0.35 < min(left) < 0.5 and 0.9 < max(left) <= 1
    only = changed(x, Branch("local", options={"low": 0.25, "high": 0.25})).pairs.shape[1]
    assert abs(only / x.pairs.shape[1] - 0.25) < 0.05


def test_the_second_of_a_pair_sees_the_diffused_graph() -> None:
    for level, (modality, x) in {
        "node": node_level(diffusion=True),
        "graph": graph_level(12, diffusion=True),
    }.items():
        still: dict[str, Any] = {"edges": 0, "features": 0, "nodes": 0}
        first = changed(x, Branch("strong", 1, options={**still, "low": 1.0}))
        second = changed(x, Branch("strong", 2, options=still))
        assert torch.equal(first.pairs, x.pairs) and first.pair_weight is None, level
        assert torch.equal(second.pairs, x.diffused[0]) and torch.equal(second.pair_weight, x.diffused[1])
        view = modality.change(x, Branch("strong", 2), Draws(0, 0, total=len(x))).x
        assert view.pair_weight.shape == view.pairs.shape[1:]


@pytest.mark.parametrize("branch", BRANCHES, ids=str)
def test_a_graphs_view_does_not_depend_on_its_company(branch: Branch) -> None:
    modality, x = graph_level()
    together = modality.change(x, branch, Draws(3, 5, total=40)).x
    for rows in (slice(0, 20), slice(20, 40), torch.tensor([33, 2, 17])):
        part = x[torch.arange(40)[rows]]
        apart = modality.change(part, branch, Draws(3, 5, total=40, rows=rows)).x
        wanted = together[rows]
        assert torch.equal(apart.x, wanted.x) and torch.equal(apart.pairs, wanted.pairs)


def test_labelled_rows_of_one_graph_are_all_of_it() -> None:
    modality, x = node_level()
    y = torch.full((300,), -1)
    y[:10] = 1
    batch = Batch(x, torch.arange(300), y)
    (view,) = modality.make_views(batch, (Branch("weak", rows="labelled"),), Draws(0, 0, total=300))
    assert view.rows.tolist() == list(range(300)) and len(view.x) == 300
    modality, x = graph_level()
    batch = Batch(x, torch.arange(40), torch.arange(40) % 2 - 1)
    (view,) = modality.make_views(batch, (Branch("raw", rows="labelled"),), Draws(0, 0, total=40))
    assert view.rows.tolist() == list(range(1, 40, 2)) and torch.equal(view.x.x, x[view.rows].x)


def test_amounts_may_be_given_row_by_row() -> None:
    _, x = graph_level()
    half = (torch.arange(40) < 20).float()
    y = changed(x, Branch("weak", options={"edges": half, "features": half}))
    assert int(y.pair_graph.min()) == 20  # the first twenty have lost all edges
    assert torch.equal(y.x[y.graph >= 20], x.x[x.graph >= 20])
    _, x = node_level()
    half = (torch.arange(300) < 150).float()
    y = changed(x, Branch("weak", options={"nodes": half, "edges": 0, "features": 0}))
    assert bool((y.x[:150] == 0).all()) and torch.equal(y.x[150:], x.x[150:])


def test_noise_is_added_where_it_is_asked_for() -> None:
    _, x = node_level()
    y = changed(x, Branch("weak", options={"noise": 0.5, "features": 0}))
    assert abs(float((y.x - x.x).std()) - 0.5) < 0.02


def test_what_views_graphs_do_not_have_is_told() -> None:
    _, x = node_level()
    for branch, said in (
        (Branch("wobbly"), "'wobbly'"),  # type: ignore[arg-type]
        (Branch("local", 1), "no variant 1"),
        (Branch("strong", options={"edgs": 0.1}), "'edges'"),
        (Branch("strong", options={"edges": 1.5}), "from 0 to 1"),
        (Branch("strong", options={"low": 0.0}), "low"),
        (Branch("strong", options={"low": 0.9, "high": 0.5}), "low ≤ high"),
        (Branch("strong", options={"edges": torch.rand(3)}), "one a row"),
        (Branch("raw", options={"edges": 0.1}), "nothing is changed"),
    ):
        with pytest.raises(OptionError, match=said):
            changed(x, branch)
