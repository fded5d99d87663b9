"""Paths of this machine, while one is typed."""

import os
from itertools import islice
from pathlib import Path

from cellclassifier.app.room import CELLS_SUFFIXES, MODEL_SUFFIXES

MAX_SHOWN = 40
# of a folder, that are looked at
MAX_ENTRIES = 5000
KNOWN = (*CELLS_SUFFIXES, *MODEL_SUFFIXES)


def completions(typed: str) -> list[str]:
    """Return the folders, and the files of known kinds, whose path begins with what was typed.

    Examples
    --------
    >>> completions("no/such/folder/a")
    []
    """
    try:
        whole = os.path.expanduser(typed)  # noqa: PTH111  (Path would drop the last slash)
        folder, begun = Path(whole).parent if not whole.endswith("/") else Path(whole), ""
        if not whole.endswith("/"):
            begun = Path(whole).name
        found = [
            f"{entry.path}/" if entry.is_dir() else entry.path
            for entry in islice(os.scandir(folder), MAX_ENTRIES)
            if entry.name.startswith(begun)
            and (begun.startswith(".") or not entry.name.startswith("."))
            and (entry.is_dir() or entry.name.lower().endswith(KNOWN))
        ]
    except (OSError, ValueError, RuntimeError):
        return []
    return sorted(found)[:MAX_SHOWN]
