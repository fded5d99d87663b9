"""From raw counts to the products of several views of a cell with their kernels, in one pass."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.data.compiling import compiled
from cellclassifier.data.selection import Scratch, order_row, scratch_for
from cellclassifier.data.tiles import Entries, Layout, TiledKernels, multiply_tiles
from cellclassifier.errors import InputError

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.integer]
# data, indices and ends of rows of a CSR matrix
Matrix = tuple[npt.NDArray[np.number], Integers, Integers]

# rows whose values wait in the cache while one tile after the other passes over them
ROWS_AT_ONCE = 64

# log(1 + r) = r - r^2 / 2 + r^3 p(r) for 1 + r between the roots of 1/2 and 2: the coefficients of
# p, highest first, and log(2) in two parts, of which multiples of the first are exact (Moshier's
# Cephes library, logf)
P = tuple(
    map(
        np.float32,
        (
            7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
            -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
        ),
    )
)  # fmt: skip
LOG_2, LOG_2_REST = np.float32(0.693359375), np.float32(-2.12194440e-4)
# the bits of the root of 1/2, and where a float32's exponent starts
ROOT_OF_HALF, EXPONENT = np.int32(0x3F3504F3), np.int32(23)
ONE, HALF = np.float32(1), np.float32(0.5)


@compiled(contract=True)
def log1p_positive(x: np.float32) -> np.float32:
    """Return log(1 + x) for x from 0 on, as exact as NumPy's, several at a time in a loop.

    1 + x is 2^k (1 + r). What rounding 1 + x took off is put back by the slope of the logarithm.
    """
    whole = ONE + x
    lost = (x - (whole - ONE)) / whole
    bits = np.float32(whole).view(np.int32)
    k = np.int32(np.int32(bits - ROOT_OF_HALF) >> EXPONENT)
    r = np.int32(bits - np.int32(k << EXPONENT)).view(np.float32) - ONE
    p = P[0] * r + P[1]
    p = p * r + P[2]
    p = p * r + P[3]
    p = p * r + P[4]
    p = p * r + P[5]
    p = p * r + P[6]
    p = p * r + P[7]
    p = p * r + P[8]
    square, power = r * r, np.float32(k)
    return power * LOG_2 + (r + ((p * r * square + power * LOG_2_REST) - HALF * square) + lost)


@compiled(contract=True)
def log1p_scaled(counts: Floats, scale: np.float32, out: Floats) -> None:
    """Write log(1 + scale x counts)."""
    for i in range(len(counts)):
        out[i] = log1p_positive(counts[i] * scale)


@dataclass(frozen=True, eq=False)
class ViewProducts:
    """Products of views of cells, log1p of counts on several scales, with a kernel for each.

    Some rows at a time are brought into the order of the panel, their logarithms taken, and one
    tile of the kernels after the other multiplied. Each row is summed by itself, over its genes in
    the order of the panel: its numbers depend neither on the rows that come with it nor on the
    order of the genes in the file.

    Parameters
    ----------
    kernels
        One for each view, (n_panel, n_columns).
    target
        Shape (n_measured,), int32: the place of each measured gene in the panel, negative for none.

    Examples
    --------
    >>> kernels = TiledKernels.of([np.float32([[1], [2]]), np.float32([[0, 1], [1, 0]])])
    >>> products = ViewProducts(kernels, np.int32([-1, 0, 1]))
    >>> of_both = products(sparse.csr_matrix(np.float32([[7, 0, np.e - 1]])), np.ones((1, 2)))
    >>> [of_both[:, columns].tolist() for columns in kernels.columns]
    [[[2.0]], [[1.0, 0.0]]]
    """

    kernels: TiledKernels
    target: npt.NDArray[np.int32]

    def __call__(
        self,
        counts: sparse.csr_matrix,
        scales: npt.NDArray[np.floating],
        rows: slice = slice(None),
    ) -> Floats:
        """Return the products of all views, (n_rows, n_columns), float32.

        Parameters
        ----------
        counts
            Shape (n_cells, n_measured), CSR: raw counts.
        scales
            Shape (n_rows, n_views): what the counts are multiplied by before the logarithm.
        rows
            Of which cells.

        Raises
        ------
        InputError
            There are counts of genes that do not exist.
        """
        start, stop, _ = rows.indices(counts.shape[0])
        ends = counts.indptr[start : stop + 1]
        _check_columns(counts.indices[ends[0] : ends[-1]], len(self.target))
        out = np.empty((stop - start, self.kernels.n_columns), np.float32)
        _multiply(
            (counts.data, counts.indices, ends),
            self.target,
            scales.astype(np.float32),
            self.kernels.layout,
            self.kernels.n_lines,
            out,
        )
        return out


@compiled()
def _multiply(
    matrix: Matrix,
    target: npt.NDArray[np.int32],
    scales: Floats,
    layout: Layout,
    n_panel: int,
    out: Floats,
) -> None:
    _, _, ends = matrix
    scratch = scratch_for(n_panel, ends)
    most = ROWS_AT_ONCE * min(n_panel, len(scratch[0]))
    values = np.empty((scales.shape[1], most), np.float32)
    places, entry_ends = np.empty(most, np.uint32), np.zeros(ROWS_AT_ONCE + 1, np.int64)
    entries = values, places, entry_ends
    for first in range(0, len(out), ROWS_AT_ONCE):
        rows = slice(first, min(first + ROWS_AT_ONCE, len(out)))
        for row in range(rows.start, rows.stop):
            _fill_row(matrix, row, target, scales[row], scratch, (row - first, entries))
        multiply_tiles(layout, n_panel, entries, out[rows])


@compiled()
def _fill_row(
    matrix: Matrix,
    row: int,
    target: npt.NDArray[np.int32],
    scales: Floats,
    scratch: Scratch,
    filled: tuple[int, Entries],
) -> None:
    """Bring a row into the order of the panel, and write its views after those of other rows."""
    data, indices, ends = matrix
    number, (values, places, entry_ends) = filled
    counts = scratch[0]  # which is free again when a row is in order
    start, of_row = entry_ends[number], slice(ends[row], ends[row + 1])
    n = order_row(data[of_row], indices[of_row], target, scratch, counts, places[start:])
    entry_ends[number + 1] = start + n
    for view in range(len(values)):
        log1p_scaled(counts[:n], scales[view], values[view, start : start + n])


def _check_columns(indices: Integers, n_columns: int) -> None:
    """Refuse columns that do not exist: what is compiled does not ask."""
    # negative numbers, taken for unsigned ones, are large
    unsigned = indices.view(indices.dtype.str.replace("i", "u"))
    if unsigned.max(initial=0) >= max(n_columns, 1):
        raise InputError(
            f"the matrix has counts in the columns {indices.min()} to {indices.max()}, but there "
            f"are {n_columns:,} genes; its file is broken"
        )
