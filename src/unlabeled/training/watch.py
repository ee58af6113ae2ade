"""Whether a run is collapsing: one reading of the embeddings (or predicted classes) now and then."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from unlabeled.evaluation import effective_rank, feature_spread
from unlabeled.methods.contract import Output

LEAST_SPREAD = 0.02
"""of unit rows; 1 spread evenly over the sphere, 0 one point. 0.02 is a mean cosine of 0.9996"""
LEAST_RANK = 1.3
"""effective rank of centred unit rows; 1 is a line"""
LEAST_ENTROPY = 0.05
"""entropy of the mean predicted class over its largest value"""
LEAST_ROWS = 8
"""rows below which the rank says nothing: two points always lie on a line"""
PATIENCE = 4
"""readings in a row below a bound before it counts as collapse"""

ADVICE = (
    "try a lower learning rate, a larger batch, stronger views or another method; "
    "on_collapse='warn' goes on regardless"
)


@dataclass(frozen=True)
class Reading:
    """What one batch says."""

    effective_rank: float
    feature_spread: float
    rows: int
    class_entropy: float | None = None

    @property
    def trouble(self) -> str | None:
        """What is wrong, in words, or None."""
        if self.class_entropy is not None and self.class_entropy < LEAST_ENTROPY:
            return f"nearly every sample is given the same class (entropy {self.class_entropy:.3f} of 1)"
        if self.feature_spread < LEAST_SPREAD:
            return f"the embeddings have shrunk to one point (spread {self.feature_spread:.4f} of 1)"
        if self.effective_rank < LEAST_RANK and self.rows >= LEAST_ROWS:
            return f"the embeddings have shrunk to a line (effective rank {self.effective_rank:.2f})"
        return None


@torch.no_grad()
def read(output: Output, *, rows: int = 256) -> Reading:
    """Effective rank of centred unit rows and feature spread of the first view; class entropy of logits."""
    z = F.normalize(output.embeddings[0].detach()[:rows].float(), dim=1)
    rank = effective_rank(z - z.mean(dim=0)) if bool((z - z.mean(dim=0)).abs().max() > 1e-6) else 1.0
    return Reading(
        float(rank),
        float(feature_spread(z)),
        len(z),
        None if output.logits is None else entropy(output.logits),
    )


def entropy(logits: Tensor) -> float:
    """Entropy of the mean predicted class, from 0 (one class) to 1 (all alike)."""
    mean = logits.float().softmax(dim=1).mean(dim=0)
    return float(-(mean * mean.clamp(min=1e-12).log()).sum()) / math.log(mean.shape[0])
