"""Drawings for the page, made with matplotlib's objects alone: no window, no global state."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#7d5ba6",
    "#8c6d1f",
    "#3d4b56",
    "#b03060",
)
"""told apart by the colour-blind as far as ten colours can be (the first six are Okabe and Ito's)"""
OTHER = "#c3c9ce"
"""samples without a label, or of the classes beyond the tenth"""
MARKERS = "osD^vPX<>*"


def canvas(width: float, height: float) -> tuple[Any, Any]:
    """A figure of this size in inches and its axes, in the look all drawings share."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#9aa4ad")
    axes.tick_params(color="#9aa4ad", labelcolor="#3a444d", labelsize=9)
    axes.grid(axis="y", color="#e8ebee", linewidth=0.8)
    axes.set_axisbelow(True)
    return figure, axes


def svg(figure: Any) -> bytes:
    """The drawing as SVG."""
    out = io.BytesIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()


def png(figure: Any, dpi: int) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=dpi, metadata={"Software": None})
    return out.getvalue()


def curves(lines: Mapping[str, tuple[np.ndarray, np.ndarray]], *, colours: Sequence[str] = COLOURS) -> bytes:
    """Lines over steps: name → (steps, values), told apart by colour and dashes."""
    figure, axes = canvas(4.0, 2.35)
    styles = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
    for place, (steps, values) in enumerate(lines.values()):
        axes.plot(
            steps,
            values,
            color=colours[place % len(colours)],
            linestyle=styles[place % len(styles)],
            linewidth=1.7,
            marker="o" if len(steps) < 4 else None,
            markersize=4,
        )
    axes.set_xlabel("step", fontsize=9, color="#3a444d")
    axes.margins(x=0.02)
    # a flat line would be drawn as noise at full height
    low, high = axes.get_ylim()
    if high - low < 1e-3 * max(abs(high), abs(low)):
        middle = (high + low) / 2
        room = max(abs(middle) * 0.05, 1e-9)
        axes.set_ylim(middle - room, middle + room)
    axes.xaxis.set_major_locator(whole_ticks())
    return svg(figure)


def spectrum(lines: Mapping[str, np.ndarray]) -> bytes:
    """Singular values in falling order on a logarithmic scale: name → values, NaN where there is nothing."""
    figure, axes = canvas(7.2, 3.4)
    for place, values in enumerate(lines.values()):
        axes.plot(
            np.arange(1, len(values) + 1),
            values,
            color=COLOURS[place % len(COLOURS)],
            linestyle="-" if place == 0 else (0, (5, 2)),
            linewidth=2 if place == 0 else 1.6,
            marker="o" if len(values) < 12 else None,
            markersize=4,
        )
    axes.set_yscale("log")
    axes.set_xlabel("direction", fontsize=10, color="#3a444d")
    axes.set_ylabel("singular value / largest", fontsize=10, color="#3a444d")
    axes.margins(x=0.02)
    axes.xaxis.set_major_locator(whole_ticks())
    return svg(figure)


def whole_ticks() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins=5, integer=True)


def spread_lines(
    places: Sequence[str], lines: Mapping[str, tuple[Sequence[float], Sequence[float]]], *, x: str, y: str
) -> bytes:
    """Figures with their spread at a few places: name → (mean, deviation), one number a place; the last stands out."""
    figure, axes = canvas(7.2, 3.9)
    for place, (name, (mean, deviation)) in enumerate(lines.items()):
        axes.errorbar(
            # a little apart, so that bars do not hide one another
            np.arange(len(places)) + (place - (len(lines) - 1) / 2) * 0.04,
            mean,
            yerr=deviation,
            label=name,
            color=COLOURS[place % len(COLOURS)],
            marker=MARKERS[place % len(MARKERS)],
            markersize=6,
            linewidth=2.6 if place == len(lines) - 1 else 1.6,
            capsize=3,
        )
    axes.set_xticks(range(len(places)), list(places))
    axes.set_xlabel(x, fontsize=10, color="#3a444d")
    axes.set_ylabel(y, fontsize=10, color="#3a444d")
    axes.margins(x=0.08)
    legend = axes.legend(loc="lower right", frameon=False, fontsize=10, reverse=True)
    for text in legend.get_texts():
        text.set_parse_math(False)
    return svg(figure)
