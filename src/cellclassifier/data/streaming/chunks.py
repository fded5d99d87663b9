"""Chunks of arrays, one after the other."""

from collections.abc import Iterator
from typing import Any, TypeAlias

import h5py
import numpy.typing as npt

# the first value of the chunk, the wanted ones of the array, and where they go
Part: TypeAlias = tuple[int, slice, npt.NDArray[Any]]


def parts_of_chunks(part: slice, length: int, out: npt.NDArray[Any]) -> Iterator[Part]:
    """Yield what each chunk has of some values of an array, in order.

    Parameters
    ----------
    part
        Which values, by their first and the one behind the last.
    length
        How many values a chunk has.
    out
        Shape (n_values,): where they go.

    Examples
    --------
    >>> import numpy as np
    >>> [(first, own, len(to)) for first, own, to in parts_of_chunks(slice(3, 9), 4, np.empty(6))]
    [(0, slice(3, 4, None), 1), (4, slice(4, 8, None), 4), (8, slice(8, 9, None), 1)]
    """
    start = part.start
    while start < part.stop:
        first = start // length * length
        stop = min(part.stop, first + length)
        yield first, slice(start, stop), out[start - part.start : stop - part.start]
        start = stop


def filters_of(array: h5py.Dataset) -> list[int] | None:
    """Return what was done to the chunks of an array of numbers; None where it is another."""
    if array.chunks is None or array.ndim != 1 or array.dtype.kind not in "iuf":
        return None
    created = array.id.get_create_plist()
    return [created.get_filter(number)[0] for number in range(created.get_nfilters())]
