"""Sparse matrices times dense ones, on all cores."""

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numba
import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.data.counts.cells import n_cores

Floats = npt.NDArray[np.float32]
# below so many multiplications a second thread costs more than it saves
MIN_PARALLEL = 2_000_000


def times_dense(
    matrix: sparse.csr_matrix, dense: Floats, *, n_threads: int | None = None
) -> Floats:
    """Return ``matrix @ dense``, in float32.

    Each row is summed in its order by one thread: the result does not depend on their number.

    Parameters
    ----------
    matrix
        Shape (n_rows, n_columns), CSR.
    dense
        Shape (n_columns, n), float32.
    n_threads
        None takes as many as there are cores, or as OMP_NUM_THREADS says.

    Examples
    --------
    >>> times_dense(sparse.csr_matrix([[0.0, 2.0]]), np.float32([[1.0], [3.0]])).tolist()
    [[6.0]]
    """
    out = np.zeros((matrix.shape[0], dense.shape[1]), dtype=np.float32)
    dense = np.ascontiguousarray(dense, dtype=np.float32)
    data, ends = matrix.data.astype(np.float32, copy=False), matrix.indptr
    n_threads = n_threads or _n_threads()
    if matrix.nnz * dense.shape[1] < MIN_PARALLEL or n_threads == 1:
        _add_rows(data, matrix.indices, ends, dense, out)
        return out
    # parts of as many entries each, not of as many rows
    shares = np.linspace(0, matrix.nnz, n_threads + 1)
    bounds = np.searchsorted(ends, shares, side="left")
    parts = [slice(*ends_of_part) for ends_of_part in pairwise(bounds)]

    def add_part(rows: slice) -> None:
        part_of_ends = ends[rows.start : rows.stop + 1]
        _add_rows(data, matrix.indices, part_of_ends, dense, out[rows])

    with ThreadPoolExecutor(n_threads) as threads:
        list(threads.map(add_part, parts))
    return out


def _n_threads() -> int:
    """As many as this process may run on, unless OMP_NUM_THREADS asks for fewer."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(int(asked), n_cores())) if asked.isdigit() else n_cores()


@numba.njit(nogil=True, cache=True, fastmath={"contract"})
def _add_rows(
    data: Floats,
    indices: npt.NDArray[np.integer],
    ends: npt.NDArray[np.integer],
    dense: Floats,
    out: Floats,
) -> None:
    for row in range(len(ends) - 1):
        total = out[row]
        for entry in range(ends[row], ends[row + 1]):
            value, line = data[entry], dense[indices[entry]]
            for column in range(len(total)):
                total[column] += value * line[column]
