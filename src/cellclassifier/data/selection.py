"""Columns of sparse cells to their places in a panel, compiled."""

import numba
import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.integer]

# which bit of 64 is set, by the six highest bits of its product with a de Bruijn sequence
DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
BIT = np.empty(64, np.int64)
for _bit in range(64):
    BIT[((1 << _bit) * int(DE_BRUIJN) % 2**64) >> 58] = _bit


@numba.njit(nogil=True, cache=True)
def select_columns(
    data: npt.NDArray[np.floating],
    indices: Integers,
    ends: Integers,
    target: npt.NDArray[np.int32],
    selected: tuple[npt.NDArray[np.float32], npt.NDArray[np.int32], npt.NDArray[np.int64]],
    n_panel: int,
) -> int:
    """Write each row's entries, in the order of the panel; return how many there are.

    Entries that go to one place are added, in the order in which they stand. A bit for each place
    says which are filled; reading the bits in turn puts a row in order, quicker than sorting.

    Parameters
    ----------
    data, indices, ends
        Of a CSR matrix, (n_rows, n_columns).
    target
        Shape (n_columns,): the place of each column, negative for none.
    selected
        Where data, (n_values,), indices, the same shape, and ends, (n_rows + 1,), are written.
    n_panel
        The number of places.
    """
    values, places, row_ends = selected
    total = np.zeros(n_panel, np.float32)
    filled = np.zeros(n_panel // 64 + 1, np.uint64)
    one = np.uint64(1)
    n_written = 0
    row_ends[0] = 0
    for row in range(len(ends) - 1):
        for entry in range(ends[row], ends[row + 1]):
            place = target[indices[entry]]
            if place >= 0:
                total[place] += np.float32(data[entry])
                filled[place >> 6] |= one << np.uint64(place & 63)
        for word in range(len(filled)):
            bits = filled[word]
            filled[word] = 0
            while bits:
                lowest = bits & (~bits + one)
                bits ^= lowest
                place = word * 64 + BIT[(lowest * DE_BRUIJN) >> np.uint64(58)]
                values[n_written] = total[place]
                places[n_written] = place
                n_written += 1
                total[place] = 0
        row_ends[row + 1] = n_written
    return n_written
