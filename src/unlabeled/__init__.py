"""Learning from data with few labels or none, in every modality, on one template."""

from unlabeled import errors, evaluation, methods, modalities, objectives, parts
from unlabeled.api import finetune, load, pretrain
from unlabeled.data.batch import Batch, View
from unlabeled.methods.contract import Branch, Facts, Method, Output, Requires
from unlabeled.methods.recipe import Group, Recipe
from unlabeled.modalities.contract import Modality
from unlabeled.parts.encoder import Encoded, Encoder
from unlabeled.run import Run

__version__ = "0.1.0"

__all__ = [
    "Batch",
    "Branch",
    "Encoded",
    "Encoder",
    "Facts",
    "Group",
    "Method",
    "Modality",
    "Output",
    "Recipe",
    "Requires",
    "Run",
    "View",
    "errors",
    "evaluation",
    "finetune",
    "load",
    "methods",
    "modalities",
    "objectives",
    "parts",
    "pretrain",
]
