"""Consecutive rows of a matrix, wherever it lies."""

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from anndata.abc import CSRDataset
from scipy import sparse

from cellclassifier.data.counts.matrices import DENSE_VALUES, WIDENED
from cellclassifier.data.formats.on_disk import NUMERIC_KINDS

# blocks differ in how many values they have
ROOM = 1.2


class Buffers(threading.local):
    """Memory that a thread reads into again and again.

    To ask the system for other memory for each block costs as much time as to read it, and where
    the library's own notes come to lie between the blocks, what they leave cannot be used again.
    """

    def __init__(self) -> None:
        self._kept: dict[str, npt.NDArray[Any]] = {}

    def of(self, name: str, length: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Return `length` values, which the next call with this name in this thread overwrites."""
        kept = self._kept.get(name)
        if kept is None or len(kept) < length or kept.dtype != dtype:
            kept = self._kept[name] = np.empty(int(ROOM * length), dtype)
        return kept[:length]


def read_rows(
    matrix: Any,  # noqa: ANN401
    start: int,
    stop: int,
    buffers: Buffers | None = None,
) -> sparse.csr_matrix:
    """Return rows from `start` to `stop`, not included, as CSR.

    Parameters
    ----------
    matrix
        Sparse by rows, or dense, in memory or in a file of HDF5 or zarr. Dense rows are read a few
        at a time, so that no more of them is held.
    buffers
        What sparse rows of HDF5 are read into; None for memory of their own.

    Examples
    --------
    >>> read_rows(np.array([[1, 0], [0, 2], [3, 0]]), 1, 3).toarray().tolist()
    [[0, 2], [3, 0]]
    """
    if not hasattr(matrix, "indptr") and not hasattr(matrix, "format"):
        return _dense_rows(matrix, start, stop)
    if isinstance(matrix, CSRDataset) and matrix.backend == "hdf5":
        return _runs_into(Buffers() if buffers is None else buffers, matrix, [slice(start, stop)])
    return sparse.csr_matrix(matrix[start:stop])


def read_runs(matrix: Any, runs: Sequence[slice]) -> Any:  # noqa: ANN401
    """Return several runs of rows, one below the other, as CSR; as they are where no numbers."""
    if matrix.dtype.kind not in NUMERIC_KINDS:
        return np.concatenate([np.asarray(matrix[run]) for run in runs])
    if isinstance(matrix, CSRDataset) and matrix.backend == "hdf5":
        return _runs_into(Buffers(), matrix, runs)
    blocks = [read_rows(matrix, run.start, run.stop) for run in runs]
    return sparse.csr_matrix(sparse.vstack(blocks, format="csr"))


def _runs_into(buffers: Buffers, matrix: Any, runs: Sequence[slice]) -> sparse.csr_matrix:  # noqa: ANN401
    """Read runs of rows as anndata does, one below the other, but for where to."""
    indptr = matrix.group["indptr"]
    ends = [indptr[run.start : run.stop + 1].astype(np.int64) for run in runs]
    parts = [np.s_[int(run_ends[0]) : int(run_ends[-1])] for run_ends in ends]
    starts = np.cumsum([0, *(part.stop - part.start for part in parts)])
    values = {}
    for name in ("data", "indices"):
        array = matrix.group[name]
        values[name] = buffers.of(name, int(starts[-1]), array.dtype)
        for part, start, stop in zip(parts, starts[:-1], starts[1:], strict=True):
            if stop > start:
                array.read_direct(values[name], part, np.s_[start:stop])
    shifted = [
        run_ends[1:] - run_ends[0] + start
        for run_ends, start in zip(ends, starts[:-1], strict=True)
    ]
    indptr = np.concatenate([starts[:1], *shifted])
    return sparse.csr_matrix(
        (values["data"], values["indices"], indptr), shape=(len(indptr) - 1, matrix.shape[1])
    )


def _dense_rows(matrix: Any, start: int, stop: int) -> sparse.csr_matrix:  # noqa: ANN401
    n_rows = max(DENSE_VALUES // max(matrix.shape[1], 1), 1)
    blocks = []
    for first in range(start, stop, n_rows):
        rows = np.asarray(matrix[first : min(first + n_rows, stop)])
        rows = rows.astype(WIDENED.get(rows.dtype.name, rows.dtype), copy=False)
        blocks.append(sparse.csr_matrix(rows))
    return sparse.csr_matrix(sparse.vstack(blocks, format="csr"))
