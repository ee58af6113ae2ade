"""Graphs however a person holds them, as arrays: which edges, what is known of nodes, which labels.

Nothing is prepared here: edges are as they were given (numbered through over all graphs), features as they
were given, attributes of nodes as a table.
"""

from __future__ import annotations

import gzip
import os
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unlabeled.data import frames
from unlabeled.data.source import Skipped
from unlabeled.errors import DataError, missing, nearest
from unlabeled.modalities.graph.structure import NAMED, check_ends, check_weights

if TYPE_CHECKING:
    import pyarrow as pa

ACCEPTED = (
    "PyTorch Geometric or networkx graphs (one or a list), a .npz file with edge_index or its folder, .graphml "
    "files, an edge list with a table of nodes (a folder with edges.csv and nodes.csv, or {'edges': …, 'nodes': …})"
)
LABEL_NAMES = ("label", "labels", "y", "class")
"""what classes are called where nobody says"""
ID_NAMES = ("id", "node", "node_id", "key", "name")
SOURCES, TARGETS = ("source", "src", "from", "u"), ("target", "dst", "to", "v")
TAG_NAMES = ("node_label", "node_tag", "node_tags")
GRAPH_LABEL_NAMES = ("graph_label", "graph_labels", "labels", "label", "y")
KNOWN = "known_x_nodes"
"""array of an .npz file that says which nodes the rows of features are of, where not all have any"""
GRAPHML = (".graphml", ".graphml.gz")


@dataclass(frozen=True)
class Names:
    """What the user called things."""

    label: str | None = None
    source: str | None = None
    target: str | None = None
    id: str | None = None


