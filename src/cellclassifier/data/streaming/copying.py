"""A file or store of cells copied, as it is or as another kind, never held whole."""

import errno
import os
import shutil
import threading
from pathlib import Path
from typing import IO, Any

import anndata as ad
import h5py
import numpy as np
import zarr
from anndata.abc import CSCDataset, CSRDataset
from anndata.io import write_elem

from cellclassifier.data.formats.on_disk import BLOCK_BYTES, Group
from cellclassifier.data.streaming.identity import n_bytes_of
from cellclassifier.data.streaming.writing import Options, SparseWriter, new_array
from cellclassifier.errors import OutputError
from cellclassifier.files import SPARE_BYTES

# copied between two looks at whether to stop
PIECE_BYTES = 2**26
# and of what goes through memory, which is best used again and again
THROUGH_BYTES = 2**20
# what systems and file systems say that cannot copy by themselves
CANNOT_COPY_INSIDE = (errno.ENOSYS, errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM)


class Stopped(Exception):  # noqa: N818  (no error: somebody asked for it)
    """The copy is no longer wanted."""


def copy_path(source: Path, target: Path, stop: threading.Event) -> None:
    """Copy a file or a folder byte by byte; its compression stays what it is.

    Raises
    ------
    Stopped
        `stop` was set meanwhile.
    """
    if not source.is_dir():
        _copy_file(source, target, stop)
        return
    shutil.copytree(
        source, target, copy_function=lambda one, other: _copy_file(Path(one), Path(other), stop)
    )


def check_room(source: Path, target: Path) -> None:
    """Refuse to begin a copy for which there is no room on the disk.

    Raises
    ------
    OutputError
        There is none.
    """
    wanted, free = n_bytes_of(source) + SPARE_BYTES, shutil.disk_usage(target.parent).free
    if wanted > free:
        raise OutputError(
            f"no room in '{target.absolute().parent}' for a copy of '{source}': "
            f"{wanted / 1e9:.2f} GB are needed, and {free / 1e9:.2f} GB are free. Make room, write "
            "to a larger disk, or write the annotations alone: --out NAMED.csv"
        )


def _copy_file(source: Path, target: Path, stop: threading.Event) -> None:
    with source.open("rb", buffering=0) as reading, target.open("wb", buffering=0) as writing:
        copy = _copy_inside
        while True:
            try:
                n_copied = copy(reading, writing)
            except OSError as error:
                if copy is _copy_through or error.errno not in CANNOT_COPY_INSIDE:
                    raise
                copy = _copy_through
                continue
            if not n_copied:
                return
            if stop.is_set():
                raise Stopped


def _copy_inside(reading: IO[bytes], writing: IO[bytes]) -> int:
    """Have the system copy some bytes, which some cannot; return how many."""
    if not hasattr(os, "copy_file_range"):
        raise OSError(errno.ENOSYS, "the system has no such call")
    return os.copy_file_range(reading.fileno(), writing.fileno(), PIECE_BYTES)


def _copy_through(reading: IO[bytes], writing: IO[bytes]) -> int:
    piece = memoryview(reading.read(THROUGH_BYTES) or b"")
    n_written = 0
    while n_written < len(piece):
        n_written += writing.write(piece[n_written:])
    return n_written


def write_whole(root: Group, cells: ad.AnnData, options: Options) -> None:
    """Write all that `cells` hold into an empty group; matrices on disk some lines at a time."""
    _mark(root, "anndata")
    if cells.X is not None:
        _write(root, "X", cells.X, options)
    for slot, table in (("obs", cells.obs), ("var", cells.var), ("uns", dict(cells.uns))):
        write_elem(root, slot, table, dataset_kwargs=options)
    for slot in ("layers", "obsm", "varm", "obsp", "varp"):
        _write_each(root, slot, getattr(cells, slot), options)
    if cells.raw is not None:
        raw = root.create_group("raw")
        _mark(raw, "raw")
        _write(raw, "X", cells.raw.X, options)
        write_elem(raw, "var", cells.raw.var, dataset_kwargs=options)
        _write_each(raw, "varm", cells.raw.varm, options)


def _write_each(root: Group, slot: str, values: Any, options: Options) -> None:  # noqa: ANN401
    write_elem(root, slot, {})
    for key in values:
        if key is not None:  # in anndata 0.13 X is a layer
            _write(root[slot], key, values[key], options)


def _write(root: Group, key: str, values: Any, options: Options) -> None:  # noqa: ANN401
    if isinstance(values, CSRDataset | CSCDataset):
        _write_sparse(root, key, values, options)
    elif isinstance(values, h5py.Dataset | zarr.Array):
        array = new_array(root, key, values.shape, values.dtype, options)
        row_bytes = max(values.dtype.itemsize * int(np.prod(values.shape[1:])), 1)
        n_rows = max(BLOCK_BYTES // row_bytes, 1)
        for start in range(0, values.shape[0], n_rows):
            array[start : start + n_rows] = values[start : start + n_rows]
    else:
        write_elem(root, key, values, dataset_kwargs=options)


def _write_sparse(root: Group, key: str, matrix: Any, options: Options) -> None:  # noqa: ANN401
    axis = 0 if matrix.format == "csr" else 1
    writer = SparseWriter(
        root,
        key,
        n_across=matrix.shape[1 - axis],
        dtype=matrix.dtype,
        format=matrix.format,
        options=options,
    )
    n_lines = matrix.shape[axis]
    starts = matrix.group["indptr"][:]
    n_values = BLOCK_BYTES // 8
    first = 0
    while first < n_lines:
        last = int(np.searchsorted(starts, starts[first] + n_values, side="right")) - 1
        last = min(max(last, first + 1), n_lines)
        writer.append(matrix[first:last] if axis == 0 else matrix[:, first:last])
        first = last
    writer.finish()


def _mark(group: Group, encoding: str) -> None:
    group.attrs["encoding-type"], group.attrs["encoding-version"] = encoding, "0.1.0"
