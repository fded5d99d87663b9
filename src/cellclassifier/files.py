"""Writing files whole or not at all."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cellclassifier.errors import OutputError

# of a disk, left free by what asks for room before it begins
SPARE_BYTES = 2**26


def check_writable(path: str | Path) -> Path:
    """Return `path` as a `Path`, or say at once, before any long work, why it cannot be written.

    Raises
    ------
    OutputError
        The folder is missing or read-only, or `path` is itself a plain folder.

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
    if is_folder and path.suffix != ".zarr":
        raise OutputError(f"cannot write '{path}': it is a folder; give the name of a file in it")
    return path


def partial_folder(out: Path) -> Path:
    """Return the folder beside an output where what is done of long work is kept.

    >>> partial_folder(Path("/tmp/model.keras")).name
    'model.keras.partial'
    """
    return out.absolute().with_name(f"{out.name}.partial")


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; it takes the place of `path` on success only.

    Whatever stands at the temporary name (a file, or a folder such as a zarr store) is removed
    when the block raises, and `path` is then as it was before.
    """
    path = check_writable(path)
    temporary = _temporary_name(path)
    try:
        yield temporary
        _take_place(temporary, path)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"cannot write '{path}': {error.strerror or error}") from error
    finally:
        _remove(temporary)


def _temporary_name(path: Path) -> Path:
    # the suffix stays last: writers choose the format by it
    return path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}.part{path.suffix}")


def _take_place(temporary: Path, path: Path) -> None:
    if temporary.is_dir() and path.exists():
        old = _temporary_name(path)
        path.rename(old)
        try:
            temporary.rename(path)
        except OSError:
            old.rename(path)
            raise
        _remove(old)
    else:
        os.replace(temporary, path)  # noqa: PTH105  (one step, also where `path` exists)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
