"""Columns of sparse cells to their places in a panel, compiled."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.data.compiling import compiled
from cellclassifier.data.line_sums import LANES
from cellclassifier.data.nonzero import take_nonzero
from cellclassifier.errors import InputError

Integers = npt.NDArray[np.integer]
Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.uint32]

NO_SUCH_COLUMN = -1


class PanelCounts(NamedTuple):
    """Counts of some cells in the order of a panel, row after row.

    Parameters
    ----------
    values
        Shape (n,), float32.
    places
        Shape (n,), uint32: of the panel, ascending in each row.
    ends
        Shape (n_rows + 1,), int64: where each row starts and stops.
    """

    values: Floats
    places: Places
    ends: npt.NDArray[np.int64]


def gather_columns(
    counts: sparse.csr_matrix, target: npt.NDArray[np.integer], n_places: int
) -> sparse.csr_matrix:
    """Return rows with their columns at other places, (n_rows, n_places), CSR, float32.

    The result has sorted indices and no stored zeros, so that the same cells give the same bits
    however their genes were ordered; counts of several columns that go to one place are added.

    Parameters
    ----------
    counts
        Shape (n_rows, n_columns), CSR.
    target
        Shape (n_columns,): the place of each column, negative for none.
    n_places
        The number of places.

    Examples
    --------
    >>> counts = sparse.csr_matrix(np.float32([[1, 2, 0, 4]]))
    >>> gather_columns(counts, np.array([1, -1, 0, 1]), 2).toarray().tolist()
    [[0.0, 5.0]]
    """
    values, places, ends = order_rows(counts, target.astype(np.int32, copy=False), n_places)
    gathered = sparse.csr_matrix(
        (values, places.view(np.int32), ends), shape=(counts.shape[0], n_places)
    )
    gathered.has_canonical_format = True
    return gathered


def order_rows(
    counts: sparse.csr_matrix,
    target: npt.NDArray[np.int32],
    n_places: int,
    rows: slice = slice(None),
) -> PanelCounts:
    """Return what `gather_columns` does, of some rows, and not as a matrix.

    Raises
    ------
    InputError
        There are counts of columns that do not exist.
    """
    start, stop, _ = rows.indices(counts.shape[0])
    ends = counts.indptr[start : stop + 1]
    room = int(ends[-1] - ends[0]) + LANES  # for `take_nonzero`
    values, places = np.empty(room, np.float32), np.empty(room, np.uint32)
    row_ends = np.empty(len(ends), np.int64)
    selected = values, places, row_ends
    n_written = _select((counts.data, counts.indices, ends), target, n_places, selected)
    if n_written == NO_SUCH_COLUMN:
        columns = counts.indices[ends[0] : ends[-1]]
        raise InputError(
            f"the matrix has counts in the columns {columns.min()} to {columns.max()}, but there "
            f"are {len(target):,} genes; its file is broken"
        )
    return PanelCounts(values[:n_written], places[:n_written], row_ends)


@compiled()
def _select(
    matrix: tuple[npt.NDArray[np.number], Integers, Integers],
    target: npt.NDArray[np.int32],
    n_places: int,
    selected: tuple[Floats, Places, npt.NDArray[np.int64]],
) -> int:
    """Write each row's entries, in the order of the places; return how many there are.

    Values, places and ends of rows are written into the arrays of `selected`. What is compiled does
    not ask whether a column exists: where one does not, nothing more is written.
    """
    data, indices, ends = matrix
    values, places, row_ends = selected
    n_vectors = (n_places + LANES - 1) // LANES
    total = np.zeros((n_vectors + 1) * LANES, np.float32)
    n_written = np.uint64(0)
    row_ends[0] = 0
    for row in range(len(ends) - 1):
        entries = slice(ends[row], ends[row + 1])
        if not _exist(indices[entries], len(target)):
            return NO_SUCH_COLUMN
        _spread(data[entries], indices[entries], target, n_vectors * LANES, total)
        for place in range(np.uint64(0), np.uint64(n_vectors * LANES), np.uint64(LANES)):
            n_written += take_nonzero(total, place, values, places, n_written)
        row_ends[row + 1] = n_written
    return np.int64(n_written)  # type: ignore[return-value]


@compiled()
def _spread(
    data: npt.NDArray[np.number],
    indices: Integers,
    target: npt.NDArray[np.int32],
    beyond: int,
    total: Floats,
) -> None:
    """Add each entry of a row to the total of its place, in the order in which they stand.

    Those without a place are added where nobody looks, in turn to several numbers: none has to wait
    for the one before it. And there is no branch, for nobody can foresee which genes are in the
    panel. Unsigned numbers, for numba asks of others whether they count from the end.
    """
    for entry in range(np.uint64(len(data))):
        place = target[np.uint64(indices[entry])]
        none = np.uint64(beyond) + (entry & np.uint64(LANES - 1))
        total[np.uint64(place) if place >= 0 else none] += np.float32(data[entry])


@compiled()
def _exist(columns: Integers, n_columns: int) -> bool:
    least, most = n_columns, 0
    for entry in range(len(columns)):
        least = min(least, columns[entry])
        most = max(most, columns[entry])
    return len(columns) == 0 or (least >= 0 and most < n_columns)
