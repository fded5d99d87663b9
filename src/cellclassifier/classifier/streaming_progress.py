"""What a person sees while the cells of a file are named."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from cellclassifier.training.progress import CellsWatcher, Lines


def watch_no_cells(n_done: int, n_cells: int) -> None:
    """Show nothing."""


class _RateColumn(ProgressColumn):
    """Cells a second, of this run."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:,.0f} cells/s")


@contextmanager
def cells_bar(what: str) -> Iterator[CellsWatcher]:
    """Show a bar of cells, their rate and the time left on stderr, or lines in a log.

    Work that goes on where it was says so in a line, anywhere.
    """
    console = Console(stderr=True)
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[cells]}"),
        _RateColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    task = progress.add_task(what, total=None, cells="")
    lines = Lines(console)

    def watch(n_done: int, n_cells: int) -> None:
        if n_done and progress.tasks[0].total is None:
            told = f"goes on where it was: {n_done:,} of {n_cells:,} cells are named already"
            console.print(told, highlight=False, soft_wrap=True)
        progress.update(
            task, completed=n_done, total=n_cells, cells=f"{n_done:,} of {n_cells:,} cells"
        )
        lines.say(lambda: _in_words(progress.tasks[0]))

    with progress:
        yield watch


def _in_words(task: Task) -> str:
    """Return what the bar shows, as a line."""
    told = f"{task.description}: {task.fields['cells']}"
    if task.speed is None or task.time_remaining is None:
        return told
    left = dt.timedelta(seconds=round(task.time_remaining))
    return f"{told}, {task.speed:,.0f} cells/s, {left} left"
