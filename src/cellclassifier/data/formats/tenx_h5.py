"""The ``.h5`` files of 10x Genomics' Cell Ranger, layouts of version 2 and of 3 and later."""

from collections import UserDict
from itertools import pairwise
from pathlib import Path
from typing import Any

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from cellclassifier.data.formats.failures import READ_ERRORS, cannot_read
from cellclassifier.data.formats.joining import joined
from cellclassifier.data.formats.on_disk import cells_on_disk, stored_sparse
from cellclassifier.data.formats.record import record
from cellclassifier.data.formats.tenx_features import FEATURE_TYPES, kept_genes, var_of
from cellclassifier.errors import FileFormatError

V3_ROOT = "matrix"
# the names of version 3 and ours
V3_COLUMNS = {
    "id": "ensembl_id", "name": "gene_symbol", "feature_type": FEATURE_TYPES, "genome": "genome",
}  # fmt: skip
V2_PARTS = frozenset({"data", "indices", "indptr", "shape", "barcodes", "genes", "gene_names"})
# of the entries in memory at one time where only some features are kept
BLOCK_ENTRIES = 2**24


class _StoredByCell(h5py.Group):  # type: ignore[misc]  # h5py has no types
    """A matrix of 10x, which lacks the attributes by which anndata knows the same layout."""

    def __init__(self, group: h5py.Group) -> None:
        super().__init__(group.id)

    @property
    def attrs(self) -> UserDict[str, Any]:
        """What anndata would have written."""
        n_features, n_cells = (int(size) for size in self["shape"][:])
        # columns of genes x cells one after the other are rows of cells x genes
        return UserDict(
            {
                "encoding-type": "csr_matrix",
                "encoding-version": "0.1.0",
                "shape": np.array([n_cells, n_features]),
            }
        )


def is_tenx(file: h5py.File) -> bool:
    """Tell whether an HDF5 file has the parts of a 10x file."""
    root = file.get(V3_ROOT)
    return (isinstance(root, h5py.Group) and "barcodes" in root) or bool(_genomes(file))


def read_tenx_h5(path: Path, file: h5py.File) -> ad.AnnData:
    """Open the counts of gene expression in a 10x file.

    Where the file holds nothing else, the counts stay in it. Other kinds of features (antibodies,
    guides, peaks) are left out and named in ``uns["read_cells"]``. Several genomes of the layout of
    version 2 are put side by side; there, a cell that one of them does not list has no counts of
    its genes, and ``uns["read_cells"]`` says how many such cells there are.

    Parameters
    ----------
    path
        For messages.
    file
        Stays open for as long as the counts are in use.

    Returns
    -------
    cells
        Named by barcode and id of the gene, with ``var["gene_symbol"]`` and ``var["ensembl_id"]``,
        and where the file tells them ``var["feature_types"]`` and ``var["genome"]``.

    Raises
    ------
    FileFormatError
        It is broken, has no gene expression, or names a cell or a gene twice.
    """
    try:
        if V3_ROOT in file:
            return _read_v3(file[V3_ROOT])
        return _read_v2([file[name] for name in _genomes(file)])
    except READ_ERRORS as error:
        raise cannot_read(path, "a 10x file", error) from error


def _genomes(file: h5py.File) -> list[str]:
    return [
        name
        for name, node in file.items()
        if isinstance(node, h5py.Group) and set(node) >= V2_PARTS
    ]


def _read_v3(group: h5py.Group) -> ad.AnnData:
    features = group["features"]
    columns = {
        column: _texts(features[name]) for name, column in V3_COLUMNS.items() if name in features
    }
    counts, var, obs = stored_sparse(_StoredByCell(group)), pd.DataFrame(columns), _obs_of(group)
    _check_shape(counts, obs, var)
    kept, facts = kept_genes(var)
    genes = var_of(var[kept])
    if kept.all():
        return record(cells_on_disk(counts, obs=obs, var=genes), "10x h5, Cell Ranger 3", **facts)
    cells = ad.AnnData(_columns_of(counts, np.flatnonzero(kept)), obs=obs, var=genes)
    return record(cells, "10x h5, Cell Ranger 3", **facts)


def _read_v2(groups: list[h5py.Group]) -> ad.AnnData:
    parts = [_read_genome(group) for group in groups]
    genomes = [group.name.strip("/") for group in groups]
    if len(parts) == 1:
        return record(parts[0], "10x h5, Cell Ranger 2", genomes=np.array(genomes, dtype=object))
    cells, n_not_in_every = joined(parts, "var")
    cells.X = sparse.csr_matrix(cells.X)
    return record(
        cells,
        "10x h5, Cell Ranger 2",
        genomes=np.array(genomes, dtype=object),
        n_cells_not_in_every_genome=n_not_in_every,
    )


def _read_genome(group: h5py.Group) -> ad.AnnData:
    var = pd.DataFrame(
        {"ensembl_id": _texts(group["genes"]), "gene_symbol": _texts(group["gene_names"])}
    ).assign(genome=group.name.strip("/"))
    counts, obs = stored_sparse(_StoredByCell(group)), _obs_of(group)
    _check_shape(counts, obs, var)
    return cells_on_disk(counts, obs=obs, var=var_of(var))


def _obs_of(group: h5py.Group) -> pd.DataFrame:
    barcodes = pd.Index(_texts(group["barcodes"]), dtype=object)
    if barcodes.has_duplicates:
        raise FileFormatError(f"it names the cell '{barcodes[barcodes.duplicated()][0]}' twice")
    return pd.DataFrame(index=barcodes)


def _check_shape(counts: Any, obs: pd.DataFrame, var: pd.DataFrame) -> None:  # noqa: ANN401
    if counts.shape != (len(obs), len(var)):
        raise FileFormatError(
            f"its matrix is of {counts.shape[0]:,} cells and {counts.shape[1]:,} features, but "
            f"{len(obs):,} barcodes and {len(var):,} features are named"
        )


def _columns_of(counts: Any, columns: np.ndarray[Any, Any]) -> sparse.csr_matrix:  # noqa: ANN401
    """Read some columns of a stored matrix, block of cells by block of cells."""
    n_cells = counts.shape[0]
    starts = counts.group["indptr"][:]
    # the first cell of each block: that in which each multiple of the block's size falls
    cuts = (
        np.searchsorted(starts, np.arange(0, max(starts[-1], 1), BLOCK_ENTRIES), side="right") - 1
    )
    bounds = [*np.unique(np.clip(cuts, 0, None)), n_cells]
    blocks = [
        sparse.csr_matrix(counts[start:stop])[:, columns]
        for start, stop in pairwise(bounds)
        if start < stop
    ]
    return sparse.csr_matrix(sparse.vstack(blocks, format="csr"))


def _texts(dataset: h5py.Dataset) -> list[str]:
    return [
        value.decode() if isinstance(value, bytes) else str(value) for value in dataset[:].tolist()
    ]
