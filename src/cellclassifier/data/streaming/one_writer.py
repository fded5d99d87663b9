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
    from filelock import FileLock, Timeout  # only where something is written into the file

    place = beside(path, "lock")
    lock = FileLock(place, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise OutputError(
            f"another command is writing into '{path}': wait until it is done"
        ) from error
    except OSError as error:
        raise OutputError(f"cannot write '{place}': {error.strerror or error}") from error
    try:
        yield
    finally:
        with suppress(OSError):  # of systems where nobody removes what is open
            place.unlink()
        lock.release()
