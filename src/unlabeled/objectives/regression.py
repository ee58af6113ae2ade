"""Predict one view's embedding from the other's."""

from jaxtyping import Float
from torch import Tensor

from unlabeled.objectives import checks
from unlabeled.objectives.precision import at_least_float32
from unlabeled.objectives.similarity import cosine


@at_least_float32
def cosine_regression(
    prediction: Float[Tensor, "batch dim"], target: Float[Tensor, "batch dim"]
) -> Float[Tensor, ""]:
    """Squared distance of directions: BYOL's loss and, up to scale and offset, SimSiam's; one direction.

    The mean over samples of 2 - 2 cos(prediction, sg(target)), which is the squared distance of the unit
    rows. It lies in [0, 4]. BYOL adds the two directions; SimSiam's loss is half their mean, minus 1.

    Shapes: both (batch, dim), row i of each from sample i; the result is a scalar.
    Normalised: the rows, to unit length, here. A zero row has cosine 0, so it costs 2 and receives no
    gradient.
    Gradient: into the prediction only; the papers stop it at the target, and so does this function.
    Refused: an empty batch, fewer than 2 columns (one number has a sign and no direction to learn), unequal
    shapes or types.
    Source: Grill et al., 2020, arXiv:2006.07733; Chen, He, 2020, arXiv:2011.10566. Ports differ in the
    factor: some return -cos, some the mean of the squared difference over columns, which is this divided by
    dim.
    """
    checks.matrices(least_columns=2, prediction=prediction, target=target)
    return (2 - 2 * cosine(prediction, target.detach())).mean()
