"""In which order a convolutional network gets its genes."""

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from cellclassifier.errors import InputError

GeneOrder = Literal["native", "divergence", "spread"]


def order_genes(order: GeneOrder, by_divergence: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Return the columns of a matrix in the order in which a network shall get them.

    Parameters
    ----------
    order
        ``"native"``: as they are. ``"divergence"``: the most informative gene first. ``"spread"``:
        informative genes as far from one another as they can be, so that pooling, which keeps one
        of its window's values, seldom has to choose between two of them.
    by_divergence
        Shape (n_genes,): the columns from the most to the least informative.

    Raises
    ------
    InputError
        There is no such order.

    Notes
    -----
    Spread places the genes, best first, at positions whose binary digits, read backwards, count
    up (the sequence of van der Corput 1935): of any 2^k neighbours that begin at a multiple of
    2^k, one is among the best n / 2^k genes. Pooling by four halves that twice.

    Examples
    --------
    >>> order_genes("spread", np.arange(8)).tolist()
    [0, 4, 2, 6, 1, 5, 3, 7]
    """
    if order not in get_args(GeneOrder):
        raise InputError(f"there is no gene order {order!r}; there are {list(get_args(GeneOrder))}")
    if order == "native":
        return np.sort(by_divergence)
    if order == "divergence":
        return by_divergence
    placed = np.empty_like(by_divergence)
    placed[np.argsort(_reversed_digits(len(by_divergence)))] = by_divergence
    return placed


def _reversed_digits(n_positions: int) -> npt.NDArray[np.int64]:
    """Return each position with its binary digits backwards."""
    positions = np.arange(n_positions)
    n_digits = max(n_positions - 1, 1).bit_length()
    backwards = np.zeros(n_positions, dtype=np.int64)
    for digit in range(n_digits):
        backwards |= ((positions >> digit) & 1) << (n_digits - 1 - digit)
    return backwards
