"""From raw counts to the products of several views of a cell with their kernels, in one pass."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cellclassifier.data.compiling import compiled, prepare_to_compile
from cellclassifier.data.selection import PanelCounts
from cellclassifier.data.tiles import Layout, TiledKernels, multiply_ordered

Floats = npt.NDArray[np.float32]

prepare_to_compile()

# rows whose values wait in the cache while one tile after the other passes over them
ROWS_AT_ONCE = 128

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

    Of some rows at a time the logarithms are taken, and one tile of the kernels after the other is
    multiplied. Each row is summed by itself, over its genes in the order of the panel: its numbers
    do not depend on the rows that come with it.

    Parameters
    ----------
    kernels
        One for each view, (n_panel, n_columns).

    Examples
    --------
    >>> kernels = TiledKernels.of([np.float32([[1], [2]]), np.float32([[0, 1], [1, 0]])])
    >>> panel = PanelCounts(np.float32([np.e - 1]), np.uint32([1]), np.array([0, 1]))
    >>> of_both = ViewProducts(kernels)(panel, np.ones((1, 2)))
    >>> [of_both[:, columns].tolist() for columns in kernels.columns]
    [[[2.0]], [[1.0, 0.0]]]
    """

    kernels: TiledKernels

    def __call__(self, panel: PanelCounts, scales: npt.NDArray[np.floating]) -> Floats:
        """Return the products of all views, (n_rows, n_columns), float32.

        Parameters
        ----------
        panel
            Raw counts.
        scales
            Shape (n_rows, n_views): what the counts are multiplied by before the logarithm.
        """
        out = np.empty((len(scales), self.kernels.n_columns), np.float32)
        wide = scales.astype(np.float32)
        _multiply(tuple(panel), wide, self.kernels.layout, self.kernels.n_lines, out)
        return out


@compiled()
def _multiply(
    panel: tuple[Floats, npt.NDArray[np.uint32], npt.NDArray[np.int64]],
    scales: Floats,
    layout: Layout,
    n_panel: int,
    out: Floats,
) -> None:
    counts, places, ends = panel
    most = 0
    for first in range(0, len(out), ROWS_AT_ONCE):
        most = max(most, ends[min(first + ROWS_AT_ONCE, len(out))] - ends[first])
    values = np.empty((scales.shape[1], most), np.float32)
    for first in range(0, len(out), ROWS_AT_ONCE):
        rows = slice(first, min(first + ROWS_AT_ONCE, len(out)))
        start, of_rows = ends[first], slice(ends[first], ends[rows.stop])
        for row in range(rows.start, rows.stop):
            for view in range(len(values)):
                of_row = slice(ends[row] - start, ends[row + 1] - start)
                log1p_scaled(
                    counts[ends[row] : ends[row + 1]], scales[row, view], values[view, of_row]
                )
        entries = values, places[of_rows], ends[first : rows.stop + 1] - start
        multiply_ordered(layout, n_panel, entries, out[rows])
