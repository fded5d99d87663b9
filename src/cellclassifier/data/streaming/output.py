"""Where annotations go: a copy of the cells, a table of them alone, or the file itself."""

import threading
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import anndata as ad
import h5py
import zarr

from cellclassifier.data.annotations import NOTICES
from cellclassifier.data.formats.on_disk import Group
from cellclassifier.data.formats.zarr_store import check_not_in_use
from cellclassifier.data.reading import read_cells
from cellclassifier.data.streaming.copying import Stopped, check_room, copy_path, write_whole
from cellclassifier.data.streaming.filling import Results, fill
from cellclassifier.data.streaming.in_place import fill_in_place
from cellclassifier.data.streaming.kept import Arrays
from cellclassifier.data.streaming.lists import ListWriter, check_list, is_list
from cellclassifier.data.streaming.stored import StoredCells
from cellclassifier.data.streaming.writing import Options
from cellclassifier.errors import FileFormatError, InputError
from cellclassifier.files import STORE, check_writable, partial_folder, replacing


def _wait(number: int, arrays: Arrays) -> None:
    """Leave a block of cells for the end."""


@dataclass(frozen=True)
class Writing:
    """What writes annotations; then all is there, or nothing.

    Parameters
    ----------
    finish
        Writes those of all cells, or what is left of them.
    add
        Takes a block, its number and what was kept of it just now; several threads may ask at once.
    """

    finish: Callable[[Results], None]
    add: Callable[[int, Arrays], None] = _wait


class Output(ABC):
    """A place for annotations."""

    def check(self, cells: StoredCells) -> None:  # noqa: B027  (most take any cells)
        """Refuse cells that cannot be written there.

        Raises
        ------
        InputError
            They are in a file of a kind that nothing can be written into.
        """

    @abstractmethod
    def begun(
        self, cells: StoredCells, results: Results | None = None
    ) -> AbstractContextManager[Writing]:
        """Begin what can be done before there are annotations, and undo it where none come.

        Parameters
        ----------
        cells
            That are named.
        results
            What there will be to write, but for the blocks; None where that is not known yet.
        """


@dataclass(frozen=True)
class ListOutput(Output):
    """A table of the annotations alone."""

    path: Path

    @contextmanager
    def begun(self, cells: StoredCells, results: Results | None = None) -> Iterator[Writing]:
        """Write the table among the kept blocks, with which it goes if the work is ended."""
        place = partial_folder(self.path) / f"table{self.path.suffix}"
        with replacing(self.path, place), ExitStack() as stack:

            def begin(known: Results) -> ListWriter:
                writer = ListWriter.begin(place, cells, known)
                stack.callback(writer.table.close)
                return writer

            ahead = None if results is None else begin(results)

            def finish(known: Results) -> None:
                (ahead or begin(known)).finish()

            yield Writing(finish) if ahead is None else Writing(finish, ahead.add)


class InPlace(Output):
    """The file that the cells are in."""

    def check(self, cells: StoredCells) -> None:
        """Refuse cells in a file of another kind."""
        if cells.root is None:
            raise InputError(
                f"annotations can be written into .h5ad and .zarr files, not into '{cells.path}'; "
                "name another file to write: --out NAMED.h5ad"
            )
        check_writable(cells.path)

    @contextmanager
    def begun(self, cells: StoredCells, results: Results | None = None) -> Iterator[Writing]:
        """Leave the file alone until there are annotations."""
        del results
        yield Writing(lambda known: fill_in_place(cells, known))


@dataclass(frozen=True)
class CopyOutput(Output):
    """All that the file holds, and the annotations.

    A copy of the same kind is made byte by byte, while the cells are named; of another kind,
    matrix by matrix in the end.
    """

    path: Path

    @contextmanager
    def begun(self, cells: StoredCells, results: Results | None = None) -> Iterator[Writing]:
        """Copy the file meanwhile, to among the kept blocks, with which it goes."""
        del results
        check_not_in_use(self.path)
        is_store = self.path.suffix == STORE
        is_alike = cells.root is not None and isinstance(cells.root, zarr.Group) == is_store
        place = partial_folder(self.path) / f"copy{self.path.suffix}"
        with replacing(self.path, place) as temporary:
            if is_alike:
                check_room(cells.path, self.path)
            if not is_alike:
                yield Writing(lambda known: _write_anew(temporary, cells, known))
                return
            with _copied_meanwhile(cells.path, temporary) as copied:

                def finish(known: Results) -> None:
                    copied.result()
                    _fill_copy(temporary, cells, known)

                yield Writing(finish)


@contextmanager
def _copied_meanwhile(source: Path, target: Path) -> Iterator["Future[None]"]:
    stop = threading.Event()
    with ThreadPoolExecutor(1) as thread:
        future = thread.submit(copy_path, source, target, stop)
        try:
            yield future
        finally:
            stop.set()
            with suppress(Stopped, OSError):
                future.result()


def _fill_copy(path: Path, cells: StoredCells, results: Results) -> None:
    with _quiet():
        if isinstance(cells.root, zarr.Group):
            # what is listed in one place for all arrays would no longer be all
            fill(zarr.open_group(path, mode="r+", use_consolidated=False), results)
            if cells.root.metadata.consolidated_metadata is not None:
                zarr.consolidate_metadata(path)
        else:
            with h5py.File(path, "r+") as file:
                fill(file, results)


def _write_anew(path: Path, cells: StoredCells, results: Results) -> None:
    whole = read_cells(cells.path) if cells.cells is None else cells.cells
    with _quiet():
        if path.suffix == STORE:
            _write_root(zarr.open_group(path, mode="w"), whole, {}, results)
            zarr.consolidate_metadata(path)
        else:
            with h5py.File(path, "w") as file:
                _write_root(file, whole, {"compression": "gzip"}, results)


def _write_root(root: Group, whole: ad.AnnData, options: Options, results: Results) -> None:
    write_whole(root, whole, options)
    fill(root, results)


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", NOTICES, UserWarning)
        yield


def check_output(out: Path | None, *, in_place: bool, annotations_only: bool) -> None:
    """Refuse words for an output that do not go together, and one that cannot be written.

    Raises
    ------
    InputError
        There are two outputs or none, or a copy where a table is wanted.
    OutputError, FileFormatError, MissingExtraError
        As for `choose_output`.
    """
    if in_place == (out is not None):
        raise InputError("say where annotations go: --out NAMED.h5ad or --in-place, one of the two")
    if annotations_only and (out is None or not is_list(out)):
        instead = "--in-place writes into the file itself" if out is None else f"'{out}' is none"
        raise InputError(
            f"--annotations-only writes a table, and {instead}: give --out NAMED.csv, NAMED.csv.gz "
            "or NAMED.parquet alone, or leave out --annotations-only"
        )
    choose_output(out)


def choose_output(out: Path | None) -> Output:
    """Return where annotations go, after a look at whether they can.

    Parameters
    ----------
    out
        ``.h5ad`` or ``.zarr`` for a copy, ``.csv``, ``.csv.gz`` or ``.parquet`` for a table; None
        for the file itself.

    Raises
    ------
    OutputError
        It cannot be written.
    FileFormatError
        Its name ends in something else.
    MissingExtraError
        A package that it needs is not installed.
    """
    if out is None:
        return InPlace()
    if is_list(out):
        check_list(out)
        return ListOutput(check_writable(out))
    if out.suffix not in (".h5ad", STORE):
        raise FileFormatError(
            f"cannot write cells to '{out}': name it .h5ad or .zarr, or .csv, .csv.gz or .parquet "
            "for a table of the annotations alone"
        )
    return CopyOutput(check_writable(out))
