"""What figures have in common: a canvas without a window, and a light frame."""

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

COLOURS = ("#1b6ca8", "#c8553d", "#3a7d44", "#7b5ea7", "#b8860b", "#555555")


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of so many inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)  # no window, whatever the backend
    return figure


def new_axes(width: float, height: float) -> Axes:
    """Return the axes of a new figure of so many inches."""
    return new_figure(width, height).add_subplot()


def frame(ax: Axes) -> None:
    """Give axes a light grid, and no lines above and to the right."""
    ax.grid(color="0.9", linewidth=0.7)
    ax.set_axisbelow(True)
    ax.tick_params(labelsize=8)
    ax.spines[["top", "right"]].set_visible(False)
