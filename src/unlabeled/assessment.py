"""How good an encoder is on some data: its features, the raw input and an untrained encoder side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unlabeled.data.draws import Draws
from unlabeled.data.labels import read_labels, read_numbers
from unlabeled.data.rows import Rows, features, passes
from unlabeled.data.source import Source
from unlabeled.errors import DataError
from unlabeled.evaluation import Scorecard, Seen, score
from unlabeled.methods.contract import Branch
from unlabeled.modalities.contract import Modality

VIEWED, VIEWS = 100, 10
"""samples that are changed, and in how many ways, for the figures that compare views (B73 of the literature's
LiDAR has 1,000 and 50)"""
SEED = 0


@dataclass(frozen=True)
class Part:
    """Some samples of a source, and what is said of them."""

    source: Source
    rows: Int[np.ndarray, " samples"]
    y: np.ndarray | None = None
    """(samples,) class numbers, or quantities; None: nothing is said"""


def assess(
    modality: Modality,
    encoders: Mapping[str, nn.Module],
    source: Source,
    *,
    labels: Any = None,
    test: Source | None = None,
    k: int = 20,
    device: torch.device | str = "cpu",
    notes: Sequence[str] = (),
) -> Scorecard:
    """The scorecard of `encoders["learned"]`, beside the raw input and, where there is one, `encoders["untrained"]`.

    labels: what `read_labels` takes; None is what the source itself says, and figures without labels where it
    says nothing. Labels of which one has a fraction are quantities, met by a regression. test: other samples to
    test on, labelled in the same way; without it a fifth is held out, class by class (seed 0).
    """
    notes = list(notes)
    named = None if labels is None else modality.named_labels(labels)
    train, tested = _parts(named, source, test, notes)
    made = {name: _seen(modality, encoder, train, tested, device) for name, encoder in encoders.items()}
    made["raw"] = Seen(
        *(None if p is None else raw_features(modality, p.source)[p.rows] for p in (train, tested))
    )
    y_test = None if tested is None else tested.y
    return score(
        made["learned"], train.y, y_test, raw=made["raw"], untrained=made.get("untrained"), k=k, notes=notes
    )


def assess_embeddings(
    source: Source, *, labels: Any = None, test: Source | None = None, k: int = 20, notes: Sequence[str] = ()
) -> Scorecard:
    """The scorecard of embeddings that are there already: what `source` and `test` fetch, (samples, dim). There is
    no raw input and no untrained encoder to stand beside them. `labels`: as for `assess`."""
    notes = list(notes)
    train, tested = _parts(labels, source, test, notes)
    seen = Seen(*(None if p is None else p.source.fetch(p.rows) for p in (train, tested)))
    return score(seen, train.y, None if tested is None else tested.y, k=k, notes=notes)


def _parts(labels: Any, source: Source, test: Source | None, notes: list[str]) -> tuple[Part, Part | None]:
    """What is learnt from and what is tested on; the latter None without labels."""
    said = _said(labels, source)
    if said is None:
        return Part(source, np.arange(len(source))), None
    y, classes = said
    known = _known(y)
    if test is None:
        train, held = split(y, known)
        every = "of every class " if classes else ""
        notes.append(f"no test data given: a fifth {every}was held out (seed {SEED})")
        return Part(source, train, y[train]), Part(source, held, y[held])
    found = _said(labels if test.labels is None else None, test, classes)
    if found is None:
        raise DataError("the test data has no labels: give class folders, a label column, or keys in labels=")
    there = _known(found[0])
    if not len(there):
        raise DataError("no sample of the test data has a label")
    return Part(source, known, y[known]), Part(test, there, found[0][there])


def _said(
    labels: Any, source: Source, classes: list[str] | None = None
) -> tuple[np.ndarray, list[str] | None] | None:
    """What is said of every sample: class numbers (-1 unknown) and their names, or quantities (NaN unknown)."""
    if labels is None and source.labels is None:
        return None
    labels = True if labels is None else labels
    numbers = read_numbers(labels, source) if classes is None else None
    if numbers is not None:
        return numbers, None
    y, names = read_labels(labels, source, classes=classes)
    if len(names) < 2:
        raise DataError(f"all labels are {names[0]!r}: how good features are shows with two classes or more")
    return y, names


def _known(y: np.ndarray) -> Int[np.ndarray, " known"]:
    return np.flatnonzero(np.isfinite(y) if y.dtype.kind == "f" else y >= 0)


def split(y: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Four fifths and one fifth of every class, or of all quantities (seed 0); a class of one sample stays in the
    first part."""
    generator = np.random.default_rng(SEED)
    groups = [known] if y.dtype.kind == "f" else [known[y[known] == c] for c in np.unique(y[known])]
    train, held = [], []
    for group in groups:
        rows = generator.permutation(group)
        cut = max(1, round(len(rows) / 5)) if len(rows) > 1 else 0
        held.append(rows[:cut])
        train.append(rows[cut:])
    if not sum(map(len, held)):
        raise DataError("every class has a single labelled sample, so none can be held out: give test= data")
    return np.sort(np.concatenate(train)), np.sort(np.concatenate(held))


def _seen(
    modality: Modality, encoder: nn.Module, train: Part, test: Part | None, device: torch.device | str
) -> Seen:
    encoder = encoder.to(device)
    z = {
        id(p.source): features(encoder, p.source, prepare=modality.plain, device=device)
        for p in (train, test)
        if p
    }
    return Seen(
        z[id(train.source)][train.rows],
        None if test is None else z[id(test.source)][test.rows],
        viewed(modality, encoder, train, device),
    )


@torch.no_grad()
def viewed(
    modality: Modality, encoder: nn.Module, part: Part, device: torch.device | str
) -> Float[Tensor, "samples views dim"]:
    """Features of some samples of a part, each changed strongly in several ways; the encoder in evaluation mode."""
    chosen = np.sort(np.random.default_rng(SEED).permutation(len(part.rows))[:VIEWED])
    batch = Rows(part.source)[part.rows[chosen]].to(device)
    places = part.rows[chosen] if part.source.whole else np.arange(len(chosen))
    training = encoder.training
    encoder.eval()
    made = []
    for number in range(VIEWS):
        draws = Draws(SEED, number, total=len(batch.index), device=device, name="views")
        (view,) = modality.make_views(batch, (Branch("strong"),), draws)
        z = encoder(view.x).float().cpu()
        made.append(z[torch.from_numpy(places)])
    encoder.train(training)
    return torch.stack(made, dim=1)


def raw_features(modality: Modality, source: Source) -> Float[Tensor, "samples values"]:
    """The raw input of every sample as one vector."""
    return torch.cat([modality.flatten(modality.plain(b.x)).float() for b in passes(source)])
