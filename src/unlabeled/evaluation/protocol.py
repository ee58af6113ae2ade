"""Which classes are asked for and which samples are the test: what a protocol fixes before anything is measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64, Shaped

from unlabeled.errors import DataError, OptionError
from unlabeled.evaluation import arrays
from unlabeled.evaluation.arrays import Labels


def grouped_split(
    labels: Labels, groups: Labels, *, folds: int = 5, seed: int = 0
) -> tuple[Int64[np.ndarray, " train"], Int64[np.ndarray, " test"]]:
    """Places of train and of test samples; a group (a place, a patient, a film) is never in both.

    The test part is one of `folds` parts of whole groups, with shares of the classes near those of all
    samples: near-duplicates of one source stay on one side. For a validation part, split train again.

    Shapes: one label and one group (whole number or string) a sample.
    Refused: unequal lengths, missing labels or groups (-1, None, empty), fewer than 2 folds, fewer groups than
    folds, a split in which a class has no train or no test sample (its samples are in too few groups).
    Source: scikit-learn's StratifiedGroupKFold.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    y = arrays.labels(labels, "labels", rows=len(labels), of="labels")
    source = arrays.labels(groups, "groups", rows=len(y), of="labels")
    if folds < 2:
        raise OptionError(f"folds is {folds}: at least 2 are needed, one of which is the test")
    if len(found := np.unique(source)) < folds:
        raise DataError(f"groups has {len(found)} groups for {folds} folds: give fewer folds")
    counts = np.unique(y, return_counts=True)[1]
    if counts.max() < folds:
        raise DataError(f"no class has {folds} samples for {folds} folds: give fewer folds")
    split = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    train, test = next(split.split(np.zeros(len(y)), y, source))
    for name, rows in (("train", train), ("test", test)):
        absent = np.setdiff1d(y, y[rows])
        if len(absent):
            raise DataError(
                f"class {absent[0]} has no {name} sample: it lies in {len(np.unique(source[y == absent[0]]))} "
                "groups, too few to be on both sides; give another seed or fewer folds, or leave the class out"
            )
    return train.astype(np.int64), test.astype(np.int64)


@dataclass(frozen=True)
class Merged:
    """Samples that are left after classes were merged, with their new classes."""

    rows: Int64[np.ndarray, " kept"]
    """places of the samples that are kept"""
    labels: Shaped[np.ndarray, " kept"]
    """their new classes"""
    dropped: Mapping[int | str, int]
    """class that the mapping leaves out → number of its samples"""


def merge_classes(labels: Labels, mapping: Mapping[Any, Any]) -> Merged:
    """Fine classes made into the few that are asked for, by a declared table; the others are dropped and counted.

    Shapes: one label (whole number or string) a sample; `mapping` from old classes to new, written as the
    labels are.
    Refused: missing labels, fewer than 2 new classes among the samples (most often the classes are written
    otherwise in `mapping`), new classes that are neither all strings nor all whole numbers.
    """
    y = arrays.labels(labels, "labels", rows=len(labels), of="labels")
    classes, place, counts = np.unique(y, return_inverse=True, return_counts=True)
    known = np.array([name.item() in mapping for name in classes], dtype=bool)
    rows = np.flatnonzero(known[place])
    new = [mapping[name] for name in y[rows].tolist()]
    if len(set(new)) < 2:
        raise DataError(
            f"mapping (of classes such as {next(iter(mapping), None)!r}) leaves {len(set(new))} classes of labels "
            f"(such as {classes[0].item() if len(classes) else None!r}): at least 2 are needed, written the same way"
        )
    merged = arrays.labels(np.array(new, dtype=object), "mapping", rows=len(rows), of="labels")
    return Merged(
        rows,
        merged,
        {c.item(): int(n) for c, n, kept in zip(classes, counts, known, strict=True) if not kept},
    )
