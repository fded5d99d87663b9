"""Consecutive rows of a matrix, wherever it lies."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, NamedTuple

import h5py
import numpy as np
import numpy.typing as npt
from anndata.abc import CSRDataset
from scipy import sparse

from cellclassifier.data.counts.matrices import DENSE_VALUES, WIDENED
from cellclassifier.data.formats.on_disk import NUMERIC_KINDS
from cellclassifier.data.streaming.buffers import Buffers
from cellclassifier.data.streaming.deflated import Deflated, is_deflated, take_deflated
from cellclassifier.data.streaming.runs import Runs
from cellclassifier.data.streaming.zarr_chunks import (
    BorderChunks,
    ZarrChunk,
    take_chunks,
    unpacker_of,
)

Packed = Deflated | ZarrChunk


def read_rows(
    matrix: Any,  # noqa: ANN401
    start: int,
    stop: int,
    buffers: Buffers | None = None,
    reading: AbstractContextManager[Any] = nullcontext(),  # noqa: B008  (it has no state)
    borders: BorderChunks | None = None,
) -> sparse.csr_matrix:
    """Return rows from `start` to `stop`, not included, as CSR.

    Parameters
    ----------
    matrix
        Sparse by rows, or dense, in memory or in a file of HDF5 or zarr. Dense rows are read a few
        at a time, so that no more of them is held.
    buffers
        What sparse rows of a file are read into; None for memory of their own.
    reading
        Entered while the file is read, and left before what it packed is unpacked: a lock, where
        several threads read.
    borders
        Where chunks of zarr wait that another block may want; None for no further block.

    Examples
    --------
    >>> read_rows(np.array([[1, 0], [0, 2], [3, 0]]), 1, 3).toarray().tolist()
    [[0, 2], [3, 0]]
    """
    if not hasattr(matrix, "indptr") and not hasattr(matrix, "format"):
        with reading:
            return _dense_rows(matrix, start, stop)
    if isinstance(matrix, CSRDataset):
        into = Buffers() if buffers is None else buffers
        return _runs_into(into, matrix, [slice(start, stop)], reading, borders)
    with reading:
        return sparse.csr_matrix(matrix[start:stop])


def read_runs(matrix: Any, runs: Sequence[slice]) -> Any:  # noqa: ANN401
    """Return several runs of rows, one below the other, as CSR; as they are where no numbers."""
    if matrix.dtype.kind not in NUMERIC_KINDS:
        return np.concatenate([np.asarray(matrix[run]) for run in runs])
    if isinstance(matrix, CSRDataset):
        return _runs_into(Buffers(), matrix, runs, nullcontext(), BorderChunks())
    blocks = [read_rows(matrix, run.start, run.stop) for run in runs]
    return sparse.csr_matrix(sparse.vstack(blocks, format="csr"))


class _Taken(NamedTuple):
    """Rows, but for what is packed."""

    values: Mapping[str, npt.NDArray[Any]]
    indptr: npt.NDArray[np.int64]
    n_columns: int
    packed: Sequence[Packed]


def _runs_into(
    buffers: Buffers,
    matrix: Any,  # noqa: ANN401
    runs: Sequence[slice],
    reading: AbstractContextManager[Any],
    borders: BorderChunks | None,
) -> sparse.csr_matrix:
    """Read runs of rows as anndata does, one below the other, but for where to."""
    with reading:  # and there all objects of h5py end, which its lock alone does not make safe
        taken = _take(buffers, matrix, runs, borders)
    for chunk in taken.packed:
        chunk.unpack()
    arrays = taken.values["data"], taken.values["indices"], taken.indptr
    return sparse.csr_matrix(arrays, shape=(len(taken.indptr) - 1, taken.n_columns))


def _take(
    buffers: Buffers,
    matrix: Any,  # noqa: ANN401
    runs: Sequence[slice],
    borders: BorderChunks | None,
) -> _Taken:
    indptr = matrix.group["indptr"]
    ends = [indptr[run.start : run.stop + 1].astype(np.int64) for run in runs]
    laid_out = Runs.of(ends)
    values: dict[str, npt.NDArray[Any]] = {}
    packed: list[Packed] = []
    for name in ("data", "indices"):
        array = matrix.group[name]
        take = _taker_of(array, buffers, borders)
        values[name] = buffers.of(name, laid_out.n_values, array.dtype)
        for part, place in zip(laid_out.parts, laid_out.places, strict=True):
            if part.stop > part.start:
                packed += take(array, part, values[name][place])
    return _Taken(values, laid_out.indptr, matrix.shape[1], packed)


def _taker_of(
    array: Any,  # noqa: ANN401
    buffers: Buffers,
    borders: BorderChunks | None,
) -> Callable[[Any, slice, npt.NDArray[Any]], Sequence[Packed]]:
    """Return what reads some values of an array into others, but for those it returns."""
    if not isinstance(array, h5py.Dataset):
        unpack = unpacker_of(array)
        if unpack is None:
            return _take_zarr
        return partial(take_chunks, unpack=unpack, buffers=buffers, borders=borders)
    return take_deflated if is_deflated(array) else _take_h5


def _take_h5(array: Any, part: slice, out: npt.NDArray[Any]) -> Sequence[Packed]:  # noqa: ANN401
    array.read_direct(out, part)
    return []


def _take_zarr(array: Any, part: slice, out: npt.NDArray[Any]) -> Sequence[Packed]:  # noqa: ANN401
    out[:] = array[part]
    return []


def _dense_rows(matrix: Any, start: int, stop: int) -> sparse.csr_matrix:  # noqa: ANN401
    n_rows = max(DENSE_VALUES // max(matrix.shape[1], 1), 1)
    blocks = []
    for first in range(start, stop, n_rows):
        rows = np.asarray(matrix[first : min(first + n_rows, stop)])
        rows = rows.astype(WIDENED.get(rows.dtype.name, rows.dtype), copy=False)
        blocks.append(sparse.csr_matrix(rows))
    return sparse.csr_matrix(sparse.vstack(blocks, format="csr"))
