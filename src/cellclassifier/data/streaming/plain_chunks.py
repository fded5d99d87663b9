"""Chunks of HDF5 that nothing was done to, read to where they go without a copy on the way.

HDF5 reads a chunk into memory of its own, for which it asks the system anew each time, and copies
it from there.
"""

from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from cellclassifier.data.streaming.chunks import filters_of, parts_of_chunks


def is_plain(array: h5py.Dataset) -> bool:
    """Whether chunks of numbers are in the file as they are in memory."""
    return filters_of(array) == []


def read_plain(array: h5py.Dataset, part: slice, out: npt.NDArray[Any]) -> None:
    """Read some values of an array that `is_plain`.

    Parameters
    ----------
    array
        The array.
    part
        Which of its values.
    out
        Shape (n_values,), of the type of the array: where they go.

    Raises
    ------
    OSError
        The file is broken there.
    """
    (length,) = array.chunks
    for first, own, to in parts_of_chunks(part, length, out):
        if len(to) < length or not _read_whole(array, first, to):
            array.read_direct(to, own)


def _read_whole(array: h5py.Dataset, start: int, out: npt.NDArray[Any]) -> bool:
    """Read a chunk, if it was ever written."""
    try:
        array.id.read_direct_chunk((start,), out=out.view(np.uint8))
    except (OSError, RuntimeError, ValueError):
        return False  # HDF5 knows what to do, or what to say
    return True
