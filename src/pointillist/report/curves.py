"""Curves as SVG text."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

COLORS = ("#2f6db5", "#d55e00", "#009e73", "#cc79a7", "#7a6a00")


def curve_svg(
    title: str,
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    x_label: str = "epoch",
    share: bool = False,
) -> str:
    """Line plot as an `<svg>` element.

    Args:
        title: Above the plot.
        series: (x, y) by name.
        x_label: Below the plot.
        share: Whether y runs from 0 to 1.
    """
    figure = Figure(figsize=(5.2, 2.7), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    for color, (name, (x, y)) in zip(COLORS * len(series), series.items(), strict=False):
        axes.plot(x, y, color=color, label=name, linewidth=1.8, marker="o" if len(x) < 12 else None, markersize=3.5)
    axes.set_title(title, loc="left", fontsize=10.5, fontweight="bold")
    axes.set_xlabel(x_label, fontsize=9)
    axes.tick_params(labelsize=8.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)
    if share:
        axes.set_ylim(0, 1)
    if len(series) > 1:
        axes.legend(frameon=False, fontsize=8.5)
    text = io.StringIO()
    # A fixed salt and no date: the same run gives the same page.
    figure.savefig(text, format="svg", metadata={"Date": None})
    svg = text.getvalue()
    return svg[svg.index("<svg") :]
