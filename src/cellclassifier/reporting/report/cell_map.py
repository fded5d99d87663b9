"""The cells in a plane, drawn by Bokeh, and what the page knows of each of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cellclassifier.evaluation.survey import CellMap
from cellclassifier.labels import BETWEEN
from cellclassifier.predictions import STATUSES
from cellclassifier.reporting.report.page import packed
from cellclassifier.reporting.report.plots import NO_FILL

SEED = 0
HEIGHT = 560
# a screen has room for as much ink, however many cells there are
INK = 5_000.0
SMALLEST, LARGEST = 2.5, 7.0
MARGIN = 0.04
# probabilities and novelties are shown with three digits, and 16 bits hold four
STEPS = 65_535
COLUMNS = ("x", "y", "name", "type", "confidence", "novelty", "set", "status", "colour")
TOOLTIPS = (
    ("cell", "@name"),
    ("type", "@type"),
    ("confidence", "@confidence{0.000}"),
    ("set", "@set"),
    ("novelty", "@novelty{0.00}"),
    ("status", "@status"),
)


def map_figure(drawn: CellMap) -> Any:  # noqa: ANN401  (Bokeh's types)
    """Return the figure of the cells, without the cells: the page puts them in."""
    from bokeh.models import BooleanFilter, CDSView, ColumnDataSource, HoverTool, Range1d
    from bokeh.plotting import figure

    plot = figure(
        height=HEIGHT,
        sizing_mode="stretch_width",
        tools="pan,wheel_zoom,box_zoom,reset,save",
        active_scroll=None,
        output_backend="canvas",
        name="cell map",
        **NO_FILL,
    )
    source = ColumnDataSource({column: [] for column in COLUMNS}, name="cells")
    shown = [tip for tip in TOOLTIPS if _is_told(tip[0], drawn)]
    size = float(np.clip(INK / max(len(drawn), 1) ** 0.75, SMALLEST, LARGEST))
    for name, colour, alpha in (("hidden cells", "#8c8c8c", 0.15), ("shown cells", "colour", 0.8)):
        dots = plot.scatter(
            "x",
            "y",
            source=source,
            view=CDSView(filter=BooleanFilter(name=name)),
            size=size,
            fill_color=colour,
            fill_alpha=alpha,
            line_color=None,
        )
    plot.add_tools(HoverTool(renderers=[dots], tooltips=shown, point_policy="follow_mouse"))
    for axis, values in (("x_range", drawn.position[:, 0]), ("y_range", drawn.position[:, 1])):
        low, high = float(values.min(initial=0)), float(values.max(initial=1))
        room = MARGIN * max(high - low, 1e-3)
        setattr(plot, axis, Range1d(start=low - room, end=high + room))
    plot.axis.visible = False
    plot.grid.visible = False
    plot.toolbar.logo = None
    plot.lod_threshold = 5_000
    return plot


def map_data(drawn: CellMap, labels: Sequence[str], colours: Sequence[str]) -> dict[str, Any]:
    """Return what the page is told of the cells, in an order by lot.

    In the order of the file, the type that comes last would lie above all others.
    """
    order = np.random.default_rng(SEED).permutation(len(drawn))
    sets, which = _sets(drawn, labels)
    data: dict[str, Any] = {
        "x": packed(drawn.position[order, 0].astype(np.float32)),
        "y": packed(drawn.position[order, 1].astype(np.float32)),
        "names": [str(name) for name in drawn.cell_names[order]],
        "code": packed(drawn.codes[order].astype(np.uint16)),
        "labels": list(labels),
        "colours": list(colours),
        "confidence": packed(np.rint(STEPS * drawn.confidence[order]).astype(np.uint16)),
        "steps": STEPS,
        "statuses": [status.replace("_", " ") for status in STATUSES],
        "sets": sets,
    }
    if drawn.novelty is not None:
        top = float(drawn.novelty.max(initial=0.0, where=np.isfinite(drawn.novelty))) or 1.0
        scaled = STEPS * np.clip(drawn.novelty[order], 0, top) / top
        data |= {"novelty": packed(np.rint(scaled).astype(np.uint16)), "top_novelty": top}
    if drawn.sets is not None:
        data |= {
            "set": packed(which[order].astype(np.uint16)),
            "set_size": packed(drawn.sets.sum(axis=1)[order].astype(np.uint16)),
        }
    if drawn.status is not None:
        data["status"] = packed(drawn.status[order].astype(np.uint8))
    return data


def _is_told(what: str, drawn: CellMap) -> bool:
    told = {"set": drawn.sets, "novelty": drawn.novelty, "status": drawn.status}
    return told.get(what, drawn.codes) is not None


def _sets(drawn: CellMap, labels: Sequence[str]) -> tuple[list[str], npt.NDArray[np.intp]]:
    """Return the sets that there are as texts, and which of them each cell has."""
    if drawn.sets is None:
        return [], np.zeros(len(drawn), np.intp)
    found, which = np.unique(drawn.sets, axis=0, return_inverse=True)
    return [
        BETWEEN.join(labels[int(code)] for code in np.flatnonzero(held)) or "(none)"
        for held in found
    ], which.ravel()
