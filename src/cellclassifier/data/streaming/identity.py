"""What a file is, as far as its size and its time of change tell."""

import os
from collections.abc import Mapping
from pathlib import Path

from cellclassifier.errors import InputError


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
            f"'{path}' changed while it was read, from {before['bytes']:,} to {now['bytes']:,} "
            "bytes or in its time of change: nothing was written. Run the command again when "
            "nothing else writes to it"
        )
