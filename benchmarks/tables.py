"""Makes from the committed cells what people and the package read: tables, and `measured.json`.

    python benchmarks/tables.py
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import grid

ROOT = Path(__file__).parents[1]
MEASURED = ROOT / "src" / "unlabeled" / "methods" / "measured.json"
MARGIN = 0.05
"""by how much a method must beat its untrained encoder, in k-NN or in linear accuracy"""


def measured() -> dict[str, dict[str, Any]]:
    """The row of every measured method, as shipped with the package."""
    cells = grid.read("images")
    rows = {}
    for name, cell in cells.items():
        if cell.get("kind") != "method":
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
        }
    return rows


def table() -> str:
    """The CIFAR-10 small table, best k-NN first."""
    cells = grid.read("images")
    lines = [
        "| row | encoder | epochs | k-NN | linear probe | effective rank | training |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    methods = sorted((c for c in cells.values() if c["kind"] == "method"), key=lambda c: -c["knn"])
    others = [c for c in cells.values() if c["kind"] != "method"]
    for cell in [*methods, *others]:
        trained = cell["kind"] == "method"
        label = f"`{cell['method']}`" if trained else {"raw": "raw pixels", "untrained": "untrained encoder"}[cell["kind"]]
        lines.append(
            f"| {label} | {cell['encoder'] or '-'} | {cell['epochs'] if trained else '-'} | {cell['knn']:.3f} "
            f"| {cell['linear_probe']:.3f} | {cell['effective_rank']:.0f} of {cell['dim']} "
            f"| {cell['seconds'] / 60:.1f} min |" if trained else
            f"| {label} | {cell['encoder'] or '-'} | - | {cell['knn']:.3f} | {cell['linear_probe']:.3f} "
            f"| {cell['effective_rank']:.0f} of {cell['dim']} | - |"
        )
    return "\n".join(lines)


def fill(path: Path, text: str) -> None:
    """Puts the table between the marks in a page."""
    page = path.read_text()
    marks = r"(<!-- images table -->\n).*?(\n<!-- end -->)"
    path.write_text(re.sub(marks, lambda m: m[1] + text + m[2], page, flags=re.S))


def write() -> None:
    MEASURED.write_text(json.dumps(measured(), indent=1) + "\n")
    for page in (ROOT / "README.md", ROOT / "docs" / "benchmarks.md"):
        if page.exists():
            fill(page, table())


if __name__ == "__main__":
    write()
    print(table())
