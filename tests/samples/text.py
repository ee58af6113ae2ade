"""Documentation strings of Python's own library; which family of modules one is from is its class."""

from __future__ import annotations

import importlib
import inspect
from functools import cache

import numpy as np

MODALITY = {"name": "text", "vocabulary": 400, "length": 32}
ROWS = 64
ENCODERS = {"transformer": {"width": 32, "depth": 1, "heads": 2}}

FAMILIES = (
    ("pathlib", "shutil", "os", "tempfile", "glob"),
    ("datetime", "calendar", "decimal", "fractions", "statistics"),
    ("email.message", "http.client", "urllib.request", "ftplib", "smtplib"),
    ("asyncio", "threading", "queue", "concurrent.futures", "subprocess"),
)


@cache
def _family(number: int) -> list[str]:
    found: dict[str, None] = {}
    for name in FAMILIES[number]:
        module = importlib.import_module(name)
        things = [thing for name, thing in sorted(vars(module).items()) if not name.startswith("_")]
        for thing in things:
            held = sorted(vars(thing).items()) if inspect.isclass(thing) else [("", thing)]
            for name, part in held:
                doc = inspect.cleandoc(part.__doc__ or "") if inspect.isroutine(part) else ""
                if len(doc) > 60 and not name.startswith("_"):
                    found[doc] = None
    return list(found)


def data(rows: int = ROWS) -> list[str]:
    """The families in turn."""
    return [_family(i % len(FAMILIES))[i // len(FAMILIES)] for i in range(rows)]


def labels(rows: int = ROWS) -> np.ndarray:
    return np.arange(rows, dtype=np.int64) % len(FAMILIES)
