"""The folder ``OUT.partial``: whose it is, what in it is ours, and that one command works in it."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from cellclassifier.data.streaming.one_writer import held
from cellclassifier.errors import OutputError
from cellclassifier.files import REPLACED, partial_folder

MANIFEST, LOCK = "manifest.json", ".lock"
# what an end leaves half-written, and nothing goes on with
HALF_WRITTEN = (".part-*", ".by-rows-*", ".*.????????.part*")
# nobody else calls a file so
UNMISTAKABLE = (LOCK, "block_*.npz", *HALF_WRITTEN)
# what work goes on with, or would take the place of the output
KEPT = (
    MANIFEST,
    "block_*.npz",
    # of annotations: sums of rows, the model for workers of a cluster, what takes the place of OUT
    *("made_of.json", "model.keras", "table.csv", "table.gz", "table.parquet"),
    *("copy.h5ad", "copy.zarr", f"{REPLACED}.zarr"),
    # of a training: its counts, and its state after each epoch
    *("cache.json", "counts.bin", "genes.bin", "cells.npz", "genes.npy", "batches.npy"),
    "epoch_*.npz",
)
OURS = (*UNMISTAKABLE, *KEPT)


@contextmanager
def claimed(out: Path) -> Iterator[Path]:
    """Hold the folder beside an output for this command alone; yield it.

    The system lets go of it when the process ends, however that is. Workers of a cluster write
    there for the command that holds it. What is left empty is removed.

    Raises
    ------
    OutputError
        Another command holds it, it cannot be written, or somebody else made it.
    """
    folder = partial_folder(out)
    check_ours(folder)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write '{folder}': {error.strerror or error}") from error
    busy = (
        f"another command is writing '{out}', and holds '{folder}': wait until it ends, or name "
        "another output"
    )
    try:
        with held(folder / LOCK, busy, folder):
            clear(folder, HALF_WRITTEN)
            _restore(out, folder)
            yield folder
    finally:
        with suppress(OSError):  # there is something in it
            folder.rmdir()


def _restore(out: Path, folder: Path) -> None:
    """Put back a store, where an end came between its going and the new one's coming."""
    old = folder / f"{REPLACED}{out.suffix}"
    if old.exists() and not out.exists():
        old.rename(out)


def check_ours(folder: Path) -> None:
    """Refuse a folder, or a file of that name, that this package did not make.

    Raises
    ------
    OutputError
        It has something in it that is not ours, and no manifest of ours.
    """
    if not folder.is_dir():
        strangers = [folder.name] if folder.exists() else []
    elif manifest_in(folder) is not None:
        return
    else:
        strangers = [path.name for path in folder.iterdir() if not _is_one_of(path, UNMISTAKABLE)]
    if strangers:
        raise OutputError(
            f"'{folder}' is where finished work would be kept, and was not made by this package: "
            f"there is '{min(strangers)}', and no '{MANIFEST}' that tells of such work. Nothing "
            "was touched: move it away, or name another output"
        )


def manifest_in(folder: Path) -> dict[str, Any] | None:
    """Return what the work in a folder is made of and with; None where nothing says it."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) else None


def clear(folder: Path, patterns: tuple[str, ...] = OURS) -> None:
    """Delete what is ours, the manifest last; the lock stays with who holds it."""
    if not folder.is_dir():
        return
    ours = [path for path in folder.iterdir() if _is_one_of(path, patterns)]
    for path in sorted(ours, key=lambda path: path.name == MANIFEST):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != LOCK:
            with suppress(OSError):
                path.unlink()


def _is_one_of(path: Path, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(path.name, pattern) for pattern in patterns)
