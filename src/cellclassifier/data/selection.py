"""Columns of sparse cells to their places in a panel, compiled."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from scipy import sparse

from cellclassifier.data.compiling import compiled, instruction
from cellclassifier.errors import InputError

Integers = npt.NDArray[np.integer]
# where a row is put in order: values and places as they come, (longest row + 1,); the total of each
# place, (n_panel,), and a bit for each, which says whether it is filled: both all zero
Scratch = tuple[
    npt.NDArray[np.float32], npt.NDArray[np.uint32], npt.NDArray[np.float32], npt.NDArray[np.uint64]
]

BITS = 64
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

    values: npt.NDArray[np.float32]
    places: npt.NDArray[np.uint32]
    ends: npt.NDArray[np.int64]


@instruction
def lowest_bit(_typing: Any, bits: Any) -> Any:  # noqa: ANN401, ARG001  (types of numba)
    """Return the place of the lowest bit that is set, in one instruction."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:  # noqa: ANN401
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), generate


@compiled()
def scratch_for(n_panel: int, ends: Integers) -> Scratch:
    """Return what `order_row` needs for rows that end at `ends`, (n_rows + 1,)."""
    longest = 0
    for row in range(len(ends) - 1):
        longest = max(longest, ends[row + 1] - ends[row])
    return (
        np.empty(longest + 1, np.float32),
        np.empty(longest + 1, np.uint32),
        np.zeros(n_panel, np.float32),
        np.zeros(n_panel // BITS + 1, np.uint64),
    )


@compiled()
def order_row(
    data: npt.NDArray[np.number],
    indices: Integers,
    target: npt.NDArray[np.int32],
    scratch: Scratch,
    values: npt.NDArray[np.float32],
    places: npt.NDArray[np.uint32],
) -> int:
    """Write one row's entries, in the order of the panel; return how many there are.

    Entries that go to one place are added, in the order in which they stand. Reading a bit for each
    place in turn puts a row in order, quicker than sorting.

    Parameters
    ----------
    data, indices
        Of one row of a CSR matrix, the same shape.
    target
        Shape (n_columns,): the place of each column, negative for none.
    scratch
        From `scratch_for`.
    values, places
        Where they are written.
    """
    found, found_places, total, filled = scratch
    one = np.uint64(1)
    # unsigned numbers, for numba asks of others whether they count from the end; and no branch, for
    # nobody can foresee which genes are in the panel
    n_found = np.uint64(0)
    for entry in range(len(data)):
        place = target[np.uint64(indices[entry])]
        found[n_found] = data[entry]
        found_places[n_found] = np.uint32(place)
        n_found += np.uint64(place >= 0)
    for entry in range(n_found):
        place = found_places[entry]
        total[place] += found[entry]
        filled[place >> np.uint32(6)] |= one << np.uint64(place & np.uint32(63))
    n_written = np.uint64(0)
    for word in range(np.uint64(len(filled))):
        bits = filled[word]
        filled[word] = 0
        while bits:
            place = word * np.uint64(BITS) + lowest_bit(bits)
            bits &= bits - one
            values[n_written] = total[place]
            places[n_written] = place
            total[place] = 0
            n_written += one
    return int(n_written)


def gather_columns(
    counts: sparse.csr_matrix, target: npt.NDArray[np.integer], n_places: int
) -> sparse.csr_matrix:
    """Return rows with their columns at other places, (n_rows, n_places), CSR, float32.

    The result has sorted indices, so that the same cells give the same bits however their genes
    were ordered; counts of several columns that go to one place are added.

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
    n_values = int(ends[-1] - ends[0])
    values, places = np.empty(n_values, np.float32), np.empty(n_values, np.uint32)
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
    selected: tuple[npt.NDArray[np.float32], npt.NDArray[np.uint32], npt.NDArray[np.int64]],
) -> int:
    """Write each row's entries, in the order of the places; return how many there are.

    Values, places and ends of rows are written into the arrays of `selected`. What is compiled does
    not ask whether a column exists: where one does not, nothing more is written.
    """
    data, indices, ends = matrix
    values, places, row_ends = selected
    scratch = scratch_for(n_places, ends)
    n_written = 0
    row_ends[0] = 0
    for row in range(len(ends) - 1):
        entries = slice(ends[row], ends[row + 1])
        if not _exist(indices[entries], len(target)):
            return NO_SUCH_COLUMN
        n_written += order_row(
            data[entries], indices[entries], target, scratch, values[n_written:], places[n_written:]
        )
        row_ends[row + 1] = n_written
    return n_written


@compiled()
def _exist(columns: Integers, n_columns: int) -> bool:
    least, most = n_columns, 0
    for entry in range(len(columns)):
        least = min(least, columns[entry])
        most = max(most, columns[entry])
    return len(columns) == 0 or (least >= 0 and most < n_columns)
