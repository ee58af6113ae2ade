"""Tell every sample of the set from all the others."""

from jaxtyping import Float, Int
from torch import Tensor

from unlabeled.errors import ObjectiveError
from unlabeled.objectives import checks
from unlabeled.objectives.entropy import index_cross_entropy
from unlabeled.objectives.precision import at_least_float32


@at_least_float32
def diet(
    logits: Float[Tensor, "batch samples"], index: Int[Tensor, " batch"], *, label_smoothing: float
) -> Float[Tensor, ""]:
    """Classify each sample as itself: its position in the set is its class.

    The mean over the batch of the cross-entropy from (1 - s) one_hot(index) + s / N to softmax(logits), with
    s = label_smoothing and N samples in the set.

    Shapes: logits (batch, N), index (batch,) whole numbers; the result is a scalar.
    Normalised: the logits by a softmax.
    Gradient: into the logits.
    Refused: label_smoothing outside [0, 1) (at 1 every target is the same), fewer than 2 samples in the
    set, an empty batch, an index outside [0, N) (on a device other than the CPU torch reports it, as an
    assertion).
    Known value: log N for equal logits, whatever the smoothing.
    Source: Balestriero, 2023, arXiv:2302.10260; Ibrahim, Klindt, Balestriero, 2024, arXiv:2406.10743.
    """
    checks.matrices(logits=logits)
    checks.fraction(label_smoothing=label_smoothing)
    checks.class_index(logits.shape[1], index=index)
    if index.shape != logits.shape[:1]:
        raise ObjectiveError(
            f"index has shape {tuple(index.shape)}: give one position a row of the logits, "
            f"{tuple(logits.shape[:1])}"
        )
    return index_cross_entropy(logits, index, label_smoothing=label_smoothing)
