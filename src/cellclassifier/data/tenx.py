"""The folder of counts that 10x Genomics' Cell Ranger 1 and 2 write."""

import csv
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse
from scipy.io import mminfo, mmread

from cellclassifier.errors import FileFormatError

MATRIX, GENES, BARCODES = TENX_FILES = ("matrix.mtx", "genes.tsv", "barcodes.tsv")
# "1 1 1" and the end of the line, but for the last one
MIN_BYTES_PER_ENTRY = 5


def read_tenx_folder(folder: str | Path) -> ad.AnnData:
    """Read ``matrix.mtx`` (genes x cells), ``genes.tsv`` and ``barcodes.tsv``.

    Parameters
    ----------
    folder
        Where the three files are.

    Returns
    -------
    cells
        Counts as CSR, float32, shape (n_cells, n_genes); named by barcode and Ensembl id, with
        ``var["gene_symbol"]`` and ``var["ensembl_id"]``.

    Raises
    ------
    FileFormatError
        A file is missing or broken, or the three do not fit together.

    Examples
    --------
    >>> read_tenx_folder("no/hg19")
    Traceback (most recent call last):
    ...
    cellclassifier.errors.FileFormatError: 'no/hg19/genes.tsv' cannot be read: ...
    """
    folder = Path(folder)
    genes = _read_names(folder / GENES, ["ensembl_id", "gene_symbol"])
    barcodes = _read_names(folder / BARCODES, ["barcode"])
    counts = _read_counts(folder / MATRIX, n_genes=len(genes), n_cells=len(barcodes))
    return ad.AnnData(
        counts.T.tocsr().astype(np.float32),  # (n_cells, n_genes)
        obs=pd.DataFrame(index=pd.Index(barcodes["barcode"].to_numpy(), dtype=object)),
        var=pd.DataFrame(
            genes[["gene_symbol", "ensembl_id"]].to_numpy(),
            index=pd.Index(genes["ensembl_id"].to_numpy(), dtype=object),
            columns=["gene_symbol", "ensembl_id"],
        ),
    )


def _read_names(path: Path, columns: list[str]) -> pd.DataFrame:
    """Read a table without header whose first column names its rows."""
    try:
        table = pd.read_csv(
            path, sep="\t", header=None, dtype=str, quoting=csv.QUOTE_NONE, keep_default_na=False
        )
    except OSError as error:
        raise FileFormatError(f"'{path}' cannot be read: {error.strerror}") from error
    except ValueError as error:  # also what pandas and the decoder of texts raise
        raise FileFormatError(f"'{path}' cannot be read: {str(error).strip()}") from error
    if table.shape[1] != len(columns):
        raise FileFormatError(
            f"'{path}' has {table.shape[1]} columns, but {len(columns)} are expected: {columns}"
        )
    table.columns = pd.Index(columns)
    names = table.iloc[:, 0]
    if names.duplicated().any():
        raise FileFormatError(f"'{path}' names '{names[names.duplicated()].iloc[0]}' twice")
    return table


def _read_counts(path: Path, *, n_genes: int, n_cells: int) -> sparse.coo_matrix:
    try:
        _check_announced(path, (n_genes, n_cells))
        return sparse.coo_matrix(mmread(path))
    except FileFormatError:
        raise
    except OSError as error:
        raise FileFormatError(f"'{path}' cannot be read: {error.strerror or error}") from error
    except (ValueError, OverflowError) as error:
        raise FileFormatError(f"'{path}' cannot be read: {error}") from error


def _check_announced(path: Path, shape: tuple[int, int]) -> None:
    """Check what the first lines announce, before memory is set aside for it."""
    n_bytes = path.stat().st_size
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
    if n_entries * MIN_BYTES_PER_ENTRY > n_bytes:
        raise FileFormatError(
            f"'{path}' is cut off: it announces {n_entries:,} entries in {n_bytes:,} bytes"
        )
