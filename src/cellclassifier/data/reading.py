"""Files to AnnData."""

import zipfile
from pathlib import Path

import anndata as ad
import h5py

from cellclassifier.data.matlab import read_mat
from cellclassifier.errors import FileFormatError

READABLE = ".h5ad, .zarr and .mat"


def read_cells(path: str | Path) -> ad.AnnData:
    """Read the cells of an ``.h5ad`` file, a ``.zarr`` store, or a MATLAB ``.mat`` file.

    Parameters
    ----------
    path
        The file, or the folder of the store. A MATLAB file is of version 7.3 and holds ``data``
        and one-based ``labels``, which become ``obs["label"]``.

    Raises
    ------
    FileFormatError
        There is no such file, it is of another kind, or it is broken.

    Examples
    --------
    >>> read_cells("cells.csv")
    Traceback (most recent call last):
    ...
    cellclassifier.errors.FileFormatError: there is no file 'cells.csv'; ...
    """
    path = Path(path)
    if not path.exists():
        raise FileFormatError(f"there is no file '{path}'; the folder seen from is '{Path.cwd()}'")
    if path.suffix == ".zarr":
        return _read_zarr(path)
    if path.suffix == ".h5ad":
        return _read_h5ad(path)
    if path.suffix == ".mat":
        return read_mat(path)
    raise FileFormatError(
        f"'{path}' is of a kind that cannot be read: it ends in '{path.suffix}', but {READABLE} "
        "are known. scanpy.read(path).write_h5ad('cells.h5ad') makes one of many kinds"
    )


def _read_h5ad(path: Path) -> ad.AnnData:
    if path.is_dir() or not h5py.is_hdf5(path):
        raise FileFormatError(
            f"'{path}' is not an h5ad file: it does not begin as HDF5 files do, or it was cut off "
            f"({'a folder' if path.is_dir() else f'{path.stat().st_size:,} bytes'})"
        )
    try:
        with h5py.File(path) as file:
            keys = set(file)
    except OSError as error:
        raise FileFormatError(
            f"'{path}' is broken, perhaps cut off while copying "
            f"({path.stat().st_size:,} bytes): {_first_line(error)}"
        ) from error
    if not {"obs", "var"} <= keys:
        raise FileFormatError(
            f"'{path}' is an HDF5 file but not an h5ad file: it lacks obs and var "
            f"and has {sorted(keys)}"
        )
    try:
        return ad.read_h5ad(path)
    except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise _broken(path, error) from error


def _read_zarr(path: Path) -> ad.AnnData:
    try:
        return ad.read_zarr(path)
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, zipfile.BadZipFile) as error:
        raise _broken(path, error) from error


def _broken(path: Path, error: Exception) -> FileFormatError:
    return FileFormatError(f"'{path}' cannot be read as AnnData: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
