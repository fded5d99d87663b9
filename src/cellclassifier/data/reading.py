"""Files to AnnData: the door to every kind of file that is read."""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import get_args

import anndata as ad
import h5py
from scipy import sparse

from cellclassifier.data.formats.cut_off import is_cut_off
from cellclassifier.data.formats.h5ad import open_hdf5, read_h5ad
from cellclassifier.data.formats.loom import is_loom, read_loom
from cellclassifier.data.formats.matlab import read_mat
from cellclassifier.data.formats.orientation import GenesIn
from cellclassifier.data.formats.record import record
from cellclassifier.data.formats.tables import read_table
from cellclassifier.data.formats.tenx_folder import read_tenx_archive, read_tenx_folder
from cellclassifier.data.formats.tenx_h5 import is_tenx, read_tenx_h5
from cellclassifier.data.formats.zarr_store import MARKS, read_zarr
from cellclassifier.errors import FileFormatError, InputError

READABLE = (
    ".h5ad, .zarr, 10x .h5, a 10x folder with matrix.mtx or a .tar.gz of one, .loom, .csv, .tsv, "
    ".txt, .mat and .rds"
)
# what anndata says of names that stand twice
TWICE = ".*names are not unique"
TABLES = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")


def read_cells(path: str | Path, *, genes_in: GenesIn | None = None) -> ad.AnnData:
    """Read the cells of a file, whatever the usual program that wrote it.

    ========================  =====================================================================
    name                      what it is
    ========================  =====================================================================
    ``.h5ad``, ``.zarr``      AnnData
    ``.h5``                   10x Cell Ranger, versions 2 and 3 and later
    a folder, ``.tar.gz``     10x ``matrix.mtx`` with ``genes.tsv`` or ``features.tsv`` and
                              ``barcodes.tsv``, each perhaps ``.gz`` and with a prefix
    ``.loom``                 loom
    ``.csv .tsv .txt``        a table with names of cells and genes, perhaps ``.gz``
    ``.mat``                  MATLAB 7.3 with ``data`` and one-based ``labels``
    ``.rds``                  R: Seurat, SingleCellExperiment, or a matrix; needs
                              ``pip install 'cellclassifier[rds]'``
    ========================  =====================================================================

    Matrices of AnnData and of 10x ``.h5`` files of genes alone stay in the file: ``X``, layers,
    ``raw.X``, ``obsm`` and ``obsp`` are read where they are used, and ``cells[rows].copy()`` reads
    these rows only. ``cells.to_memory()`` or ``cells.copy()`` reads all, and is what scanpy's
    functions need.

    Where ``annotate --in-place`` was ended in the midst of its last step, without which a file may
    be broken, that step is finished first.

    Parameters
    ----------
    path
        The file, or the folder.
    genes_in
        Where the genes are, for what does not say so itself: tables and matrices of R. Without this
        word they are turned by their names, where one axis has names of genes of human or mouse and
        the other none. For AnnData ``"rows"`` says that it was made the wrong way round, and it is
        transposed. Other kinds say themselves where their genes are, and take no word.

    Returns
    -------
    cells
        Shape (n_cells, n_genes). ``uns["read_cells"]`` says what was settled: the ``format``, and
        by its kind what was left out or turned. Files of AnnData get no such key.

    Raises
    ------
    FileFormatError
        There is no such file, it is of another kind, or it is broken.
    InputError
        `genes_in` is another word, or given for a file that itself says where its genes are.
    OutputError
        The last step of writing into it was cut off, and cannot be finished.
    MissingExtraError
        It is an ``.rds`` file, and the extra that reads these is not installed.

    Examples
    --------
    >>> read_cells("cells.csv")
    Traceback (most recent call last):
    ...
    cellclassifier.errors.FileFormatError: there is no file 'cells.csv'; ...
    """
    if genes_in is not None and genes_in not in get_args(GenesIn):
        raise InputError(f"genes_in is '{genes_in}', but only {list(get_args(GenesIn))} are known")
    path = Path(path)
    if not path.exists():
        raise FileFormatError(f"there is no file '{path}'; the folder seen from is '{Path.cwd()}'")
    if is_cut_off(path):
        from cellclassifier.data.streaming.finishing import finish_cut_off  # reads cells, too

        finish_cut_off(path)
    with warnings.catch_warnings():
        # cells are told apart by their place, and columns of one gene are added
        warnings.filterwarnings("ignore", TWICE, UserWarning)
        return _read(path, genes_in)


