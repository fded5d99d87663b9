"""What a person sees while a network trains."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

# seconds between two lines of a log
BETWEEN_LINES = 30.0


class Watcher(Protocol):
    """Called after each epoch."""

    def __call__(self, epoch: int, n_epochs: int, scores: Mapping[str, float]) -> None:
        """Take the scores of `epoch`, counted from 1."""
        ...


class CellsWatcher(Protocol):
    """Called after each block of cells."""

    def __call__(self, n_done: int, n_cells: int) -> None:
        """Take how many of all cells were gone through."""
        ...


def watch_nothing(epoch: int, n_epochs: int, scores: Mapping[str, float]) -> None:
    """Show nothing."""


class Lines:
    """Says now and then how far work is, where no terminal shows a bar: in the log of a cluster.

    Parameters
    ----------
    console
        Where to say it.
    now
        The clock, in seconds.
    """

    def __init__(self, console: Console, now: Callable[[], float] = time.monotonic) -> None:
        self._console, self._now, self._last = console, now, now()

    def say(self, text: Callable[[], str]) -> None:
        """Say `text` unless a terminal shows a bar, or the last line is not old enough."""
        now = self._now()
        if self._console.is_terminal or now - self._last < BETWEEN_LINES:
            return
        self._last = now
        self._console.print(text(), highlight=False, soft_wrap=True, markup=False)


@contextmanager
def progress_bar(what: str) -> Iterator[Watcher]:
    """Show a bar of epochs with the newest losses on stderr, or lines where it is no terminal."""
    with _bars() as progress:
        task = progress.add_task(what, total=None, scores="")
        yield partial(_show_epoch, progress, Lines(progress.console), task)


@contextmanager
def training_bars(network: str) -> Iterator[tuple[CellsWatcher, Watcher]]:
    """Show a bar of cells where files are gone through, and then one of epochs, on stderr.

    Where that is no terminal, lines say the same.
    """
    with _bars() as progress:
        lines = Lines(progress.console)
        task = progress.add_task(f"training {network}", total=None, scores="", visible=False)
        cells = progress.add_task("reading cells", total=None, scores="", visible=False)

        def watch_cells(n_done: int, n_cells: int) -> None:
            progress.update(cells, completed=n_done, total=n_cells, visible=True)
            lines.say(lambda: f"reading cells: {n_done:,} of {n_cells:,}")

        yield watch_cells, partial(_show_epoch, progress, lines, task)


def _show_epoch(
    progress: Progress,
    lines: Lines,
    task: TaskID,
    epoch: int,
    n_epochs: int,
    scores: Mapping[str, float],
) -> None:
    text = "  ".join(f"{name} {value:.3f}" for name, value in scores.items())
    progress.update(task, completed=epoch, total=n_epochs, scores=text, visible=True)
    what = next(one.description for one in progress.tasks if one.id == task)
    lines.say(lambda: f"{what}: epoch {epoch} of {n_epochs}  {text}")


@contextmanager
def _bars() -> Iterator[Progress]:
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("{task.fields[scores]}"),
    )  # fmt: skip
    progress = Progress(*columns, console=Console(stderr=True))
    progress.start()
    try:
        yield progress
    except BaseException:
        progress.live.transient = True  # the bars go, so that the error stands alone
        progress.live.stop()
        raise
    for task in progress.tasks:
        progress.update(task.id, total=task.completed)  # stopping early is the end, too
    progress.stop()
