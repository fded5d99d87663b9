"""One pass over counts, compiled: whether they are counts, and how many each cell has."""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.data.counts.cells import n_cores
from cellclassifier.data.counts.scanning import MAX_COUNT
from cellclassifier.data.threads import for_blocks

# what rows can be found to be, the worse the higher
WHOLE, WITH_ZEROS, UNSORTED, NO_COUNTS = range(4)
# rows that a thread takes at a time
BLOCK_CELLS = 2048

Floats = npt.NDArray[np.float64]


def scan_rows(values: sparse.csr_matrix, rows: slice = slice(None)) -> tuple[int, Floats]:
    """Tell whether all values of some rows are whole, not negative and not too large for counts.

    Returns
    -------
    found
        `WHOLE`, or `WITH_ZEROS` where some of them are stored; `UNSORTED` where columns of a row
        are not in order, or stand twice, or do not exist; `NO_COUNTS`.
    total
        Shape (n_rows,): the sum of each row.

    Examples
    --------
    >>> found, total = scan_rows(sparse.csr_matrix([[1.0, 4.0], [0.0, 2.0]]))
    >>> found == WHOLE, total.tolist()
    (True, [5.0, 2.0])
    """
    start, stop, _ = rows.indices(values.shape[0])
    ends = values.indptr[start : stop + 1]
    first, last = int(ends[0]), int(ends[-1])
    total, data = np.empty(stop - start), values.data[first:last]
    if data.dtype not in (np.float32, np.float64):
        whole = data.dtype.kind in "iu"  # of floats of other sizes nobody has many
        if len(data) and not (whole and 0 <= data.min() <= data.max() <= MAX_COUNT):
            return NO_COUNTS, total
        data = data.astype(np.float32)  # exact, up to there
    largest, n_columns = data.dtype.type(MAX_COUNT), values.shape[1]
    found = _scan(data, values.indices[first:last], ends - first, n_columns, largest, total)
    return int(found), total


def totals_of_counts(values: sparse.csr_matrix) -> Floats | None:
    """Return the sum of each row, in one pass on all cores, if the rows are nothing but counts.

    None where a row is anything but `WHOLE`, and has to be looked at more closely.

    Examples
    --------
    >>> totals_of_counts(sparse.csr_matrix([[1.0, 4.0], [0.0, 2.0]])).tolist()
    [5.0, 2.0]
    >>> totals_of_counts(sparse.csr_matrix([[1.5]])) is None
    True
    """
    total = np.empty(values.shape[0])
    seen: set[int] = set()

    def scan(rows: slice) -> None:
        if seen <= {WHOLE}:  # else the rest does not matter
            found, total[rows] = scan_rows(values, rows)
            seen.add(found)

    for_blocks(scan, len(total), BLOCK_CELLS, n_cores())
    return total if seen <= {WHOLE} else None


# three loops over a row, which stays in the cache, for each of them is done several values at a
# time; sums of whole numbers are exact in any order, and those of others are not used
@numba.njit(nogil=True, cache=True, fastmath={"reassoc", "nsz"})
def _scan(
    data: npt.NDArray[Any],
    indices: npt.NDArray[np.integer],
    ends: npt.NDArray[np.integer],
    n_columns: int,
    largest: float,
    total: Floats,
) -> int:
    n_unsorted, n_others, n_zeros = np.int64(0), np.int64(0), np.int64(0)
    zero = largest - largest
    for row in range(len(ends) - 1):
        values, columns = data[ends[row] : ends[row + 1]], indices[ends[row] : ends[row + 1]]
        added = 0.0
        for entry in range(len(values)):
            added += values[entry]
        total[row] = added
        n_bad, n_none = np.int32(0), np.int32(0)
        for entry in range(len(values)):
            value = values[entry]
            n_bad += np.int32((value != np.floor(value)) | (value < zero) | (value > largest))
            n_none += np.int32(value == zero)
        n_others += n_bad
        n_zeros += n_none
        n_late = np.int32(0)
        for entry in range(1, len(columns)):
            n_late += np.int32(columns[entry] <= columns[entry - 1])
        n_unsorted += n_late
        if len(columns) and (columns[0] < 0 or columns[-1] >= n_columns):
            n_unsorted += np.int64(1)
        n_unsorted += np.int64(ends[row] > ends[row + 1])
    if n_others:
        return NO_COUNTS
    if n_unsorted:
        return UNSORTED
    return WITH_ZEROS if n_zeros else WHOLE
