"""Choice without labels: which of several runs, and which hyperparameters."""

from unlabeled.selection.agreement import Agreement, agreement
from unlabeled.selection.candidates import Candidate, Selection
from unlabeled.selection.figures import FIGURES, LabelFree
from unlabeled.selection.ranking import select
from unlabeled.selection.space import read_space, training_options
from unlabeled.selection.study import Search, Trial, search

__all__ = [
    "FIGURES",
    "Agreement",
    "Candidate",
    "LabelFree",
    "Search",
    "Selection",
    "Trial",
    "agreement",
    "read_space",
    "search",
    "select",
    "training_options",
]
