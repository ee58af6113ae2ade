"""How good an encoder is on some data: its features, the raw input and an untrained encoder side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unlabeled.data.draws import Draws
from unlabeled.data.labels import are_quantities, read_labels, read_numbers
from unlabeled.data.rows import Rows, features, passes
from unlabeled.data.source import Source
from unlabeled.errors import DataError
from unlabeled.evaluation import Scorecard, Seen, score
from unlabeled.evaluation.sampling import some_rows
from unlabeled.methods.contract import Branch
from unlabeled.modalities.contract import Modality

VIEWED, VIEWS = 100, 10
"""samples that are changed, and in how many ways, for figures that compare views (LiDAR's paper: 1,000 and 50)"""
RAW_COLUMNS, PROJECTED = 16_384, 4_096
"""numbers of a raw sample above which it is projected, and to how many"""
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
    test_labels: Any = None,
    k: int = 20,
    device: torch.device | str = "cpu",
    as_collated: bool = False,
    notes: Sequence[str] = (),
) -> Scorecard:
    """The scorecard of `encoders["learned"]`, beside the raw input and, where there is one, `encoders["untrained"]`.

    labels: what `read_labels` takes; None is what the source itself says, and figures without labels where it
    says nothing of use; False: figures without labels. Numbers of which one has a fraction are quantities, met by
    a regression. test: other samples to test on, with `test_labels`, or labelled in the same way; without it a
    fifth is held out, class by class (seed 0). Figures without labels look at all samples of `source`.
    as_collated: the encoders take samples as they are collated, not the modality's views of them; then there are
    no figures of views.
    """
    notes = list(notes)
    named = None if labels is None else modality.named_labels(labels)
    train, tested = _parts(named, source, test, test_labels, notes)
    prepare = (lambda x: x) if as_collated else modality.plain
    made: dict[str, Seen] = {}
    for name, encoder in encoders.items():
        encoder.to(device)
        of = partial(features, encoder, prepare=prepare, device=device)
        made[name] = _seen(of, train, tested)
        if not as_collated:
            made[name] = replace(made[name], views=viewed(modality, encoder, source, device))
    made["raw"] = _seen(partial(raw_features, modality), train, tested)
    if (columns := modality.flatten(modality.plain(modality.example())).shape[1]) > RAW_COLUMNS:
        notes.append(
            f"raw input: {columns} numbers a sample, taken to {PROJECTED} by a sparse random projection"
        )
    y_test = None if tested is None else tested.y
    return score(
        made["learned"], train.y, y_test, raw=made["raw"], untrained=made.get("untrained"), k=k, notes=notes
    )


def assess_embeddings(
    source: Source,
    *,
    labels: Any = None,
    test: Source | None = None,
    test_labels: Any = None,
    k: int = 20,
    notes: Sequence[str] = (),
) -> Scorecard:
    """The scorecard of embeddings that are there already: what `source` and `test` fetch, (samples, dim). There is
    no raw input and no untrained encoder to stand beside them. The options are those of `assess`."""
    notes = list(notes)
    train, tested = _parts(labels, source, test, test_labels, notes)
    seen = _seen(lambda held: torch.from_numpy(held.fetch(np.arange(len(held)))), train, tested)
    return score(seen, train.y, None if tested is None else tested.y, k=k, notes=notes)


def _parts(
    labels: Any, source: Source, test: Source | None, test_labels: Any, notes: list[str]
) -> tuple[Part, Part | None]:
    """What is learnt from and what is tested on; the latter None where only figures without labels are given."""
    unlabelled = Part(source, np.arange(len(source))), None
    if labels is False or (labels is None and source.labels is None):
        return unlabelled
    own = labels is None
    beside = [] if test is None else [test]
    try:
        y, classes = _said(True if own else labels, source, beside)
        if test is None:
            train, held = split(y, _known(y))
    except DataError as error:
        if not own:
            raise
        notes.append(f"figures without labels only: {error}")
        return unlabelled
    if test is None:
        every = "" if classes is None else "of every class "
        notes.append(f"no test data given: a fifth {every}was held out (seed {SEED})")
        return Part(source, train, y[train]), Part(source, held, y[held])
    asked = _labels_of_test(labels, test, test_labels)
    beside = [source]
    y_test = (
        read_numbers(asked, test, beside=beside)
        if classes is None
        else read_labels(asked, test, classes=classes, beside=beside)[0]
    )
    if y_test is None or not len(there := _known(y_test)):
        raise DataError("no sample of the test data has a number as its label")
    known = _known(y)
    return Part(source, known, y[known]), Part(test, there, y_test[there])


def _labels_of_test(labels: Any, test: Source, test_labels: Any) -> Any:
    """What says the classes of the test data: `test_labels`, a file or table of keys, else the data itself."""
    if test_labels is not None:
        return test_labels
    by_key = isinstance(labels, str | Path | Mapping) or hasattr(labels, "columns")
    if by_key or hasattr(labels, "column_names"):
        return labels
    if test.labels is None:
        raise DataError(
            "the test data has no labels: give test_labels=, class folders, a label column, or a labels file "
            "that has its keys"
        )
    return True


def _said(labels: Any, source: Source, beside: Sequence[Source]) -> tuple[np.ndarray, list[str] | None]:
    """What is said of every sample: class numbers (-1 unknown) and their names, or quantities (NaN unknown)."""
    numbers = read_numbers(labels, source, beside=beside)
    if numbers is not None and are_quantities(numbers):
        return numbers, None
    y, names = read_labels(labels, source, beside=beside)
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


def _seen(of: Callable[[Source], Tensor], train: Part, test: Part | None) -> Seen:
    """The rows of both parts, and all of the first's source; each source is read once."""
    z = {id(source): of(source) for source in {id(p.source): p.source for p in (train, test) if p}.values()}
    every = z[id(train.source)]
    test_rows = None if test is None else z[id(test.source)][test.rows]
    return Seen(every[train.rows], test_rows, every=every)


@torch.no_grad()
def viewed(
    modality: Modality, encoder: nn.Module, source: Source, device: torch.device | str
) -> Float[Tensor, "samples views dim"]:
    """Features of some samples, each changed strongly in several ways; the encoder in evaluation mode."""
    chosen = some_rows(len(source), VIEWED, SEED)
    batch = Rows(source)[chosen].to(device)
    places = chosen if source.whole else np.arange(len(chosen))
    training = encoder.training
    encoder.eval()
    try:
        made = []
        for number in range(VIEWS):
            draws = Draws(SEED, number, total=len(batch.index), device=device, name="views")
            (view,) = modality.make_views(batch, (Branch("strong"),), draws)
            made.append(encoder(view.x).float().cpu()[torch.from_numpy(places)])
    finally:
        encoder.train(training)
    return torch.stack(made, dim=1)


def raw_features(modality: Modality, source: Source) -> Float[Tensor, "samples values"]:
    """The raw input of every sample as one vector.

    More than 16,384 numbers (large pictures) are taken to 4,096 by a sparse random projection (seed 0), which
    keeps distances and what is linear in them nearly as they are (Li, Hastie, Church, KDD 2006; scikit-learn's).
    """
    from sklearn.random_projection import SparseRandomProjection

    projection, parts = None, []
    for batch in passes(source):
        rows = modality.flatten(modality.plain(batch.x)).float()
        if rows.shape[1] > RAW_COLUMNS:
            if projection is None:
                projection = SparseRandomProjection(PROJECTED, dense_output=True, random_state=SEED)
                projection.fit(rows[:1].numpy())
            rows = torch.from_numpy(projection.transform(rows.numpy()))
        parts.append(rows)
    return torch.cat(parts)
