"""How the matrix and its tables are made up."""

import warnings

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from input_cases.case import Theme
from input_cases.clean import model_genes

SHAPE = Theme("How the matrix and the tables are made up", shows="counts")
RAW = "raw counts in X"


def first_cell(cells):
    return cells[:1].copy()


@SHAPE.converted(
    "genes as rows and cells as columns",
    "genes_in: rows",
    option="--genes-in rows",
    shows="file",
)
@SHAPE.refused("genes as rows and cells as columns", "the cells look like genes", "--genes-in rows")
def transposed(cells, _):
    return cells.T.copy()  # fmt: skip


@SHAPE.refused("no cells", "0 cells and 280 genes")
def no_cells(cells, _):
    return cells[:0].copy()


@SHAPE.refused("no genes", "80 cells and 0 genes")
def no_genes(cells, _):
    return cells[:, :0].copy()


@SHAPE.accepted("one cell", RAW, like=first_cell)
def one_cell(cells, _):
    return first_cell(cells)


@SHAPE.refused("two cells without any counts", "2 cells have no counts at all", "filter_cells")
def empty_cells(cells, _):
    keep = np.ones((cells.n_obs, 1), dtype="float32")
    keep[[4, 9]] = 0
    cells.X = sparse.csr_matrix(cells.X.multiply(keep))
    return cells


@SHAPE.refused("no counts in any cell", "80 cells have no counts at all")
def all_zero(cells, _):
    cells.X = sparse.csr_matrix(cells.shape, dtype="float32")
    return cells


@SHAPE.accepted("genes without counts in any cell", RAW)
def empty_genes(cells, _):
    none = sparse.csr_matrix((cells.n_obs, 50), dtype="float32")
    return ad.AnnData(
        sparse.hstack([none, cells.X], format="csr"),
        obs=cells.obs,
        var=pd.DataFrame(index=[*(f"AC{i:06d}.1" for i in range(50)), *cells.var_names]),
    )


@SHAPE.accepted("genes in another order", RAW)
def other_order(cells, _):
    return cells[:, ::-1].copy()


def in_disorder(cells):
    """Return the matrix with the entries of each cell backwards."""
    matrix = cells.X
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order = np.lexsort((-matrix.indices, rows))
    return matrix.data[order], matrix.indices[order], matrix.indptr


@SHAPE.accepted("a sparse matrix with unsorted indices", RAW)
def unsorted_indices(cells, _):
    cells.X = sparse.csr_matrix(in_disorder(cells), shape=cells.shape)
    assert not cells.X.has_sorted_indices
    return cells


@SHAPE.converted("a sparse matrix with entries that stand twice, each a part of the counts", RAW)
def duplicated_indices(cells, _):
    data, indices, indptr = in_disorder(cells)
    parts = np.stack([data - 1, np.ones_like(data)], axis=1).ravel()
    cells.X = sparse.csr_matrix((parts, np.repeat(indices, 2), indptr * 2), shape=cells.shape)
    assert not cells.X.has_canonical_format
    return cells


@SHAPE.accepted("a sparse matrix with stored zeros", RAW)
def stored_zeros(cells, _):
    every = np.tile(np.arange(cells.n_vars), cells.n_obs)
    starts = np.arange(cells.n_obs + 1) * cells.n_vars
    cells.X = sparse.csr_matrix((cells.X.toarray().ravel(), every, starts), shape=cells.shape)
    return cells


@SHAPE.accepted("a sparse matrix with indices of 64 bits", RAW)
def long_indices(cells, _):
    cells.X.indices, cells.X.indptr = (
        cells.X.indices.astype("int64"),
        cells.X.indptr.astype("int64"),
    )
    return cells


@SHAPE.accepted("a sparse matrix stored by gene (CSC)", RAW)
def stored_by_gene(cells, _):
    cells.X = sparse.csc_matrix(cells.X)
    return cells


@SHAPE.accepted("a dense matrix stored column by column", RAW, door="python")
def fortran_order(cells, _):
    cells.X = np.asfortranarray(cells.X.toarray())
    return cells


@SHAPE.accepted("cells opened with backed='r'", RAW, door="python")
def backed(cells, folder):
    cells.write_h5ad(folder / "cells.h5ad")
    return ad.read_h5ad(folder / "cells.h5ad", backed="r")


@SHAPE.accepted("a part of cells opened with backed='r'", RAW, door="python", like=first_cell)
def backed_view(cells, folder):
    cells.write_h5ad(folder / "cells.h5ad")
    return ad.read_h5ad(folder / "cells.h5ad", backed="r")[:1]


@SHAPE.accepted("a view of more cells and genes", RAW, door="python")
def view(cells, _):
    more = ad.concat([cells, cells], index_unique="-")
    return more[: cells.n_obs]


@SHAPE.accepted("cells of one name", RAW)
def cells_of_one_name(cells, _):
    with warnings.catch_warnings(action="ignore"):  # anndata warns of such names
        cells.obs.index = pd.Index(["AAAC"] * cells.n_obs)
    return cells


@SHAPE.accepted("cells numbered from 0", RAW)
def numbered_cells(cells, _):
    cells.obs.index = pd.Index([str(number) for number in range(cells.n_obs)])
    return cells


@SHAPE.accepted("columns of obs with texts, categories, numbers and missing values", RAW)
def many_columns(cells, _):
    n = cells.n_obs
    cells.obs["donor"] = pd.Categorical(["a", None] * (n // 2))
    cells.obs["note"] = ["x", "y"] * (n // 2)
    cells.obs["doublet"] = pd.array([True, None] * (n // 2), dtype="boolean")
    cells.obs["score"] = [0.5, np.nan] * (n // 2)
    return cells


@SHAPE.accepted("totals in obs that are texts or have missing values", RAW)
def unusable_totals(cells, _):
    cells.obs["n_counts"] = ["many"] * cells.n_obs
    cells.obs["total_counts"] = [1e6, np.nan] * (cells.n_obs // 2)
    return cells


@SHAPE.accepted("cells that were annotated before, by another model", RAW)
def annotated_before(cells, _):
    cells.obs["predicted_cell_type"] = pd.Categorical(["neuron"] * cells.n_obs)
    cells.obsm["cell_type_probabilities"] = np.ones((cells.n_obs, 1), dtype="float32")
    cells.uns["cellclassifier"] = {"labels": np.array(["neuron"], dtype=object)}
    return cells


@SHAPE.refused(
    "an option that names a layer that is not there", "no layer 'umi'", option="--layer umi"
)
def layer_missing(cells, _):
    return cells[:, list(model_genes())].copy()
