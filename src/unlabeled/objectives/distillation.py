"""Let a student match what its teacher says."""

from jaxtyping import Float
from torch import Tensor

from unlabeled.errors import ObjectiveError
from unlabeled.objectives import checks
from unlabeled.objectives.entropy import soft_cross_entropy
from unlabeled.objectives.precision import at_least_float32


@at_least_float32
def dino(
    student: Float[Tensor, "batch prototype"],
    teacher: Float[Tensor, "batch prototype"],
    center: Float[Tensor, " prototype"],
    *,
    student_temperature: float,
    teacher_temperature: float,
) -> Float[Tensor, ""]:
    """Cross-entropy from a centred, sharpened teacher to a student: one pair of crops.

    With p = softmax((teacher - center) / teacher_temperature), the mean over samples of
    -sum_k sg(p)_k log softmax(student / student_temperature)_k.

    Shapes: student and teacher (batch, prototype), row i of each from sample i; center (prototype,); a
    scalar.
    Normalised: both by a softmax; pass raw head outputs. The center is the one before this step's update.
    Gradient: into the student only. The method averages over pairs of different crops and moves the center.
    Refused: a temperature not above 0, fewer than 2 prototypes, an empty batch, unequal shapes or types, a
    center of another width.
    Known value: log(prototype) when student and centred teacher are uniform.
    Source: Caron et al., 2021, arXiv:2104.14294.
    """
    checks.matrices(least_columns=2, student=student, teacher=teacher)
    checks.positive(student_temperature=student_temperature, teacher_temperature=teacher_temperature)
    checks.floating(center=center)
    if center.shape != teacher.shape[1:]:
        raise ObjectiveError(
            f"center has shape {tuple(center.shape)}: give one number a prototype, {tuple(teacher.shape[1:])}"
        )
    target = ((teacher - center) / teacher_temperature).softmax(-1).detach()
    return soft_cross_entropy(student / student_temperature, target)
