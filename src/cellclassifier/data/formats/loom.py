"""Loom files, which are HDF5 with genes in rows: of velocyto, loompy and the Human Cell Atlas."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from cellclassifier.data.formats.failures import READ_ERRORS, cannot_read
from cellclassifier.data.formats.h5ad import open_hdf5
from cellclassifier.data.formats.on_disk import NUMERIC_KINDS, read_as_sparse
from cellclassifier.data.formats.record import record
from cellclassifier.errors import FileFormatError

# what the programs that write loom files call the names
CELL_KEYS = ("CellID", "cell_names", "obs_names", "barcode", "barcodes")
SYMBOL_KEYS = ("Gene", "gene", "gene_names", "gene_name", "var_names", "Symbol", "GeneSymbol")
ID_KEYS = ("Accession", "ensembl_id", "ensembl_ids", "gene_ids", "gene_id")


def read_loom(path: Path) -> ad.AnnData:
    """Read a loom file: its matrix, its layers, and what it says of genes and cells.

    Returns
    -------
    cells
        Counts as CSR, shape (n_cells, n_genes), named by the cells' and the genes' names in the
        file; ``var["gene_symbol"]`` and ``var["ensembl_id"]`` where it has them; every other
        attribute of one value a gene or a cell as a column, of several values in ``obsm``.

    Raises
    ------
    FileFormatError
        It is no loom file, it is broken, or cells or genes have no names or share one.
    """
    with open_hdf5(path, "a loom file") as file:
        if not is_loom(file):
            raise FileFormatError(
                f"'{path}' is an HDF5 file but not a loom file: it has {sorted(file)}, but matrix, "
                "row_attrs and col_attrs are expected"
            )
        try:
            return record(_read(file), "loom")
        except READ_ERRORS as error:
            raise cannot_read(path, "a loom file", error) from error


def is_loom(file: h5py.File) -> bool:
    """Tell whether an HDF5 file has the parts of a loom file."""
    return {"matrix", "row_attrs", "col_attrs"} <= set(file) and isinstance(
        file["matrix"], h5py.Dataset
    )


def _read(file: h5py.File) -> ad.AnnData:
    n_genes, n_cells = _shape_of(file["matrix"])
    genes, _ = _attributes(file["row_attrs"], n_genes)
    cells, embeddings = _attributes(file["col_attrs"], n_cells)
    return ad.AnnData(
        _cells_x_genes(file["matrix"]),
        obs=cells.set_axis(_names(cells, CELL_KEYS, "cell")),
        var=_var_of(genes),
        obsm=embeddings,
        layers={
            name: _cells_x_genes(layer) for name, layer in file.get("layers", {}).items() if name
        },
    )


def _shape_of(matrix: h5py.Dataset) -> tuple[int, int]:
    if matrix.ndim != 2 or matrix.dtype.kind not in NUMERIC_KINDS or not matrix.size:
        raise FileFormatError(
            f"its matrix is {matrix.shape} of {matrix.dtype}, not genes x cells of numbers"
        )
    n_genes, n_cells = matrix.shape
    return n_genes, n_cells


def _cells_x_genes(matrix: h5py.Dataset) -> sparse.csr_matrix:
    return sparse.csr_matrix(read_as_sparse(matrix).T)


def _var_of(genes: pd.DataFrame) -> pd.DataFrame:
    symbol = next((key for key in SYMBOL_KEYS if key in genes), None)
    identifier = next((key for key in ID_KEYS if key in genes), None)
    names = _names(genes, [key for key in (identifier, symbol) if key], "gene")
    named = {"gene_symbol": symbol, "ensembl_id": identifier}
    return genes.rename(columns={key: ours for ours, key in named.items() if key}).set_axis(names)


def _names(table: pd.DataFrame, keys: Sequence[str], what: str) -> pd.Index:
    key = next((key for key in keys if key in table), None)
    if key is None:
        wanted = list(keys) or [*ID_KEYS, *SYMBOL_KEYS]
        raise FileFormatError(
            f"nothing in it names the {what}s: it has {list(table)}, but one of {wanted} is "
            "expected"
        )
    names = pd.Index(table[key].astype(str).to_numpy(), dtype=object)
    if names.has_duplicates:
        raise FileFormatError(f"its {key} has the {what} '{names[names.duplicated()][0]}' twice")
    return names


def _attributes(group: h5py.Group, n: int) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the attributes of one value each, and those of several."""
    columns, matrices = {}, {}
    for name, node in group.items():
        if not isinstance(node, h5py.Dataset) or not node.ndim:
            continue
        if node.shape[0] != n:
            raise FileFormatError(
                f"its {node.name.strip('/')} has {node.shape[0]:,} values for {n:,}"
            )
        if node.ndim == 1:
            columns[name] = _values(node)
        elif node.ndim == 2 and node.dtype.kind in NUMERIC_KINDS:
            matrices[name] = node[:]
    return pd.DataFrame(columns, index=pd.RangeIndex(n)), matrices


def _values(node: h5py.Dataset) -> np.ndarray[Any, Any]:
    values = np.asarray(node[:])
    if values.dtype.kind in "SO":
        texts = [value.decode() if isinstance(value, bytes) else str(value) for value in values]
        return np.array(texts, dtype=object)
    return values
