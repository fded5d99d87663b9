"""Cells in a plane, coloured by what is known of each."""

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.lines import Line2D

from cellclassifier.errors import InputError
from cellclassifier.reporting.canvas import new_axes

# the area of all dots together, in square points
ALL_DOTS = 40_000
SMALLEST, LARGEST = 0.3, 14.0
# from so many on, dots are pixels also in SVG and PDF
RASTER_FROM = 5_000
ROWS_OF_LEGEND = 20
SIDE, LETTER = 4.4, 0.085


def embedding(
    position: npt.ArrayLike,
    values: object,
    *,
    title: str = "",
    seed: int = 0,
    ax: Axes | None = None,
) -> Axes:
    """Draw cells in a plane, coloured by type, or by a number.

    Parameters
    ----------
    position
        Shape (n_cells, 2), such as ``adata.obsm["X_umap"]``.
    values
        Shape (n_cells,), such as ``adata.obs["predicted_cell_type"]``: texts and categories get a
        colour each and a legend, numbers a scale.
    title
        What the values are.
    seed
        Of the order in which cells of several types are drawn, so that none covers the others.
    ax
        Where to draw; None makes a figure with room for the legend.

    Raises
    ------
    InputError
        There are not as many values as cells, or not two coordinates.
    """
    place, column = np.asarray(position, dtype=np.float64), pd.Series(values).reset_index(drop=True)
    if place.shape != (len(column), 2):
        raise InputError(
            f"positions have the shape {place.shape}, and {len(column):,} values need "
            f"({len(column)}, 2)"
        )
    is_number = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    types = None if is_number else pd.Categorical(column.astype(object).fillna("").astype(str))
    if types is not None and isinstance(column.dtype, pd.CategoricalDtype):
        known = [str(name) for name in column.cat.categories]
        types = types.set_categories([*known, *set(types.categories).difference(known)])
        types = types.remove_unused_categories()
    ax = _map_axes(types) if ax is None else ax
    if types is None:
        _draw_numbers(ax, place, column.to_numpy(dtype=np.float64), title)
    else:
        _draw_types(ax, place, types, seed)
    ax.set_title(title, fontsize=10)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_aspect("equal", adjustable="datalim")
    ax.spines[:].set_color("0.8")
    return ax


def _draw_types(
    ax: Axes, place: npt.NDArray[np.float64], types: "pd.Categorical[str]", seed: int
) -> None:
    # here, since the page's parts are needed by few figures
    from cellclassifier.reporting.report.palette import type_colours

    names = [str(name) for name in types.categories]
    colours = np.array(type_colours(len(names)), dtype=object)
    order = np.random.default_rng(seed).permutation(len(types))
    _dots(ax, place[order], colours[types.codes[order]])
    sizes = np.bincount(types.codes, minlength=len(names))
    handles = [
        _dot_of(f"{name} ({size:,})", colour)
        for name, colour, size in zip(names, colours, sizes, strict=True)
    ]
    ax.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=8,
        ncols=-(-len(names) // ROWS_OF_LEGEND), handletextpad=0.2, columnspacing=0.8,
    )  # fmt: skip


def _dot_of(label: str, colour: str) -> Line2D:
    return Line2D([], [], linestyle="", marker="o", markersize=5, color=colour, label=label)


def _draw_numbers(
    ax: Axes, place: npt.NDArray[np.float64], numbers: npt.NDArray[np.float64], title: str
) -> None:
    order = np.argsort(numbers, kind="stable")  # the highest on top
    drawn = _dots(ax, place[order], numbers[order], "viridis")
    bar = ax.figure.colorbar(drawn, ax=ax, shrink=0.7, pad=0.02, aspect=25)
    bar.set_label(title, fontsize=8)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)


def _dots(
    ax: Axes,
    place: npt.NDArray[np.float64],
    colours: npt.NDArray[np.generic],
    colour_map: str | None = None,
) -> PathCollection:
    n_cells = len(place)
    return ax.scatter(
        place[:, 0], place[:, 1], c=colours, cmap=colour_map, linewidths=0,
        s=float(np.clip(ALL_DOTS / max(n_cells, 1), SMALLEST, LARGEST)),
        rasterized=n_cells >= RASTER_FROM,
    )  # fmt: skip


def _map_axes(types: "pd.Categorical[str] | None") -> Axes:
    if types is None:
        return new_axes(SIDE + 0.9, SIDE)
    columns = -(-len(types.categories) // ROWS_OF_LEGEND)
    letters = max((len(str(name)) + 8 for name in types.categories), default=0)
    return new_axes(SIDE + columns * (0.25 + LETTER * letters), SIDE)
