"""The trials of a search, and what mattered in it, for people to read."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.console import Group, RenderableType
from rich.table import Table

from cellclassifier.tuning.trials import Trial, best_first

# beside the default; five columns fit a terminal of 80 letters
SHOWN_TRIALS = 4
BAR_INCHES = 0.32
WIDTH_INCHES = 5.5
DIGITS = 3


def trials_table(trials: Sequence[Trial]) -> RenderableType:
    """Return what the best trials and the default chose and scored, side by side."""
    ranked = best_first(trials)
    shown = ranked[:SHOWN_TRIALS]
    shown += [trial for trial in ranked[SHOWN_TRIALS:] if trial.number == 0]
    table = Table("trial", box=None, pad_edge=False, padding=(0, 1))
    for trial in shown:
        table.add_column(str(trial.number) if trial.number else "0 (default)", justify="right")
    table.add_row("log-loss", *(f"{trial.log_loss:.4f}" for trial in shown))
    table.add_row("accuracy", *(f"{trial.accuracy:.3f}" for trial in shown))
    for name in shown[0].chosen if shown else ():
        table.add_row(name.replace("_", " "), *(short_value(trial.chosen[name]) for trial in shown))
    table.add_row("seconds", *(f"{trial.seconds:.0f}" for trial in shown))
    n_pruned = sum(trial.pruned for trial in trials)
    return Group(table, "", f"{len(trials)} trials, {n_pruned} of them pruned")


def draw_importance(importance: Mapping[str, float], *, ax: Axes | None = None) -> Axes:
    """Draw the share of the differences between trials that each dimension explains.

    Parameters
    ----------
    importance
        As in `Tuning.importance`, the largest first.
    ax
        Where to draw; None makes a figure.
    """
    ax = _bar_axes(len(importance)) if ax is None else ax
    names = [name.replace("_", " ") for name in importance]
    bars = ax.barh(names, [100 * share for share in importance.values()], color="#4878a8")
    ax.bar_label(bars, fmt="%.0f", padding=3, fontsize=9)
    ax.invert_yaxis()
    ax.margins(x=0.1)
    ax.set_xlabel("% of the variance of log-loss between trials (fANOVA)")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def short_value(value: float | str) -> str:
    """Return a value of a dimension in few letters.

    >>> short_value(0.000123456), short_value(1000), short_value("sqrt")
    ('0.000123', '1000', 'sqrt')
    """
    if isinstance(value, str):
        return value
    return f"{float(f'{value:.{DIGITS}g}'):g}"  # 1000, not 1e+03


def _bar_axes(n_bars: int) -> Axes:
    figure = Figure(figsize=(WIDTH_INCHES, 1.0 + BAR_INCHES * n_bars), layout="constrained")
    FigureCanvasAgg(figure)  # no window, whatever the backend
    return figure.add_subplot()
