"""What is said of a file that breaks while it is read."""

from pathlib import Path
from typing import Any

from anndata.abc import CSRDataset

from cellclassifier.data.formats.failures import first_line
from cellclassifier.data.formats.zarr_store import STORE_ERRORS
from cellclassifier.errors import FileFormatError


def broken_rows(
    path: Path,
    matrix: Any,  # noqa: ANN401  (of any kind)
    start: int,
    stop: int,
    error: Exception,
) -> FileFormatError:
    """Return the error that names the chunk that cannot be read, and the cells in it."""
    return FileFormatError(
        f"'{path}' is broken: {_broken_chunk(matrix, start, stop)}{cells_named(start, stop)} "
        f"cannot be read ({first_line(error)}). Copy or download the file again"
    )


def cells_named(start: int, stop: int) -> str:
    """Return words for consecutive cells, by their numbers."""
    if stop - start == 1:
        return f"cell {start:,} (counted from 0)"
    return f"cells {start:,} to {stop - 1:,} (counted from 0)"


def _broken_chunk(matrix: Any, start: int, stop: int) -> str:  # noqa: ANN401
    """Read chunk by chunk, and name the first that fails; nothing where none does."""
    if not isinstance(matrix, CSRDataset):
        return ""
    try:
        first, last = (int(matrix.group["indptr"][row]) for row in (start, stop))
    except STORE_ERRORS:
        return f"'{matrix.group.name}/indptr', of "
    for name in ("data", "indices"):
        array = matrix.group[name]
        length = (array.chunks or (max(last - first, 1),))[0]
        for number in range(first // length, -(-last // length)):
            try:
                array[number * length : (number + 1) * length]
            except STORE_ERRORS:
                return f"chunk {number:,} of '{array.name}', of "
    return ""
