"""What training minimises: pure functions of tensors, one file a family.

No objective keeps state, gathers across processes or logs: the caller hands over the whole batch. Each
computes in float32 or better, whatever autocast says, and raises `unlabeled.errors.ObjectiveError` for what
has no meaning. Finite inputs up to about 1e18 never give NaN; a loss too large for float32 is infinite.
"""

from unlabeled.objectives.clustering import sinkhorn, swapped_prediction
from unlabeled.objectives.contrastive import info_nce, nt_xent
from unlabeled.objectives.correlation import barlow_twins, vicreg
from unlabeled.objectives.distillation import dino
from unlabeled.objectives.instance import diet
from unlabeled.objectives.masked import masked_classification, masked_reconstruction, masked_tokens
from unlabeled.objectives.regression import cosine_regression

__all__ = [
    "barlow_twins",
    "cosine_regression",
    "diet",
    "dino",
    "info_nce",
    "masked_classification",
    "masked_reconstruction",
    "masked_tokens",
    "nt_xent",
    "sinkhorn",
    "swapped_prediction",
    "vicreg",
]
