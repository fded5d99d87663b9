"""Figures for papers, drawn with matplotlib, in the manner of scanpy.

Each takes axes (``ax=``) and returns them, or makes a figure of a fitting size; those of several
panels, `genes` and `panel`, take and return a figure. None opens a window. `save_figure` writes one
as PNG, SVG or PDF.
"""

from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cellclassifier.errors import OutputError
from cellclassifier.evaluation import Evaluation
from cellclassifier.files import replacing
from cellclassifier.reporting.canvas import new_axes
from cellclassifier.reporting.embedding_plots import embedding
from cellclassifier.reporting.explanation_plots import contributions, markers
from cellclassifier.reporting.gene_plots import genes, panel
from cellclassifier.reporting.trust_plots import answered, reliability

__all__ = [
    "FIGURE_KINDS",
    "answered",
    "check_figure_path",
    "confusion",
    "contributions",
    "embedding",
    "genes",
    "markers",
    "panel",
    "reliability",
    "save_figure",
]

FIGURE_KINDS = (".png", ".svg", ".pdf")
# up to here a cell of the matrix is large enough for its number
MAX_NUMBERED = 20
# a numbered cell needs room for "100", another one only for its label
INCHES_NUMBERED, INCHES_UNNUMBERED = 0.32, 0.2
SMALLEST_MATRIX = 3.6
# a letter of the tick labels, in inches
LETTER = 0.078
DPI = 150
# from this share on the cell is dark and its number white
DARK = 0.55


def confusion(
    evaluation: Evaluation,
    *,
    normalise: Literal["true", "predicted", "none"] = "true",
    ax: Axes | None = None,
) -> Axes:
    """Draw the confusion matrix, true types down, predicted types across.

    Parameters
    ----------
    evaluation
        What to draw.
    normalise
        Colour by the share of the true type (recall on the diagonal), by the share of the
        predicted type (precision), or by the number of cells.
    ax
        Where to draw; None makes a figure large enough for the labels.
    """
    shares = _shares(evaluation.confusion, normalise)
    labels = list(evaluation.labels)
    ax = _matrix_axes(labels) if ax is None else ax
    image = ax.imshow(shares, cmap="Blues", vmin=0, vmax=shares.max() or 1, aspect="equal")
    ax.set_xticks(range(len(labels)), labels, rotation=90, fontsize=9)
    ax.set_yticks(
        range(len(labels)),
        [f"{label} ({evaluation.per_type[label].n_cells:,})" for label in labels],
        fontsize=9,
    )
    ax.set_xlabel("predicted type")
    ax.set_ylabel("true type (cells)")
    _separate_cells(ax, len(labels))
    if len(labels) <= MAX_NUMBERED:
        _write_numbers(ax, shares, evaluation.confusion, normalise)
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.6, pad=0.02)
    bar.set_label(
        {"true": "% of the true type", "predicted": "% of the predicted type"}.get(
            normalise, "cells"
        )
    )
    ax.set_title(
        f"accuracy {evaluation.accuracy:.3f}, macro-F1 {evaluation.macro_f1:.3f}, "
        f"{evaluation.n_cells:,} cells",
        fontsize=10,
    )
    return ax


def check_figure_path(path: str | Path) -> Path:
    """Return `path` where its ending is that of a figure."""
    path = Path(path)
    if path.suffix not in FIGURE_KINDS:
        raise OutputError(f"cannot draw '{path}': name it one of {', '.join(FIGURE_KINDS)}")
    return path


def save_figure(drawn: Axes | Figure, path: str | Path) -> None:
    """Write a figure, or the one of some axes, as PNG, SVG or PDF, whole or not at all."""
    path = check_figure_path(path)
    figure = drawn if isinstance(drawn, Figure) else drawn.get_figure(root=True)
    if figure is None:
        raise OutputError(f"cannot draw '{path}': these axes were removed from their figure")
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=DPI, bbox_inches="tight")


def _shares(
    confusion: npt.NDArray[np.int64], normalise: Literal["true", "predicted", "none"]
) -> npt.NDArray[np.float64]:
    matrix = confusion.astype(np.float64)
    if normalise == "none":
        return matrix
    totals = matrix.sum(axis=1 if normalise == "true" else 0, keepdims=True)
    return np.asarray(100 * matrix / np.maximum(totals, 1), dtype=np.float64)


def _matrix_axes(labels: list[str]) -> Axes:
    """Make a figure in which the matrix and the longest label both have room."""
    each = INCHES_NUMBERED if len(labels) <= MAX_NUMBERED else INCHES_UNNUMBERED
    side = max(SMALLEST_MATRIX, each * len(labels))
    room = LETTER * max(map(len, labels)) + 0.6
    return new_axes(side + room + 1.4, side + room)


def _separate_cells(ax: Axes, n_labels: int) -> None:
    ax.set_xticks(np.arange(n_labels + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(n_labels + 1) - 0.5, minor=True)
    ax.grid(which="minor", color="0.88", linewidth=0.5)
    ax.tick_params(which="both", length=0)
    ax.spines[:].set_visible(False)


def _write_numbers(
    ax: Axes, shares: npt.NDArray[np.float64], counts: npt.NDArray[np.int64], normalise: str
) -> None:
    highest = shares.max() or 1
    for row, column in zip(*np.nonzero(counts), strict=True):
        share = shares[row, column]
        text = f"{counts[row, column]:,}" if normalise == "none" else _percent(share)
        ax.text(
            column, row, text,
            ha="center", va="center", fontsize=8,
            color="white" if share > DARK * highest else "black",
        )  # fmt: skip


def _percent(share: float) -> str:
    """Return a share as text that takes neither a few cells for none nor nearly all for all.

    >>> [_percent(share) for share in (0.2, 3.4, 99.7, 100.0)]
    ['<1', '3', '>99', '100']
    """
    if 0 < share < 0.5:
        return "<1"
    return ">99" if 99.5 <= share < 100 else f"{share:.0f}"
