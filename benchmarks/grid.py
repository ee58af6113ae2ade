"""A benchmark is a grid of cells: one JSON file a cell in `benchmarks/results/<grid>/`.

A cell that exists is skipped, unless the code it measured has changed since (`stale`), so that
separate runs of a benchmark add up.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

RESULTS = Path(__file__).parent / "results"
DATA = Path(__file__).parents[2] / "shared" / "data"


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    name = platform.processor()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {"processor": name, "cores": os.cpu_count(), "threads": torch.get_num_threads(), "gpu": gpu}


def versions() -> dict[str, str]:
    import importlib.metadata as metadata

    packages = ("torch", "lightning", "numpy", "scikit-learn")
    return {"python": platform.python_version()} | {p: metadata.version(p) for p in packages}


def path(grid: str, cell: str) -> Path:
    return RESULTS / grid / f"{cell}.json"


def read(grid: str) -> dict[str, dict[str, Any]]:
    """Every cell of a grid by name."""
    return {p.stem: json.loads(p.read_text()) for p in sorted((RESULTS / grid).glob("*.json"))}


def run(
    grid: str, cell: str, code: str | None, measure: Callable[[], dict[str, Any]], *, force: bool = False
) -> bool:
    """Measures a cell unless it is there and its code hash is `code`. Returns whether it ran."""
    target = path(grid, cell)
    if target.exists() and not force:
        held = json.loads(target.read_text())
        if held.get("code") == code:
            print(f"{grid}/{cell}: there already")
            return False
        print(f"{grid}/{cell}: stale, measured again")
    print(f"{grid}/{cell}: …", flush=True)
    began = time.perf_counter()
    figures = measure()
    entry = {
        "cell": cell,
        **figures,
        "wall_seconds": round(time.perf_counter() - began, 1),
        "code": code,
        "versions": versions(),
        "machine": machine(),
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(entry, indent=1) + "\n")
    print(f"{grid}/{cell}: {figures}", flush=True)
    return True
