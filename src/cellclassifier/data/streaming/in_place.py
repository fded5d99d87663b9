"""Predictions into the file that the cells are in, whole or not at all.

Neither HDF5 nor a folder of arrays can be changed in one step. So everything new is first written
where no reader looks: beyond the end of an HDF5 file, in a folder beside a store. Then the
few changes to what was there before are written down, beside it, and carried out. An end before
that leaves the old state; one after it is repaired by `finish_changes`, the next time.
"""

import gc
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import zarr

from cellclassifier.data.streaming.filling import Results, fill
from cellclassifier.data.streaming.in_store import fill_store, finish_store
from cellclassifier.data.streaming.patching import PatchedFile, finish_patches
from cellclassifier.data.streaming.stored import StoredCells
from cellclassifier.errors import OutputError


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
            with _uninterrupted():
                fill_store(cells.path, results)
        elif cells.root is not None:
            cells.root.close()
            # AnnData and its slots hold each other: those read from the file and dropped keep it
            # open until they are collected, and HDF5 shows who opens it again what they had seen
            gc.collect()
            _fill_file(cells.path, results)
    except OSError as error:
        raise OutputError(
            f"cannot write into '{cells.path}', which is as it was: {error.strerror or error}"
        ) from error


def finish_changes(path: Path) -> None:
    """Carry out what was written down of changes to a file that were cut off, if there is any."""
    if path.is_dir():
        finish_store(path)
    else:
        finish_patches(path)


def _fill_file(path: Path, results: Results) -> None:
    with PatchedFile(path) as patched:
        with h5py.File(patched, "r+") as file:
            fill(file, results)
        with _uninterrupted():
            patched.commit()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let Ctrl-C wait."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: asked.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if asked:
        raise KeyboardInterrupt
