"""The quick proof of logarithms, compiled.

All values of a cell that stand for the same count are the same number, to the bit, and a cell has
few different counts. So each different value is proved once, and looked up from then on.
"""

import math

import numpy as np
import numpy.typing as npt

from cellclassifier.data.compiling import compiled

# places for the different values of a cell, a power of two, and how many of them may fill
N_PLACES, N_REMEMBERED = 2**13, 6000
# Knuth's multiplier, 2^32 over the golden ratio, spreads numbers that are alike
SPREAD, SHIFT = 2654435761, 32 - 13


@compiled()
def prove_logarithms(
    values: npt.NDArray[np.float32],
    bounds: npt.NDArray[np.intp],
    unit: npt.NDArray[np.float64],
    log_base: float,
    share: float,
    counts: npt.NDArray[np.float32],
    summary: npt.NDArray[np.float64],
) -> None:
    """Count each value of each cell in its unit, and say whether all agree with it.

    Parameters
    ----------
    values
        Shape (n_values,).
    bounds
        Shape (n_cells + 1,): where each cell's values start and end.
    unit
        Shape (n_cells,): what one count is scaled to.
    log_base
        The natural logarithm of the logarithm's base.
    share
        How far one plus a scaled count may be off, for a stored value up to one; beyond, in
        proportion.
    counts
        Shape (n_values,), where they are written.
    summary
        Shape (3, n_cells): how many values do not agree, the sum of the counts and the largest of
        them are written there.
    """
    bits = values.view(np.uint32)
    known = np.zeros(N_PLACES, np.uint32)
    count_of = np.zeros(N_PLACES, np.float32)
    filled_for = np.full(N_PLACES, -1, np.int64)  # the cell whose value stands at a place
    for cell in range(len(bounds) - 1):
        one = unit[cell]
        n_off, total, largest, n_remembered = 0.0, 0.0, 0.0, 0
        for number in range(bounds[cell], bounds[cell + 1]):
            key = bits[number]
            place = ((np.uint64(key) * np.uint64(SPREAD)) & np.uint64(0xFFFFFFFF)) >> np.uint64(
                SHIFT
            )
            while filled_for[place] == cell and known[place] != key:
                place = (place + np.uint64(1)) & np.uint64(N_PLACES - 1)
            if filled_for[place] == cell:
                count = count_of[place]
            else:
                count, is_off = _proved(values[number], one, log_base, share)
                n_off += is_off
                largest = max(largest, count)
                if n_remembered < N_REMEMBERED:
                    known[place], count_of[place], filled_for[place] = key, count, cell
                    n_remembered += 1
            counts[number] = count
            total += count
        summary[0, cell], summary[1, cell], summary[2, cell] = n_off, total, largest


@compiled()
def _proved(value: float, one: float, log_base: float, share: float) -> tuple[float, float]:
    """Return the count of a value, and one where it does not agree with the unit."""
    scaled = math.expm1(value * log_base)
    count = np.rint(scaled / one)
    rounding = share * (scaled + 1.0) * max(value, 1.0)
    is_off = count < 1.0 or abs(count * one - scaled) > rounding
    return count, 1.0 if is_off else 0.0
