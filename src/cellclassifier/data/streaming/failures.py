"""What is said of a file that breaks while it is read."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import zarr
from anndata.abc import CSCDataset, CSRDataset

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
    """Return the error that names the chunk that cannot be read, and the cells or genes in it."""
    what = _broken_chunk(matrix, start, stop) or cells_named(start, stop)
    return FileFormatError(
        f"'{path}' is broken: {what} cannot be read ({first_line(error)}). "
        "Copy or download the file again"
    )


def cells_named(start: int, stop: int) -> str:
    """Return words for consecutive cells, by their numbers."""
    return _numbered("cell", start, stop)


def _numbered(what: str, start: int, stop: int) -> str:
    """Return words for consecutive cells or genes.

    Examples
    --------
    >>> _numbered("gene", 1_000, 1_003)
    'genes 1,000 to 1,002 (counted from 0)'
    >>> _numbered("cell", 5, 6)
    'cell 5 (counted from 0)'
    """
    if stop - start == 1:
        return f"{what} {start:,} (counted from 0)"
    return f"{what}s {start:,} to {stop - 1:,} (counted from 0)"


def _broken_chunk(matrix: Any, start: int, stop: int) -> str:  # noqa: ANN401
    """Read chunk by chunk, and name the first that fails; nothing where none does."""
    if isinstance(matrix, CSRDataset):
        return _broken_of_sparse(matrix, slice(start, stop), "cell")
    if isinstance(matrix, CSCDataset):
        return _broken_of_sparse(matrix, slice(0, matrix.shape[1]), "gene")
    if isinstance(matrix, h5py.Dataset | zarr.Array) and matrix.chunks is not None:
        return _broken_of_dense(matrix, slice(start, stop))
    return ""


def _broken_of_sparse(matrix: Any, lines: slice, what: str) -> str:  # noqa: ANN401
    """Go through the values of some lines, which are cells or genes."""
    try:
        ends = np.asarray(matrix.group["indptr"][lines.start : lines.stop + 1], np.int64)
    except STORE_ERRORS:
        of_lines = _numbered(what, lines.start, lines.stop)
        return f"'{matrix.group.name}/indptr', of {of_lines}"
    first, last = int(ends[0]), int(ends[-1])
    for name in ("data", "indices"):
        array = matrix.group[name]
        length = (array.chunks or (max(last - first, 1),))[0]
        for number in range(first // length, -(-last // length)):
            part = slice(number * length, (number + 1) * length)
            if not _can_be_read(array, part):
                own = _lines_with(ends, part)
                of_lines = _numbered(what, lines.start + own.start, lines.start + own.stop)
                return f"chunk {number:,} of '{array.name}', of {of_lines}"
    return ""


def _broken_of_dense(array: Any, rows: slice) -> str:  # noqa: ANN401
    """Go through the chunks that some rows lie in, first those of the first rows."""
    (n_cells, n_genes), (n_rows, n_columns) = array.shape, array.chunks
    for row in range(rows.start // n_rows, -(-rows.stop // n_rows)):
        own = slice(row * n_rows, min((row + 1) * n_rows, n_cells))
        for column in range(-(-n_genes // n_columns)):
            columns = slice(column * n_columns, (column + 1) * n_columns)
            if not _can_be_read(array, (own, columns)):
                of_cells = cells_named(own.start, own.stop)
                return f"chunk ({row:,}, {column:,}) of '{array.name}', of {of_cells}"
    return ""


def _can_be_read(array: Any, part: slice | tuple[slice, slice]) -> bool:  # noqa: ANN401
    """Read some values, by the reader that failed: zarr's own passes over chunks that are cut."""
    try:
        unpack = None if isinstance(array, h5py.Dataset) else unpacker_of(array)
        if unpack is None or isinstance(part, tuple):
            array[part]
        else:
            part = slice(part.start, min(part.stop, array.shape[0]))
            out = np.empty(part.stop - part.start, array.dtype)
            for chunk in take_chunks(array, part, out, unpack, Buffers()):
                chunk.unpack()
    except STORE_ERRORS:
        return False
    return True


def _lines_with(ends: npt.NDArray[np.int64], part: slice) -> slice:
    """Return which lines have values among some of the stored ones, by where each line ends.

    Examples
    --------
    >>> _lines_with(np.array([10, 14, 14, 19, 23]), slice(13, 19))
    slice(0, 3, None)
    """
    first = int(np.searchsorted(ends, part.start, side="right")) - 1
    last = int(np.searchsorted(ends, part.stop, side="left"))
    return slice(max(first, 0), min(last, len(ends) - 1))
