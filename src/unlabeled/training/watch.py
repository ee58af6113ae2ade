"""Whether a run is collapsing: one reading of the embeddings (or predicted classes) now and then.

The bounds are measured, on runs broken on purpose and on healthy runs of every method: `benchmarks/collapse.py`,
docs/benchmarks.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unlabeled.evaluation import decompose, effective_rank, feature_spread, participation_ratio
from unlabeled.methods.contract import Output
from unlabeled.parts import Assigning, Teacher, gather

LEAST_SPREAD = 0.2
"""of unit rows of two views or more, which losses compare; 1 spread evenly over the sphere, 0 one point. Healthy runs
stay above 0.46"""
LEAST_SPREAD_ALONE = 0.02
"""of unit rows of a single view, which no loss compares: a large part may be common to all rows, and they differ.
Healthy runs stay above 0.13"""
LEAST_DIRECTIONS = 1.8
"""participation ratio of centred unit rows; 1 is a line. Healthy runs that did not begin below it stay above 2.2"""
LEAST_ENTROPY = 0.05
"""entropy of the mean predicted class over its largest value. Healthy runs stay above 0.86; no run that was measured
collapsed so"""
LEAST_PROTOTYPES = 0.1
"""entropy of the chosen prototypes over its largest value. Healthy runs stay above 0.3"""
LEAST_ROWS = 16
"""rows below which the directions say nothing: two points always lie on a line"""
PATIENCE = 4
"""readings in a row below a bound before it counts as collapse; 1 to 4 stop the same runs, 8 fewer"""

ADVICE = (
    "try a lower learning rate, a larger batch, stronger views or another method; "
    "on_collapse='warn' goes on regardless"
)


@dataclass(frozen=True)
class Reading:
    """What one batch says."""

    effective_rank: float
    feature_spread: float
    participation_ratio: float
    rows: int
    views: int
    class_entropy: float | None = None
    prototype_use: float | None = None

    def trouble(self, first: Reading | None = None) -> str | None:
        """What is wrong, in words, or None.

        `first`: the run's first reading. Few directions are a collapse only where the run began with more, so
        that half of what was more than a line is gone: an encoder that hides tokens may begin with fewer than
        2, and learn. Nor are they one of a classifier: the features of two classes rightly end on a line. The
        effective rank is shown and not judged: weak directions count much in it, and it stays above 10 where
        the others see a line.
        """
        if self.class_entropy is not None and self.class_entropy < LEAST_ENTROPY:
            return f"nearly every sample is given the same class (entropy {self.class_entropy:.3f} of 1)"
        if self.prototype_use is not None and self.prototype_use < LEAST_PROTOTYPES:
            return f"nearly every sample is given the same prototype (entropy {self.prototype_use:.3f} of 1)"
        if self.feature_spread < (LEAST_SPREAD if self.views > 1 else LEAST_SPREAD_ALONE):
            return f"the embeddings have shrunk to one point (spread {self.feature_spread:.4f} of 1)"
        fallen = first is None or self.participation_ratio - 1 < (first.participation_ratio - 1) / 2
        judged = self.class_entropy is None and self.rows >= LEAST_ROWS
        if judged and fallen and self.participation_ratio < LEAST_DIRECTIONS:
            return (
                f"the embeddings have shrunk to a line (participation ratio {self.participation_ratio:.2f})"
            )
        return None


@torch.no_grad()
def read(output: Output, prototypes: float | None = None, *, rows: int = 256) -> Reading:
    """Effective rank and participation ratio of centred unit rows and feature spread of the first view; class
    entropy of logits. `prototypes`: how evenly they were used, where there are any."""
    z = F.normalize(output.embeddings[0].detach()[:rows].float(), dim=1)
    centred = z - z.mean(dim=0)
    # one decomposition for both; rows that are all the same have no direction
    spectrum = decompose(centred) if bool(centred.abs().max() > 1e-6) else None
    return Reading(
        1.0 if spectrum is None else effective_rank(spectrum),
        feature_spread(z),
        1.0 if spectrum is None else participation_ratio(spectrum),
        len(z),
        len(output.embeddings),
        None if output.logits is None else entropy(output.logits),
        prototypes,
    )


def entropy(logits: Tensor) -> float:
    """Entropy of the mean predicted class, from 0 (one class) to 1 (all alike)."""
    mean = logits.float().softmax(dim=1).mean(dim=0)
    return float(torch.special.entr(mean).sum()) / math.log(mean.shape[0])


def teacher_agreement(method: nn.Module, x: Any) -> float | None:
    """Mean cosine between student and teacher on the same inputs, over the rows of all processes; 1 if alike.

    None for a method without a teacher that copies it. Where there are several teachers: the mean.
    """
    teachers = [part for part in method.modules() if isinstance(part, Teacher)]
    if not teachers:
        return None
    return float(gather(torch.stack([teacher.agreement(x).mean() for teacher in teachers])).mean())


@torch.no_grad()
def prototype_use(method: nn.Module) -> float | None:
    """How evenly the last batch chose its prototypes: 0 all the same one, 1 as evenly as so many rows can.

    Entropy of the shares in which the rows of all processes chose each prototype, over its largest value,
    log min(rows, prototypes). None for a method without prototypes. Where there are several sets: the least.
    """
    uses = []
    for part in method.modules():
        if isinstance(part, Assigning) and part.chosen is not None:
            chosen = gather(part.chosen)
            shares = torch.bincount(chosen, minlength=part.count).float() / len(chosen)
            most = math.log(max(2, min(len(chosen), part.count)))
            uses.append(float(torch.special.entr(shares).sum()) / most)
    return min(uses, default=None)
