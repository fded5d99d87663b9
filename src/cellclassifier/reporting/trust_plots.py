"""Figures of how far probabilities can be trusted; each takes axes, or a figure, and returns it."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from cellclassifier.evaluation import AnsweredCurve, Evaluation, ReliabilityCurve
from cellclassifier.evaluation.refusing import N_POINTS

COLOURS = ("#1b6ca8", "#c8553d", "#3a7d44", "#7b5ea7", "#b8860b", "#555555")
# with fewer cells in a bin, its accuracy is mostly chance
MANY_CELLS = 20


def reliability(evaluation: Evaluation, *, figure: Figure | None = None) -> Figure:
    """Draw accuracy against confidence, bin by bin, and below how many cells each bin has.

    Bars on the diagonal mean what they say. Bins of fewer than 20 cells are pale.

    Parameters
    ----------
    evaluation
        What to draw.
    figure
        An empty one to draw into; None makes one.
    """
    curve = evaluation.reliability
    figure = _new_figure(4.2, 4.8) if figure is None else figure
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    _draw_bins(above, curve)
    gap = curve.overconfidence
    above.set_title(
        f"ECE {curve.ece:.3f}, {abs(gap):.3f} {'over' if gap > 0 else 'under'}-confident, "
        f"{evaluation.n_cells:,} cells",
        fontsize=10,
    )
    _draw_sizes(below, curve)
    return figure


def accuracy_by_share(
    evaluations: Evaluation | Mapping[str, Evaluation], *, ax: Axes | None = None
) -> Axes:
    """Draw the accuracy over the surest cells against the share of all cells that they are.

    Parameters
    ----------
    evaluations
        What to draw: one, or several by name.
    ax
        Where to draw; None makes a figure.
    """
    ax = _new_figure(4.8, 3.6).add_subplot() if ax is None else ax
    named = {"": evaluations} if isinstance(evaluations, Evaluation) else evaluations
    for place, (name, evaluation) in enumerate(named.items()):
        _draw_answered(ax, evaluation.answered, name, COLOURS[place % len(COLOURS)])
    ax.set_xlim(0, 1)
    ax.xaxis.set_major_formatter(PercentFormatter(xmax=1))
    ax.set_xlabel("cells named, the surest first")
    ax.set_ylabel("accuracy over these")
    _frame(ax)
    if any(named):
        ax.legend(loc="lower left", fontsize=8, frameon=False)
    return ax


def _draw_bins(ax: Axes, curve: ReliabilityCurve) -> None:
    n_bins = len(curve.n_cells)
    centres = (np.arange(n_bins) + 0.5) / n_bins
    for seen, strength in (
        (curve.n_cells >= MANY_CELLS, 0.85),
        ((curve.n_cells > 0) & (curve.n_cells < MANY_CELLS), 0.25),
    ):
        ax.bar(
            centres[seen], curve.accuracy[seen], width=0.9 / n_bins, color=COLOURS[0],
            alpha=strength, linewidth=0,
        )  # fmt: skip
    seen = curve.n_cells > 0
    ax.plot(
        curve.confidence[seen], curve.accuracy[seen],
        linestyle="", marker="o", markersize=3, color="black", clip_on=False,
    )  # fmt: skip
    ax.plot([0, 1], [0, 1], color="0.3", linewidth=0.8, linestyle="--")
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1)
    ax.set_ylabel("accuracy")
    _frame(ax)


def _draw_sizes(ax: Axes, curve: ReliabilityCurve) -> None:
    n_bins = len(curve.n_cells)
    centres = (np.arange(n_bins) + 0.5) / n_bins
    ax.bar(centres, curve.n_cells, width=0.9 / n_bins, color="0.6", linewidth=0)
    # the surest bin often holds more than all others together
    ax.set_yscale("symlog", linthresh=1)
    ax.set_ylim(0, 10 * max(int(curve.n_cells.max(initial=1)), 1))
    for centre, size in zip(centres, curve.n_cells, strict=True):
        if size:
            ax.text(centre, 1.25 * size, f"{size:,}", ha="center", va="bottom", fontsize=6)
    ax.set_xlabel("confidence: probability of the type given")
    ax.set_ylabel("cells")
    _frame(ax)


def _draw_answered(ax: Axes, curve: AnsweredCurve, name: str, colour: str) -> None:
    shares = np.arange(1, N_POINTS + 1) / N_POINTS
    ax.plot(shares, curve.accuracy, color=colour, linewidth=1.5, label=name or None)


def _frame(ax: Axes) -> None:
    ax.grid(color="0.9", linewidth=0.7)
    ax.set_axisbelow(True)
    ax.tick_params(labelsize=8)
    ax.spines[["top", "right"]].set_visible(False)


def _new_figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)  # no window, whatever the backend
    return figure
