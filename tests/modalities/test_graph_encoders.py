"""The encoders of graphs: the formulas they claim, and what is left out, hidden or absent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import networkx
import numpy as np
import pytest
import torch
from tests.samples import graph as club

import unlabeled as ul
from unlabeled.errors import OptionError
from unlabeled.modalities.graph import Graph
from unlabeled.modalities.graph.graphs import Graphs
from unlabeled.parts.encoder import Encoder

NAMES = ("gcn", "gat", "gin")
SMALL: dict[str, dict[str, Any]] = {
    "gcn": {"width": 16},
    "gat": {"width": 16, "heads": 2},
    "gin": {"width": 16},
}


def one() -> tuple[Graph, Graphs]:
    """The karate club, with weights on its edges."""
    network = networkx.karate_club_graph()
    modality = Graph.measure(network, label="club")
    return modality, modality.read(network).fetch([0])


def many() -> tuple[Graph, Graphs]:
    """A ring, a star, one node alone, three nodes without edges, a path."""
    alone, bare = networkx.empty_graph(1), networkx.empty_graph(3)
    graphs = [networkx.cycle_graph(5), networkx.star_graph(6), alone, bare, networkx.path_graph(4)]
    modality = Graph.measure(graphs)
    return modality, modality.read(graphs).fetch(range(5))


def built(modality: Graph, name: str, **options: Any) -> Encoder:
    torch.manual_seed(0)
    encoder = modality.build_encoder(name, **{**SMALL[name], **options})
    with torch.no_grad():  # statistics that are not 0 and 1
        for module in encoder.modules():
            if isinstance(module, torch.nn.BatchNorm1d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
    return encoder.eval()


def dense(x: Graphs, *, weighted: bool) -> torch.Tensor:
    a = torch.zeros(len(x.graph), len(x.graph))
    a[x.edges[1], x.edges[0]] = x.weight if weighted and x.weight is not None else 1.0
    return a


def test_gcn_is_its_formula() -> None:
    modality, x = one()
    encoder = built(modality, "gcn", norm="none")
    a = dense(x, weighted=True) + torch.eye(34)
    root = a.sum(1).rsqrt().diag()
    h = encoder.embed(x.x)
    for round_ in encoder.rounds:
        h = root @ a @ root @ (h @ round_["convolution"].lin.weight.T) + round_["convolution"].bias
        h = torch.where(h > 0, h, 0.25 * h)
    torch.testing.assert_close(encoder(x), h, rtol=1e-4, atol=1e-6)


def test_gin_is_its_formula() -> None:
    modality, x = one()
    encoder = built(modality, "gin", depth=1)
    convolution = encoder.rounds[0]["convolution"]
    with torch.no_grad():
        convolution.eps.fill_(0.3)
    h = encoder.embed(x.x)
    h = convolution.nn(1.3 * h + dense(x, weighted=False) @ h)
    torch.testing.assert_close(encoder(x), encoder.rounds[0]["after"](h), rtol=1e-4, atol=1e-6)


def test_gat_attends_to_a_node_and_its_neighbours() -> None:
    modality, x = one()
    encoder = built(modality, "gat", depth=1, heads=1)
    convolution = encoder.rounds[0]["convolution"]
    h = encoder.embed(x.x) @ convolution.lin.weight.T
    to, by = (h * convolution.att_dst[0]).sum(1), (h * convolution.att_src[0]).sum(1)
    scores = torch.nn.functional.leaky_relu(to[:, None] + by[None], 0.2)
    seen = (dense(x, weighted=False) + torch.eye(34)) > 0
    h = scores.masked_fill(~seen, -torch.inf).softmax(dim=1) @ h
    torch.testing.assert_close(encoder(x), encoder.rounds[0]["after"](h), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_left_out_has_no_part(name: str) -> None:
    modality, x = one()
    encoder = built(modality, name)
    keep = torch.tensor([[33, 2, 7, 0, 13, 12]])
    stays = torch.zeros(34, dtype=torch.bool)
    stays[keep[0]] = True
    alone = encoder.encode(x.only(stays))
    encoded = encoder.encode(x, keep=keep)
    order = keep[0].argsort()
    assert encoded.tokens.shape == (1, 6, 16) and encoded.features.shape == (6, 16)
    torch.testing.assert_close(encoded.tokens[0, order], alone.tokens[0])
    assert torch.equal(encoded.tokens[0], encoded.features)
    by_presence = encoder.encode(x, present=stays[None])
    torch.testing.assert_close(by_presence.features[stays], alone.features)
    assert bool((by_presence.features[~stays] == 0).all())


@pytest.mark.parametrize("name", NAMES)
def test_many_graphs_are_encoded_as_each_alone(name: str) -> None:
    modality, x = many()
    encoder = built(modality, name)
    encoded = encoder.encode(x)
    assert encoded.tokens.shape == (5, 7, 16) and len(encoded.layers) == len(encoder.rounds)
    assert torch.equal(encoded.tokens != 0, (encoded.tokens != 0) & x.present[:, :, None])
    for g in range(5):
        alone = encoder.encode(x[[g]])
        torch.testing.assert_close(encoded.features[g : g + 1], alone.features)
        torch.testing.assert_close(encoded.tokens[g, : x.sizes[g]], alone.tokens[0])
        torch.testing.assert_close(encoded.features[g], alone.tokens[0].mean(0))
    # filled up with absent ones, as `parts.masks.shown` does
    keep = torch.tensor([[4, 0, 6], [6, 0, 1], [0, 1, 2], [2, 1, 5], [3, 2, 6]])
    kept = encoder.encode(x, keep=keep)
    assert kept.tokens.shape == (5, 3, 16) and bool((kept.tokens[[0, 2, 2], [2, 1, 2]] == 0).all())
    torch.testing.assert_close(kept.features[2], encoded.features[2])
    torch.testing.assert_close(kept.features[1], kept.tokens[1].mean(0))
    total = built(modality, name, pool="sum")(x)
    torch.testing.assert_close(total, encoded.features * x.sizes[:, None], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_hidden_node_is_its_mask_token(name: str) -> None:
    modality, x = many()
    encoder = built(modality, name)
    mask = torch.zeros(5, 7, dtype=torch.bool)
    mask[1, 3] = True
    token = torch.randn(16, requires_grad=True)
    hidden = encoder.encode(x, mask=mask, mask_token=token)
    hidden.features.sum().backward()
    assert token.grad is not None and float(token.grad.abs().sum()) > 0
    noise = torch.where(x.flat(mask)[:, None], torch.randn_like(x.x), x.x)
    other = Graphs(x=noise, pairs=x.pairs, graph=x.graph, count=5, level="graph", positions=x.positions)
    again = encoder.encode(other, mask=mask, mask_token=token)
    torch.testing.assert_close(again.tokens, hidden.tokens)
    assert not torch.allclose(encoder.encode(other).tokens, encoder.encode(x).tokens)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_the_same_bit_for_bit(name: str) -> None:
    modality, x = one()
    encoder = built(modality, name).train()
    found = []
    for _ in range(2):
        encoder.zero_grad()
        encoder(x).square().sum().backward()
        found.append([p.grad.clone() for p in encoder.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_directed_edges_carry_messages_one_way() -> None:
    edges = {"edges": np.array([[0], [1]]), "nodes": np.random.default_rng(0).normal(size=(3, 4))}
    for directed in (False, True):
        modality = Graph.measure(edges, directed=directed)
        x = modality.read(edges).fetch([0])
        encoder = built(modality, "gcn", depth=1)
        moved = Graphs(**{**x._held(), "x": x.x + torch.tensor([[0.0], [1.0], [0.0]])})
        changed = ((encoder(moved) - encoder(x)).abs() > 1e-6).any(dim=1)
        assert changed.tolist() == [not directed, True, False]


def test_an_encoder_is_built_again_from_its_spec() -> None:
    for modality, x in (one(), many()):
        for name in NAMES:
            encoder = built(modality, name, depth=1, dropout=0.1)
            again = modality.build_encoder(**encoder.spec)
            again.load_state_dict(encoder.state_dict())
            assert torch.equal(again.eval()(x), encoder(x))
    assert one()[0].default_encoder == "gcn" and many()[0].default_encoder == "gin"


def test_what_encoders_do_not_have_is_told() -> None:
    modality, x = one()
    for name, options, said in (
        ("gnc", {}, "'gcn'"),
        ("gcn", {"widht": 3}, "'width'"),
        ("gat", {"width": 10, "heads": 4}, "heads=4"),
        ("gcn", {"norm": "layer"}, "'batch' or 'none'"),
        ("gin", {"dropout": 1.0}, "dropout"),
        ("gin", {"pool": "mean"}, "at graph level"),
        ("custom", {}, "module of your own"),
    ):
        with pytest.raises(OptionError, match=said):
            modality.build_encoder(name, **options)
    other, y = many()
    with pytest.raises(OptionError, match="features a node and got"):
        modality.build_encoder("gcn")(y)
    with pytest.raises(OptionError, match="keep is"):
        modality.build_encoder("gcn").encode(x, keep=torch.zeros(2, 3, dtype=torch.int64))
    with pytest.raises(OptionError, match="mask_token"):
        other.build_encoder("gin").encode(y, mask=torch.zeros(5, 7, dtype=torch.bool))


def test_a_module_of_ones_own_gets_graphs() -> None:
    from torch_geometric.nn import GraphConv, global_mean_pool

    class Own(torch.nn.Module):
        def __init__(self, width: int, pooled: bool) -> None:
            super().__init__()
            self.convolution, self.pooled = GraphConv(width, 8), pooled

        def forward(self, graphs: Graphs) -> torch.Tensor:
            data = graphs.to_pyg()
            h = self.convolution(data.x, data.edge_index, data.edge_weight)
            return global_mean_pool(h, data.batch) if self.pooled else h

    for modality, x in (one(), many()):
        encoder = modality.adopt(Own(x.x.shape[1], modality.level == "graph"))
        assert encoder.dim == 8 and encoder(x).shape == (len(x), 8)


def test_the_raw_input_is_one_row_a_sample() -> None:
    modality, x = one()
    assert torch.equal(modality.flatten(x), x.x)
    modality, x = many()
    raw = modality.flatten(x)
    assert raw.shape == (5, 2 * x.x.shape[1] + 33) and bool(raw.isfinite().all())
    assert raw[1, -33:].tolist() == [0, 6, 0, 0, 0, 0, 1] + [0] * 26  # six leaves and a centre
    for g in range(5):
        torch.testing.assert_close(modality.flatten(x[[g]])[0], raw[g])


# one graph from end to end
def test_nodes_are_trained_embedded_and_evaluated(tmp_path: Path) -> None:
    data = club.data()
    data["nodes"]["club"] = [("Mr. Hi", "Officer")[y] for y in club.labels()]
    run = ul.pretrain(
        data,
        method="simclr",
        encoder={"name": "gcn", "width": 16},
        labels="club",
        epochs=3,
        out=tmp_path / "run",
        on_collapse="warn",
        hidden=16,
        width=8,
    )
    table = run.embed(data)
    assert table.num_rows == 34 and table["key"].to_pylist() == [str(i) for i in range(34)]
    assert table["label"].to_pylist()[0] == "Mr. Hi"
    assert set(run.evaluate(data, labels="club", k=3)) >= {"knn", "linear_probe"}
    few = np.where(np.arange(34) % 4 == 0, club.labels(), -1)
    tuned = ul.finetune(data, labels=few, init=run, epochs=150, out=tmp_path / "few", on_collapse="warn")
    right = np.array([int(v) for v in tuned.predict(data)["label"].to_pylist()]) == club.labels()
    assert right[np.arange(34) % 4 != 0].mean() > 0.6
