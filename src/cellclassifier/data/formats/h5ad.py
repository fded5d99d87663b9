"""HDF5 files, and among them those that anndata writes."""

from pathlib import Path

import anndata as ad
import h5py

from cellclassifier.data.formats.failures import READ_ERRORS, cannot_read, first_line
from cellclassifier.data.formats.on_disk import read_slots
from cellclassifier.errors import FileFormatError


def open_hdf5(path: Path, kind: str) -> h5py.File:
    """Open an HDF5 file for reading.

    Parameters
    ----------
    path
        The file.
    kind
        What it should be, for messages, such as ``"an h5ad file"``.

    Raises
    ------
    FileFormatError
        It is a folder, not HDF5, or cut off.
    """
    if path.is_dir() or not h5py.is_hdf5(path):
        size = "a folder" if path.is_dir() else f"{path.stat().st_size:,} bytes"
        raise FileFormatError(
            f"'{path}' is not {kind}: it does not begin as HDF5 files do, or it was cut off "
            f"({size})"
        )
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise FileFormatError(
            f"'{path}' is broken, perhaps cut off while copying "
            f"({path.stat().st_size:,} bytes): {first_line(error)}"
        ) from error


def read_h5ad(path: Path) -> ad.AnnData:
    """Open an ``.h5ad`` file: tables are read, matrices stay in the file.

    Files of anndata before 0.7 are read into memory.

    Raises
    ------
    FileFormatError
        It is no h5ad file, or broken.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "cells.h5ad")
    ...     ad.AnnData(np.ones((2, 3))).write_h5ad(path)
    ...     cells = read_h5ad(path)
    >>> cells.shape, type(cells.X)
    ((2, 3), <class 'h5py._hl.dataset.Dataset'>)
    """
    file = open_h5ad(path)
    try:
        # the file stays open for as long as one of its matrices is in use
        return read_slots(file) if is_current(file) else ad.read_h5ad(path)
    except READ_ERRORS as error:
        raise cannot_read(path, "AnnData", error) from error


def open_h5ad(path: Path) -> h5py.File:
    """Open an ``.h5ad`` file, and read nothing.

    Raises
    ------
    FileFormatError
        It is no HDF5 file, or lacks the tables of cells and genes.
    """
    file = open_hdf5(path, "an h5ad file")
    if not {"obs", "var"} <= set(file):
        raise FileFormatError(
            f"'{path}' is an HDF5 file but not an h5ad file: it lacks obs and var "
            f"and has {sorted(file)}"
        )
    return file


def is_current(file: h5py.File) -> bool:
    """Tell whether the tables are of the form that anndata has written since 0.7."""
    return all(file[key].attrs.get("encoding-type") == "dataframe" for key in ("obs", "var"))
