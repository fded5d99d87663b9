"""The small plots of reports, drawn by Bokeh; colours that the page sets are left out."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cellclassifier.evaluation import AnsweredCurve, ReliabilityCurve
from cellclassifier.evaluation.refusing import N_POINTS

HEIGHT = 300
BLUE, ORANGE, GREEN = "#3a86c8", "#d9762b", "#2a9d6f"
# with fewer cells in a bin, its accuracy is mostly chance
MANY_CELLS = 20
N_BINS = 40
# until the page sets its own: white would shine through at the edges of a dark page
NO_FILL = {"background_fill_color": None, "border_fill_color": None}

Values = npt.NDArray[np.number]


def reliability_plot(curve: ReliabilityCurve) -> Any:  # noqa: ANN401  (Bokeh's types)
    """Draw accuracy against confidence; bins of fewer than 20 cells are pale."""
    plot = _figure("confidence", "accuracy", tooltips=_TIPS_OF_BINS)
    plot.line([0, 1], [0, 1], line_dash="dashed", line_color=None, name="ink")
    seen = curve.n_cells > 0
    n_bins = len(curve.n_cells)
    left = np.arange(n_bins) / n_bins
    bars = plot.quad(
        left="left",
        right="right",
        top="accuracy",
        bottom=0,
        fill_alpha="strength",
        fill_color=BLUE,
        line_color=None,
        source={
            "left": (left + 0.05 / n_bins)[seen],
            "right": (left + 0.95 / n_bins)[seen],
            "accuracy": curve.accuracy[seen],
            "confidence": curve.confidence[seen],
            "n_cells": curve.n_cells[seen],
            "strength": np.where(curve.n_cells[seen] >= MANY_CELLS, 0.85, 0.3),
        },
    )
    _hover_over(plot, bars)
    _show(plot, (0, 1), (0, 1.02))
    return plot


def answered_plot(curve: AnsweredCurve) -> Any:  # noqa: ANN401
    """Draw the accuracy over the surest cells against the share of all that they are."""
    plot = _figure(
        "cells named, the surest first",
        "accuracy over these",
        tooltips=[("named", "@share{0%}"), ("accuracy", "@accuracy{0.000}")],
    )
    source = {"share": np.arange(1, N_POINTS + 1) / N_POINTS, "accuracy": curve.accuracy}
    line = plot.line("share", "accuracy", source=source, line_width=2.5, line_color=BLUE)
    _hover_over(plot, line, mode="vline")
    low = float(curve.accuracy.min())
    _show(plot, (0, 1.01), (max(low - 0.05, 0), 1.005))
    plot.xaxis.formatter = _percent()
    return plot


def learning_plot(history: Sequence[Mapping[str, float]]) -> Any:  # noqa: ANN401
    """Draw each score that was taken after each epoch."""
    plot = _figure(
        "epoch", "loss, nats", tooltips=[("epoch", "@epoch"), ("$name", "@value{0.0000}")]
    )
    names = [name for name in history[0] if "loss" in name]
    for name, colour in zip(names, (BLUE, ORANGE, GREEN), strict=False):
        values = [float(scores.get(name, np.nan)) for scores in history]
        source = {"epoch": np.arange(1, len(values) + 1), "value": np.array(values)}
        title = name.replace("_", " ")
        style = {"source": source, "legend_label": title, "color": colour}
        plot.line("epoch", "value", line_width=2.5, **style)
        dots = plot.scatter("epoch", "value", size=5, name=title, **style)
        _hover_over(plot, dots)
    plot.legend.location = "top_right"
    plot.y_range.start = 0
    return plot


def depth_plot(title: str, here: Values, trained: Values | None) -> Any:  # noqa: ANN401
    """Draw how many cells have how much, of the cells named and of those of the training."""
    plot = _figure(
        title, "share of cells", tooltips=[("from", "@left{0,0}"), ("share", "@top{0.0%}")]
    )
    both = here if trained is None else np.concatenate([here, trained])
    edges = _edges(both)
    _histogram(plot, here, edges, BLUE, "these cells")
    if trained is not None:
        _histogram(plot, trained, edges, ORANGE, "training cells")
    plot.x_range.start, plot.x_range.end = float(edges[0]), float(edges[-1])
    plot.y_range.start = 0
    plot.yaxis.formatter = _percent()
    plot.xaxis.formatter = _thousands()
    plot.legend.location = "top_right"
    return plot


_TIPS_OF_BINS = [
    ("accuracy", "@accuracy{0.000}"),
    ("mean confidence", "@confidence{0.000}"),
    ("cells", "@n_cells{0,0}"),
]


def _histogram(plot: Any, values: Values, edges: Values, colour: str, name: str) -> None:  # noqa: ANN401
    top = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0] / max(len(values), 1)
    bars = plot.quad(
        left="left",
        right="right",
        top="top",
        bottom=0,
        source={"left": edges[:-1], "right": edges[1:], "top": top},
        fill_color=colour,
        fill_alpha=0.45,
        line_color=colour,
        line_alpha=0.6,
        legend_label=name,
    )
    _hover_over(plot, bars)


def _edges(values: Values) -> Values:
    """Return the ends of bins that show most cells; a few far ones fall into the last bin."""
    low, high = (float(end) for end in np.percentile(values, (0, 99)))
    return np.linspace(low, max(high, low + 1), N_BINS + 1)


def _figure(x_label: str, y_label: str, *, tooltips: list[tuple[str, str]]) -> Any:  # noqa: ANN401
    from bokeh.models import HoverTool
    from bokeh.plotting import figure

    plot = figure(
        height=HEIGHT,
        sizing_mode="stretch_width",
        tools="",
        toolbar_location=None,
        x_axis_label=x_label,
        y_axis_label=y_label,
        **NO_FILL,
    )
    plot.add_tools(HoverTool(tooltips=tooltips, renderers=[]))
    return plot


def _hover_over(plot: Any, renderer: Any, mode: str = "mouse") -> None:  # noqa: ANN401
    plot.hover.renderers = [*plot.hover[0].renderers, renderer]
    plot.hover.mode = mode


def _show(plot: Any, x: tuple[float, float], y: tuple[float, float]) -> None:  # noqa: ANN401
    from bokeh.models import Range1d

    plot.x_range = Range1d(start=x[0], end=x[1])
    plot.y_range = Range1d(start=y[0], end=y[1])


def _percent() -> Any:  # noqa: ANN401
    from bokeh.models import NumeralTickFormatter

    return NumeralTickFormatter(format="0%")


def _thousands() -> Any:  # noqa: ANN401
    from bokeh.models import NumeralTickFormatter

    return NumeralTickFormatter(format="0,0")
