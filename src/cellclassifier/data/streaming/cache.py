"""The counts of a panel in a folder, as small as they can be, and read row by row."""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.data.splitting import Rows
from cellclassifier.data.streaming.reference import PanelBlock
from cellclassifier.errors import FileFormatError, OutputError
from cellclassifier.files import SPARE_BYTES

COUNTS, GENES, CELLS = "counts.bin", "genes.bin", "cells.npz"
# rows that are read over rather than the file be asked again, where it reads no more than so many
# times as much
MAX_GAP, MAX_READ = 8, 1.5


@dataclass(frozen=True)
class CacheLayout:
    """What the counts of a panel take.

    Parameters
    ----------
    n_cells, n_genes, n_values
        Of the counts; the latter are those above zero.
    counts, genes
        The types of NumPy that hold each count, and the number of each gene.
    """

    n_cells: int
    n_genes: int
    n_values: int
    counts: str
    genes: str

    @classmethod
    def of(
        cls, n_cells: int, n_detected: npt.NDArray[np.integer], largest: float, *, is_whole: bool
    ) -> "CacheLayout":
        """Choose the smallest types.

        Parameters
        ----------
        n_cells
            How many there are.
        n_detected
            Shape (n_genes,): in how many cells each gene has counts.
        largest
            The largest count.
        is_whole
            Whether counts are whole; those that are estimated may not be.

        Examples
        --------
        >>> layout = CacheLayout.of(10, np.array([3, 9]), 300.0, is_whole=True)
        >>> layout.counts, layout.genes, layout.n_bytes
        ('<u2', '<u2', 48)
        """
        counts = _smallest(largest) if is_whole else "<f4"
        n_genes, n_values = len(n_detected), int(n_detected.sum())
        return cls(n_cells, n_genes, n_values, counts, _smallest(n_genes - 1, least=2))

    @property
    def n_bytes(self) -> int:
        """Of the two large files."""
        return self.n_values * (np.dtype(self.counts).itemsize + np.dtype(self.genes).itemsize)


def _smallest(largest: float, least: int = 1) -> str:
    sizes = [size for size in (1, 2, 4) if size >= least and largest < 2 ** (8 * size)]
    return f"<u{sizes[0]}"


def check_room(folder: Path, layout: CacheLayout) -> None:
    """Refuse to begin where the disk cannot hold the counts.

    Raises
    ------
    OutputError
        It cannot.
    """
    free = shutil.disk_usage(folder).free
    wanted = layout.n_bytes + SPARE_BYTES
    if wanted > free:
        raise OutputError(
            f"no room in '{folder}' for the counts to train on: {wanted / 1e9:.2f} GB are needed "
            f"while training, and {free / 1e9:.2f} GB are free. Make room, write the model to a "
            "larger disk, or look at fewer genes"
        )


def write_cache(
    folder: Path,
    layout: CacheLayout,
    blocks: Iterable[PanelBlock],
    codes: npt.NDArray[np.int32],
) -> "CountsCache":
    """Write the counts of all cells, block by block, and open them.

    Raises
    ------
    OutputError
        The disk is full, or cannot be written.
    """
    n_values, library_size = [np.zeros(1, np.int64)], []
    try:
        with (folder / COUNTS).open("wb") as counts, (folder / GENES).open("wb") as genes:
            for block in blocks:
                counts.write(block.counts.data.astype(layout.counts).data)
                genes.write(block.counts.indices.astype(layout.genes).data)
                n_values.append(np.diff(block.counts.indptr).astype(np.int64))
                library_size.append(block.library_size)
        ends = np.concatenate(n_values).cumsum()
        sizes = np.concatenate(library_size)
        np.savez(folder / CELLS, ends=ends, library_size=sizes, codes=codes)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(
            f"cannot write the counts to train on into '{folder}': {error.strerror or error}; "
            f"{layout.n_bytes / 1e9:.2f} GB are needed there"
        ) from error
    return CountsCache.open(folder, layout)


