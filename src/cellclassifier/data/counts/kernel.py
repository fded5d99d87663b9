"""The quick proof, compiled: what NumPy does in a dozen passes, in one."""

import numba
import numpy as np
import numpy.typing as npt


@numba.njit(nogil=True, cache=True, fastmath={"reassoc", "nsz"})
def prove_cells(
    values: npt.NDArray[np.float32],
    scaled: npt.NDArray[np.float64],
    bounds: npt.NDArray[np.intp],
    unit: npt.NDArray[np.float64],
    share: float,
    counts: npt.NDArray[np.float32],
    summary: npt.NDArray[np.float64],
) -> None:
    """Count each value of each cell in its unit, and say whether all agree with it.

    Sums may be taken in any order, as they are of whole numbers.

    Parameters
    ----------
    values, scaled
        Shape (n_values,): as stored, and with the logarithm undone.
    bounds
        Shape (n_cells + 1,): where each cell's values start and end.
    unit
        Shape (n_cells,): what one count is scaled to.
    share
        How far one plus a scaled count may be off, for a stored value up to one; beyond, in
        proportion.
    counts
        Shape (n_values,), where they are written.
    summary
        Shape (3, n_cells): how many values do not agree, the sum of the counts and the largest of
        them are written there.
    """
    for cell in range(len(bounds) - 1):
        one = unit[cell]
        each = 1.0 / one
        n_off, total, largest = 0.0, 0.0, 0.0
        for place in range(bounds[cell], bounds[cell + 1]):
            seen = scaled[place]
            count = np.rint(seen * each)
            counts[place] = count
            rounding = share * (seen + 1.0) * max(values[place], 1.0)
            n_off += 1.0 if abs(count * one - seen) > rounding or count < 1.0 else 0.0
            total += count
            largest = max(largest, count)
        summary[0, cell], summary[1, cell], summary[2, cell] = n_off, total, largest
