"""What a file was before anything was written into it, so that it can be that again."""

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from cellclassifier.data.formats.cut_off import beside
from cellclassifier.data.streaming.bytes_at import read_at

# where HDF5's superblock says how much of the file counts, by its version
END_AT = {0: 40, 1: 44, 2: 28, 3: 28}
SIGNATURE = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True)
class Before:
    """An HDF5 file before it is changed, for what is kept of its cells goes by size and time.

    Parameters
    ----------
    n_bytes
        Its size.
    end
        How much of it counts: what is written beyond that nobody looks at.
    changed_ns
        The time of its last change.
    number
        What the file system calls it.
    """

    n_bytes: int
    end: int
    changed_ns: int
    number: int

    @classmethod
    def of(cls, file: IO[bytes]) -> "Before":
        """Look at a file."""
        facts = os.fstat(file.fileno())
        return cls(facts.st_size, end_that_counts(file), facts.st_mtime_ns, facts.st_ino)

    @classmethod
    def noted(cls, path: Path) -> "Before | None":
        """Return what was written down of a file, None where it was nothing that can be read."""
        try:
            return cls(**json.loads(notes_of(path).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def note(self, path: Path) -> None:
        """Write it down beside the file, for the next command where this one is killed."""
        with notes_of(path).open("w", encoding="utf-8") as stream:
            json.dump(asdict(self), stream)
            stream.flush()
            os.fsync(stream.fileno())

    def is_longer_now(self, file: IO[bytes]) -> bool:
        """Whether nothing became of the file but that something lies beyond its end.

        Whoever else writes to an HDF5 file, or copies another one over it, leaves nothing there.
        """
        now = Before.of(file)
        return (now.number, now.end) == (self.number, self.end) and now.n_bytes > self.n_bytes

    def put_back(self, file: IO[bytes]) -> None:
        """Give a file the size and the time that it had."""
        file.truncate(self.end)
        if self.n_bytes > self.end:
            file.truncate(self.n_bytes)
        with suppress(OSError):  # another user's, of which only he may set the time
            facts = os.fstat(file.fileno())
            os.utime(file.name, ns=(facts.st_atime_ns, self.changed_ns))


def notes_of(path: Path) -> Path:
    """Return where that is written down."""
    return beside(path, "begun")


def end_that_counts(file: IO[bytes]) -> int:
    """Return how much of an HDF5 file its superblock counts, if it says so as usual, or all."""
    size = os.fstat(file.fileno()).st_size
    head = read_at(file, 0, 64)
    if head[:8] != SIGNATURE or head[8] not in END_AT:
        return size
    n_address_bytes = head[13] if head[8] < 2 else head[9]
    if n_address_bytes != 8:
        return size
    end = int.from_bytes(head[END_AT[head[8]] :][:8], "little")
    return end if 0 < end <= size else size
