"""Figures of how far probabilities can be trusted; each takes axes, and returns them."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from cellclassifier.evaluation import AnsweredCurve, Evaluation, ReliabilityCurve
from cellclassifier.evaluation.refusing import N_POINTS
from cellclassifier.reporting.canvas import COLOURS, frame, new_axes

# with fewer cells in a bin, its accuracy is mostly chance
MANY_CELLS = 20


def reliability(evaluation: Evaluation, *, ax: Axes | None = None) -> Axes:
    """Draw accuracy against confidence, bin by bin, and below how many cells each bin has.

    Bars on the diagonal mean what they say. Bins of fewer than 20 cells are pale.

    Parameters
    ----------
    evaluation
        What to draw.
    ax
        Where to draw; its lower fifth goes to the cells. None makes a figure.
    """
    curve = evaluation.reliability
    ax = new_axes(4.2, 4.8) if ax is None else ax
    below = _split_off(ax)
    _draw_bins(ax, curve)
    ax.tick_params(labelbottom=False)
    gap = curve.overconfidence
    ax.set_title(
        f"ECE {curve.ece:.3f}, {abs(gap):.3f} {'over' if gap > 0 else 'under'}-confident, "
        f"{evaluation.n_cells:,} cells",
        fontsize=10,
    )
    _draw_sizes(below, curve)
    return ax


def answered(evaluations: Evaluation | Mapping[str, Evaluation], *, ax: Axes | None = None) -> Axes:
    """Draw the accuracy over the surest cells against the share of all cells that they are.

    Parameters
    ----------
    evaluations
        What to draw: one, or several by name.
    ax
        Where to draw; None makes a figure.
    """
    ax = new_axes(4.8, 3.6) if ax is None else ax
    named = {"": evaluations} if isinstance(evaluations, Evaluation) else evaluations
    for place, (name, evaluation) in enumerate(named.items()):
        _draw_answered(ax, evaluation.answered, name, COLOURS[place % len(COLOURS)])
    ax.set_xlim(0, 1)
    ax.xaxis.set_major_formatter(PercentFormatter(xmax=1))
    ax.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    ax.set_xlabel("cells named, the surest first")
    ax.set_ylabel("accuracy over these")
    lowest = min(float(each.answered.accuracy.min()) for each in named.values())
    # differences of thousandths are not blown up
    ax.set_ylim(min(lowest - 0.01, 0.95), 1.002)
    frame(ax)
    if any(named):
        ax.legend(loc="lower left", fontsize=8, frameon=False)
    return ax


def _split_off(ax: Axes) -> Axes:
    """Return new axes in the lowest fifth of some."""
    place = ax.get_subplotspec()
    if place is None:  # laid out by hand: below, where there is room
        return ax.inset_axes((0, -0.36, 1, 0.3), sharex=ax)
    parts = place.subgridspec(2, 1, height_ratios=(4, 1))
    ax.set_subplotspec(parts[0])
    figure = ax.get_figure(root=False)
    assert figure is not None  # noqa: S101  (it has a place in one)
    return figure.add_subplot(parts[1], sharex=ax)


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
    frame(ax)


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
    frame(ax)


def _draw_answered(ax: Axes, curve: AnsweredCurve, name: str, colour: str) -> None:
    shares = np.arange(1, N_POINTS + 1) / N_POINTS
    ax.plot(shares, curve.accuracy, color=colour, linewidth=1.5, label=name or None)
