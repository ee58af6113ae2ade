"""Shapes of points as paths of SVG: they tell classes apart where colours do not."""

from __future__ import annotations

from functools import cache

import numpy as np

from unlabeled.report.charts import MARKERS


@cache
def marker(shape: int, radius: float) -> str:
    """The outline of a shape around the point that a path has moved to, in relative steps."""
    from matplotlib.markers import MarkerStyle

    r = radius
    if MARKERS[shape] == "o":
        return f"m{-r:g},0a{r:g},{r:g} 0 1,0 {2 * r:g},0a{r:g},{r:g} 0 1,0 {-2 * r:g},0z"
    style = MarkerStyle(MARKERS[shape])
    # shapes are half a unit from the middle to a side; y goes down here
    outline = np.asarray(style.get_path().transformed(style.get_transform()).vertices)[:-1]
    steps = np.diff((outline * (2 * r, -2 * r)).round(1), axis=0, prepend=0)
    told = [f"{x:.3g},{y:.3g}" for x, y in steps.tolist()]
    return f"m{told[0]} l{' '.join(told[1:])}z"
