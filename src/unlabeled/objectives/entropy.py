"""Cross-entropies, by what the target is: a distribution, or the position of a class."""

from jaxtyping import Float, Int
from torch import Tensor


def soft_cross_entropy(
    logits: Float[Tensor, "batch classes"], target: Float[Tensor, "batch classes"]
) -> Float[Tensor, ""]:
    """Mean over the batch of -sum_k target_k log softmax(logits)_k."""
    return -(target * logits.log_softmax(-1)).sum(-1).mean()


def index_cross_entropy(
    logits: Float[Tensor, "batch classes"], index: Int[Tensor, " batch"], *, label_smoothing: float = 0.0
) -> Float[Tensor, ""]:
    """Mean over the batch of the cross-entropy to (1 - s) one_hot(index) + s / classes.

    Unlike torch's own it knows no index to ignore: -100 is a mistake here, not a silent 0 / 0.
    """
    log_p = logits.log_softmax(-1)
    chosen = log_p.gather(-1, index.long().unsqueeze(-1)).squeeze(-1)
    return -((1 - label_smoothing) * chosen + label_smoothing * log_p.mean(-1)).mean()
