"""Figures of the genes that a model goes by; each takes axes, and returns them."""

from itertools import groupby

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from cellclassifier.evaluation import Explanation
from cellclassifier.evaluation.explanation import gene_names
from cellclassifier.evaluation.survey import GeneDots
from cellclassifier.reporting.canvas import COLOURS, frame, new_axes

# a gene, a type, a letter of a label, in inches
GENE, ROW, LETTER = 0.24, 0.26, 0.085
# the area of the dot of a gene that all cells express, in square points
LARGEST = 130
SHOWN_SHARES = (0.25, 0.5, 1.0)


def markers(explained: Explanation | GeneDots, *, ax: Axes | None = None) -> Axes:
    """Draw how the genes that speak for each type are expressed in all types, as dots.

    The area is the share of cells that express the gene, the colour its mean expression, relative
    to the type where that is highest.

    Parameters
    ----------
    explained
        What `explain` returned.
    ax
        Where to draw; None makes a figure large enough for the labels.
    """
    dots = explained.dots if isinstance(explained, Explanation) else explained
    ax = _dot_axes(dots) if ax is None else ax
    n_types, n_genes = dots.mean.shape
    highest = dots.mean.max(axis=0, initial=0, keepdims=True)
    strength = np.divide(dots.mean, highest, out=np.zeros_like(dots.mean), where=highest > 0)
    row, column = np.indices(dots.mean.shape)
    drawn = ax.scatter(
        column.ravel(), row.ravel(), s=LARGEST * dots.share.ravel(), c=strength.ravel(),
        cmap="Reds", vmin=0, vmax=1, edgecolors="0.45", linewidths=0.4,
    )  # fmt: skip
    _band_types(ax, dots)
    ax.set_xticks(range(n_genes), dots.genes, rotation=90, fontsize=8, style="italic")
    ax.set_yticks(range(n_types), dots.labels, fontsize=9)
    ax.set_xlim(-0.7, n_genes - 0.3)
    ax.set_ylim(n_types - 0.4, -0.6)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    bar = ax.figure.colorbar(drawn, ax=ax, shrink=0.6, pad=0.02, aspect=12)
    bar.set_label("mean expression,\nrelative to the highest type", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
    ax.legend(
        handles=[_dot_of(share) for share in SHOWN_SHARES], title="cells expressing",
        loc="lower left", bbox_to_anchor=(0, 1), ncols=len(SHOWN_SHARES), frameon=False,
        fontsize=8, title_fontsize=8, borderaxespad=0.2,
    )  # fmt: skip
    return ax


def contributions(
    explanation: Explanation, cell_type: str, *, n_genes: int = 15, ax: Axes | None = None
) -> Axes:
    """Draw what the best genes of a type contribute, by presence and by absence.

    Parameters
    ----------
    explanation
        What `explain` returned.
    cell_type
        The type.
    n_genes
        How many of its genes to draw.
    ax
        Where to draw; None makes a figure.

    Raises
    ------
    InputError
        There were no cells of that type.
    """
    names = explanation.genes_of(cell_type, n_genes)
    rows = explanation.best(n_genes)
    rows = rows[rows["cell_type"] == cell_type]
    ax = new_axes(4.6, 1.2 + ROW * len(names)) if ax is None else ax
    places = np.arange(len(rows))
    ax.barh(places, rows["by_presence"], color=COLOURS[0], label="where it is expressed")
    lacking = rows["by_absence"].to_numpy()
    # what the absence of a gene takes away goes to the left of zero
    start = np.where(lacking > 0, rows["by_presence"], 0.0)
    ax.barh(places, lacking, left=start, color=COLOURS[1], label="where it is not")
    ax.axvline(0, color="0.3", linewidth=0.8)
    ax.set_yticks(places, gene_names(rows), style="italic")
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xlabel("mean contribution to the log-odds")
    ax.set_title(f"{cell_type} rather than {rows['runner_up'].iloc[0]}", fontsize=10)
    frame(ax)
    ax.grid(axis="y", visible=False)
    ax.legend(fontsize=8, frameon=False, loc="lower right")
    return ax


def _band_types(ax: Axes, dots: GeneDots) -> None:
    """Mark which genes speak for which type, every other one by a band."""
    start = 0
    for number, (_, own) in enumerate(groupby(dots.speaks_for)):
        end = start + len(list(own))
        if number % 2 == 0:
            ax.axvspan(start - 0.5, end - 0.5, color="0.95", linewidth=0, zorder=0)
        start = end


def _dot_of(share: float) -> Line2D:
    return Line2D(
        [], [], linestyle="", marker="o", markersize=float(np.sqrt(LARGEST * share)),
        markerfacecolor="0.8", markeredgecolor="0.45", markeredgewidth=0.4, label=f"{share:.0%}",
    )  # fmt: skip


def _dot_axes(dots: GeneDots) -> Axes:
    width = GENE * len(dots.genes) + LETTER * max(map(len, dots.labels), default=0) + 1.4
    height = ROW * len(dots.labels) + LETTER * max(map(len, dots.genes), default=0) + 0.8
    return new_axes(max(width, 4.2), max(height, 2.2))
