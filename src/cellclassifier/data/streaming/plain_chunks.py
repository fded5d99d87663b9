"""Chunks of HDF5 that nothing was done to, read to where they go without a copy on the way.

HDF5 reads a chunk into memory of its own, for which it asks the system anew each time, and copies
it from there.
"""

from typing import Any

import h5py
import numpy as np
import numpy.typing as npt


def is_plain(array: h5py.Dataset) -> bool:
    """Whether chunks of numbers are in the file as they are in memory."""
    if array.chunks is None or array.ndim != 1 or array.dtype.kind not in "iuf":
        return False
    return bool(array.id.get_create_plist().get_nfilters() == 0)


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
    (length,), start = array.chunks, part.start
    while start < part.stop:
        is_whole = start % length == 0 and start + length <= part.stop
        stop = start + length if is_whole else min(part.stop, start // length * length + length)
        to = out[start - part.start : stop - part.start]
        if not is_whole or not _read_whole(array, start, to):
            array.read_direct(to, np.s_[start:stop])
        start = stop


def _read_whole(array: h5py.Dataset, start: int, out: npt.NDArray[Any]) -> bool:
    """Read a chunk, if it was ever written."""
    try:
        array.id.read_direct_chunk((start,), out=out.view(np.uint8))
    except (OSError, RuntimeError, ValueError):
        return False  # HDF5 knows what to do, or what to say
    return True
