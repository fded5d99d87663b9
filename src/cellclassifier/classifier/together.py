"""What several processes that train one classifier have to see alike."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cellclassifier.classifier.storage import Storage, choose_storage
from cellclassifier.data.streaming.claim import MANIFEST
from cellclassifier.errors import ClusterError, InputError
from cellclassifier.training import Ranks

# in the folder of what is done: written when the counts of all cells are
WHOLE = "cache.json"
# what the first process tells the others: that the counts are kept, and that the model is written
CELLS, WRITTEN = "cells", "written"
# in seconds, for a file to be seen by other machines
PATIENCE = 60


def storage_of(
    ranks: Ranks, paths: Sequence[Path], *, from_disk: bool | None, memory_gb: float | None
) -> Storage:
    """Choose where cells are trained on, as `choose_storage` does; by several processes from disk.

    Raises
    ------
    InputError
        Several processes are to train from memory, or what is asked for is impossible.
    """
    if not ranks.are_several:
        return choose_storage(paths, from_disk=from_disk, memory_gb=memory_gb)
    if from_disk is False:
        raise InputError(
            f"{ranks.count} processes train from disk only, where each reads its own cells; leave "
            "out --in-memory (from_disk=False)"
        )
    return Storage(from_disk=True, reason=f"{ranks.count} processes read their own cells there")


def find_cells(ranks: Ranks, folder: Path, manifest: Mapping[str, Any]) -> int:
    """Wait until the first process has kept the counts; return how many types there are.

    Parameters
    ----------
    ranks
        Which process this is.
    folder
        Where the counts are kept.
    manifest
        Of the cells and settings that this process was given.

    Raises
    ------
    ClusterError
        This process does not see the counts, or was given other cells or settings.
    """
    n_types = int(ranks.hear(CELLS))
    who, end = f"process {ranks.number} of {ranks.count}", time.monotonic() + PATIENCE
    while not (folder / WHOLE).exists():
        if time.monotonic() > end:
            raise ClusterError(
                f"{who} does not see '{folder}', where the first one kept the counts: the "
                "folder of the output has to lie on a file system that all processes share, under "
                "the same path"
            )
        time.sleep(0.1)
    first = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    for name, mine in _compared(json.loads(json.dumps(manifest))).items():
        if (its := _compared(first).get(name)) != mine:
            raise ClusterError(
                f"{who} was given another {name} than the first one, {mine}, not {its}: run the "
                "same command, of the same version, on the same files in all processes"
            )
    return n_types


def _compared(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return a manifest without what is different in each process for a network of one's own."""
    settings = {name: value for name, value in manifest["settings"].items() if name != "network"}
    return {**manifest, "settings": settings}


@contextmanager
def said_on_interrupt(folder: Path) -> Iterator[None]:
    """Say of a training that is interrupted how it goes on."""
    try:
        yield
    except KeyboardInterrupt:
        if not (folder / WHOLE).exists():
            raise
        raise KeyboardInterrupt(
            f"interrupted: the counts and the finished epochs are kept in '{folder}'; run the same "
            "command again, and it goes on"
        ) from None
