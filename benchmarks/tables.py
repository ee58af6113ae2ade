"""Makes, from the committed cells and the code, what people and the package read of them.

    python benchmarks/tables.py

writes `src/unlabeled/methods/measured.json` and fills the marked places of README.md, CONTRIBUTING.md
and docs/benchmarks.md. A test checks that they are up to date.
"""

from __future__ import annotations

import inspect
import json
import re
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grid
import matrix

from unlabeled import objectives
from unlabeled.methods import lookup, names
from unlabeled.methods.instance import DIET

ROOT = Path(__file__).parents[1]
MEASURED = ROOT / "src" / "unlabeled" / "methods" / "measured.json"
MARGIN = 0.05
"""by how much a method must beat its untrained encoder, in k-NN or in linear accuracy"""


def measured() -> dict[str, dict[str, Any]]:
    """The row of every measured method, as shipped with the package."""
    cells = grid.read("images")
    rows = {}
    for name, cell in cells.items():
        if cell["kind"] != "method" or name != cell["method"]:
            continue
        untrained, raw = cells[f"untrained-{cell['encoder']}"], cells["raw"]
        gain = max(cell[f] - untrained[f] for f in ("knn", "linear_probe"))
        rows[name] = {
            "status": "measured" if gain >= MARGIN else "not shown",
            "data": f"CIFAR-10, {cell['train']:,} images, {cell['epochs']} epochs",
            "encoder": cell["encoder"],
            "margin": MARGIN,
            "knn": cell["knn"],
            "linear_probe": cell["linear_probe"],
            "effective_rank": cell["effective_rank"],
            "untrained_knn": untrained["knn"],
            "untrained_linear_probe": untrained["linear_probe"],
            "raw_knn": raw["knn"],
            "raw_linear_probe": raw["linear_probe"],
            "seconds": cell["seconds"],
            "code": cell["code"],
            "works": list(dict.fromkeys(matrix.MODALITY[k] for k in matrix.SETS if works(name, k))),
        }
    return rows


def works(method: str, kind: str) -> bool:
    """Whether a cell of the matrix is there and beats its untrained encoder."""
    cells = grid.read("matrix")
    cell = cells.get(f"{kind}-{method}")
    return cell is not None and matrix.works(cell, cells[f"{kind}-untrained-{cell['encoder']}"])


def matrix_table() -> str:
    """Method × kind of data: k-NN / linear probe; what does not beat its untrained encoder in italics."""
    cells = grid.read("matrix")
    kinds = [k for k in matrix.SETS if f"{k}-raw" in cells]
    lines = ["| | " + " | ".join(kinds) + " |", "| --- |" + " ---: |" * len(kinds)]

    def said(cell: dict[str, Any] | None, mark: str = "") -> str:
        return f"{mark}{cell['knn']:.3f} / {cell['linear_probe']:.3f}{mark}" if cell else "–"

    for name in sorted(names(), key=lambda n: (lookup(n).cls.requires.labels, lookup(n).family, n)):
        row = [
            said(cells.get(f"{kind}-{name}"), "" if works(name, kind) else "*")
            for kind in kinds
            if not lookup(name).modalities
        ]
        if row:
            lines.append(f"| `{name}` | {' | '.join(row)} |")
    lines.append("| raw input | " + " | ".join(said(cells[f"{k}-raw"]) for k in kinds) + " |")
    for which, place in (("untrained encoder", 0), ("untrained encoder of tokens", 1)):
        row = []
        for kind in kinds:
            found = [c for c in cells.values() if c["kind"] == "untrained" and c["set"] == kind]
            used = [c for c in found if _hides_tokens(c["encoder"], kind, cells) == bool(place)]
            row.append(said(used[0]) if used else "same")
        lines.append(f"| {which} | {' | '.join(row)} |")
    return "\n".join(lines)


def _hides_tokens(encoder: str, kind: str, cells: dict[str, dict[str, Any]]) -> bool:
    """Whether the methods that hide tokens, and no others, were trained with this encoder."""
    used = {
        c["method"]
        for c in cells.values()
        if c["set"] == kind and c.get("method") and c["encoder"] == encoder
    }
    return bool(used) and all(lookup(m).cls.requires.tokens for m in used)