@dataclass
class Found:
    """Graphs as they were given."""

    what: str
    edges: np.ndarray
    """(2, edges) int64, nodes numbered through over all graphs"""
    sizes: np.ndarray
    """(graphs,) nodes of each"""
    features: Any = None
    """(nodes, features) array or SciPy CSR matrix"""
    tags: np.ndarray | None = None
    """(nodes,) one category a node"""
    table: pa.Table | None = None
    """attributes of the nodes, one row a node"""
    weight: np.ndarray | None = None
    node_labels: list[Any] | None = None
    graph_labels: list[Any] | None = None
    node_keys: list[str] | None = None
    graph_keys: list[str] | None = None
    index: np.ndarray | None = None
    """(graphs,) place of each in what was given; None: 0, 1, 2, …"""
    label_trouble: str | None = None
    """why what is called the labels cannot be used, where it cannot"""
    skipped: list[Skipped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """what else a person should know"""

    @property
    def nodes(self) -> int:
        return int(self.sizes.sum())

    @property
    def graph(self) -> np.ndarray:
        """(nodes,) which graph each belongs to."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)


def open_graphs(data: Any, names: Names) -> Found:
    """The graphs that `data` is. `DataError`: not graphs, none of them readable, or contradicting itself."""
    if isinstance(data, str | os.PathLike):
        found = _from_path(Path(data).expanduser(), names)
    elif isinstance(data, dict):
        found = _from_tables(data, names, "the tables")
    elif is_networkx(data):
        found = _from_networkx([data], names, "a networkx graph")
    elif is_pyg(data) or is_pyg_set(data):
        found = _from_pyg(data, names)
    elif isinstance(data, list | tuple):
        found = _from_list(data, names)
    elif frames.is_frame(data):
        found = _from_tables({"edges": data}, names, "the edge list")
    else:
        raise DataError(f"{frames.told(data)} is no graph that can be read here: give {ACCEPTED}")
    check_weights(found.weight, found.what)
    return _without_empty(found)


# what things are, by a look at them
def is_pyg(data: Any) -> bool:
    """One graph (or a batch of them) of PyTorch Geometric."""
    return "BaseData" in _inherited(data, "torch_geometric")


def is_pyg_set(data: Any) -> bool:
    """A data set of PyTorch Geometric."""
    return "Dataset" in _inherited(data, "torch_geometric")


def is_networkx(data: Any) -> bool:
    return "Graph" in _inherited(data, "networkx")


def _inherited(data: Any, package: str) -> set[str]:
    """The classes of a package that its own class is or inherits from; imports nothing."""
    return {kind.__name__ for kind in type(data).__mro__ if kind.__module__.split(".")[0] == package}


def npz_in(path: Path) -> Path | None:
    """The .npz file of graphs that `path` is, or that the folder `path` holds."""
    if path.is_dir():
        usual = [path / "graph.npz", path / "graphs.npz"]
        others = sorted(p for p in path.glob("*.npz") if p not in usual)
        found = [p for p in (*usual, *others) if p.is_file() and "edge_index" in npz_names(p)]
        return found[0] if found else None
    return path if path.suffix.lower() == ".npz" and "edge_index" in npz_names(path) else None


def npz_names(path: Path) -> list[str]:
    """The names of the arrays in an .npz file; none where it is not one."""
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except (OSError, zipfile.BadZipFile):
        return []


def graphml_in(path: Path) -> list[Path]:
    """The GraphML file that `path` is, or those in the folder `path`."""
    if path.is_dir():
        return sorted(p for p in path.iterdir() if p.name.lower().endswith(GRAPHML))
    return [path] if path.name.lower().endswith(GRAPHML) and path.is_file() else []


def tables_in(path: Path) -> dict[str, Path]:
    """The files edges.… and nodes.… of a folder."""
    found: dict[str, Path] = {}
    if path.is_dir():
        for name in ("edges", "nodes"):
            for suffix in frames.SUFFIXES:
                if (path / f"{name}{suffix}").is_file():
                    found.setdefault(name, path / f"{name}{suffix}")
    return found if "edges" in found else {}


# files
def _from_path(path: Path, names: Names) -> Found:
    if not path.exists():
        raise DataError(f"there is no file or folder {str(path)!r} (looked in {Path.cwd()})")
    npz = npz_in(path)
    if npz is not None:
        return _from_npz(npz, names)
    if tables_in(path):
        return _from_tables(tables_in(path), names, str(path))
    graphml = graphml_in(path)
    if graphml:
        return _from_graphml(graphml, names, path)
    if frames.is_frame(path):
        return _from_tables({"edges": path}, names, f"the edge list {path.name}")
    held = ""
    if path.suffix.lower() == ".npz":
        held = f" (an .npz needs an array edge_index; it holds {', '.join(npz_names(path)[:8]) or 'nothing'})"
    raise DataError(f"{path} holds no graph that can be read here{held}: give {ACCEPTED}")


def _from_npz(path: Path, names: Names) -> Found:
    try:
        with np.load(path, allow_pickle=False) as archive:
            held = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is not an array file that can be read ({error})") from error
    edges = _edge_index(held["edge_index"], f"edge_index of {path.name}")
    features = _npz_features(held, path)
    notes: list[str] = []
    many = "node_ptr" in held
    if many:
        if "edge_ptr" not in held:
            raise DataError(f"{path} has node_ptr without edge_ptr: which graph an edge is of cannot be told")
        sizes, edge_sizes = np.diff(held["node_ptr"]), np.diff(held["edge_ptr"])
        if (sizes < 0).any() or (edge_sizes < 0).any() or edge_sizes.sum() != edges.shape[1]:
            raise DataError(
                f"{path}: node_ptr and edge_ptr must grow, and edge_ptr end at the {edges.shape[1]:,} edges"
            )
    else:
        count = _npz_nodes(held, edges, features, path)
        if KNOWN in held and features is not None:
            features = _complete(features, held[KNOWN], count, path, notes)
        sizes, edge_sizes = np.array([count]), np.array([edges.shape[1]])
    sizes = sizes.astype(np.int64)
    nodes = int(sizes.sum())
    tags = next((held[name] for name in TAG_NAMES if name in held), None)
    for name, values in (("x", features), ("node tags", tags)):
        if values is not None and values.shape[0] != nodes:
            raise DataError(f"{path}: {name} has {values.shape[0]:,} rows for {nodes:,} nodes")
    weight = held.get("edge_weight")
    found = Found(
        path.name,
        _numbered(edges, edge_sizes, sizes, path.name),
        sizes,
        features,
        tags,
        weight=None if weight is None else _weights(weight, edges.shape[1], path.name),
        notes=notes,
    )
    label = names.label
    if label is not None and label not in held:
        raise DataError(f"{path} has no array {label!r} (label=): {nearest(label, held)}")
    usual = GRAPH_LABEL_NAMES if many else LABEL_NAMES
    label = next((name for name in usual if name in held), None) if label is None else label
    if label is not None:
        values = held[label].tolist()
        known_label = held.get("has_label")
        if known_label is not None and len(known_label) == len(values):
            values = [v if there else None for v, there in zip(values, known_label, strict=True)]
        if many:
            found.graph_labels = values
        else:
            found.node_labels = values
    return found


def _npz_nodes(held: dict[str, np.ndarray], edges: np.ndarray, features: Any, path: Path) -> int:
    """How many nodes one graph has: as many as have features, else as what else is said of each, else as edges."""
    least = int(edges.max(initial=-1)) + 1
    said = {
        name: len(held[name])
        for name in (*TAG_NAMES, *LABEL_NAMES, *(n for n in held if n == "has_label" or n.endswith("_mask")))
        if name in held and held[name].ndim == 1
    }
    name, count = next(iter(said.items()), (None, least))
    if features is None or KNOWN in held:
        return count
    rows = int(features.shape[0])
    if rows < least <= count and name is not None:
        raise DataError(
            f"{path}: x has {rows:,} rows and {name} {count:,}: whose features these are cannot be told. Give one row "
            f"a node, or an array {KNOWN!r} with the node that each row is of"
        )
    return rows


def _complete(features: Any, known: np.ndarray, count: int, path: Path, notes: list[str]) -> Any:
    """Features in the order of the nodes; None where some nodes have none, which is noted."""
    if known.shape != (features.shape[0],) or known.dtype.kind not in "iu":
        raise DataError(
            f"{path}: {KNOWN} must be one whole number for each of the {features.shape[0]:,} rows of x, not "
            f"{known.dtype} of shape {known.shape}"
        )
    if len(np.unique(known)) < len(known) or known.min(initial=0) < 0 or known.max(initial=-1) >= count:
        raise DataError(f"{path}: {KNOWN} must be different nodes from 0 to {count - 1:,}")
    if len(known) == count:
        return features[np.argsort(known)]
    notes.append(f"only {len(known):,} nodes have features ({KNOWN}), so these are not used")
    return None


def _npz_features(held: dict[str, np.ndarray], path: Path) -> Any:
    import scipy.sparse

    if "x" in held:
        x = held["x"]
        return x[:, None] if x.ndim == 1 else x
    parts = ("x_data", "x_indices", "x_indptr", "x_shape")
    if not any(name in held for name in parts):
        return None
    lacking = [name for name in parts if name not in held]
    if lacking:
        raise DataError(
            f"{path}: sparse features are x_data, x_indices, x_indptr and x_shape; {lacking[0]} is missing"
        )
    try:
        return scipy.sparse.csr_matrix(
            (held["x_data"], held["x_indices"], held["x_indptr"]), shape=tuple(held["x_shape"])
        )
    except (ValueError, TypeError) as error:
        raise DataError(f"{path}: x_data, x_indices, x_indptr and x_shape do not fit ({error})") from error


# tables
def _from_tables(data: dict[str, Any], names: Names, what: str) -> Found:
    for name in data:
        if name not in ("edges", "nodes"):
            raise DataError(
                f"{what}: {name!r} is neither 'edges' nor 'nodes': {nearest(name, ('edges', 'nodes'))}"
            )
    if "edges" not in data:
        raise DataError(
            f"{what} need 'edges': a table with the columns source and target, or an array (2, edges)"
        )
    notes: list[str] = []
    weight = None
    if _is_array(data["edges"]):
        ends = _edge_index(np.asarray(data["edges"]), f"edges of {what}")
        ids = [ends[0].tolist(), ends[1].tolist()]
    else:
        table = frames.read_frame(data["edges"])
        source = _named(table, names.source, SOURCES, "source", 0)
        target = _named(table, names.target, TARGETS, "target", 1)
        if source == target:
            raise DataError(
                f"{what}: source and target are both column {source!r}: name them with source= and target="
            )
        ids = [table[source].to_pylist(), table[target].to_pylist()]
        others = [c for c in table.column_names if c not in (source, target)]
        weighed = next((c for c in others if c.lower() == "weight"), None)
        if weighed is not None:
            weight = _weights(table[weighed].to_pylist(), len(ids[0]), what)
        unused = [c for c in others if c != weighed]
        if unused:
            notes.append(f"columns of edges that are not used: {', '.join(unused[:8])}")
    given = data.get("nodes")
    if given is None:
        keys = _order({value for side in ids for value in side if value is not None})
        found = Found(what, np.zeros((2, 0), np.int64), np.array([len(keys)]), notes=notes)
    elif _is_array(given):
        features = np.asarray(given)
        features = features[:, None] if features.ndim == 1 else features
        keys = list(range(len(features)))
        found = Found(what, np.zeros((2, 0), np.int64), np.array([len(keys)]), features, notes=notes)
    else:
        table = frames.read_frame(given)
        identity = _named(table, names.id, ID_NAMES, "id", None)
        if identity is None:
            keys = list(range(table.num_rows))
        else:
            keys = table[identity].to_pylist()
            table = table.drop_columns([identity])
        found = Found(what, np.zeros((2, 0), np.int64), np.array([len(keys)]), notes=notes)
        _take_labels(found, table, names, level="node")
    found.node_keys = [_text(key) for key in keys]
    twice = [key for key, times in Counter(found.node_keys).items() if times > 1]
    if twice:
        raise DataError(f"{what}: several nodes are called {twice[0]!r}: ids of nodes must differ")
    found.edges = _by_id(ids, found.node_keys, what)
    found.weight = weight
    return found


def _by_id(ids: list[list[Any]], keys: list[str], what: str) -> np.ndarray:
    """The edges as row numbers of the nodes; ids are compared as text."""
    place = {key: i for i, key in enumerate(keys)}
    ends = [[place.get(_text(value), -1) for value in side] for side in ids]
    wrong = [i for i, (a, b) in enumerate(zip(*ends, strict=True)) if a < 0 or b < 0]
    if wrong:
        first = "; ".join(f"{ids[0][i]!r} → {ids[1][i]!r}" for i in wrong[:NAMED])
        raise DataError(
            f"{len(wrong):,} of the {len(ends[0]):,} edges of {what} lead to nodes that do not exist "
            f"({first}{'; …' if len(wrong) > NAMED else ''}): its {len(keys):,} nodes are "
            f"{', '.join(keys[:3])}{', …' if len(keys) > 3 else ''}"
        )
    return np.array(ends, np.int64).reshape(2, -1)


def _text(value: Any) -> str:
    """An id as text; a whole number without a point, whatever type held it."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _named(table: pa.Table, asked: str | None, usual: Sequence[str], option: str, default: int | None) -> Any:
    """The column that was asked for, or one with a usual name, or the one at `default`."""
    columns = table.column_names
    if asked is not None:
        if asked not in columns:
            raise DataError(f"there is no column {asked!r} ({option}=): {nearest(asked, columns)}")
        return asked
    found = next((c for name in usual for c in columns if c.lower() == name), None)
    if found is None and default is not None:
        if len(columns) <= default:
            raise DataError(f"an edge list needs two columns, this has only {columns}")
        return columns[default]
    return found


def _take_labels(found: Found, table: pa.Table, names: Names, *, level: str) -> None:
    """Moves the column of classes from the attributes of nodes to the labels."""
    label = names.label
    if label is not None and label not in table.column_names:
        raise DataError(f"there is no column {label!r} (label=): {nearest(label, table.column_names)}")
    if label is None:
        label = next((c for name in LABEL_NAMES for c in table.column_names if c.lower() == name), None)
        if label is not None:
            found.notes.append(f"column {label!r} holds the classes and is no input")
    if label is not None and level == "node":
        found.node_labels = table[label].to_pylist()
    if label is not None:
        table = table.drop_columns([label])
    found.table = table if table.num_columns else None


# PyTorch Geometric
def _from_pyg(data: Any, names: Names) -> Found:
    if is_pyg_set(data):
        return _of_pyg(
            [data[i] for i in range(len(data))], names, f"{type(data).__name__} of PyTorch Geometric"
        )
    if hasattr(data, "to_data_list") and getattr(data, "batch", None) is not None:
        return _of_pyg(data.to_data_list(), names, "a batch of PyTorch Geometric graphs")
    return _of_pyg([data], names, "a PyTorch Geometric graph")


def _of_pyg(graphs: list[Any], names: Names, what: str) -> Found:
    if not graphs:
        raise DataError(f"{what} is empty: there is no graph to learn from")
    sizes, edges, features, weights = [], [], [], []
    for i, one in enumerate(graphs):
        name = f"graph {i} of {what}" if len(graphs) > 1 else what
        if type(one).__name__ == "HeteroData":
            raise DataError(f"{name} has several kinds of nodes: give graph.to_homogeneous()")
        if getattr(one, "edge_index", None) is None:
            raise DataError(f"{name} has no edge_index")
        edges.append(_edge_index(_array(one.edge_index), f"edge_index of {name}"))
        x = None if getattr(one, "x", None) is None else _array(one.x)
        features.append(x[:, None] if x is not None and x.ndim == 1 else x)
        sizes.append(_pyg_nodes(one, features[-1], edges[-1]))
        weight = getattr(one, "edge_weight", None)
        weights.append(None if weight is None else _weights(_array(weight), edges[-1].shape[1], name))
    count = np.array(sizes, np.int64)
    known = [w for w in weights if w is not None]
    many = np.array([e.shape[1] for e in edges])
    found = Found(
        what,
        _numbered(np.concatenate(edges, axis=1), many, count, what),
        count,
        _stacked(features, what),
        weight=np.concatenate(known) if len(known) == len(graphs) else None,
    )
    if 0 < len(known) < len(graphs):
        found.notes.append(f"edge weights are not used: only {len(known):,} of the graphs have any")
    if any(getattr(one, "edge_attr", None) is not None for one in graphs):
        found.notes.append("edge attributes are not used")
    _pyg_labels(found, graphs, names, what)
    return found


def _pyg_nodes(one: Any, x: np.ndarray | None, edges: np.ndarray) -> int:
    if x is not None:
        return len(x)
    stated = dict(one.to_dict()).get("num_nodes") if hasattr(one, "to_dict") else None
    return int(edges.max(initial=-1)) + 1 if stated is None else int(stated)


def _stacked(features: list[Any], what: str) -> np.ndarray | None:
    widths = {None if x is None else x.shape[1] for x in features}
    if widths == {None}:
        return None
    if len(widths) > 1:
        first = features[0]
        odd = next(
            i
            for i, x in enumerate(features)
            if (x is None) != (first is None) or (x is not None and x.shape[1] != first.shape[1])
        )
        raise DataError(
            f"the graphs of {what} do not have the same features: graph 0 has "
            f"{'none' if first is None else first.shape[1]} a node, graph {odd} has "
            f"{'none' if features[odd] is None else features[odd].shape[1]}"
        )
    return np.concatenate(features)


def _pyg_labels(found: Found, graphs: list[Any], names: Names, what: str) -> None:
    label = "y" if names.label is None else names.label
    values = [getattr(one, label, None) for one in graphs]
    if any(value is None for value in values):
        if names.label is not None:
            raise DataError(f"{what} has no {label!r} (label=) on every graph")
        return
    arrays = [np.atleast_1d(_array(value)) for value in values]
    flat = [a.reshape(len(a), -1) for a in arrays]
    if any(a.shape[1] != 1 for a in flat):
        found.label_trouble = f"{label!r} has several numbers each, so it holds no classes"
        return
    listed = [a[:, 0].tolist() for a in flat]
    if all(len(v) == 1 for v in listed):
        found.graph_labels = [v[0] for v in listed]
    if [len(v) for v in listed] == found.sizes.tolist():
        found.node_labels = [value for v in listed for value in v]
    if found.graph_labels is None and found.node_labels is None:
        found.label_trouble = (
            f"{label!r} has {len(listed[0]):,} values for {found.sizes[0]:,} nodes"
            if len(graphs) == 1
            else f"{label!r} has neither one value a graph nor one a node"
        )


# networkx and GraphML
def _check_declared(graph: Any, path: Path) -> None:
    """Refuses edges to nodes that the file does not declare: networkx makes such nodes up."""
    from xml.etree import ElementTree

    with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as file:
        declared = {
            e.get("id") for _, e in ElementTree.iterparse(file) if e.tag.endswith("}node") or e.tag == "node"
        }
    made_up = [str(node) for node in graph.nodes if str(node) not in declared]
    if made_up:
        raise DataError(
            f"edges of {path} lead to {len(made_up):,} nodes that do not exist ({', '.join(made_up[:5])}): declare "
            "them, or remove the edges"
        )


def _from_graphml(paths: list[Path], names: Names, path: Path) -> Found:
    try:
        import networkx
    except ImportError as error:
        raise missing("networkx", "graph") from error
    graphs, keys, index, skipped = [], [], [], []
    for i, one in enumerate(paths):
        try:
            graph = networkx.read_graphml(one)
            _check_declared(graph, one)
            graphs.append(graph)
            keys.append(one.name)
            index.append(i)
        except DataError:
            raise
        except Exception as error:  # whatever an XML parser meets in a broken file
            skipped.append(
                Skipped(one.name, f"not GraphML that can be read ({type(error).__name__}: {error})")
            )
    if not graphs:
        first = "; ".join(f"{s.key}: {s.reason}" for s in skipped[:3])
        raise DataError(f"none of the {len(paths):,} graphs of {path} can be read. {first}")
    found = _from_networkx(graphs, names, path.name)
    found.graph_keys, found.index, found.skipped = keys, np.array(index), skipped
    return found


def _from_networkx(graphs: list[Any], names: Names, what: str) -> Found:
    import pyarrow as pa

    sizes = np.array([len(g) for g in graphs], np.int64)
    edges, weights, rows, keys = [], [], [], []
    for g in graphs:
        place = {node: i for i, node in enumerate(g.nodes)}
        edges.append(np.array([(place[a], place[b]) for a, b in g.edges()], np.int64).reshape(-1, 2).T)
        weights += [weight for _, _, weight in g.edges(data="weight")]
        rows += [attributes for _, attributes in g.nodes(data=True)]
        keys += [str(node) for node in g.nodes]
    many = np.array([e.shape[1] for e in edges])
    found = Found(what, _numbered(np.concatenate(edges, axis=1), many, sizes, what), sizes)
    found.node_keys = keys if len(graphs) == 1 else None
    if weights and all(isinstance(w, int | float) for w in weights):
        found.weight = np.array(weights, np.float32)
    elif any(w is not None for w in weights):
        found.notes.append("edge weights are not used: not every edge has a number")
    others = {
        str(name) for g in graphs for *_, held in g.edges(data=True) for name in held if name != "weight"
    }
    if others:
        found.notes.append(f"attributes of edges that are not used: {', '.join(sorted(others)[:8])}")
    if any(g.is_directed() for g in graphs):
        found.notes.append("written as directed")
    own = [name for name in dict.fromkeys(name for row in rows for name in row)]
    columns = {}
    for name in own:
        values = [row.get(name) for row in rows]
        if all(value is None or isinstance(value, bool | int | float | str) for value in values):
            mixed = len({isinstance(value, str) for value in values if value is not None}) > 1
            columns[str(name)] = [None if v is None else str(v) for v in values] if mixed else values
        else:
            found.notes.append(f"attribute {str(name)!r} is neither a number nor text and is not used")
    _graph_labels_of_networkx(found, graphs, names)
    if columns:
        alone = Names(label=None if found.graph_labels is not None else names.label)
        table = pa.table(columns)
        if alone.label is None and len(graphs) > 1:
            found.table = table
        else:
            _take_labels(found, table, alone, level="node")
    elif names.label is not None and found.graph_labels is None:
        raise DataError(
            f"the nodes of {what} have no attribute {names.label!r} (label=): they have none at all"
        )
    return found


def _graph_labels_of_networkx(found: Found, graphs: list[Any], names: Names) -> None:
    for name in LABEL_NAMES if names.label is None else (names.label,):
        if any(name in g.graph for g in graphs):
            found.graph_labels = [g.graph.get(name) for g in graphs]
            return


# lists
def _from_list(data: Sequence[Any], names: Names) -> Found:
    if not data:
        raise DataError("the list of graphs is empty: there is nothing to learn from")
    if all(is_pyg(one) for one in data):
        return _of_pyg(list(data), names, f"{len(data):,} PyTorch Geometric graphs")
    if all(is_networkx(one) for one in data):
        return _from_networkx(list(data), names, f"{len(data):,} networkx graphs")
    if all(isinstance(one, str | os.PathLike) for one in data):
        paths = [Path(one).expanduser() for one in data]
        return _from_graphml(paths, names, Path(f"the list of {len(data):,} files"))
    odd = next(i for i, one in enumerate(data) if not (is_pyg(one) or is_networkx(one)))
    raise DataError(
        f"item {odd} of the list is {frames.told(data[odd])}: a list of graphs holds PyTorch Geometric graphs, "
        "networkx graphs, or paths of GraphML files"
    )


# arrays
def _array(values: Any) -> np.ndarray:
    if hasattr(values, "layout") and str(values.layout) != "torch.strided":
        values = values.to_dense()
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = values.float() if str(values.dtype) == "torch.bfloat16" else values
    return np.asarray(values)


def _is_array(data: Any) -> bool:
    return isinstance(data, np.ndarray | list | tuple) or hasattr(data, "detach")


def _edge_index(edges: np.ndarray, what: str) -> np.ndarray:
    if edges.ndim == 2 and edges.shape[0] != 2 and edges.shape[1] == 2:
        edges = edges.T
    if edges.ndim != 2 or edges.shape[0] != 2 or (edges.size and edges.dtype.kind not in "iu"):
        raise DataError(
            f"{what} must be whole numbers of shape (2, edges), not {edges.dtype} of shape {tuple(edges.shape)}"
        )
    return edges.astype(np.int64)


def _numbered(edges: np.ndarray, many: np.ndarray, sizes: np.ndarray, what: str) -> np.ndarray:
    """Edges numbered within their graphs, checked, as edges numbered through. `many`: edges of each graph."""
    graph = np.repeat(np.arange(len(sizes)), many)
    check_ends(edges, graph, sizes, what)
    return edges + (np.cumsum(sizes) - sizes)[graph]


def _weights(weight: Any, edges: int, what: str) -> np.ndarray:
    try:
        values = np.asarray(weight, dtype=np.float64).reshape(-1)
    except (ValueError, TypeError) as error:
        raise DataError(f"the edge weights of {what} are not numbers ({error})") from error
    if len(values) != edges:
        raise DataError(f"{what} has {len(values):,} edge weights for {edges:,} edges")
    return values


def _order(values: set[Any]) -> list[Any]:
    try:
        return sorted(values)
    except TypeError:
        return sorted(values, key=str)


def _without_empty(found: Found) -> Found:
    """Graphs without a node are left out and counted."""
    empty = np.flatnonzero(found.sizes == 0)
    given = len(found.sizes)
    index = np.arange(given) if found.index is None else found.index
    keys = [str(i) for i in index] if found.graph_keys is None else found.graph_keys
    if len(empty) == given:
        raise DataError(f"{found.what} has no nodes: there is nothing to learn from")
    stays = [i for i in range(given) if found.sizes[i] > 0]
    found.skipped = [*found.skipped, *(Skipped(keys[i], "it has no nodes") for i in empty)]
    found.sizes, found.index = found.sizes[stays], index[stays]
    found.graph_keys = [keys[i] for i in stays]
    if found.graph_labels is not None:
        if len(found.graph_labels) == given:
            found.graph_labels = [found.graph_labels[i] for i in stays]
        else:
            found.label_trouble = f"there are {len(found.graph_labels):,} labels for {given:,} graphs"
    if found.node_labels is not None and len(found.node_labels) != found.nodes:
        found.label_trouble = f"there are {len(found.node_labels):,} labels for {found.nodes:,} nodes"
    return found


def labels_of(found: Found, level: str) -> list[Any] | None:
    """What the data says of the class of each node or graph. `DataError`: something that does not fit."""
    if found.label_trouble is not None:
        raise DataError(f"the labels of {found.what} cannot be used: {found.label_trouble}")
    return found.node_labels if level == "node" else found.graph_labels
