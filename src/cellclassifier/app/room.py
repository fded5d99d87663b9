"""The temporary folder of a running page: what was uploaded, and what was made of it."""

import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from cellclassifier.errors import FileFormatError, InputError, OutputError

Kind = Literal["cells", "model"]

# longer ones first: a name is of the first kind that it ends in
CELLS_SUFFIXES = (
    *(".csv.gz", ".tsv.gz", ".txt.gz", ".tar.gz", ".tgz"),
    *(".h5ad", ".h5", ".hdf5", ".loom", ".csv", ".tsv", ".txt", ".mat", ".rds"),
)
MODEL_SUFFIXES = (".keras",)
# of the disk, that an upload leaves free for what is made of it
SPARE_BYTES = 200 * 2**20


@dataclass(frozen=True)
class Chosen:
    """A file that was chosen.

    Parameters
    ----------
    path
        Where it lies.
    name
        What the user calls it: shown, and never a path.
    uploaded
        Whether it lies in the room.
    """

    path: Path
    name: str
    uploaded: bool = False

    @property
    def stem(self) -> str:
        """The name without what says its kind."""
        for suffix in (*CELLS_SUFFIXES, *MODEL_SUFFIXES, ".zarr"):
            if self.name.lower().endswith(suffix):
                return self.name[: -len(suffix)]
        return self.name

    def told(self, message: str) -> str:
        """Return a message that speaks of the file by its own name, not by that in the room."""
        return message.replace(str(self.path), self.name) if self.uploaded else message


def chosen_by_path(text: str) -> Chosen:
    """Return a file or folder of this machine.

    Raises
    ------
    FileFormatError
        There is none.
    """
    path = Path(text.strip().strip("\"'")).expanduser()
    if not text.strip() or "\0" in text or not path.exists():
        raise FileFormatError(
            f"there is no file '{text.strip()}'; give its whole path, such as "
            f"'{Path.home() / 'cells.h5ad'}'"
        )
    return Chosen(path.absolute(), path.name)


@dataclass(frozen=True)
class Room:
    """A folder that nobody else may look into, removed in the end.

    Parameters
    ----------
    folder
        Where.
    """

    folder: Path

    @classmethod
    @contextmanager
    def made(cls, within: Path | None = None) -> Iterator["Room"]:
        """Make a room, and remove it with all in it, whatever happens.

        Parameters
        ----------
        within
            The folder to make it in; None for the system's for temporary files.

        Raises
        ------
        OutputError
            It cannot be made there.
        """
        try:
            folder = Path(tempfile.mkdtemp(prefix="cellclassifier-app-", dir=within))  # mode 0700
        except OSError as error:
            where = tempfile.gettempdir() if within is None else within
            raise OutputError(
                f"cannot make a temporary folder in '{where}': {error.strerror or error}; "
                "name another one by --scratch"
            ) from error
        try:
            yield cls(folder)
        finally:
            _remove(folder)

    def begin_upload(self, kind: Kind, name: str, n_bytes: int) -> "Upload":
        """Return a file to be written piece by piece.

        Parameters
        ----------
        kind
            What it is to be.
        name
            What the user calls it.
        n_bytes
            How many are to come.

        Raises
        ------
        FileFormatError
            Its name says that it is of another kind.
        OutputError
            It does not fit on the disk.
        """
        suffix = suffix_of(kind, name)
        free = shutil.disk_usage(self.folder).free
        if n_bytes + SPARE_BYTES > free:
            raise OutputError(
                f"'{name}' has {n_bytes / 1e9:,.1f} GB, and the temporary folder "
                f"'{self.folder.parent}' has {free / 1e9:,.1f} GB free; give the path of the file "
                "instead, or start the app with --scratch and a folder on a larger disk"
            )
        return Upload(self.folder / f"{kind}-{uuid.uuid4().hex[:8]}{suffix}", name)

    def forget(self, chosen: Chosen | None) -> None:
        """Remove what was uploaded and is no longer chosen."""
        if chosen is not None and chosen.uploaded:
            chosen.path.unlink(missing_ok=True)

    def clear(self, name: str) -> None:
        """Remove something that was made, and what was kept for going on with it."""
        (self.folder / name).unlink(missing_ok=True)
        shutil.rmtree(self.folder / f"{name}.partial", ignore_errors=True)


def suffix_of(kind: Kind, name: str) -> str:
    """Return the end of a name that says what the file is: one of a list, and nothing else of it.

    >>> suffix_of("cells", "../../PBMC.filtered.H5AD")
    '.h5ad'
    """
    suffixes = MODEL_SUFFIXES if kind == "model" else CELLS_SUFFIXES
    for suffix in suffixes:
        if name.lower().endswith(suffix):
            return suffix
    if kind == "model":
        raise FileFormatError(f"'{name}' is no model: the files that train writes end in .keras")
    raise FileFormatError(
        f"'{name}' is of a kind that cannot be dropped: {', '.join(CELLS_SUFFIXES)} are known; of "
        "a folder, such as that of Cell Ranger or a .zarr, give the path"
    )


class Upload:
    """A file on its way: whole in the end, or not there.

    Parameters
    ----------
    path
        Where it is to lie.
    name
        What the user calls it.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._path, self._name = path, name
        self._part = path.with_name(f"{path.name}.part")
        self._file: BinaryIO | None = self._part.open("xb")

    def write(self, chunk: bytes) -> None:
        """Take the next piece."""
        if self._file is None:
            raise InputError(f"the upload of '{self._name}' is over")
        self._file.write(chunk)

    def finish(self) -> Chosen:
        """Return the file, whole."""
        self._close()
        self._part.rename(self._path)
        return Chosen(self._path, self._name, uploaded=True)

    def abandon(self) -> None:
        """Leave nothing, unless it is finished."""
        self._close()
        self._part.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _remove(folder: Path) -> None:
    # a thread that is still at work can write while this removes
    for _ in range(20):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.1)
