"""Reading graphs: every form in which people have them, and what is wrong with some of them."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from scipy import sparse
from torch_geometric.data import Batch, Data, HeteroData
from torch_geometric.datasets import FakeDataset

from unlabeled.data.labels import read_labels
from unlabeled.errors import DataError, OptionError
from unlabeled.modalities import MODALITIES, detect
from unlabeled.modalities.graph import Graph
from unlabeled.modalities.graph.diffusion import RESTART, diffuse
from unlabeled.modalities.graph.positions import STEPS, positions
from unlabeled.modalities.graph.read import GraphSource

SQUARE = torch.tensor([[0, 1, 2, 3], [1, 2, 3, 0]])
"""a ring of four nodes"""
CLUB = networkx.karate_club_graph()


def opened(data: Any, *, labels: bool = False, **options: Any) -> GraphSource:
    source = Graph.measure(data, **options).read(data, labels=labels)
    assert isinstance(source, GraphSource)
    return source


def pyg(nodes: int = 4, features: int = 3, edges: torch.Tensor = SQUARE, **more: Any) -> Data:
    x = torch.randn(nodes, features, generator=torch.Generator().manual_seed(nodes))
    return Data(x=x, edge_index=edges, **more)


def shared(name: str) -> Path:
    path = Path(__file__).resolve().parents[3] / "shared" / "data" / "graphs" / name
    if not path.exists():
        pytest.skip(f"the shared data is not here ({path})")
    return path


def save_npz(path: Path, **more: Any) -> Path:
    """Three nodes in a row with sparse features of two words."""
    x = sparse.csr_matrix(np.array([[1, 1, 0], [0, 1, 1], [1, 0, 0]], np.float32))
    parts = {"x_data": x.data, "x_indices": x.indices, "x_indptr": x.indptr, "x_shape": x.shape}
    held = {"edge_index": np.array([[0, 1, 1, 2], [1, 0, 2, 1]], np.int32), **parts, **more}
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **{name: value for name, value in held.items() if value is not None})
    return path


# forms
def test_one_graph_is_its_nodes_and_many_are_the_samples() -> None:
    one, many = opened(pyg()), opened([pyg(), pyg(5)])
    assert one.whole and len(one) == 4 and one.fetch([0]).level == "node" and len(one.fetch([0])) == 4
    assert not many.whole and len(many) == 2 and many.fetch([1]).sizes.tolist() == [5]
    assert opened([pyg()]).whole
    assert len(opened([pyg()], level="graph")) == 1


def test_an_npz_file_and_its_folder_are_the_same(tmp_path: Path) -> None:
    path = save_npz(tmp_path / "words" / "graph.npz", labels=[2, 0, 1], has_label=[True, True, False])
    a, b = opened(path, labels=True), opened(path.parent, labels=True)
    assert a.fingerprint == b.fingerprint
    assert list(a.labels) == [2, 0, None]
    # words are counted in shares: every row sums to 1
    torch.testing.assert_close(a.all.x, torch.tensor([[0.5, 0.5, 0], [0, 0.5, 0.5], [1, 0, 0]]))
    assert a.all.pairs.tolist() == [[0, 1], [1, 2]]
    assert "3 nodes and 2 undirected edges" in a.description


def test_features_of_some_nodes_only_are_never_taken_for_those_of_others(tmp_path: Path) -> None:
    # the three rows are of nodes 4, 0 and 2 of five
    more: dict[str, Any] = {"labels": [0, 1, 0, 1, 0], "edge_index": np.array([[0, 1, 2, 3], [1, 2, 3, 4]])}
    source = opened(save_npz(tmp_path / "a.npz", known_x_nodes=[4, 0, 2], **more), labels=True)
    assert len(source) == 5 and list(source.labels) == [0, 1, 0, 1, 0]
    assert torch.equal(source.all.x, torch.eye(3)[[1, 2, 2, 2, 1]])  # the degree
    assert "the degree as features" in source.description
    assert "only 3 nodes have features (known_x_nodes), so these are not used" in source.description
    # masks count the nodes as labels do
    masks = {**more, "labels": None, "train_mask": np.ones(5, bool)}
    assert len(opened(save_npz(tmp_path / "b.npz", known_x_nodes=[4, 0, 2], **masks))) == 5
    # all of them, in another order
    whole, mixed = save_npz(tmp_path / "c.npz"), save_npz(tmp_path / "d.npz", known_x_nodes=[2, 0, 1])
    assert torch.equal(opened(mixed).all.x[[2, 0, 1]], opened(whole).all.x)


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (None, "x has 3 rows and labels 5: whose features these are cannot be told.*'known_x_nodes'"),
        ([0, 1], "known_x_nodes must be one whole number for each of the 3 rows of x"),
        ([0, 1, 1], "known_x_nodes must be different nodes from 0 to 4"),
        ([0, 1, 5], "known_x_nodes must be different nodes from 0 to 4"),
        ([0.0, 1.0, 2.0], "one whole number for each of the 3 rows of x, not float64"),
    ],
)
def test_features_of_unknown_nodes_are_refused(known: list[Any] | None, said: str, tmp_path: Path) -> None:
    edges = np.array([[0, 1, 2, 3], [1, 2, 3, 4]])
    path = save_npz(tmp_path / "a.npz", labels=np.zeros(5), edge_index=edges, known_x_nodes=known)
    with pytest.raises(DataError, match=said):
        opened(path)


def test_many_graphs_of_an_npz_file_number_their_nodes_by_themselves(tmp_path: Path) -> None:
    path = save_npz(
        tmp_path / "graphs.npz",
        edge_index=np.array([[0, 1, 0, 1], [1, 0, 1, 2]]),
        node_ptr=[0, 2, 5],
        edge_ptr=[0, 2, 4],
        node_label=[5, 7, 5, 7, 7],
        graph_label=[1, 0],
        **dict.fromkeys(("x_data", "x_indices", "x_indptr", "x_shape")),
    )
    modality = Graph.measure(path)
    source = modality.read(path, labels=True)
    assert list(source.labels) == [1, 0]
    second = source.fetch([1])
    assert second.pairs.tolist() == [[0, 1], [1, 2]]
    # tags are one-hot, and codes for methods that predict them
    assert modality.categories == 2 and second.codes.tolist() == [0, 1, 1]
    assert torch.equal(second.x, torch.eye(2)[[0, 1, 1]])
    tokens = modality.tokenise(source.fetch([0, 1]))
    assert tokens.numbers is None and tokens.codes.tolist() == [[0, 1, 0], [0, 1, 1]]
    assert tokens.present.tolist() == [[True, True, False], [True, True, True]]


def test_pytorch_geometric_in_every_form() -> None:
    graphs = [pyg(y=torch.tensor([1])), pyg(5, y=torch.tensor([0]))]
    together = opened(graphs, labels=True)
    assert list(together.labels) == [1, 0]
    assert torch.equal(opened(Batch.from_data_list(graphs)).all.x, together.all.x)
    fake = FakeDataset(num_graphs=5, avg_num_nodes=8, num_channels=4)
    source = opened(fake, labels=True)
    assert len(source) == 5 and len(source.labels) == 5 and source.all.x.shape[1] == 4


def test_a_table_of_nodes_becomes_features(tmp_path: Path) -> None:
    edges = pd.DataFrame({"from": ["b", "a"], "to": ["c", "b"], "since": [1990, 2000]})
    nodes = pd.DataFrame(
        {
            "name": ["a", "b", "c", "d"],
            "age": [20.0, 30.0, None, 40.0],
            "kind": ["x", "y", "x", None],
            "same": 1,
            "side": ["l", "r", "l", "r"],
        }
    )
    held = {"edges": edges, "nodes": nodes}
    modality = Graph.measure(held, label="side")
    source = modality.read(held, labels=True)
    assert list(source.keys) == ["a", "b", "c", "d"] and list(source.labels) == ["l", "r", "l", "r"]
    assert source.all.pairs.tolist() == [[0, 1], [1, 2]]
    std = np.std([20, 30, 30, 40])  # the missing age is the mean of the others
    wanted = [[-10 / std, 1, 0], [0, 0, 1], [0, 1, 0], [10 / std, 0, 0]]
    torch.testing.assert_close(source.all.x, torch.tensor(wanted, dtype=torch.float32))
    for said in ("1 nodes lack 'age'", "1 nodes lack 'kind'", "same", "since", "1 nodes without edges"):
        assert said in source.description
    # a folder of the same tables
    edges.to_csv(tmp_path / "edges.csv", index=False)
    nodes.to_parquet(tmp_path / "nodes.parquet", index=False)
    assert torch.equal(Graph.measure(tmp_path, label="side").read(tmp_path).all.x, source.all.x)
    # what was fitted stays: another graph's own mean and categories change nothing
    other = {"edges": edges, "nodes": nodes.assign(age=[20.0, 99.0, 99.0, 99.0], kind=["x", "new", "x", "y"])}
    again = Graph(**yaml.safe_load(yaml.safe_dump(modality.config()))).read(other)
    torch.testing.assert_close(again.all.x[:2], torch.tensor([[-10 / std, 1, 0], [69 / std, 0, 0]]).float())


def test_an_edge_list_alone_is_a_graph(tmp_path: Path) -> None:
    frame = pd.DataFrame({"u": [1, 2, 10], "v": [2, 10, 30], "weight": [0.5, 2.0, 1.0]})
    frame.to_csv(tmp_path / "edges.csv", index=False)
    source = opened(tmp_path)
    assert list(source.keys) == ["1", "2", "10", "30"]
    assert source.all.weight.tolist() == [0.5, 2.0, 1.0] * 2
    assert opened(frame).fingerprint == source.fingerprint
    assert opened({"edges": np.array([[0, 1, 2], [1, 2, 3]])}).all.pairs.tolist() == [[0, 1, 2], [1, 2, 3]]


def test_what_becomes_of_edge_weights_and_attributes_is_said() -> None:
    frame = pd.DataFrame({"u": [1, 2, 10], "v": [2, 10, 30], "Weight": [0.5, 2.0, 1.0], "since": [1, 2, 3]})
    said = opened(frame).description
    assert "edges weigh 0.5 to 2, which of the encoders only gcn uses" in said
    assert "columns of edges that are not used: since" in said
    assert "weigh" not in opened(frame[["u", "v"]]).description
    some = pyg(edge_weight=torch.ones(4)), pyg(5)
    assert "edge weights are not used: only 1 of the graphs have any" in opened(list(some)).description
    path = networkx.path_graph(3)
    path.edges[0, 1].update(weight=2.0, kind="road")
    source = opened(path)
    assert source.all.weight is None
    assert "edge weights are not used: not every edge has a number" in source.description
    assert "attributes of edges that are not used: kind" in source.description


def test_graphml_and_networkx(tmp_path: Path) -> None:
    path = tmp_path / "club.graphml"
    networkx.write_graphml(CLUB, path)
    (tmp_path / "zipped").mkdir()
    source = opened(path, label="club", labels=True)
    assert len(source) == 34 and source.labels[0] == "Mr. Hi" and source.all.pairs.shape[1] == 78
    assert source.all.pair_weight is not None
    assert torch.equal(source.all.pairs, opened(CLUB, label="club").all.pairs)
    networkx.write_graphml(CLUB, tmp_path / "zipped" / "club.graphml.gz")
    assert opened(tmp_path / "zipped", label="club").fingerprint == opened(path, label="club").fingerprint
    # a folder of them: one that cannot be read is left out and named
    networkx.write_graphml(networkx.path_graph(3), tmp_path / "path.graphml")
    (tmp_path / "broken.graphml").write_text("<graphml><graph>")
    folder = opened(tmp_path)
    assert list(folder.keys) == ["club.graphml", "path.graphml"] and folder.index.tolist() == [1, 2]
    assert [s.key for s in folder.skipped] == ["broken.graphml"]


def test_graphml_whose_edges_lead_nowhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "club.graphml"
    networkx.write_graphml(CLUB, path)
    path.write_text(path.read_text().replace('target="33"', 'target="nobody"'))
    with pytest.raises(DataError, match=r"1 nodes that do not exist \(nobody\)"):
        opened(path)


def test_what_graphs_are_is_detected(tmp_path: Path) -> None:
    networkx.write_graphml(CLUB, tmp_path / "club.graphml")
    for data in (pyg(), [pyg(), pyg()], CLUB, tmp_path, {"edges": np.zeros((2, 1), int)}, HeteroData()):
        assert detect(data) is Graph
    for data in (np.zeros((3, 3, 3)), [1, 2], {"image": []}, None):
        assert Graph.recognises(data) is None


def test_strings_are_graphs_only_where_all_are_paths_of_graphml_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    networkx.write_graphml(CLUB, tmp_path / "club.graphml")
    monkeypatch.chdir(tmp_path)
    assert Graph.recognises(["club.graphml", tmp_path / "club.graphml"]) == "2 GraphML files"
    for data in (
        ["", "", " "],
        ["."],
        ["club.graphml", ""],
        ["club.graphml", "no.graphml"],
        ["club.graphml", 3],
    ):
        assert Graph.recognises(data) is None
    assert detect(["", "", " "]) is MODALITIES["text"]  # which says that all are empty


# structure
def test_edges_are_undirected_and_once_and_what_was_dropped_is_said() -> None:
    edges = torch.tensor([[0, 1, 1, 1, 2, 0], [1, 0, 2, 2, 2, 1]])
    source = opened(pyg(edges=edges))
    assert source.all.pairs.tolist() == [[0, 1], [1, 2]]
    assert source.all.edges.tolist() == [[0, 1, 1, 2], [1, 2, 0, 1]]
    assert "1 loops and 2 repeated edges" in source.description
    directed = opened(pyg(edges=edges), directed=True)
    assert directed.all.edges.tolist() == [[0, 1, 1], [1, 0, 2]]


def test_isolated_nodes_are_kept_and_counted() -> None:
    source = opened(pyg(6))
    assert len(source) == 6 and "2 nodes without edges are kept" in source.description
    assert bool((source.all.positions[4:] == 0).all())


def test_graphs_without_edges_are_kept_and_without_nodes_left_out() -> None:
    none = torch.zeros(2, 0, dtype=torch.int64)
    source = opened([pyg(), pyg(3, edges=none), pyg(0, edges=none), pyg(5)])
    assert source.index.tolist() == [0, 1, 3] and [s.key for s in source.skipped] == ["2"]
    assert "1 graphs without edges are kept" in source.description
    assert source.fetch([1, 2]).sizes.tolist() == [3, 5]


def test_nodes_without_features_have_their_degree() -> None:
    modality = Graph.measure(networkx.star_graph(5), degrees=3)
    source = modality.read(networkx.star_graph(5))
    assert torch.equal(source.all.x, torch.eye(4)[[3, 1, 1, 1, 1, 1]])
    assert "the degree as features, one-hot from 0 to 3" in source.description
    same = [Data(x=torch.ones(4, 1), edge_index=SQUARE) for _ in range(2)]
    assert Graph.measure(same).features.kind == "degree"


def test_features_are_scaled_as_they_need() -> None:
    x = torch.tensor([[1.0, 2.0], [3.0, 2.0], [5.0, 8.0], [7.0, 8.0]])
    made = {s: opened(Data(x=x, edge_index=SQUARE), scaling=s).all.x for s in (None, "rows", "none")}
    torch.testing.assert_close(made[None].mean(0), torch.zeros(2))
    torch.testing.assert_close(made[None].std(0, correction=0), torch.ones(2))
    torch.testing.assert_close(made["rows"].sum(1), torch.ones(4))
    assert torch.equal(made["none"], x)
    tags = Data(x=torch.eye(3)[[0, 1, 2, 0]], edge_index=SQUARE)
    assert opened(tags).all.codes.tolist() == [0, 1, 2, 0]


# batches
def test_a_batch_is_the_graphs_asked_for_in_order() -> None:
    graphs = [pyg(4 + i, edges=torch.tensor([[0, i % 3 + 1], [3, 3]])) for i in range(7)]
    source = opened(graphs, diffusion=True)
    rows = [5, 0, 3]
    batch = source.fetch(rows)
    start = 0
    for row, i in enumerate(rows):
        alone = source.fetch([i])
        nodes = slice(start, start + 4 + i)
        assert torch.equal(batch.x[nodes], alone.x) and torch.equal(batch.positions[nodes], alone.positions)
        assert torch.equal(batch.pairs[:, batch.pair_graph == row] - start, alone.pairs)
        far = batch.graph[batch.diffused[0][0]] == row
        assert torch.equal(batch.diffused[0][:, far] - start, alone.diffused[0])
        assert torch.equal(batch.diffused[1][far], alone.diffused[1])
        start += 4 + i
    assert len(pickle.loads(pickle.dumps(source)).fetch(rows)) == 3
    assert batch.dense(batch.x).shape == (3, 9, 3) and batch.present.sum(1).tolist() == [9, 4, 7]
    assert torch.equal(batch.flat(batch.dense(batch.x)), batch.x)


def test_the_fingerprint_changes_with_the_data() -> None:
    a = pyg()
    marks = {opened(a).fingerprint, opened(pyg(edges=SQUARE[:, :3])).fingerprint}
    changed = pyg()
    changed.x[0, 0] += 1
    marks.add(opened(changed, scaling="none").fingerprint)
    assert len(marks) == 3 and opened(a).fingerprint in marks


# coordinates
def test_positions_tell_nodes_apart_and_lie_in_their_range() -> None:
    source = opened(CLUB)
    p = source.all.positions
    assert p.shape == (34, 8) and float(p.abs().max()) == 10
    # nodes with the same neighbours cannot be told apart by the graph, and 11 pairs of these 561 have them
    alike = sum(set(CLUB[a]) == set(CLUB[b]) for a in CLUB for b in CLUB if a < b)
    assert alike == 11 and int((torch.cdist(p, p) < 0.1).sum() - 34) // 2 < 2 * alike


def test_positions_are_laplacian_eigenvectors_and_return_probabilities() -> None:
    n = 9
    pairs = np.array([[i, i + 1] for i in range(n - 1)]).T
    p = positions(pairs, np.array([n]), "graph")
    order = p[:, 0] if p[0, 0] < 0 else -p[:, 0]
    assert (np.diff(order) > 0).all()  # the slowest eigenvector of a path grows along it
    a = np.zeros((n, n))
    a[pairs[0], pairs[1]] = a[pairs[1], pairs[0]] = 1
    walk = a / a.sum(1, keepdims=True)
    for axis, step in enumerate(STEPS):
        back = 10 * np.diag(np.linalg.matrix_power(walk, step))
        np.testing.assert_allclose(p[:, 8 + axis], back, atol=1e-5)


def test_positions_do_not_depend_on_other_graphs() -> None:
    graphs = [networkx.cycle_graph(4), CLUB, networkx.path_graph(30), networkx.star_graph(3)]
    together = opened(graphs)
    for i in range(4):
        alone = opened(graphs[i : i + 1], level="graph")
        torch.testing.assert_close(together.fetch([i]).positions, alone.all.positions)


def test_large_components_are_solved_like_small_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    from unlabeled.modalities.graph import positions as module

    pairs = np.array(CLUB.edges).T
    dense = positions(pairs, np.array([34]), "node")
    monkeypatch.setattr(module, "DENSE", 10)
    np.testing.assert_allclose(positions(pairs, np.array([34]), "node"), dense, atol=0.05)
    # in small blocks as in one
    many = positions(pairs, np.array([34]), "graph")
    monkeypatch.setattr(module, "CELLS", 200)
    np.testing.assert_allclose(positions(pairs, np.array([34]), "graph"), many, atol=0.05)


def test_diffusion_is_personalised_pagerank(monkeypatch: pytest.MonkeyPatch) -> None:
    from unlabeled.modalities.graph import diffusion, positions

    sizes, pairs = np.array([5, 7]), np.array([[0, 1, 2, 3, 5, 6, 7, 8], [1, 2, 3, 4, 6, 7, 8, 9]])
    monkeypatch.setattr(diffusion, "ROUNDS", 200)
    found = diffuse(pairs, None, sizes)
    a = np.eye(12)
    a[pairs[0], pairs[1]] = a[pairs[1], pairs[0]] = 1
    root = np.diag(a.sum(1) ** -0.5)
    s = RESTART * np.linalg.inv(np.eye(12) - (1 - RESTART) * root @ a @ root)
    wanted = s / np.sqrt(np.outer(np.diag(s), np.diag(s)))
    np.testing.assert_allclose(found[1], wanted[found[0][0], found[0][1]], rtol=1e-4)
    assert found[0].shape[1] == 10 + 10  # all pairs within the two paths; two nodes are alone
    monkeypatch.setattr(positions, "CELLS", 20)
    np.testing.assert_allclose(diffuse(pairs, None, sizes)[1], found[1], rtol=1e-6)
    monkeypatch.setattr(diffusion, "NEAREST", 1)
    assert diffuse(pairs, None, sizes)[0].shape[1] < 20


# what is wrong with some
MISSING = torch.tensor([[0, 1, 2, 9], [1, 2, 7, 0]])
HALF = torch.tensor([[float("nan"), 1.0], [1.0, 2.0], [0.0, float("inf")], [1.0, 1.0]])
BAD: dict[str, tuple[Callable[[], Any], dict[str, Any], str]] = {
    "edges to nodes that do not exist": (
        lambda: pyg(edges=MISSING),
        {},
        r"2 of the 4 edges .* do not exist \(2 → 7; 9 → 0\): its 4 nodes are numbered 0 to 3",
    ),
    "the same in one of many": (
        lambda: [pyg(), pyg(edges=MISSING)],
        {},
        r"2 of the 8 edges .*in graph 1 of 4 nodes 2 → 7",
    ),
    "the same in a table": (
        lambda: {
            "edges": pd.DataFrame({"source": ["a", "q"], "target": ["b", "a"]}),
            "nodes": pd.DataFrame({"id": ["a", "b"], "size": [1, 2]}),
        },
        {},
        r"1 of the 2 edges .*'q' → 'a'",
    ),
    "no edges": (lambda: pyg(edges=SQUARE[:, :0]), {}, "no edges between different nodes"),
    "missing features": (
        lambda: Data(x=HALF, edge_index=SQUARE),
        {},
        r"2 of the 4 nodes .* missing or not finite \(nodes 0, 2\)",
    ),
    "nothing": (lambda: [], {}, "the list of graphs is empty"),
    "no nodes": (lambda: Data(edge_index=SQUARE[:, :0], num_nodes=0), {}, "has no nodes"),
    "several kinds of nodes": (HeteroData, {}, "to_homogeneous"),
    "other features in one": (lambda: [pyg(), pyg(features=5)], {}, "graph 0 has 3 a node, graph 1 has 5"),
    "negative weight": (
        lambda: pyg(edge_weight=torch.tensor([1.0, -1.0, 1.0, float("nan")])),
        {},
        "2 edges .* negative or not finite",
    ),
    "weights of another length": (lambda: pyg(edge_weight=torch.ones(3)), {}, "3 edge weights for 4 edges"),
    "weights in words": (
        lambda: pd.DataFrame({"u": [1, 2], "v": [2, 3], "weight": ["far", "near"]}),
        {},
        "the edge weights of the edge list are not numbers .*'far'",
    ),
    "edges of another shape": (lambda: pyg(edges=torch.zeros(3, 4, dtype=torch.int64)), {}, r"\(2, edges\)"),
    "ids twice": (
        lambda: {"edges": np.array([[0], [1]]), "nodes": pd.DataFrame({"id": [0, 0, 1]})},
        {},
        "several nodes are called '0'",
    ),
    "no such column": (
        lambda: {"edges": pd.DataFrame({"source": [0], "target": [1]})},
        {"source": "sorce"},
        "no column 'sorce'",
    ),
    "no such table": (lambda: {"edge": []}, {}, "neither 'edges' nor 'nodes'"),
    "something else in the list": (lambda: [pyg(), 3], {}, "item 1 of the list"),
    "many for the nodes of one": (lambda: [pyg(), pyg()], {"level": "node"}, "holds 2 graphs"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_graphs_are_refused_and_told(case: str) -> None:
    make, options, said = BAD[case]
    with pytest.raises(DataError, match=said):
        opened(make(), **options)


def test_labels_of_another_length_are_refused_where_they_are_wanted(tmp_path: Path) -> None:
    for data in (pyg(y=torch.tensor([0, 1])), save_npz(tmp_path / "graph.npz", labels=[0, 1])):
        opened(data)
        with pytest.raises(DataError, match=r"labels of .* cannot be used: .*2 "):
            opened(data, labels=True)
    with pytest.raises(DataError, match="3 labels for 4 samples"):
        read_labels([0, 1, 0], opened(pyg()))
    with pytest.raises(DataError, match="several numbers each"):
        opened(pyg(y=torch.rand(4, 2)), labels=True)


def test_graphs_unlike_those_learned_from_are_refused() -> None:
    modality = Graph.measure(pyg())
    with pytest.raises(DataError, match="5 features a node, where 3 are expected"):
        modality.read(pyg(features=5))
    with pytest.raises(DataError, match="no features of nodes, where 3"):
        modality.read(networkx.path_graph(3))
    edges = np.array([[0, 1], [1, 2]])
    fitted = Graph.measure({"edges": edges, "nodes": pd.DataFrame({"size": [1, 2, 4]})})
    with pytest.raises(DataError, match=r"'size' .* was numbers and is now"):
        fitted.read({"edges": edges, "nodes": pd.DataFrame({"size": ["1", "b", "c"]})})
    with pytest.raises(DataError, match="no attribute 'size'"):
        fitted.read({"edges": edges, "nodes": pd.DataFrame({"sizes": [1, 2, 4]})})


def test_new_tags_are_told_and_absent_as_tokens(tmp_path: Path) -> None:
    def held(name: str, tags: list[int]) -> Path:
        nothing = dict.fromkeys(("x_data", "x_indices", "x_indptr", "x_shape"))
        return save_npz(tmp_path / name / "graph.npz", node_tags=tags, **nothing)

    modality = Graph.measure(held("a", [3, 4, 4]))
    source = modality.read(held("b", [3, 8, 4]))
    assert "1 nodes have a tag that was not learned from (8)" in source.description
    assert modality.tokenise(source.all).present.tolist() == [[True, False, True]]


def test_options_are_checked() -> None:
    for options, said in (
        ({"lable": "y"}, "label"),
        ({"scaling": "rws"}, "rows, standard, none"),
        ({"level": "nodes"}, "level must be"),
        ({"degrees": 0}, "at least 1"),
        ({"directed": 1}, "directed must be"),
    ):
        with pytest.raises(OptionError, match=said):
            Graph.measure(networkx.path_graph(4), **options)
    for changed, said in (({"width": 0}, "at least one"), ({"kind": "x"}, "not known"), ({"q": 1}, "q")):
        config = Graph.measure(CLUB).config()
        config["features"] = {**config["features"], **changed}
        with pytest.raises(OptionError, match=said):
            Graph(**config)


# real ones
def test_cora_is_read_as_it_is_described() -> None:
    source = opened(shared("cora"), labels=True)
    x = source.all
    assert x.x.shape == (2708, 1433) and x.pairs.shape == (2, 5278)
    assert bool(x.x.sum(1).isclose(torch.ones(2708)).all()) and len(set(source.labels)) == 7


def test_sets_of_graphs_are_read_as_they_are_described() -> None:
    mutag = opened(shared("mutag"), labels=True)
    assert len(mutag) == 188 and int(mutag.labels.sum()) == 125 and mutag.all.x.shape == (3371, 7)
    assert opened(shared("imdb_binary")).all.x.shape[1] == 65


def test_pubmed_with_the_features_of_few_nodes_is_read_by_its_degrees() -> None:
    source = opened(shared("pubmed_structure"), labels=True)
    assert len(source) == len(source.labels) == 19_717 and source.all.pairs.shape == (2, 44_324)
    assert "only 1,060 nodes have features" in source.description


def test_unlabelled_nodes_of_citeseer_are_known_as_such() -> None:
    source = opened(shared("citeseer"), labels=True)
    assert sum(label is None for label in source.labels) == 15
    assert "48 nodes without edges are kept" in source.description
