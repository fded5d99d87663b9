"""What a person sees while files come down."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)


class Watcher(Protocol):
    """Called while a file comes down."""

    def __call__(self, name: str, n_bytes: int, n_total: int | None) -> None:
        """Take the bytes that are here so far, and those of the whole file where known."""
        ...


def watch_nothing(name: str, n_bytes: int, n_total: int | None) -> None:
    """Show nothing."""


@contextmanager
def download_bars() -> Iterator[Watcher]:
    """Show one bar a file on stderr."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bars: dict[str, TaskID] = {}

        def watch(name: str, n_bytes: int, n_total: int | None) -> None:
            if name not in bars:
                bars[name] = progress.add_task(name, total=n_total)
            progress.update(bars[name], completed=n_bytes, total=n_total)

        yield watch
