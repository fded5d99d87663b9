"""One pass over a block of counts, compiled: whether they are counts, and how many cells have."""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.data.counts.scanning import MAX_COUNT

# what a block can be found to be
WHOLE, UNSORTED, NO_COUNTS = range(3)


def scan_block(values: sparse.csr_matrix) -> tuple[int, npt.NDArray[np.float64]]:
    """Tell whether all values are whole, not negative and not too large for counts.

    Returns
    -------
    found
        `WHOLE`; `UNSORTED` where columns of a row are not in order, or stand twice, or do not
        exist; `NO_COUNTS`.
    total
        Shape (n_cells,): the sum of each row.

    Examples
    --------
    >>> found, total = scan_block(sparse.csr_matrix([[1.0, 4.0], [0.0, 2.0]]))
    >>> found == WHOLE, total.tolist()
    (True, [5.0, 2.0])
    """
    total, data = np.empty(values.shape[0]), values.data
    if data.dtype not in (np.float32, np.float64):
        if len(data) and not 0 <= data.min() <= data.max() <= MAX_COUNT:
            return NO_COUNTS, total
        data = data.astype(np.float32)  # exact, up to there
    found = _scan(
        data, values.indices, values.indptr, values.shape[1], data.dtype.type(MAX_COUNT), total
    )
    return int(found), total


# three loops over a row, which stays in the cache, for each of them is done several values at a
# time; sums of whole numbers are exact in any order, and those of others are not used
@numba.njit(nogil=True, cache=True, fastmath={"reassoc", "nsz"})
def _scan(
    data: npt.NDArray[Any],
    indices: npt.NDArray[np.integer],
    ends: npt.NDArray[np.integer],
    n_columns: int,
    largest: float,
    total: npt.NDArray[np.float64],
) -> int:
    n_unsorted, n_others = np.int64(0), np.int64(0)
    zero = largest - largest
    for row in range(len(ends) - 1):
        values, columns = data[ends[row] : ends[row + 1]], indices[ends[row] : ends[row + 1]]
        added = 0.0
        for entry in range(len(values)):
            added += values[entry]
        total[row] = added
        n_bad = np.int32(0)
        for entry in range(len(values)):
            value = values[entry]
            n_bad += np.int32((value != np.floor(value)) | (value < zero) | (value > largest))
        n_others += n_bad
        n_late = np.int32(0)
        for entry in range(1, len(columns)):
            n_late += np.int32(columns[entry] <= columns[entry - 1])
        n_unsorted += n_late
        if len(columns) and (columns[0] < 0 or columns[-1] >= n_columns):
            n_unsorted += np.int64(1)
    if n_unsorted:
        return UNSORTED
    return NO_COUNTS if n_others else WHOLE
