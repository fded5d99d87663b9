"""The folder of counts that 10x Genomics' Cell Ranger writes, and archives of one."""

import csv
import tempfile
from pathlib import Path, PurePosixPath

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse
from scipy.io import mminfo, mmread

from cellclassifier.archives import extract_files, list_files
from cellclassifier.data.formats.failures import READ_ERRORS, cannot_read
from cellclassifier.data.formats.record import record
from cellclassifier.data.formats.tenx_features import FEATURE_TYPES, kept_genes, var_of
from cellclassifier.errors import FileFormatError

MATRIX, GENES, BARCODES = TENX_FILES = ("matrix.mtx", "genes.tsv", "barcodes.tsv")
FEATURES = "features.tsv"
# "1 1 1" and the end of the line, but for the last one
MIN_BYTES_PER_ENTRY = 5
# no gzip file grows by more
MAX_GZIP_GROWTH = 1032


def read_tenx_folder(folder: str | Path) -> ad.AnnData:
    """Read ``matrix.mtx`` (genes x cells), ``genes.tsv`` or ``features.tsv``, and ``barcodes.tsv``.

    Each may end in ``.gz``, and all may share a prefix, as in ``GSM123_matrix.mtx.gz``.

    Parameters
    ----------
    folder
        Where the three files are.

    Returns
    -------
    cells
        Counts as CSR, float32, shape (n_cells, n_genes); named by barcode and Ensembl id, with
        ``var["gene_symbol"]`` and ``var["ensembl_id"]``, and of version 3 ``var["feature_types"]``.
        Features other than gene expression are left out and named in ``uns["read_cells"]``.

    Raises
    ------
    FileFormatError
        A file is missing or broken, or the three do not fit together.

    Examples
    --------
    >>> read_tenx_folder("no/hg19")
    Traceback (most recent call last):
    ...
    cellclassifier.errors.FileFormatError: there is no folder 'no/hg19'
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileFormatError(f"there is no folder '{folder}'")
    try:
        names = find_tenx_files([path.name for path in folder.iterdir()])
    except FileFormatError as error:
        raise FileFormatError(
            f"'{folder}' is not a folder of 10x counts: {error}{_hint(folder)}"
        ) from error
    return _read_files(*(folder / name for name in names))


def _hint(folder: Path) -> str:
    """Name the folder to take instead, where this is one around what Cell Ranger wrote."""
    filtered = "filtered_*bc_matri*"
    around = sorted([*folder.glob(filtered), *folder.glob(f"outs/{filtered}")])
    found = [str(path) for path in around if path.is_dir()]
    return f". Name a folder inside: '{found[0]}'" if found else ""


def read_tenx_archive(path: Path) -> ad.AnnData:
    """Read the one folder of 10x counts in a ``.tar.gz`` archive.

    Raises
    ------
    FileFormatError
        The archive is broken or unsafe, or holds no such folder, or several.
    """
    files = [PurePosixPath(name) for name in list_files(path)]
    inside = sorted({str(file.parent) for file in files if _is_matrix(file.name)})
    if len(inside) != 1:
        raise FileFormatError(
            f"'{path}' holds {len(inside)} folders with a {MATRIX}"
            + (f", {inside}; unpack it and give one of them" if inside else "")
        )
    try:
        names = find_tenx_files([file.name for file in files if str(file.parent) == inside[0]])
    except FileFormatError as error:
        raise FileFormatError(f"'{path}' holds no 10x counts: {error}") from error
    with tempfile.TemporaryDirectory(prefix="cellclassifier-") as scratch:
        extract_files(path, inside[0], names, Path(scratch))
        try:
            return read_tenx_folder(scratch)
        except FileFormatError as error:
            raise FileFormatError(
                f"'{path}' cannot be read: {str(error).replace(f'{scratch}/', '')}"
            ) from error


def find_tenx_files(names: list[str]) -> tuple[str, str, str]:
    """Return the names of the matrix, the genes and the barcodes among the files of a folder.

    Raises
    ------
    FileFormatError
        One is missing, or there are several matrices.

    Examples
    --------
    >>> find_tenx_files(["a_barcodes.tsv.gz", "a_features.tsv.gz", "a_matrix.mtx.gz", "notes.txt"])
    ('a_matrix.mtx.gz', 'a_features.tsv.gz', 'a_barcodes.tsv.gz')
    """
    matrices = sorted(name for name in names if _is_matrix(name))
    if len(matrices) != 1:
        raise FileFormatError(
            f"it has {len(matrices)} files named {MATRIX} or {MATRIX}.gz, one is expected; "
            f"it has {sorted(names)[:10]}"
        )
    prefix = matrices[0].removesuffix(".gz").removesuffix(MATRIX)
    found = [matrices[0]]
    for choices in ((FEATURES, GENES), (BARCODES,)):
        wanted = [f"{prefix}{choice}{end}" for choice in choices for end in ("", ".gz")]
        present = [name for name in wanted if name in names]
        if len(present) != 1:
            problem = f"several of {present}" if present else f"none of {wanted}"
            raise FileFormatError(f"it has {problem}, one is expected; it has {sorted(names)[:10]}")
        found += present
    return found[0], found[1], found[2]


def _is_matrix(name: str) -> bool:
    return name.removesuffix(".gz").endswith(MATRIX)


def _read_files(matrix: Path, genes: Path, barcodes: Path) -> ad.AnnData:
    features = _read_names(genes, ["ensembl_id", "gene_symbol", FEATURE_TYPES])
    cell_names = _read_names(barcodes, ["barcode"])["barcode"]
    counts = _read_counts(matrix, n_genes=len(features), n_cells=len(cell_names))
    try:
        kept, facts = kept_genes(features)
        var = var_of(features[kept])
    except FileFormatError as error:
        raise FileFormatError(f"'{genes}' cannot be read: {error}") from error
    if cell_names.duplicated().any():
        raise FileFormatError(
            f"'{barcodes}' names '{cell_names[cell_names.duplicated()].iloc[0]}' twice"
        )
    cells = ad.AnnData(
        counts.T.tocsr()[:, kept].astype(np.float32),  # (n_cells, n_genes)
        obs=pd.DataFrame(index=pd.Index(cell_names.to_numpy(), dtype=object)),
        var=var,
    )
    version = 2 if genes.name.removesuffix(".gz").endswith(GENES) else 3
    return record(cells, f"10x folder, Cell Ranger {version}", **facts)


def _read_names(path: Path, columns: list[str]) -> pd.DataFrame:
    """Read a table without header; of genes, columns after the second may be missing."""
    try:
        table = pd.read_csv(
            path, sep="\t", header=None, dtype=str, quoting=csv.QUOTE_NONE, keep_default_na=False
        )
    except READ_ERRORS as error:  # also what pandas and the decoder of texts raise
        raise cannot_read(path, "a table of names", error) from error
    if table.shape[1] < min(len(columns), 2):
        raise FileFormatError(
            f"'{path}' has {table.shape[1]} columns, but 2 are expected: {columns[:2]}"
        )
    table = table.iloc[:, : len(columns)]
    table.columns = pd.Index(columns[: table.shape[1]])
    return table


def _read_counts(path: Path, *, n_genes: int, n_cells: int) -> sparse.coo_matrix:
    try:
        _check_announced(path, (n_genes, n_cells))
        return sparse.coo_matrix(mmread(path, spmatrix=True))
    except FileFormatError:
        raise
    except READ_ERRORS as error:
        raise cannot_read(path, "a matrix", error) from error


def _check_announced(path: Path, shape: tuple[int, int]) -> None:
    """Check what the first lines announce, before memory is set aside for it."""
    n_bytes = path.stat().st_size
    most_bytes = n_bytes * (MAX_GZIP_GROWTH if path.suffix == ".gz" else 1)
    n_rows, n_columns, n_entries, layout, field, _ = mminfo(path)
    if (n_rows, n_columns) != shape:
        raise FileFormatError(
            f"'{path}' is {n_rows:,} x {n_columns:,}, but there are {shape[0]:,} genes and "
            f"{shape[1]:,} barcodes"
        )
    if layout != "coordinate" or field not in ("integer", "real"):
        raise FileFormatError(
            f"'{path}' is '{layout} {field}', but 'coordinate integer' is expected"
        )
    if n_entries * MIN_BYTES_PER_ENTRY > most_bytes:
        raise FileFormatError(
            f"'{path}' is cut off: it announces {n_entries:,} entries in {n_bytes:,} bytes"
        )
