"""Assign samples to prototypes, and predict the assignment."""

from jaxtyping import Float
from torch import Tensor

from unlabeled.objectives import checks
from unlabeled.objectives.entropy import soft_cross_entropy
from unlabeled.objectives.precision import at_least_float32


@at_least_float32
def sinkhorn(
    scores: Float[Tensor, "batch prototype"], *, epsilon: float, iterations: int
) -> Float[Tensor, "batch prototype"]:
    """Soft codes that spread the batch evenly over the prototypes, by Sinkhorn-Knopp.

    Starting from exp(scores / epsilon), `iterations` times: scale each prototype's total over the batch to
    the same value, then each sample's code to sum 1. Codes therefore sum to 1 exactly, and each prototype's
    total tends to batch / prototype as the iterations grow (the authors use 3).

    Shapes: (batch, prototype) in and out. To use a queue, append its scores as rows and keep the first n
    codes.
    Normalised: nothing; SwAV's scores are cosines, from unit embeddings and unit prototypes.
    Gradient: none; codes are targets.
    Refused: epsilon not above 0, fewer than 1 iteration, fewer than 2 prototypes, an empty batch. More
    prototypes than rows is allowed, though no hard assignment can then be even.
    Source: Caron et al., 2020, arXiv:2006.09882; Cuturi, 2013, arXiv:1306.0895. Ports exponentiate first,
    which overflows, or leaves a row of zeros and NaN, when epsilon is small for the range of the scores;
    the same iteration on logarithms does neither.
    """
    checks.matrices(least_columns=2, scores=scores)
    checks.positive(epsilon=epsilon)
    checks.counted(iterations=iterations)
    log_codes = scores.detach() / epsilon
    for _ in range(iterations):
        log_codes = log_codes.log_softmax(0)
        log_codes = log_codes.log_softmax(1)
    return log_codes.exp()


@at_least_float32
def swapped_prediction(
    scores: Float[Tensor, "batch prototype"], codes: Float[Tensor, "batch prototype"], *, temperature: float
) -> Float[Tensor, ""]:
    """Cross-entropy from one view's code to another view's scores: one pair of SwAV's swapped prediction.

    The mean over samples of -sum_k sg(codes)_k log softmax(scores / temperature)_k.

    Shapes: both (batch, prototype), row i of each from sample i, each code a distribution; a scalar results.
    Normalised: the scores by a softmax; embeddings and prototypes are made unit length before, by the method.
    Gradient: into the scores only. The method averages over pairs of crops.
    Refused: temperature not above 0, fewer than 2 prototypes, an empty batch, unequal shapes or types. That
    codes sum to 1 is taken on trust.
    Source: Caron et al., 2020, arXiv:2006.09882.
    """
    checks.matrices(least_columns=2, scores=scores, codes=codes)
    checks.positive(temperature=temperature)
    return soft_cross_entropy(scores / temperature, codes.detach())
