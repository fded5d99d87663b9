"""Logits as probabilities, compiled but for the exponential, to the bit as SciPy's softmax."""

import numpy as np
import numpy.typing as npt

from cellclassifier.data.compiling import compiled

# NumPy adds up numbers of a row in so many sums, where there are no fewer, and in several parts
# where there are more than `MOST`
SUMS, MOST = 8, 128

Floats = npt.NDArray[np.float32]


def probabilities_of(logits: Floats) -> Floats:
    """Return the softmax of each row.

    SciPy's takes several times as long for a few types: most of it goes into the greatest and the
    sum of each short row.

    Parameters
    ----------
    logits
        Shape (n_cells, n_types), float32.

    Examples
    --------
    >>> probabilities_of(np.float32([[0, 0], [0, np.log(3)]])).tolist()
    [[0.5, 0.5], [0.25, 0.75]]
    """
    powers: Floats = np.empty(logits.shape, np.float32)
    _less_greatest(logits, powers)
    np.exp(powers, out=powers)
    if logits.shape[1] > MOST:
        return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)
    _divide_by_sums(powers)
    return powers


@compiled()
def _less_greatest(logits: Floats, out: Floats) -> None:
    for row in range(logits.shape[0]):
        greatest = logits[row, 0]
        for column in range(1, logits.shape[1]):
            value = logits[row, column]
            greatest = value if value > greatest else greatest
        for column in range(logits.shape[1]):
            out[row, column] = logits[row, column] - greatest


@compiled()
def _divide_by_sums(powers: Floats) -> None:
    n_columns = powers.shape[1]
    n_whole = n_columns - n_columns % SUMS if n_columns >= SUMS else 0
    sums = np.empty(SUMS, np.float32)
    for row in range(powers.shape[0]):
        total = np.float32(0)
        if n_whole:
            for one in range(SUMS):
                sums[one] = powers[row, one]
            for column in range(SUMS, n_whole, SUMS):
                for one in range(SUMS):
                    sums[one] += powers[row, column + one]
            total = ((sums[0] + sums[1]) + (sums[2] + sums[3])) + (
                (sums[4] + sums[5]) + (sums[6] + sums[7])
            )
        for column in range(n_whole, n_columns):
            total += powers[row, column]
        for column in range(n_columns):
            powers[row, column] /= total
