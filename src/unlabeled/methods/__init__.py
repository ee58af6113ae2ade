"""Every method that is not about one kind of data, and the registry that finds them by name."""

from unlabeled.methods import clustered, contrastive, decorrelated, distilled, instance, labelled, masked
from unlabeled.methods.contract import Branch, Facts, Method, Output, Requires, check_range
from unlabeled.methods.recipe import Group, Recipe
from unlabeled.methods.registry import Entry, lookup, names, register, table

__all__ = [
    "Branch",
    "Entry",
    "Facts",
    "Group",
    "Method",
    "Output",
    "Recipe",
    "Requires",
    "check_range",
    "clustered",
    "contrastive",
    "decorrelated",
    "distilled",
    "instance",
    "labelled",
    "lookup",
    "masked",
    "names",
    "register",
    "table",
]
