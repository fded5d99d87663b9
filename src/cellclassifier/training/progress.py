"""What a person sees while a network trains."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class Watcher(Protocol):
    """Called after each epoch."""

    def __call__(self, epoch: int, n_epochs: int, scores: Mapping[str, float]) -> None:
        """Take the scores of `epoch`, counted from 1."""
        ...


def watch_nothing(epoch: int, n_epochs: int, scores: Mapping[str, float]) -> None:
    """Show nothing."""


@contextmanager
def progress_bar(what: str) -> Iterator[Watcher]:
    """Show a bar of epochs with the newest losses on stderr."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("{task.fields[scores]}"),
    )  # fmt: skip
    progress = Progress(*columns, console=Console(stderr=True))
    task = progress.add_task(what, total=None, scores="")

    def watch(epoch: int, n_epochs: int, scores: Mapping[str, float]) -> None:
        text = "  ".join(f"{name} {value:.3f}" for name, value in scores.items())
        progress.update(task, completed=epoch, total=n_epochs, scores=text)

    progress.start()
    try:
        yield watch
    except BaseException:
        progress.live.transient = True  # the bar goes, so that the error stands alone
        progress.live.stop()
        raise
    done = progress.tasks[0].completed
    progress.update(task, total=done)  # stopping early is the end, too
    progress.stop()
