"""What a file is, as far as its size and its time of change tell."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cellclassifier.errors import InputError

# seconds from one look to the next, and how many times as long as a look takes: a store may have
# a million files
PAUSE, PAUSE_TIMES = 3.0, 50.0


def identity_of(path: Path) -> dict[str, str | int]:
    """Return the path, the size and the time of the last change of a file or folder."""
    facts = _facts(path)
    return {
        "path": str(path.absolute()),
        "n_files": len(facts),
        "bytes": sum(fact.st_size for fact in facts),
        "changed_ns": max((fact.st_mtime_ns for fact in facts), default=0),
    }


def n_bytes_of(path: Path) -> int:
    """Return the size of a file, or of all in a folder."""
    return sum(fact.st_size for fact in _facts(path))


def _facts(path: Path) -> list[os.stat_result]:
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    return [file.stat() for file in files]


def may_be_same(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Tell whether no more than the time of change differs: what is in it may be the same."""
    return {**before, "changed_ns": 0} == {**now, "changed_ns": 0}


def told_difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Say in what a file differs from what it was, as the end of a sentence.

    >>> before = {"path": "a", "n_files": 1, "bytes": 9}
    >>> told_difference(before, {**before, "bytes": 8})
    'in its size, from 9 to 8 bytes'
    """
    if before["path"] != now["path"]:
        return f"in its place, from '{before['path']}' to '{now['path']}'"
    if before["n_files"] != now["n_files"]:
        return f"in its size, from {before['n_files']:,} to {now['n_files']:,} files"
    if before["bytes"] != now["bytes"]:
        return f"in its size, from {before['bytes']:,} to {now['bytes']:,} bytes"
    return f"in its time of change alone, its size is {now['bytes']:,} bytes as before"


def check_unchanged(path: Path, before: Mapping[str, str | int]) -> None:
    """Refuse to go on where a file is not the one it was.

    Raises
    ------
    InputError
        It changed, or is gone.
    """
    try:
        now = identity_of(path)
    except OSError as error:
        raise InputError(f"'{path}' is gone while it was read: {error.strerror}") from error
    if now != before:
        raise InputError(
            f"'{path}' changed while it was read, {told_difference(before, now)}: nothing was "
            "written. Run the command again when nothing else writes to it"
        )


@dataclass
class Looks:
    """Looks now and then whether a file is still the one it was.

    Parameters
    ----------
    path, before
        As in `check_unchanged`.
    """

    path: Path
    before: Mapping[str, str | int]
    _next: float = field(default_factory=lambda: time.monotonic() + PAUSE)

    def look(self) -> None:
        """Look, where the last time is some seconds ago; raise as `check_unchanged` does."""
        begin = time.monotonic()
        if begin < self._next:
            return
        check_unchanged(self.path, self.before)
        end = time.monotonic()
        self._next = end + max(PAUSE, PAUSE_TIMES * (end - begin))
