"""The figures by which runs are chosen without labels, and which of two values each prefers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from unlabeled import evaluation
from unlabeled.errors import DataError, OptionError, nearest
from unlabeled.evaluation.learnability import clusters_for
from unlabeled.selection.embedded import Embedded

BY = "nesum"
"""the figure that runs are chosen by when none is named: of the encoder's features, the one whose order agreed best
with linear accuracy in the pool where it agreed least (`benchmarks/label_free.py`, docs/benchmarks.md)"""
CLID = "clid"
"""cluster learnability and intrinsic dimension, each as a z-score among the runs, added up"""


@dataclass(frozen=True)
class LabelFree:
    """One figure of embeddings."""

    compute: Callable[[Embedded], float]
    better: Literal["larger", "smaller", "near 1"] = "larger"
    """what its authors found in better encoders"""

    def merit(self, value: float) -> float:
        """The value as a number of which more is better."""
        return {"larger": value, "smaller": -value, "near 1": -abs(value - 1)}[self.better]


FIGURES: Mapping[str, LabelFree] = {
    "rankme": LabelFree(lambda e: evaluation.rankme(e.spectrum)),
    "effective_rank": LabelFree(lambda e: evaluation.effective_rank(e.spectrum)),
    "stable_rank": LabelFree(lambda e: evaluation.stable_rank(e.spectrum)),
    "nesum": LabelFree(lambda e: evaluation.nesum(e.spectrum)),
    "participation_ratio": LabelFree(lambda e: evaluation.participation_ratio(e.spectrum)),
    "alpha_req": LabelFree(lambda e: evaluation.alpha_req(e.spectrum), "near 1"),
    "lidar": LabelFree(lambda e: evaluation.lidar(e.views)),
    "cluster_learnability": LabelFree(
        lambda e: evaluation.cluster_learnability(e.z, clusters=clusters_for(len(e.z)))
    ),
    "intrinsic_dimension": LabelFree(lambda e: evaluation.intrinsic_dimension(e.z)),
    "self_cluster": LabelFree(lambda e: evaluation.self_cluster(e.z), "smaller"),
    "uniformity": LabelFree(lambda e: evaluation.uniformity(e.z), "smaller"),
    "alignment": LabelFree(lambda e: evaluation.alignment_of_views(e.views), "smaller"),
    "feature_spread": LabelFree(lambda e: evaluation.feature_spread(e.z)),
}


def check_figure(name: str) -> str:
    """The name, or an error with the nearest known."""
    if name not in FIGURES:
        raise OptionError(f"there is no label-free figure {name!r}: {nearest(name, FIGURES)}")
    return name


def measure(name: str, embedded: Embedded) -> tuple[float | None, list[str]]:
    """The value of a figure, None where these embeddings have none, and what was warned of or why not."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            value: float | None = FIGURES[name].compute(embedded)
            refused = []
        except (DataError, OptionError) as error:
            value, refused = None, [f"no {name}: {error}"]
    return value, [*refused, *(str(warning.message) for warning in said)]