def sets_table() -> str:
    """What the columns of the matrix are."""
    cells = grid.read("matrix")
    lines = [
        "| column | data | encoder (parameters) | epochs | batch |",
        "| --- | --- | --- | ---: | ---: |",
    ]
    for kind in matrix.SETS:
        found = [c for c in cells.values() if c.get("method") and c["set"] == kind]
        if not found:
            continue
        encoders = sorted({(c["encoder"], c["parameters"]) for c in found})
        said = ", ".join(f"{e} ({n / 1e6:.2f} M)" for e, n in encoders)
        batches = sorted({c["batch_size"] for c in found})
        lines.append(
            f"| {kind} | {matrix.SETS[kind][0]} | {said} | {found[0]['epochs']} | {' or '.join(map(str, batches))} |"
        )
    return "\n".join(lines)


def images_table() -> str:
    """CIFAR-10 small, best k-NN first; the yardsticks below."""
    cells = grid.read("images")
    lines = [
        "| row | encoder | epochs | k-NN | linear probe | effective rank | training |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    methods = sorted((c for c in cells.values() if c["kind"] == "method"), key=lambda c: -c["knn"])
    for cell in [*methods, *(c for c in cells.values() if c["kind"] != "method")]:
        label = {"method": f"`{cell.get('method')}`", "raw": "raw pixels", "untrained": "untrained encoder"}[
            cell["kind"]
        ]
        time = f"{cell['seconds'] / 60:.0f} min" if "seconds" in cell else "–"
        lines.append(
            f"| {label} | {cell['encoder'] or '–'} | {cell.get('epochs', '–')} | {cell['knn']:.3f} "
            f"| {cell['linear_probe']:.3f} | {cell['effective_rank']:.0f} of {cell['dim']} | {time} |"
        )
    return "\n".join(lines)


STATES = {
    "collapsed": "collapsed",
    "shrunk": "shrunk, nothing lost",
    "neither": "not collapsed",
    "not finite": "ended by a loss that is not finite",
}
"""what `benchmarks/collapse.py` calls the state of a run, in words"""


def _collapse() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((grid.RESULTS / "collapse.json").read_text())
    return found


def collapse_counts() -> str:
    """How many runs of each state there are, how many the watch stops, and when."""
    lines = ["| runs | number | stopped | after (median share of the run) |", "| --- | ---: | ---: | ---: |"]
    groups: dict[str, list[dict[str, Any]]] = {}
    for run in _collapse()["runs"].values():
        what = f"broken, {STATES[run['state']]}" if run["broken"] else "healthy"
        where = "made when the bounds were settled" if run["unseen"] else "the bounds were chosen on these"
        groups.setdefault(f"{what}: {where}", []).append(run)
    for words, group in sorted(groups.items(), key=lambda item: (item[0].startswith("healthy"), item[0])):
        shares = [r["stopped"] for r in group if r["stopped"] is not None]
        when = f"{100 * statistics.median(shares):.0f} %" if shares else "–"
        lines.append(f"| {words} | {len(group)} | {len(shares)} | {when} |")
    return "\n".join(lines)


def collapse_table() -> str:
    """Every broken method: what became of it on each set, and when the watch stops it."""
    runs = _collapse()["runs"].values()
    sets = [kind for kind in matrix.SETS if any(r["set"] == kind and r["broken"] for r in runs)]
    lines = ["| method | broken by | " + " | ".join(sets) + " |", "| --- | --- |" + " --- |" * len(sets)]
    ways: dict[tuple[str, str], dict[str, str]] = {}
    for run in runs:
        if run["broken"] and run["seed"] == 0:
            stopped = f"stopped at {100 * run['stopped']:.0f} %" if run["stopped"] is not None else "goes on"
            said = f"{STATES[run['state']]}; {stopped}"
            missed = run["state"] == "collapsed" and run["stopped"] is None
            ways.setdefault((run["broken"], run["method"]), {})[run["set"]] = (
                f"**{said}**" if missed else said
            )
    by_size = sorted(ways, key=lambda way: (sum(w[0] == way[0] for w in ways), way[1], way[0]))
    for broken, method in by_size:
        cells = " | ".join(ways[broken, method].get(kind, "–") for kind in sets)
        lines.append(f"| `{method}` | {broken} | {cells} |")
    return "\n".join(lines)


def collapse_bounds() -> str:
    """What each figure would find alone, at several bounds."""
    found = _collapse()
    runs = found["runs"].values()
    total = {
        "collapsed": sum(bool(r["broken"]) and r["state"] == "collapsed" for r in runs),
        "other_broken": sum(bool(r["broken"]) and r["state"] != "collapsed" for r in runs),
        "healthy": sum(r["broken"] is None for r in runs),
    }
    lines = [
        f"| figure | below | collapsed ({total['collapsed']}) | other broken ({total['other_broken']}) "
        f"| healthy ({total['healthy']}) |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for figure, bounds in found["alone"].items():
        for bound, stopped in bounds.items():
            lines.append(f"| {figure} | {bound} | {' | '.join(str(stopped[group]) for group in total)} |")
    return "\n".join(lines)


def methods_table() -> str:
    """Every registered method, where it is from, and what it needs."""
    shown = measured()
    lines = [
        "| name | family | paper | needs | k-NN | linear | measured to work on |",
        "| --- | --- | --- | --- | ---: | ---: | --- |",
    ]
    for name in sorted(names(), key=lambda n: (lookup(n).family, n)):
        entry, row = lookup(name), shown.get(name)
        needs = [w for w in ("tokens", "index", "labels") if getattr(entry.cls.requires, w)]
        accuracies = (
            (f"{row['knn']:.3f}", f"{row['linear_probe']:.3f}") if row else ("not shown", "not shown")
        )
        lines.append(
            f"| `{name}` | {entry.family} | {entry.paper} | {', '.join(needs) or '–'} | {' | '.join(accuracies)} "
            f"| {', '.join(row['works']) if row else '–'} |"
        )
    return "\n".join(lines)


def demo_table() -> str:
    """What `make demo` measured, from `benchmarks/results/demo.json`, which is the run's own demo.json."""
    accuracy = json.loads((grid.RESULTS / "demo.json").read_text())
    shots = list(next(iter(accuracy.values())))
    lines = ["| | " + " | ".join(f"{s} a class" for s in shots) + " |", "| --- |" + " ---: |" * len(shots)]
    for name, row in accuracy.items():
        cells = [f"{statistics.fmean(a):.3f} ± {statistics.pstdev(a):.3f}" for a in row.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def code(thing: Any) -> str:
    return f"```python\n{inspect.getsource(inspect.unwrap(thing)).rstrip()}\n```"


def module(path: str) -> str:
    """A file of the modalities, whole."""
    text = (ROOT / "src" / "unlabeled" / "modalities" / path).read_text()
    return f"`src/unlabeled/modalities/{path}`:\n\n```python\n{text.rstrip()}\n```"


PLACES: dict[str, Callable[[], str]] = {
    "images table": images_table,
    "matrix table": matrix_table,
    "matrix sets": sets_table,
    "demo table": demo_table,
    "methods table": methods_table,
    "collapse counts": collapse_counts,
    "collapse table": collapse_table,
    "collapse bounds": collapse_bounds,
    "method code": lambda: code(DIET),
    "modality code": lambda: module("text/modality.py"),
    "objective code": lambda: code(objectives.diet),
}
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "docs" / "benchmarks.md"]


def filled(page: str) -> str:
    """The page with every marked place made anew."""
    for mark, make in PLACES.items():
        pattern = rf"(<!-- {mark} -->\n).*?(<!-- end -->)"
        page = re.sub(pattern, lambda m, make=make: f"{m[1]}{make()}\n{m[2]}", page, flags=re.S)  # type: ignore[misc]
    return page


def write() -> None:
    MEASURED.write_text(json.dumps(measured(), indent=1) + "\n")
    for path in PAGES:
        path.write_text(filled(path.read_text()))


if __name__ == "__main__":
    write()
    print(images_table())
    print(matrix_table())
