"""MATLAB files of version 7.3, which are HDF5 files: the original study kept its cells in one."""

from collections.abc import Sequence
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from cellclassifier.data.formats.failures import READ_ERRORS, cannot_read
from cellclassifier.data.formats.on_disk import NUMERIC_KINDS, read_as_sparse
from cellclassifier.data.formats.record import record
from cellclassifier.errors import FileFormatError

LABELS_KEY = "label"
GENE_KEYS = ("genes", "gene_names", "gene_symbols")


def read_mat(path: str | Path) -> ad.AnnData:
    """Read the cells of a MATLAB file with ``data`` and one-based ``labels``.

    Which way round ``data`` is, the number of labels proves. Names of genes are taken from a cell
    array ``genes``, ``gene_names`` or ``gene_symbols``; without one they are gene_1, gene_2, ...

    Parameters
    ----------
    path
        A file saved with ``-v7.3``. Full and sparse matrices are read.

    Returns
    -------
    cells
        ``X`` as CSR, shape (n_cells, n_genes); ``obs["label"]`` the number of the type, as text.

    Raises
    ------
    FileFormatError
        It is of an older version or broken, or `data` and `labels` do not prove what they are.

    Examples
    --------
    >>> read_mat("cells.mat")
    Traceback (most recent call last):
    ...
    cellclassifier.errors.FileFormatError: 'cells.mat' is not a MATLAB file of version 7.3 ...
    """
    path = Path(path)
    if not path.is_file() or not h5py.is_hdf5(path):
        raise FileFormatError(
            f"'{path}' is not a MATLAB file of version 7.3 (an HDF5 file); save it again in "
            "MATLAB: save('cells.mat', 'data', 'labels', '-v7.3')"
        )
    try:
        with h5py.File(path) as file:
            return record(_read(file), "MATLAB 7.3")
    except FileFormatError as error:
        raise FileFormatError(f"'{path}' cannot be read as cells: {error}") from error
    except READ_ERRORS as error:
        raise cannot_read(path, "a MATLAB file", error) from error


def _read(file: h5py.File) -> ad.AnnData:
    if missing := [key for key in ("data", "labels") if key not in file]:
        names = [name for name in file if not name.startswith("#")]
        raise FileFormatError(f"it lacks {missing} and has {names}")
    labels = _read_labels(file["labels"])
    data = file["data"]
    cells_are_rows = _cells_are_rows(_shape_of(data), len(labels))
    values = (
        _read_sparse(data)
        if isinstance(data, h5py.Group)
        else sparse.csr_matrix(read_as_sparse(data).T)
    )
    if not cells_are_rows:
        values = values.T.tocsr()
    return ad.AnnData(
        values,  # (n_cells, n_genes)
        obs=pd.DataFrame(
            {LABELS_KEY: pd.Categorical([str(label) for label in labels])},
            index=_numbered("cell", values.shape[0]),
        ),
        var=pd.DataFrame(index=_gene_names(file, values.shape[1])),
    )


def _read_labels(labels: h5py.Dataset | h5py.Group) -> npt.NDArray[np.int64]:
    if not _is_numeric(labels) or max(labels.shape, default=0) != labels.size:
        raise FileFormatError("labels has to be one row or one column of numbers")
    numbers = np.asarray(labels).ravel()
    wrong = numbers[~(np.isfinite(numbers) & (numbers >= 1) & (numbers == np.rint(numbers)))]
    if len(wrong):
        raise FileFormatError(
            f"labels has {[f'{number:g}' for number in wrong[:3]]}, but they count from 1, as "
            "MATLAB does; remove cells without a type, and add 1 where types count from 0"
        )
    return numbers.astype(np.int64)


def _shape_of(data: h5py.Dataset | h5py.Group) -> tuple[int, int]:
    """Return rows and columns as MATLAB shows them."""
    if isinstance(data, h5py.Group):
        if "MATLAB_sparse" not in data.attrs or "jc" not in data:
            raise FileFormatError("data has to be a matrix; it is a structure")
        return int(data.attrs["MATLAB_sparse"]), data["jc"].size - 1
    if not _is_numeric(data) or data.ndim != 2:
        raise FileFormatError("data has to be a matrix of real numbers")
    n_columns, n_rows = data.shape  # MATLAB writes column by column
    return n_rows, n_columns


def _cells_are_rows(shape: tuple[int, int], n_labels: int) -> bool:
    n_rows, n_columns = shape
    if n_rows == n_columns == n_labels:
        raise FileFormatError(
            f"data is {n_rows:,} x {n_columns:,} with {n_labels:,} labels, so that nothing proves "
            "which way round it is; leave out a cell, or a gene"
        )
    if n_labels not in shape:
        raise FileFormatError(
            f"data is {n_rows:,} x {n_columns:,}, but there are {n_labels:,} labels; one is "
            "needed for each cell"
        )
    return n_rows == n_labels


def _gene_names(file: h5py.File, n_genes: int) -> pd.Index:
    key = next((key for key in GENE_KEYS if key in file), None)
    if key is None:
        return _numbered("gene", n_genes)
    names = _texts_of(file, key)
    if len(names) != n_genes:
        raise FileFormatError(f"{key} has {len(names):,} names, but data has {n_genes:,} genes")
    return pd.Index(names, dtype=object)


def _texts_of(file: h5py.File, key: str) -> Sequence[str]:
    """Read a cell array of texts: references to rows of UTF-16 codes."""
    cells = file[key]
    if not isinstance(cells, h5py.Dataset) or cells.dtype != h5py.ref_dtype:
        raise FileFormatError(f"{key} has to be a cell array of texts")
    return [
        np.asarray(file[reference], dtype=np.uint16).ravel().tobytes().decode("utf-16-le")
        for reference in np.asarray(cells).ravel()
    ]


def _read_sparse(data: h5py.Group) -> sparse.csr_matrix:
    """Read MATLAB's sparse form: columns one after the other, as SciPy's CSC."""
    # a matrix of zeros has neither rows nor values
    rows = np.asarray(data["ir"], dtype=np.int64) if "ir" in data else np.empty(0, np.int64)
    values = np.asarray(data["data"]) if "data" in data else np.empty(0, np.float32)
    if values.dtype.kind not in NUMERIC_KINDS:
        raise FileFormatError("data has to be a matrix of real numbers")
    column_starts = np.asarray(data["jc"], dtype=np.int64)
    matrix = sparse.csc_matrix((values, rows, column_starts), shape=_shape_of(data))
    matrix.check_format(full_check=True)
    return sparse.csr_matrix(matrix)


def _is_numeric(data: h5py.Dataset | h5py.Group) -> bool:
    return (
        isinstance(data, h5py.Dataset)
        and data.dtype.kind in NUMERIC_KINDS
        and data.size > 0
        and "MATLAB_empty" not in data.attrs
    )


def _numbered(what: str, n: int) -> pd.Index:
    return pd.Index([f"{what}_{number}" for number in range(1, n + 1)], dtype=object)
