"""One command at a time writes into a file, and a second one is told so."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cellclassifier.data.formats.cut_off import beside
from cellclassifier.errors import OutputError


@contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Be the only one who writes into `path`, among the commands of this package.

    A command that was killed holds nothing.

    Raises
    ------
    OutputError
        Another one is at it, or the folder cannot be written.
    """
    busy = f"another command is writing into '{path}': wait until it is done"
    place = beside(path, "lock")
    with held(place, busy, place):
        yield


@contextmanager
def held(place: Path, busy: str, told: Path) -> Iterator[None]:
    """Hold a lock; the system lets go of it when the process ends, however that is.

    Parameters
    ----------
    place
        The file of the lock, which is there as long as it is held.
    busy
        What is said where another command holds it.
    told
        What is said that cannot be written, where the file cannot.

    Raises
    ------
    OutputError
        Another command holds it, or the file cannot be written.
    """
    from filelock import FileLock, Timeout  # only where something is written

    lock = FileLock(place, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise OutputError(busy) from error
    except OSError as error:
        raise OutputError(f"cannot write '{told}': {error.strerror or error}") from error
    try:
        yield
    finally:
        with suppress(OSError):  # before it is let go of, or it may be another command's
            place.unlink()
        lock.release()
