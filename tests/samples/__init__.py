"""Small real data of every kind, for the tests that ask the same of all kinds of data.

A module here is one kind: `data(rows)` is what `ul.pretrain` takes, `labels(rows)` its classes (a whole
number each), `MODALITY` names the modality with the options it needs, `ENCODERS` gives options that make the
modality's default encoder and its token encoder small. `ROWS` is how many rows the tests ask for (a multiple
of 16), unless the data cannot be taken apart.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

KINDS: dict[str, ModuleType] = {
    found.name: importlib.import_module(f"{__name__}.{found.name}")
    for found in pkgutil.iter_modules(__path__)
}
