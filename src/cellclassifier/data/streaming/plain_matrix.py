"""Matrices of HDF5 that nothing was done to, read past HDF5, by several threads at once.

HDF5 reads for one thread at a time, which holds Python's lock meanwhile, and reads chunks at whose
middle a block ends as a whole, for each of both blocks. Where chunks lie in a file that is open for
reading does not change: it is asked once, and the system reads from there.
"""

import os
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
from anndata.abc import CSRDataset
from scipy import sparse

from cellclassifier.data.streaming.buffers import Buffers
from cellclassifier.data.streaming.chunks import filters_of
from cellclassifier.data.streaming.runs import Runs

# what reads a file as it lies on the disk
PLAIN_DRIVER = "sec2"
# bytes that are read in one go, fewer than any system's limit
MOST_BYTES = 2**26


@dataclass(frozen=True, eq=False)
class PlainArray:
    """Where the numbers of a one-dimensional array are in a file.

    Parameters
    ----------
    descriptor
        Of the file.
    dtype
        Of the numbers, as they are in the file and in memory.
    length
        How many there are.
    chunk
        How many of them lie together.
    places
        Shape (n_chunks,), int64: the byte at which each chunk begins.
    """

    descriptor: int
    dtype: np.dtype[Any]
    length: int
    chunk: int
    places: npt.NDArray[np.int64]

    @classmethod
    def of(cls, array: h5py.Dataset, descriptor: int) -> "PlainArray | None":
        """Ask where the numbers are; None where they are not, or not as they are in memory."""
        if array.ndim != 1 or array.dtype.kind not in "iuf" or not array.dtype.isnative:
            return None
        if not len(array) or array.is_virtual or array.external is not None:
            return None
        if array.chunks is None:
            place, n_bytes = array.id.get_offset(), array.id.get_storage_size()
            if place is None or n_bytes != array.nbytes:  # compact, or not written
                return None
            return cls(descriptor, array.dtype, len(array), len(array), np.array([place]))
        places = _places_of_chunks(array) if filters_of(array) == [] else None
        if places is None:
            return None
        return cls(descriptor, array.dtype, len(array), array.chunks[0], places)

    def read(self, part: slice, out: npt.NDArray[Any]) -> None:
        """Read some of the numbers.

        Parameters
        ----------
        part
            Which, by the first and the one behind the last.
        out
            Shape (n,), of the type of the array: where they go.

        Raises
        ------
        OSError
            They are not in the file, or cannot be read.
        """
        if not 0 <= part.start <= part.stop <= self.length:
            raise OSError(
                f"of {self.length:,} values {part.start:,} to {part.stop:,} are asked for"
            )
        for first, last in self._stretches(part):
            start, stop = max(first * self.chunk, part.start), min(last * self.chunk, part.stop)
            place = self.places[first] + (start - first * self.chunk) * self.dtype.itemsize
            to = out[start - part.start : stop - part.start].view(np.uint8)
            _read_whole(self.descriptor, to, int(place))

    def _stretches(self, part: slice) -> Iterator[tuple[int, int]]:
        """Yield the first and last, not included, of chunks that lie one behind the other."""
        first, last = part.start // self.chunk, -(-part.stop // self.chunk)
        n_bytes = self.chunk * self.dtype.itemsize
        cuts = np.flatnonzero(np.diff(self.places[first:last]) != n_bytes) + 1 + first
        if part.start < part.stop:
            yield from pairwise([first, *cuts.tolist(), last])


@dataclass(frozen=True, eq=False)
class PlainMatrix:
    """A matrix by rows, of three such arrays; threads need not wait for one another.

    Parameters
    ----------
    indptr, indices, data
        As in CSR.
    n_columns
        Of the matrix.
    """

    indptr: PlainArray
    indices: PlainArray
    data: PlainArray
    n_columns: int

    @classmethod
    def of(cls, matrix: Any) -> "PlainMatrix | None":  # noqa: ANN401  (of any kind)
        """Ask where a matrix is; None where HDF5 or others have to read it.

        The file must not be open for writing, for HDF5 may hold what is not in it yet.
        """
        if not isinstance(matrix, CSRDataset) or not isinstance(matrix.group, h5py.Group):
            return None
        file = matrix.group.file
        is_plain = file.driver == PLAIN_DRIVER and file.mode == "r" and not file.userblock_size
        if not is_plain or not hasattr(os, "preadv"):
            return None
        # of our own, for HDF5 may close its own before
        descriptor = os.dup(file.id.get_vfd_handle())
        names = ("indptr", "indices", "data")
        arrays = [PlainArray.of(matrix.group[name], descriptor) for name in names]
        indptr, indices, data = arrays
        if indptr is None or indices is None or data is None:
            os.close(descriptor)
            return None
        plain = cls(indptr, indices, data, int(matrix.shape[1]))
        weakref.finalize(plain, os.close, descriptor)
        return plain

    def rows(self, runs: Sequence[slice], buffers: Buffers) -> sparse.csr_matrix:
        """Return runs of rows, one below the other.

        Parameters
        ----------
        runs
            Of consecutive rows.
        buffers
            What they are read into.

        Raises
        ------
        OSError
            The file is shorter than it was, or cannot be read.
        """
        laid_out, arrays = Runs.of([self._ends_of(run) for run in runs]), []
        for name, array in (("data", self.data), ("indices", self.indices)):
            values = buffers.of(name, laid_out.n_values, array.dtype)
            for part, place in zip(laid_out.parts, laid_out.places, strict=True):
                array.read(part, values[place])
            arrays.append(values)
        shape = len(laid_out.indptr) - 1, self.n_columns
        return sparse.csr_matrix((*arrays, laid_out.indptr), shape=shape)

    def _ends_of(self, run: slice) -> npt.NDArray[np.int64]:
        ends = np.empty(run.stop - run.start + 1, self.indptr.dtype)
        self.indptr.read(slice(run.start, run.stop + 1), ends)
        return ends.astype(np.int64)


def _places_of_chunks(array: h5py.Dataset) -> npt.NDArray[np.int64] | None:
    """Return the byte at which each chunk begins; None where one was never written."""
    if not hasattr(array.id, "chunk_iter"):  # of old versions of HDF5
        return None
    (length,) = array.chunks
    places = np.full(-(-len(array) // length), -1, np.int64)

    def note(chunk: Any) -> None:  # noqa: ANN401  (a `StoreInfo`, of h5py)
        number = chunk.chunk_offset[0] // length
        if chunk.size == length * array.dtype.itemsize and number < len(places):
            places[number] = chunk.byte_offset

    array.id.chunk_iter(note)
    return None if (places < 0).any() else places


def _read_whole(descriptor: int, out: npt.NDArray[np.uint8], place: int) -> None:
    done = 0
    while done < len(out):
        some = out[done : done + MOST_BYTES]
        n_read = os.preadv(descriptor, [some.data], place + done)
        if not n_read:
            raise OSError(f"the file ends before byte {place + len(out):,}")
        done += n_read
