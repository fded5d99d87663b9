"""A file that is changed in one step: new bytes go beyond its end, changed ones wait."""

import io
import os
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
import numpy.typing as npt

PAGE = 4096
# where HDF5's superblock says how much of the file counts, by its version
END_AT = {0: 40, 1: 44, 2: 28, 3: 28}
SIGNATURE = b"\x89HDF\r\n\x1a\n"


class PatchedFile(io.RawIOBase):
    """A file of HDF5 to be changed, for h5py to open.

    What is written beyond the part that counts goes there at once, for nobody looks at it; changes
    of that part are held in memory, page by page, until `commit` carries them out. Closed without
    it, the file is what it was.

    Parameters
    ----------
    path
        Of the file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        finish_patches(path)
        self.path = path
        self.file = path.open("r+b", buffering=0)
        self.old_end = _end_that_counts(self.file)
        self.end = self.old_end
        self.position = 0
        self.pages: dict[int, bytearray] = {}
        self.is_committed = False

    def commit(self) -> None:
        """Carry out the changes: written down first, so that an end in between can be repaired."""
        os.fsync(self.file.fileno())
        offsets = sorted(self.pages)
        contents = np.frombuffer(
            b"".join(bytes(self.pages[offset]) for offset in offsets), dtype=np.uint8
        )
        notes = _notes(self.path)
        temporary = notes.with_name(f"{notes.name}.part.npz")
        with temporary.open("wb") as stream:
            np.savez(stream, offsets=np.array(offsets, dtype=np.int64), pages=contents)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(notes)
        self.is_committed = True
        finish_patches(self.path)

    def close(self) -> None:
        """Close the file; without `commit` it gets its old end again."""
        if not self.closed:
            try:
                if not self.is_committed:
                    self.file.truncate(self.old_end)
            finally:
                self.file.close()
        super().close()

    def __enter__(self) -> Self:
        return self

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def writable(self) -> bool:
        """Say that it can be written."""
        return True

    def seekable(self) -> bool:
        """Say that any place of it can be."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go somewhere."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self.position, os.SEEK_END: self.end}[whence]
        self.position = start + offset
        return self.position

    def tell(self) -> int:
        """Return where it is."""
        return self.position

    def truncate(self, size: int | None = None) -> int:
        """Take `size` for the end."""
        self.end = self.position if size is None else size
        if self.end > self.old_end:
            self.file.truncate(self.end)
        return self.end

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401  (whatever holds bytes)
        """Read what was written last, changed pages before the file's."""
        view = memoryview(buffer).cast("B")
        first, last = self.position, min(self.position + len(view), self.end)
        n_read = max(last - first, 0)
        view[:n_read] = self._bytes(first, n_read)
        self.position += n_read
        return n_read

    def write(self, data: Any) -> int:  # noqa: ANN401
        """Write: changes of the old part into pages, the rest into the file."""
        view = memoryview(data).cast("B")
        first = self.position
        n_old = min(max(self.old_end - first, 0), len(view))
        for offset in range(first - first % PAGE, first + n_old, PAGE) if n_old else ():
            # the last page ends where the old part does
            n_bytes = min(PAGE, self.old_end - offset)
            if offset not in self.pages:
                self.pages[offset] = bytearray(self._bytes(offset, n_bytes))
            page = self.pages[offset]
            start, stop = max(offset, first), min(offset + n_bytes, first + n_old)
            page[start - offset : stop - offset] = view[start - first : stop - first]
        _write_at(self.file, first + n_old, view[n_old:])
        self.position += len(view)
        self.end = max(self.end, self.position)
        return len(view)

    def _bytes(self, first: int, n_bytes: int) -> bytes:
        content = bytearray(_read_at(self.file, first, n_bytes).ljust(n_bytes, b"\0"))
        for offset in range(first - first % PAGE, first + n_bytes, PAGE):
            page = self.pages.get(offset)
            if page is not None:
                start, stop = max(offset, first), min(offset + len(page), first + n_bytes)
                if start < stop:
                    content[start - first : stop - first] = page[start - offset : stop - offset]
        return bytes(content)


def finish_patches(path: Path) -> None:
    """Carry out what was written down of the changes of a file, if there is any."""
    notes = _notes(path)
    if not notes.exists():
        return
    with np.load(notes, allow_pickle=False) as arrays:
        offsets, pages = arrays["offsets"], arrays["pages"]
    _carry_out(path, offsets, pages)
    notes.unlink()


def _carry_out(path: Path, offsets: npt.NDArray[np.int64], pages: npt.NDArray[np.uint8]) -> None:
    with path.open("r+b", buffering=0) as file:
        for number, offset in enumerate(offsets.tolist()):
            _write_at(
                file, offset, memoryview(pages[number * PAGE : (number + 1) * PAGE].tobytes())
            )
        os.fsync(file.fileno())


def _notes(path: Path) -> Path:
    return path.with_name(f".{path.name}.changes")


def _end_that_counts(file: IO[bytes]) -> int:
    """Return how much of an HDF5 file its superblock counts, if it says so as usual, or all."""
    size = os.fstat(file.fileno()).st_size
    head = _read_at(file, 0, 64)
    if head[:8] != SIGNATURE or head[8] not in END_AT:
        return size
    n_address_bytes = head[13] if head[8] < 2 else head[9]
    if n_address_bytes != 8:
        return size
    end = int.from_bytes(head[END_AT[head[8]] :][:8], "little")
    return end if 0 < end <= size else size


def _read_at(file: IO[bytes], offset: int, n_bytes: int) -> bytes:
    """Read so many bytes, or up to the end."""
    file.seek(offset)
    parts = []
    while n_bytes and (part := file.read(n_bytes)):
        parts.append(part)
        n_bytes -= len(part)
    return b"".join(parts)


def _write_at(file: IO[bytes], offset: int, content: memoryview) -> None:
    file.seek(offset)
    while len(content):
        content = content[file.write(content) :]
