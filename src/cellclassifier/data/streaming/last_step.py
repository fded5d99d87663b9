"""The last step of writing into an HDF5 file: written down before it is done.

An end in the midst of it leaves a file that is neither the old one nor the new one. Whoever opens
it next does what is left, provided that it is still that file: somebody may have put another in its
place, which these changes would break.
"""

import hashlib
import os
import shutil
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from cellclassifier.data.formats.cut_off import CHANGES, beside
from cellclassifier.data.streaming.bytes_at import read_at, write_at
from cellclassifier.data.streaming.pages import PAGE
from cellclassifier.errors import InputWarning, OutputError

SUM_BYTES = 16
# pages that stay as they are, by which a file is known again
N_SPOTS = 64
NOT_APPLIED = "not-applied"


@dataclass(frozen=True, eq=False)
class LastStep:
    """What there is to do: pages that are written over others.

    Parameters
    ----------
    n_bytes
        The size of the file, which does not change any more.
    offsets
        Shape (n_pages,): where the pages begin.
    pages
        Shape (n_bytes,), uint8: one behind the other, all but the last of `PAGE` bytes.
    before
        Shape (n_pages, 16), uint8: sums of what is there before.
    spots, spot_sums
        Where pages are that stay, and their sums.
    """

    n_bytes: int
    offsets: npt.NDArray[np.int64]
    pages: npt.NDArray[np.uint8]
    before: npt.NDArray[np.uint8]
    spots: npt.NDArray[np.int64]
    spot_sums: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, file: IO[bytes], changed: Mapping[int, bytearray]) -> "LastStep":
        """Put together what has to become of some pages of a file."""
        offsets = sorted(changed)
        content = np.frombuffer(b"".join(bytes(changed[place]) for place in offsets), np.uint8)
        n_bytes = os.fstat(file.fileno()).st_size
        last = n_bytes // PAGE * PAGE
        even = np.linspace(0, last, N_SPOTS).astype(np.int64) // PAGE * PAGE
        spots = np.setdiff1d(even, offsets)
        lengths = [len(changed[place]) for place in offsets]
        return cls(
            n_bytes,
            np.array(offsets, np.int64),
            content,
            _sums(file, offsets, lengths),
            spots,
            _sums(file, spots.tolist(), [PAGE] * len(spots)),
        )

    @classmethod
    def noted(cls, path: Path) -> "LastStep | None":
        """Return what was written down for a file, None where that cannot be read."""
        try:
            with np.load(notes_of(path), allow_pickle=False) as arrays:
                return cls(int(arrays["n_bytes"]), *(arrays[name] for name in ARRAYS))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            return None

    def note(self, path: Path) -> None:
        """Write it down beside the file, whole or not at all."""
        temporary = beside(path, f"{CHANGES}.part.npz")
        arrays: dict[str, Any] = {name: getattr(self, name) for name in ARRAYS}
        try:
            with temporary.open("wb") as stream:
                np.savez(stream, n_bytes=np.int64(self.n_bytes), **arrays)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(notes_of(path))
        finally:
            temporary.unlink(missing_ok=True)

    def fits(self, file: IO[bytes]) -> bool:
        """Whether a file is the one this was written down for, perhaps with a part of it done."""
        if os.fstat(file.fileno()).st_size != self.n_bytes:
            return False
        pages = list(self._pages())
        now = _sums(file, self.offsets.tolist(), [len(page) for page in pages])
        after = _as_rows([_sum(page) for page in pages])
        is_known = (now == self.before).all(axis=1) | (now == after).all(axis=1)
        spots = _sums(file, self.spots.tolist(), [PAGE] * len(self.spots))
        return bool(is_known.all() and np.array_equal(spots, self.spot_sums))

    def carry_out(self, file: IO[bytes]) -> None:
        """Write the pages."""
        for place, page in zip(self.offsets.tolist(), self._pages(), strict=True):
            write_at(file, place, memoryview(page))
        os.fsync(file.fileno())

    def _pages(self) -> Iterator[bytes]:
        for number in range(len(self.offsets)):
            yield self.pages[number * PAGE : (number + 1) * PAGE].tobytes()


ARRAYS = ("offsets", "pages", "before", "spots", "spot_sums")


def notes_of(path: Path) -> Path:
    """Return where it is written down."""
    return beside(path, CHANGES)


def finish_last_step(path: Path) -> None:
    """Do what is left of the last step, which was cut off, or set aside what no longer fits.

    Raises
    ------
    OutputError
        It cannot be written.
    """

    def is_done() -> bool:
        step = LastStep.noted(path)
        with path.open("r+b", buffering=0) as file:
            if step is None or not step.fits(file):
                return False
            step.carry_out(file)
        notes_of(path).unlink()
        return True

    finish_or_set_aside(path, notes_of(path), is_done)


def finish_or_set_aside(path: Path, notes: Path, is_done: Callable[[], bool]) -> None:
    """Do what is left of a last step, and say so.

    Parameters
    ----------
    path
        Into what it writes.
    notes
        Where it is written down, a file or a folder; set aside where it must not be applied.
    is_done
        Does it, and says so; or does nothing, where `path` is not what it was.

    Raises
    ------
    OutputError
        It cannot be written.
    """
    try:
        if is_done():
            told = f"finished writing annotations into '{path}', which had been cut off"
        else:
            told = _not_applied(path, _set_aside(notes))
    except OSError as error:
        raise _cannot_finish(path, error) from error
    warnings.warn(told, InputWarning, 4)


def cut_off(path: Path, error: OSError) -> OutputError:
    """Return what is said where the last step fails."""
    return OutputError(
        f"the last step of writing into '{path}' was cut off ({error.strerror or error}): the next "
        "command that reads it finishes it"
    )


def _cannot_finish(path: Path, error: OSError) -> OutputError:
    """Return what is said where it fails again."""
    return OutputError(
        f"the last step of writing annotations into '{path}' was cut off, and it cannot be "
        f"finished now: {error.strerror or error}"
    )


def _set_aside(notes: Path) -> Path:
    """Rename what must not be applied, and return its new name."""
    aside = notes.with_name(f"{notes.name}.{NOT_APPLIED}")
    shutil.rmtree(aside, ignore_errors=True)  # a folder, of an earlier time, of a store
    notes.replace(aside)
    return aside


def _not_applied(path: Path, aside: Path) -> str:
    """Return what is said of changes that no longer fit."""
    return (
        f"the last step of writing annotations into '{path}' had been cut off, and it is not the "
        f"same any more: nothing was done to it, and what was left to do is set aside as '{aside}'"
    )


def _sums(file: IO[bytes], places: list[int], lengths: list[int]) -> npt.NDArray[np.uint8]:
    pairs = zip(places, lengths, strict=True)
    return _as_rows([_sum(read_at(file, place, length)) for place, length in pairs])


def _sum(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=SUM_BYTES).digest()


def _as_rows(sums: list[bytes]) -> npt.NDArray[np.uint8]:
    return np.frombuffer(b"".join(sums), np.uint8).reshape(-1, SUM_BYTES)
