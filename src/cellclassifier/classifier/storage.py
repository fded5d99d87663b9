"""Whether cells are trained on from memory or from disk."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cellclassifier.data.streaming import StoredCells, open_cells
from cellclassifier.errors import InputError

# Memory that training takes beyond what the file's values take, sparse, in multiples of these; and
# what the programs take by themselves; estimates, on the safe side.
TIMES_VALUES, BASE_BYTES = 3.0, 1e9
BYTES_PER_VALUE = 8
# of what is free
SHARE_OF_FREE = 0.5
STREAMED = (".h5ad", ".zarr")


@dataclass(frozen=True)
class Storage:
    """Where cells are trained on, and why there.

    Parameters
    ----------
    from_disk
        Whether they stay on disk.
    reason
        In words.
    """

    from_disk: bool
    reason: str

    def __str__(self) -> str:
        return f"training from {'disk' if self.from_disk else 'memory'}: {self.reason}"


def choose_storage(
    paths: Sequence[Path], *, from_disk: bool | None = None, memory_gb: float | None = None
) -> Storage:
    """Choose, by what training in memory would take.

    Parameters
    ----------
    paths
        The files; several are one reference, and always stay on disk.
    from_disk
        What is asked for; None chooses.
    memory_gb
        What may be used; None for half of what is free.

    Raises
    ------
    InputError
        What is asked for is impossible.
    """
    if memory_gb is not None and not memory_gb > 0:
        raise InputError(f"the memory to use is a number of gigabytes, not {memory_gb:g}")
    if len(paths) > 1:
        if from_disk is False:
            raise InputError(
                f"{len(paths)} files are one reference on disk only; leave out --in-memory "
                "(from_disk=False), or join them first: anndata.concat"
            )
        return Storage(from_disk=True, reason=f"{len(paths)} files are one reference there")
    if from_disk is not None:
        return Storage(from_disk, "as asked for")
    if paths[0].suffix.lower() not in STREAMED:
        return Storage(from_disk=False, reason="files of this kind are read whole")
    wanted = memory_wanted(open_cells(paths[0])) / 1e9
    room = memory_gb or SHARE_OF_FREE * free_memory() / 1e9
    which = "allowed" if memory_gb else "half of what is free"
    compared = f"it would take about {wanted:.1f} GB of memory, and {room:.1f} GB are {which}"
    return Storage(wanted > room, compared)


def memory_wanted(cells: StoredCells) -> float:
    """Return about how many bytes training in memory would take."""
    n_values = 0
    for name in cells.looked_through(None):
        matrix = cells.matrices[name]
        group = getattr(matrix, "group", None)
        if group is not None:
            n_values = max(n_values, int(group["data"].shape[0]))
        elif hasattr(matrix, "nnz"):
            n_values = max(n_values, int(matrix.nnz))
        else:
            n_values = max(n_values, matrix.shape[0] * matrix.shape[1])
    return BASE_BYTES + TIMES_VALUES * BYTES_PER_VALUE * n_values


def free_memory() -> float:
    """Return how many bytes programs can still take, where the system says so; else all there are.

    A limit on the process's group (cgroup v2), as containers and clusters have it, counts.
    """
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
        found = re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)
        free = 1024.0 * int(found[1]) if found else _whole_memory()
    except OSError:
        free = _whole_memory()
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        used = Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii").strip()
        return free if limit == "max" else min(free, float(limit) - float(used))
    except (OSError, ValueError):
        return free


def _whole_memory() -> float:
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" not in names:
        return 8e9  # a usual machine
    return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
