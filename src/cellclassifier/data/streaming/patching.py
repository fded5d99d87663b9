"""A file that is changed in one step: new bytes go beyond its end, changed ones wait."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from cellclassifier.data.streaming import before as begun
from cellclassifier.data.streaming import last_step
from cellclassifier.data.streaming.before import Before
from cellclassifier.data.streaming.bytes_at import read_at, write_at
from cellclassifier.data.streaming.last_step import LastStep, cut_off, finish_last_step
from cellclassifier.data.streaming.one_writer import only_writer
from cellclassifier.data.streaming.pages import Pages


class PatchedFile(io.RawIOBase):
    """A file of HDF5 to be changed, for h5py to open.

    What is written beyond the part that counts goes there at once, for nobody looks at it; changes
    of that part are held in memory, page by page.

    HDF5 calls these methods, and may crash where one of them raises. So the first error is kept for
    `check`, and what could not be written is held in memory until the file is closed.

    Parameters
    ----------
    file
        Open for reading and writing, without a buffer.
    old_end
        How much of it counts.
    """

    def __init__(self, file: IO[bytes], old_end: int) -> None:
        super().__init__()
        self.file = file
        self.old_end = self.end = old_end
        self.position = 0
        self.patches, self.unwritten = Pages(0, old_end), Pages(old_end)
        self.error: BaseException | None = None

    def check(self) -> None:
        """Raise the first error there was, if any."""
        if self.error is not None:
            raise self.error

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def writable(self) -> bool:
        """Say that it can be written."""
        return True

    def seekable(self) -> bool:
        """Say that any place of it can be."""
        return True

    def flush(self) -> None:
        """Do nothing: there is no buffer."""

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
        if self.end > self.old_end and self.error is None:
            with self._error_kept():
                self.file.truncate(self.end)
        return self.end

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401  (whatever holds bytes)
        """Read what was written last, changed pages before the file's."""
        view = memoryview(buffer).cast("B")
        first, last = self.position, min(self.position + len(view), self.end)
        n_read = max(last - first, 0)
        view[:n_read] = bytes(n_read)
        with self._error_kept():
            view[:n_read] = self._bytes(first, n_read)
        self.position += n_read
        return n_read

    def write(self, data: Any) -> int:  # noqa: ANN401
        """Write: changes of the old part into pages, the rest into the file."""
        view = memoryview(data).cast("B")
        first = self.position
        n_old = min(max(self.old_end - first, 0), len(view))
        with self._error_kept():
            self.patches.write(first, view[:n_old], self._bytes)
            self._write_new(first + n_old, view[n_old:])
        self.position += len(view)
        self.end = max(self.end, self.position)
        return len(view)

    def _write_new(self, first: int, content: memoryview) -> None:
        if self.error is None:
            try:
                write_at(self.file, first, content)
            except OSError as error:
                self.error = error
        if self.error is not None:
            self.unwritten.write(first, content, self._bytes)

    @contextmanager
    def _error_kept(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:  # noqa: BLE001  (`check` raises it)
            self.error = self.error or error

    def _bytes(self, first: int, n_bytes: int) -> bytes:
        content = bytearray(read_at(self.file, first, n_bytes).ljust(n_bytes, b"\0"))
        self.patches.lay_over(first, content)
        self.unwritten.lay_over(first, content)
        return bytes(content)


@contextmanager
def patched(path: Path) -> Iterator[PatchedFile]:
    """Yield a file to be changed; it is changed where that ends well, and else is what it was.

    Raises
    ------
    OSError
        It cannot be written, or the disk is full.
    OutputError
        Another command writes into it, or it was cut off while it was changed.
    """
    with only_writer(path):
        _finish_alone(path)
        with path.open("r+b", buffering=0) as file:
            before = Before.of(file)
            try:
                before.note(path)
                changed = PatchedFile(file, before.end)
                yield changed
                changed.check()
                os.fsync(file.fileno())
                step = LastStep.of(file, changed.patches.changed)
                step.note(path)
            except BaseException:
                before.put_back(file)
                begun.notes_of(path).unlink(missing_ok=True)
                raise
            _carry_out(step, path, file)


def finish_patches(path: Path) -> None:
    """Finish the last step of writing into a file, or take back what came before it, if any.

    Raises
    ------
    OutputError
        Another command writes into it, or it cannot be finished.
    """
    if not path.exists():
        return
    # what lies beyond the end of a file disturbs nobody who may not write there
    is_begun = begun.notes_of(path).exists() and os.access(path.resolve().parent, os.W_OK)
    if is_begun or last_step.notes_of(path).exists():
        with only_writer(path):
            _finish_alone(path)


def _finish_alone(path: Path) -> None:
    if last_step.notes_of(path).exists():
        finish_last_step(path)
    else:
        _take_back(path)
    begun.notes_of(path).unlink(missing_ok=True)


def _take_back(path: Path) -> None:
    before = Before.noted(path)
    if before is not None and os.access(path, os.W_OK):
        with path.open("r+b", buffering=0) as file:
            if before.is_longer_now(file):
                before.put_back(file)


def _carry_out(step: LastStep, path: Path, file: IO[bytes]) -> None:
    try:
        step.carry_out(file)
    except OSError as error:
        raise cut_off(path, error) from error
    with suppress(OSError):
        begun.notes_of(path).unlink(missing_ok=True)
    last_step.notes_of(path).unlink()
