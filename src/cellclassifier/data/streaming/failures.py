"""What is said of a file that breaks while it is read."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
from anndata.abc import CSRDataset

from cellclassifier.data.formats.failures import first_line
from cellclassifier.data.formats.zarr_store import STORE_ERRORS
from cellclassifier.data.streaming.buffers import Buffers
from cellclassifier.data.streaming.zarr_chunks import take_chunks, unpacker_of
from cellclassifier.errors import FileFormatError


def broken_rows(
    path: Path,
    matrix: Any,  # noqa: ANN401  (of any kind)
    start: int,
    stop: int,
    error: Exception,
) -> FileFormatError:
    """Return the error that names the chunk that cannot be read, and the cells in it."""
    chunk, start, stop = _broken_chunk(matrix, start, stop)
    return FileFormatError(
        f"'{path}' is broken: {chunk}{cells_named(start, stop)} "
        f"cannot be read ({first_line(error)}). Copy or download the file again"
    )


def cells_named(start: int, stop: int) -> str:
    """Return words for consecutive cells, by their numbers."""
    if stop - start == 1:
        return f"cell {start:,} (counted from 0)"
    return f"cells {start:,} to {stop - 1:,} (counted from 0)"


def _broken_chunk(matrix: Any, start: int, stop: int) -> tuple[str, int, int]:  # noqa: ANN401
    """Read chunk by chunk, and name the first that fails, and the cells in it.

    All that was asked for, and no name, where none fails.
    """
    if not isinstance(matrix, CSRDataset):
        return "", start, stop
    try:
        ends = np.asarray(matrix.group["indptr"][start : stop + 1], np.int64)
    except STORE_ERRORS:
        return f"'{matrix.group.name}/indptr', of ", start, stop
    first, last = int(ends[0]), int(ends[-1])
    for name in ("data", "indices"):
        array = matrix.group[name]
        length = (array.chunks or (max(last - first, 1),))[0]
        for number in range(first // length, -(-last // length)):
            part = slice(number * length, (number + 1) * length)
            if not _can_be_read(array, part):
                of_chunk = _rows_with(ends, part)
                chunk = f"chunk {number:,} of '{array.name}', of "
                return chunk, start + of_chunk.start, start + of_chunk.stop
    return "", start, stop


def _can_be_read(array: Any, part: slice) -> bool:  # noqa: ANN401
    """Read some values, by the reader that failed: zarr's own passes over chunks that are cut."""
    try:
        unpack = None if isinstance(array, h5py.Dataset) else unpacker_of(array)
        if unpack is None:
            array[part]
        else:
            part = slice(part.start, min(part.stop, array.shape[0]))
            out = np.empty(part.stop - part.start, array.dtype)
            for chunk in take_chunks(array, part, out, unpack, Buffers()):
                chunk.unpack()
    except STORE_ERRORS:
        return False
    return True


def _rows_with(ends: npt.NDArray[np.int64], part: slice) -> slice:
    """Return which rows have values among some of the stored ones, by where each row ends.

    Examples
    --------
    >>> _rows_with(np.array([10, 14, 14, 19, 23]), slice(13, 19))
    slice(0, 3, None)
    """
    first = int(np.searchsorted(ends, part.start, side="right")) - 1
    last = int(np.searchsorted(ends, part.stop, side="left"))
    return slice(max(first, 0), min(last, len(ends) - 1))
