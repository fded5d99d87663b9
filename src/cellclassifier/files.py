"""Writing files whole or not at all."""

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cellclassifier.errors import OutputError

# of a disk, left free by what asks for room before it begins
SPARE_BYTES = 2**26
STORE = ".zarr"
# one of these is in each folder that zarr writes
STORE_MARKS = ("zarr.json", ".zgroup", ".zarray", ".zmetadata")
# what an older store is called while a new one takes its place
REPLACED = "replaced"


def check_writable(path: str | Path) -> Path:
    """Return `path` as a `Path`, or say at once, before any long work, why it cannot be written.

    Raises
    ------
    OutputError
        The folder is missing or read-only, or `path` is itself a plain folder: one with something
        in it that no ``.zarr`` store has written.

    Examples
    --------
    >>> check_writable("/no/such/folder/model.keras")
    Traceback (most recent call last):
    ...
    cellclassifier.errors.OutputError: cannot write '/no/such/folder/model.keras': ...
    """
    path = Path(path)
    folder = path.absolute().parent
    if not folder.is_dir():
        raise OutputError(
            f"cannot write '{path}': the folder '{folder}' does not exist; make it first"
        )
    try:
        is_folder = path.is_dir()  # fails where the name is too long
        probe = _temporary_name(path)
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        raise OutputError(f"cannot write '{path}': {error.strerror or error}") from error
    if is_folder and path.suffix != STORE:
        raise OutputError(f"cannot write '{path}': it is a folder; give the name of a file in it")
    if is_folder and not _is_store(path):
        raise OutputError(
            f"cannot write '{path}': it is a folder with other things in it, and no store of zarr "
            "that may be replaced; give another name, or move the folder away"
        )
    return path


def _is_store(path: Path) -> bool:
    return not any(path.iterdir()) or any((path / mark).exists() for mark in STORE_MARKS)


def wants_room(error: BaseException) -> bool:
    """Tell whether what went wrong, or led to it, is a disk that takes no more.

    >>> wants_room(OutputError("no")), wants_room(OSError(errno.ENOSPC, "No space left on device"))
    (False, True)
    """
    full = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in full:
            return True
        cause = cause.__cause__
    return False


def partial_folder(out: Path) -> Path:
    """Return the folder beside an output where what is done of long work is kept.

    >>> partial_folder(Path("/tmp/model.keras")).name
    'model.keras.partial'
    """
    return out.absolute().with_name(f"{out.name}.partial")


@contextmanager
def replacing(path: str | Path, temporary: Path | None = None) -> Iterator[Path]:
    """Yield a temporary name beside `path`; it takes the place of `path` on success only.

    Whatever stands at the temporary name (a file, or a folder such as a zarr store) is removed
    when the block raises, and `path` is then as it was before.

    Parameters
    ----------
    path
        What is to be written.
    temporary
        A name in a folder on the same disk, instead of a hidden one beside `path`. What an
        earlier call left there is removed first.
    """
    path = check_writable(path)
    aside = _temporary_name(path)
    if temporary is None:
        temporary = _temporary_name(path)
    else:
        aside = temporary.with_name(f"{REPLACED}{path.suffix}")
    try:
        _remove(temporary)
        yield temporary
        _take_place(temporary, path, aside)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"cannot write '{path}': {error.strerror or error}") from error
    finally:
        _remove(temporary)


def _temporary_name(path: Path) -> Path:
    # the suffix stays last: writers choose the format by it
    return path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}.part{path.suffix}")


def _take_place(temporary: Path, path: Path, aside: Path) -> None:
    if temporary.is_dir() and path.exists():
        _remove(aside)
        path.rename(aside)
        try:
            temporary.rename(path)
        except OSError:
            aside.rename(path)
            raise
        _remove(aside)
    else:
        os.replace(temporary, path)  # noqa: PTH105  (one step, also where `path` exists)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
