"""Taking the wanted files, and nothing else, out of an archive that may be hostile."""

import gzip
import io
import shutil
import tarfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from cellclassifier.errors import FileFormatError

# count matrices as text shrink to about a quarter; nothing honest shrinks to a fortieth
MAX_GROWTH = 40
# below this size growth does no harm
HARMLESS_BYTES = 2**26
MAX_MEMBERS = 1000
BROKEN = (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, UnicodeDecodeError)


class _Bounded(io.BufferedIOBase):
    """The bytes of a stream, up to a limit."""

    def __init__(self, stream: gzip.GzipFile, limit: int) -> None:
        self.stream = stream
        self.limit = limit
        self.n_read = 0

    def read(self, size: int | None = -1, /) -> bytes:
        content = self.stream.read(size)
        self.n_read += len(content)
        if self.n_read > self.limit:
            raise FileFormatError(f"it unpacks to more than {self.limit:,} bytes")
        return content


def extract_files(archive: Path, folder: str, names: Collection[str], into: Path) -> None:
    """Write the files `names` of one folder of a ``.tar.gz`` archive to the folder `into`.

    Every member is looked at first, also those that are not wanted: an archive with a link, a
    device, or a name that leads out of it is refused as a whole. The unpacked bytes are counted
    as they come, so that an archive cannot fill memory or disk.

    Parameters
    ----------
    archive
        The file.
    folder
        Where in it the files are, such as ``filtered_matrices_mex/hg19``, or ``.`` for its root.
    names
        The files wanted, all of them.
    into
        An empty folder, which gets these names and no others.

    Raises
    ------
    FileFormatError
        The archive is broken or unsafe, or lacks a file.

    Examples
    --------
    >>> extract_files(Path("no.tar.gz"), "mex", ["matrix.mtx"], Path("."))
    Traceback (most recent call last):
    ...
    cellclassifier.errors.FileFormatError: 'no.tar.gz' cannot be unpacked: ...
    """
    wanted = {name if folder == "." else f"{folder.strip('/')}/{name}": name for name in names}
    seen: list[str] = []
    with _members(archive) as members:
        for member in members:
            name = _checked_name(member, into, seen)
            if name in wanted:
                _copy(members, member, into / wanted[name])
    if missing := sorted(wanted.keys() - set(seen)):
        raise FileFormatError(
            f"'{archive}' cannot be unpacked: it lacks {missing} and has {seen[:10]}"
        )


def list_files(archive: Path) -> list[str]:
    """Return the names of all files in a ``.tar.gz`` archive; nothing is written.

    Raises
    ------
    FileFormatError
        The archive is broken or unsafe.

    Examples
    --------
    >>> list_files(Path("no.tar.gz"))
    Traceback (most recent call last):
    ...
    cellclassifier.errors.FileFormatError: 'no.tar.gz' cannot be unpacked: ...
    """
    seen: list[str] = []
    with _members(archive) as members:
        return [
            name
            for member in members
            if (name := _checked_name(member, archive.parent, seen)) and member.isreg()
        ]


@contextmanager
def _members(archive: Path) -> Iterator[tarfile.TarFile]:
    """Open an archive as a stream of members, and tell what is wrong with it."""
    try:
        limit = max(HARMLESS_BYTES, MAX_GROWTH * archive.stat().st_size)
        with (
            gzip.open(archive) as stream,
            tarfile.open(fileobj=_Bounded(stream, limit), mode="r|") as members,
        ):
            yield members
    except (FileFormatError, *BROKEN) as error:
        reason = str(error) or "it is cut off"
        raise FileFormatError(f"'{archive}' cannot be unpacked: {reason}") from error
    except OSError as error:
        raise FileFormatError(
            f"'{archive}' cannot be unpacked: {error.strerror or error}"
        ) from error


def _checked_name(member: tarfile.TarInfo, into: Path, seen: list[str]) -> str:
    """Return the name of a harmless member, and note it down."""
    name = member.name.removeprefix("./")
    if name.startswith("/") or "\\" in name or ".." in name.split("/"):
        raise FileFormatError(f"its member '{member.name}' would be written outside the folder")
    if not (member.isreg() or member.isdir()):
        raise FileFormatError(f"its member '{member.name}' is a link or a device")
    tarfile.data_filter(member, str(into))  # Python's own view of what is unsafe
    if name in seen and not member.isdir():
        raise FileFormatError(f"its member '{member.name}' is there twice")
    if len(seen) >= MAX_MEMBERS:
        raise FileFormatError(f"it has more than {MAX_MEMBERS:,} members")
    seen.append(name)
    return name


def _copy(members: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    content = members.extractfile(member)
    if content is None:
        raise FileFormatError(f"its member '{member.name}' is not a file")
    with content, path.open("xb") as target:
        shutil.copyfileobj(content, target)
