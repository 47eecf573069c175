"""Plots as SVG text; they take their colours from the page, so that they can be read on light and dark."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup, escape
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pointillist.inference.calibration import BINS, Calibration

_INK = "#010203"
_LINES = ("#010204", "#010205", "#010206", "#010207", "#010208")
_VARIABLES = {_INK: "currentColor", **{line: f"var(--line-{n})" for n, line in enumerate(_LINES, start=1)}}
"""Colours that no plot uses, each replaced by one that the page defines."""
_STYLES = ("-", "--", "-.", ":")


def curve_svg(
    title: str,
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    x_label: str = "epoch",
    share: bool = False,
) -> Markup:
    """Line plot as an `<svg>` element; lines differ in colour and in dashes.

    Args:
        title: Above the plot.
        series: (x, y) by name.
        x_label: Below the plot.
        share: Whether y runs from 0 to 1.
    """

    def draw(axes: Axes) -> None:
        for index, (name, (x, y)) in enumerate(series.items()):
            color, style = _LINES[index % len(_LINES)], _STYLES[index % len(_STYLES)]
            marker = "o" if len(x) < 12 else None
            axes.plot(x, y, color=color, linestyle=style, label=name, linewidth=1.8, marker=marker, markersize=3.5)
        axes.set_xlabel(x_label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if share:
            axes.set_ylim(0, 1.02)
        if len(series) > 1:
            axes.legend(frameon=False, fontsize=9)

    ends = ", ".join(f"{name} {y[0]:.3g} to {y[-1]:.3g}" for name, (_, y) in series.items())
    return _svg(title, f"{title}: {ends}", (4.4, 2.6), draw)


def small_curve_svg(name: str, x: Sequence[float], y: Sequence[float]) -> Markup:
    """One line between 0 and 1 over epochs, small and without a title, which the page has above it."""

    def draw(axes: Axes) -> None:
        axes.plot(x, y, color=_LINES[0], linewidth=1.8, marker="o" if len(x) < 12 else None, markersize=3.5)
        axes.set_ylim(0, 1.02)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))

    return _svg("", f"{name}: IoU {y[0]:.3g} to {y[-1]:.3g}", (2.4, 1.4), draw)


def reliability_svg(calibration: Calibration) -> Markup:
    """Accuracy against confidence, in intervals of confidence, beside the line of a model that is calibrated."""

    def draw(axes: Axes) -> None:
        edges = np.arange(BINS) / BINS
        right = np.nan_to_num(calibration.accuracy)
        axes.bar(edges, right, 0.9 / BINS, align="edge", color=_LINES[0], alpha=0.4, label="share that is right")
        axes.plot(calibration.confidence, calibration.accuracy, "o", color=_LINES[0], markersize=4)
        axes.plot([0, 1], [0, 1], color=_INK, linestyle="--", linewidth=1, label="as sure as it is right")
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="confidence", ylabel="accuracy")
        axes.legend(frameon=False, fontsize=9, loc="upper left")

    return _svg("", "Accuracy against confidence; the table has the numbers.", (4.4, 3.4), draw)


def _svg(title: str, label: str, size: tuple[float, float], draw: Callable[[Axes], None]) -> Markup:
    inked = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
    # A salt of its own and no date: the same run gives the same page, and no two plots on it share an id.
    settings: dict[Any, Any] = dict.fromkeys(inked, _INK)
    settings |= {"svg.fonttype": "none", "svg.hashsalt": label, "text.parse_math": False, "font.size": 10}
    with rc_context(settings):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        draw(axes)
        if title:
            axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.2, linewidth=0.6, color=_INK)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None}, transparent=True)
    svg = re.sub("|".join(_VARIABLES), lambda found: _VARIABLES[found[0]], text.getvalue())
    # matplotlib counts its groups anew in each plot, and nothing refers to them.
    svg = re.sub(r' id="[a-z0-9.]+_[0-9]+"', "", svg[svg.index("<svg") :])
    return Markup(svg.replace("<svg", f'<svg role="img" aria-label="{escape(label)}"', 1))
