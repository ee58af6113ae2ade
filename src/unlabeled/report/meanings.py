"""What the figures of a scorecard mean, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Meaning:
    """One figure: what it is, whether it was measured with labels, and which way is better."""

    words: str
    labelled: bool = False
    better: Literal["higher", "lower", ""] = ""
    """empty: neither alone says that the features are good"""

    @property
    def told(self) -> str:
        arrow = {"higher": "↑ ", "lower": "↓ ", "": ""}[self.better]
        return arrow + self.words


MEANINGS = {
    "knn": Meaning("test samples right by a vote of their nearest neighbours", True, "higher"),
    "linear_probe": Meaning("test samples right by a linear classifier on the features", True, "higher"),
    "balanced_linear_probe": Meaning(
        "the same, every class counting alike however rare (balanced accuracy)", True, "higher"
    ),
    "few_shot": Meaning("test samples right from a few labels a class, mean over the draws", True, "higher"),
    "regression_probe": Meaning("R² of a ridge regression on the features; 1 is exact", True, "higher"),
    "retrieval": Meaning(
        "how high samples of the same class rank when sorted by cosine (mean average precision)",
        True,
        "higher",
    ),
    "clustering": Meaning("agreement of k-means clusters with the classes", True, "higher"),
    "effective_rank": Meaning(
        "directions the features use, by the entropy of their singular values; 1 is a collapse"
    ),
    "rankme": Meaning(
        "directions the features use, by the entropy of their singular values; 1 is a collapse"
    ),
    "alpha_req": Meaning("how fast the spectrum falls, as a power of the rank; near 1 is said to be best"),
    "lidar": Meaning(
        "directions that tell samples apart beyond what views of one sample differ by", False, "higher"
    ),
    "uniformity": Meaning("how evenly features fill the sphere; the lower, the more even", False, "lower"),
    "alignment": Meaning(
        "squared distance of two views of a sample; the lower, the more alike", False, "lower"
    ),
    "self_cluster": Meaning(
        "how much features flock together, from 0 (evenly spread) to 1 (one spot)", False, "lower"
    ),
    "participation_ratio": Meaning("directions that carry most of the variance"),
    "intrinsic_dimension": Meaning(
        "dimension of the surface the features lie on, from distances of neighbours"
    ),
    "cluster_learnability": Meaning("how well nearest neighbours learn the features' own clusters"),
    "feature_spread": Meaning("1: features point all around; 0: all the same way"),
}
"""figure of the scorecard → what it is"""

GROUPS = {"Without labels": False, "With labels": True}
"""heading → whether its figures were measured with labels"""


def labelled(name: str, chance: float | None) -> bool:
    """Whether a figure was measured with labels; of one that is not in the list, whether it has a level of chance."""
    return MEANINGS[name].labelled if name in MEANINGS else chance is not None
