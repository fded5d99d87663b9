"""Predictions into the file that the cells are in, whole or not at all.

Neither HDF5 nor a folder of arrays can be changed in one step. So everything new is first written
where no reader looks: beyond the end of an HDF5 file, in a folder beside a store. Then the
few changes to what was there before are written down, beside it, and carried out. An end before
that leaves the old state; one after it is repaired by `finish_changes`, the next time.
"""

import gc
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import h5py
import zarr

from cellclassifier.data.streaming.filling import Results, fill
from cellclassifier.data.streaming.in_store import fill_store
from cellclassifier.data.streaming.patching import patched
from cellclassifier.data.streaming.stored import StoredCells
from cellclassifier.errors import OutputError

# what asks a command to end, and can wait
REQUESTS = (signal.SIGINT, signal.SIGTERM)


def fill_in_place(cells: StoredCells, results: Results) -> None:
    """Write predictions into the file of `cells`, as `fill` does.

    The cells cannot be read through `cells` after that.

    Raises
    ------
    OutputError
        It cannot be written, and is as it was.
    """
    try:
        if isinstance(cells.root, zarr.Group):
            with _requests_waiting() as check:
                fill_store(cells.path, results, check)
        elif cells.root is not None:
            cells.root.close()
            # AnnData and its slots hold each other: those read from the file and dropped keep it
            # open until they are collected, and HDF5 shows who opens it again what they had seen
            gc.collect()
            with _requests_waiting() as check:
                _fill_file(cells.path, results, check)
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(
            f"cannot write into '{cells.path}', which is as it was: {error.strerror or error}"
        ) from error


def _fill_file(path: Path, results: Results, check: Callable[[], None]) -> None:
    with patched(path) as changed:

        def check_both() -> None:
            check()
            changed.check()

        with h5py.File(changed, "r+") as file:
            fill(file, results, check_both)
        check_both()


@contextmanager
def _requests_waiting() -> Iterator[Callable[[], None]]:
    """Have Ctrl-C and the like wait until what is yielded is called; after that it is too late."""
    asked: list[int] = []
    handlers = _handlers()

    def check() -> None:
        while asked:
            number = asked.pop()
            handlers[number](number, None)

    for number in handlers:
        signal.signal(number, lambda number, _: asked.append(number))
    try:
        yield check
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _handlers() -> dict[int, Callable[[int, FrameType | None], Any]]:
    """Return what is called on requests, of what can be called; only the main thread is asked."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    handlers = {int(number): signal.getsignal(number) for number in REQUESTS}
    return {number: handler for number, handler in handlers.items() if callable(handler)}
