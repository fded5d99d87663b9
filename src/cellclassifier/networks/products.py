"""Sparse matrices times dense ones, on all cores."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.data.compiling import compiled
from cellclassifier.data.counts.cells import n_cores
from cellclassifier.data.tiles import Entries, Layout, TiledKernels, multiply_tiles

Floats = npt.NDArray[np.float32]
# below so many multiplications a second thread costs more than it saves
MIN_PARALLEL = 2_000_000
ROWS_AT_ONCE = 64


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
    kernel = TiledKernels.of([np.asarray(dense, np.float32)])
    entries = (
        matrix.data.astype(np.float32, copy=False)[None],
        matrix.indices.astype(np.int32, copy=False).view(np.uint32),
        matrix.indptr.astype(np.int64, copy=False),
    )
    out = np.empty((matrix.shape[0], kernel.n_columns), dtype=np.float32)
    n_threads = n_threads or _n_threads()
    if matrix.nnz * dense.shape[1] < MIN_PARALLEL or n_threads == 1:
        _multiply(kernel.layout, kernel.n_lines, entries, slice(0, len(out)), out)
    else:
        # parts of as many entries each, not of as many rows
        shares = np.linspace(0, matrix.nnz, n_threads + 1)
        bounds = np.searchsorted(matrix.indptr, shares, side="left").tolist()
        bounds[-1] = len(out)
        with ThreadPoolExecutor(n_threads) as threads:
            parts = [slice(*ends_of_part) for ends_of_part in pairwise(bounds)]
            multiply = partial(_multiply, kernel.layout, kernel.n_lines, entries)
            list(threads.map(lambda rows: multiply(rows, out), parts))
    return np.ascontiguousarray(out[:, : dense.shape[1]])


def _n_threads() -> int:
    """As many as this process may run on, unless OMP_NUM_THREADS asks for fewer."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(int(asked), n_cores())) if asked.isdigit() else n_cores()


@compiled()
def _multiply(layout: Layout, n_lines: int, entries: Entries, rows: slice, out: Floats) -> None:
    """Multiply some rows, so many at a time that their entries stay in the cache for each tile."""
    values, places, ends = entries
    for first in range(rows.start, rows.stop, ROWS_AT_ONCE):
        some = slice(first, min(first + ROWS_AT_ONCE, rows.stop))
        of_rows = values, places, ends[first : some.stop + 1]
        multiply_tiles(layout, n_lines, of_rows, out[some])