def _read(path: Path, genes_in: GenesIn | None) -> ad.AnnData:
    name = path.name.lower()
    if name.endswith(TABLES):
        return read_table(path, genes_in)
    if name.endswith(".rds"):
        return _read_rds(path, genes_in)
    reader = _reader_of(path)
    if genes_in is not None and reader not in (read_h5ad, read_zarr):
        raise InputError(
            f"'{path}' is of a kind that itself says where its genes are; leave genes_in out"
        )
    return _transposed(reader(path)) if genes_in == "rows" else reader(path)


def _read_rds(path: Path, genes_in: GenesIn | None) -> ad.AnnData:
    from cellclassifier.data.formats.seurat import read_rds  # needs an extra

    return read_rds(path, genes_in)


def _reader_of(path: Path) -> Callable[[Path], ad.AnnData]:
    name = path.name.lower()
    for suffix, reader in _READERS.items():
        if name.endswith(suffix):
            return reader
    if path.is_dir():
        is_store = any((path / mark).exists() for mark in MARKS)
        return read_zarr if is_store else read_tenx_folder
    raise FileFormatError(f"'{path}' {_advice(path)}")


def _advice(path: Path) -> str:
    name = path.name.lower()
    if name.endswith((".mtx", ".mtx.gz")):
        return (
            "is the matrix alone, without names of genes and cells; give its folder, "
            f"'{path.absolute().parent}', with genes.tsv or features.tsv, and barcodes.tsv"
        )
    if name.endswith(".gz"):
        return f"is compressed and cannot be read as it is; unpack it first: gunzip '{path.name}'"
    return (
        f"is of a kind that cannot be read: it ends in '{path.suffix}', but {READABLE} are known. "
        "scanpy.read(path).write_h5ad('cells.h5ad') makes one of many kinds"
    )


def _read_h5(path: Path) -> ad.AnnData:
    """Read an HDF5 file by what is in it."""
    file = open_hdf5(path, "an HDF5 file")
    if is_tenx(file):
        return read_tenx_h5(path, file)
    if {"obs", "var"} <= set(file):
        return read_h5ad(path)
    if is_loom(file):
        return read_loom(path)
    raise FileFormatError(f"'{path}' is an HDF5 file, but {_what_it_is(file)}")


def _what_it_is(file: h5py.File) -> str:
    if "model_weights" in file or "keras_version" in file.attrs or "layer_names" in file.attrs:
        return (
            "a network of Keras, not cells; cellclassifier import makes a model of it, and "
            "annotate takes that as --model"
        )
    return (
        f"not of a kind that is known: it has {sorted(file)[:10]}; 10x files have matrix/barcodes, "
        "h5ad files obs and var"
    )


def _transposed(cells: ad.AnnData) -> ad.AnnData:
    """Return cells x genes of what was read as genes x cells."""
    turned = cells.to_memory().T.copy()
    if isinstance(turned.X, sparse.csc_matrix | sparse.csc_array):
        turned.X = turned.X.tocsr()
    return record(turned, "AnnData", genes_in="rows")


_READERS: Mapping[str, Callable[[Path], ad.AnnData]] = MappingProxyType(
    {
        ".h5ad": read_h5ad,
        ".zarr": read_zarr,
        ".h5": _read_h5,
        ".hdf5": _read_h5,
        ".loom": read_loom,
        ".mat": read_mat,
        ".tar.gz": read_tenx_archive,
        ".tgz": read_tenx_archive,
    }
)
