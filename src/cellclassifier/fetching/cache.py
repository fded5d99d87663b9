"""The folder of downloads: each file checked against the hash of its first download."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pooch
from filelock import FileLock, Timeout

from cellclassifier.errors import DownloadError, FileFormatError, OutputError
from cellclassifier.fetching.catalogue import CellSet, SourceFile
from cellclassifier.fetching.download import ResumingDownloader
from cellclassifier.fetching.lock import LockedFile, LockFile
from cellclassifier.fetching.progress import Watcher, watch_nothing

CACHE_VARIABLE = "CELLCLASSIFIER_CACHE"
LOCK_NAME = "lock.json"
BUSY_NAME = ".busy"


@dataclass(frozen=True)
class Downloads:
    """Where downloads are kept, and how they are made.

    Parameters
    ----------
    folder
        The cache; without it, what the variable ``CELLCLASSIFIER_CACHE`` says, or else the
        system's folder for caches.
    offline
        Use what is in the cache and nothing else.
    accept_change
        Where a file is to be downloaded that has changed since it was recorded, record it anew.
    wait_seconds
        Before a failed download is tried again; doubled for each further time.

    Examples
    --------
    >>> Downloads("downloads", offline=True).cache_folder
    PosixPath('downloads')
    """

    folder: str | Path | None = None
    offline: bool = False
    accept_change: bool = False
    wait_seconds: float = 1.0

    @property
    def cache_folder(self) -> Path:
        """The folder in use; it need not exist."""
        chosen = self.folder or os.environ.get(CACHE_VARIABLE)
        return Path(chosen or pooch.os_cache("cellclassifier")).expanduser()


class Cache:
    """The files of one cache folder.

    Parameters
    ----------
    downloads
        Where it is, and how it is filled.
    watch
        Called as bytes come.
    """

    def __init__(self, downloads: Downloads, watch: Watcher = watch_nothing) -> None:
        self.downloads = downloads
        self.folder = downloads.cache_folder
        self.watch = watch
        self.lock = LockFile(self.folder / LOCK_NAME)

    def path_of(self, cell_set: CellSet, source: SourceFile) -> Path:
        """Return where the file is, or will be."""
        return self.folder / _name_of(cell_set, source)

    def n_at_hand(self, cell_set: CellSet) -> int:
        """Return how many files of the set are here, whole and recorded."""
        records = self.lock.read()
        return sum(
            (record := records.get(_name_of(cell_set, source))) is not None
            and (path := self.path_of(cell_set, source)).is_file()
            and path.stat().st_size == record.n_bytes
            for source in cell_set.files
        )

    def n_bytes(self, cell_set: CellSet) -> int | None:
        """Return the size of the set's downloads, where all of them are recorded."""
        records = self.lock.read()
        names = [_name_of(cell_set, source) for source in cell_set.files]
        known = [records[name].n_bytes for name in names if name in records]
        return sum(known) if len(known) == len(names) else None

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep other processes from filling the same cache.

        Raises
        ------
        DownloadError
            Another process is at it.
        OutputError
            The folder cannot be made or written.
        """
        if self.downloads.offline:  # it may be a folder that only others can write
            yield
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            busy = FileLock(self.folder / BUSY_NAME, timeout=0)
            busy.acquire()
        except Timeout as error:
            raise DownloadError(
                f"another fetch is filling the cache '{self.folder}'; wait for it, or use another "
                "folder: --cache DIR"
            ) from error
        except OSError as error:
            raise OutputError(
                f"cannot write to the cache '{self.folder}': {error.strerror or error}; use "
                f"another folder: --cache DIR, or the variable {CACHE_VARIABLE}"
            ) from error
        try:
            yield
        finally:
            busy.release()

    def check_at_hand(self, cell_set: CellSet) -> None:
        """Say before any long work that not all of the set is here, where it has to be.

        Raises
        ------
        DownloadError
            Nothing may be downloaded, and files are missing.
        """
        if not self.downloads.offline:
            return
        paths = [self.path_of(cell_set, source) for source in cell_set.files]
        missing = [path for path in paths if not path.is_file()]
        if missing:
            raise DownloadError(
                f"'{cell_set.name}' is not at hand: {len(missing)} of {len(paths)} files are "
                f"missing, such as '{missing[0]}'; fetch it once without --offline"
            )

    @contextmanager
    def file(self, cell_set: CellSet, source: SourceFile) -> Iterator[Path]:
        """Yield a file, downloaded where it is not here; it is recorded when the block succeeds.

        A file that the block cannot read is not kept, unless it was recorded before.

        Raises
        ------
        DownloadError
            It cannot be downloaded, or is not the file that was recorded.
        """
        name = _name_of(cell_set, source)
        path = self.path_of(cell_set, source)
        record = self.lock.read().get(name)
        known = source.sha256 or (record.sha256 if record else None)
        if self.downloads.offline:
            _check_unchanged(path, known)
            self._show_whole(path)
            yield path
            return
        if self.downloads.accept_change and not source.sha256 and not _is_whole(path, known):
            path.unlink(missing_ok=True)
            known = None
        self._download(name, path, source, known)
        self._show_whole(path)
        try:
            yield path
        except FileFormatError as error:
            if known is not None:
                raise
            path.unlink(missing_ok=True)
            raise FileFormatError(
                f"{error}; the download '{source.address}' was not kept, and the next fetch "
                "starts it afresh"
            ) from error
        sha256 = known or pooch.file_hash(str(path))
        self.lock.record(name, LockedFile(sha256, path.stat().st_size, source.address))

    def _show_whole(self, path: Path) -> None:
        n_bytes = path.stat().st_size
        self.watch(path.name, n_bytes, n_bytes)

    def _download(self, name: str, path: Path, source: SourceFile, known: str | None) -> None:
        downloader = ResumingDownloader(
            path, wait_seconds=self.downloads.wait_seconds, watch=self.watch
        )
        keeper = pooch.create(
            path=self.folder, base_url="", registry={name: known}, urls={name: source.address}
        )
        try:
            with _quiet(pooch.get_logger()):
                keeper.fetch(name, downloader=downloader)
        except ValueError as error:  # pooch's word for another hash
            raise self._changed(source, known, downloader.sha256) from error

    def _changed(self, source: SourceFile, known: str | None, received: str) -> DownloadError:
        if source.sha256:
            expected = f"the catalogue says {known}; correct its sha256 if you trust the new file"
        else:
            expected = (
                f"at the first download it was {known}, as '{self.lock.path}' records; if you "
                "trust the new file, accept it: --accept-change (Downloads(accept_change=True))"
            )
        return DownloadError(
            f"'{source.address}' is not the file it was and was not kept: its SHA-256 is "
            f"{received}, but {expected}"
        )


def _name_of(cell_set: CellSet, source: SourceFile) -> str:
    return f"{cell_set.name}/{source.name}.tar.gz"


def _is_whole(path: Path, known: str | None) -> bool:
    return path.is_file() and (known is None or pooch.file_hash(str(path)) == known)


def _check_unchanged(path: Path, known: str | None) -> None:
    if not _is_whole(path, known):
        raise DownloadError(
            f"'{path}' is not the file that was downloaded: its SHA-256 is not {known}; fetch it "
            "once without --offline"
        )


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Keep pooch's notices out of the progress bars."""
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
