"""How a person sees a run: one self-contained page."""

from unlabeled.report.one_run import run_report
from unlabeled.report.page import (
    Folded,
    Gallery,
    Image,
    Legend,
    Paragraph,
    Section,
    Table,
    render,
)
from unlabeled.report.samples import Samples
from unlabeled.report.several_runs import compare
from unlabeled.report.shown import Shown

__all__ = [
    "Folded",
    "Gallery",
    "Image",
    "Legend",
    "Paragraph",
    "Samples",
    "Section",
    "Shown",
    "Table",
    "compare",
    "render",
    "run_report",
]