@dataclass(frozen=True, eq=False)
class CountsCache:
    """Counts of a panel in a folder: a `RowSource` whose rows are counts.

    They are read, and not mapped into memory: what is mapped counts as the process's memory as long
    as the system keeps it, and a disk that fails ends the process instead of raising an error.

    Parameters
    ----------
    folder
        Holds two files of numbers, one after the other: each count, and its gene.
    layout
        Their types.
    ends
        Shape (n_cells + 1,): where each cell's counts begin and end.
    library_size, codes
        Shape (n_cells,): counts over all genes measured, and types.
    """

    folder: Path
    layout: CacheLayout
    ends: npt.NDArray[np.int64]
    library_size: npt.NDArray[np.float64]
    codes: npt.NDArray[np.int32]
    _files: tuple[Any, Any] = field(repr=False)
    _reading: Lock = field(default_factory=Lock, repr=False)

    @classmethod
    def open(cls, folder: Path, layout: CacheLayout) -> "CountsCache":
        """Open what `write_cache` wrote.

        Raises
        ------
        FileFormatError
            Something is missing.
        """
        try:
            with np.load(folder / CELLS, allow_pickle=False) as arrays:
                ends, library_size, codes = (
                    arrays[name] for name in ("ends", "library_size", "codes")
                )
            sizes = [(folder / name).stat().st_size for name in (COUNTS, GENES)]
        except (OSError, KeyError, ValueError) as error:
            raise _broken(folder, str(error)) from error
        wanted = [int(ends[-1]) * np.dtype(kind).itemsize for kind in (layout.counts, layout.genes)]
        if sizes != wanted:
            raise _broken(folder, f"{sizes} bytes, not {wanted}")
        files = (folder / COUNTS).open("rb", 0), (folder / GENES).open("rb", 0)
        return cls(folder, layout, ends, library_size, codes, files)

    @property
    def shape(self) -> tuple[int, int]:
        """Cells and genes."""
        return self.layout.n_cells, self.layout.n_genes

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()

    def __getitem__(self, rows: Rows | slice) -> sparse.csr_matrix:
        """Return the counts of some cells, in that order, CSR, float32.

        Several threads may ask at once.

        Raises
        ------
        FileFormatError
            The files are shorter than they were.
        """
        if isinstance(rows, slice):
            rows = np.arange(self.shape[0])[rows]
        wanted, place = np.unique(rows, return_inverse=True)
        runs = _runs_of(wanted)
        read = self._runs(runs)
        within = np.concatenate([np.arange(0), *(np.arange(*run) for run in runs)])
        if len(within) != len(wanted):
            place = np.searchsorted(within, wanted)[place]
        return read if np.array_equal(place, np.arange(len(within))) else read[place]

    def _runs(self, runs: Sequence[tuple[int, int]]) -> sparse.csr_matrix:
        """Return runs of consecutive cells, one below the other."""
        n_values = [int(self.ends[stop] - self.ends[start]) for start, stop in runs]
        kinds = self.layout.counts, self.layout.genes
        values = [np.empty(sum(n_values), kind) for kind in kinds]
        for file, kept in zip(self._files, values, strict=True):
            first = 0
            for (start, _), length in zip(runs, n_values, strict=True):
                self._read(file, kept[first : first + length], int(self.ends[start]))
                first += length
        lengths = [np.diff(self.ends[start : stop + 1]) for start, stop in runs]
        ends = np.concatenate([np.zeros(1, np.int64), *lengths]).cumsum()
        matrix = sparse.csr_matrix(
            (values[0].astype(np.float32), values[1].astype(np.int32), ends),
            shape=(len(ends) - 1, self.shape[1]),
        )
        matrix.has_canonical_format = True
        return matrix

    def _read(self, file: Any, values: npt.NDArray[Any], first: int) -> None:  # noqa: ANN401
        """Fill `values` from the one at `first` on."""
        with self._reading:
            file.seek(first * values.itemsize)
            n_read = file.readinto(values.data)
        if n_read != values.nbytes:
            raise _broken(self.folder, f"'{Path(file.name).name}' ends too early")


def _runs_of(rows: Rows) -> list[tuple[int, int]]:
    """Return the runs of consecutive rows, (first, last + 1), of ascending ones.

    Where few are missing, these are part of the run.
    """
    gaps = np.diff(rows)
    short = gaps <= MAX_GAP
    is_end = ~short if gaps[short].sum() <= MAX_READ * (short.sum() + 1) else gaps > 1
    cuts = np.flatnonzero(is_end) + 1
    return [(int(run[0]), int(run[-1]) + 1) for run in np.split(rows, cuts) if len(run)]


def _broken(folder: Path, problem: str) -> FileFormatError:
    return FileFormatError(
        f"the counts to train on in '{folder}' are broken ({problem}). Remove the folder, and run "
        "the same command again"
    )
