"""What is read of large files when they are opened: tables, and no matrix."""

import tracemalloc

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import zarr
from cell_files import BARCODES, COUNTS, small_cells, write_tenx_v3
from scipy import sparse

from cellclassifier import read_cells, write_cells
from cellclassifier.data import write_predictions
from cellclassifier.errors import OutputError
from cellclassifier.labels import LabelSpace
from cellclassifier.predictions import Predictions

MB = 2**20
# of what opening allocates; the matrices of the files below take 46 MB each
LARGEST_BYTES = 4 * MB


def full_cells():
    """Return cells with something in every slot, dense and sparse."""
    cells = small_cells()
    cells.layers["dense"] = COUNTS.copy()
    cells.layers["by_gene"] = sparse.csc_matrix(COUNTS)
    cells.obsm["X_pca"] = COUNTS[:, :2].copy()
    cells.obsm["table"] = pd.DataFrame({"a": np.arange(len(BARCODES))}, index=BARCODES)
    cells.obsp["distances"] = sparse.csr_matrix(np.eye(len(BARCODES)))
    cells.varm["loadings"] = np.ones((COUNTS.shape[1], 2))
    cells.uns["note"] = "kept"
    cells.raw = small_cells()
    return cells


@pytest.fixture(params=[".h5ad", ".zarr"])
def path(request, tmp_path):
    path = tmp_path / f"cells{request.param}"
    write_cells(full_cells(), path)
    return path


def test_matrices_stay_in_the_file(path):
    cells = read_cells(path)
    array = h5py.Dataset if path.suffix == ".h5ad" else zarr.Array
    for matrix in (cells.X, cells.raw.X, cells.obsp["distances"]):
        assert isinstance(matrix, ad.abc.CSRDataset)
    assert isinstance(cells.layers["by_gene"], ad.abc.CSCDataset)
    for matrix in (cells.layers["dense"], cells.obsm["X_pca"]):
        assert isinstance(matrix, array)


def test_counts_of_10x_stay_in_the_file(tmp_path):
    cells = read_cells(write_tenx_v3(tmp_path / "cells.h5"))
    assert isinstance(cells.X, ad.abc.CSRDataset)


@pytest.mark.parametrize("read", ["to_memory", "copy"])
def test_everything_comes_into_memory(path, read):
    cells = getattr(read_cells(path), read)()
    np.testing.assert_array_equal(cells.X.toarray(), COUNTS)
    np.testing.assert_array_equal(cells.raw.X.toarray(), COUNTS)
    np.testing.assert_array_equal(cells.layers["dense"], COUNTS)
    np.testing.assert_array_equal(cells.layers["by_gene"].toarray(), COUNTS)
    np.testing.assert_array_equal(cells.obsm["X_pca"], COUNTS[:, :2])
    assert cells.obsm["table"]["a"].tolist() == list(range(len(BARCODES)))
    assert cells.obsp["distances"].nnz == len(BARCODES)
    assert cells.varm["loadings"].shape == (COUNTS.shape[1], 2)
    assert cells.uns["note"] == "kept"


def test_rows_come_into_memory_alone(path):
    rows = np.array([5, 0, 3])
    cells = read_cells(path)[rows].copy()
    np.testing.assert_array_equal(cells.X.toarray(), COUNTS[rows])
    np.testing.assert_array_equal(cells.layers["dense"], COUNTS[rows])
    np.testing.assert_array_equal(cells.layers["by_gene"].toarray(), COUNTS[rows])
    np.testing.assert_array_equal(cells.raw.X.toarray(), COUNTS[rows])
    np.testing.assert_array_equal(
        cells.obsp["distances"].toarray(), np.eye(len(BARCODES))[rows][:, rows]
    )


def test_annotated_cells_are_written_whole(path, tmp_path):
    cells = read_cells(path)
    write_predictions(cells, predictions(), {})
    assert isinstance(cells.X, ad.abc.CSRDataset)
    for suffix in (".h5ad", ".zarr"):
        write_cells(cells, tmp_path / f"named{suffix}")
        named = read_cells(tmp_path / f"named{suffix}").copy()
        np.testing.assert_array_equal(named.X.toarray(), COUNTS)
        np.testing.assert_array_equal(named.raw.X.toarray(), COUNTS)
        np.testing.assert_array_equal(named.layers["by_gene"].toarray(), COUNTS)
        assert set(named.obs["predicted_cell_type"]) == {"T"}


def predictions():
    probabilities = np.tile(np.array([0.25, 0.75], dtype=np.float32), (len(BARCODES), 1))
    return Predictions(LabelSpace(("B", "T")), probabilities, pd.Index(BARCODES), 1.0)


def test_the_file_that_is_read_may_be_written_over(tmp_path):
    path = tmp_path / "cells.h5ad"
    write_cells(small_cells(), path)
    cells = read_cells(path)
    write_predictions(cells, predictions(), {})
    write_cells(cells, path)
    assert "predicted_cell_type" in read_cells(path).obs
    write_cells(cells[:3], path)
    assert read_cells(path).n_obs == 3
    np.testing.assert_array_equal(cells.to_memory().X.toarray(), COUNTS)


def test_a_store_that_is_read_may_not_be_written_over(tmp_path):
    path = tmp_path / "cells.zarr"
    write_cells(small_cells(), path)
    cells = read_cells(path)
    with pytest.raises(OutputError, match="cells read from it still have their matrices there"):
        write_cells(cells[:3].copy(), path)
    cells = cells.to_memory()
    write_cells(cells, path)
    assert read_cells(path).n_obs == len(BARCODES)


def large_h5ad(path, data, indices, starts, shape):
    with h5py.File(path, "w") as file:
        for slot, size, letter in (("obs", shape[0], "c"), ("var", shape[1], "g")):
            names = pd.DataFrame(index=[f"{letter}{number}" for number in range(size)])
            ad.io.write_elem(file, slot, names)
        for name in ("X", "layers/counts", "raw/X"):
            group = file.create_group(name)
            group.attrs.update(
                {"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": shape}
            )
            group["data"], group["indices"], group["indptr"] = data, indices, starts
        file.copy("var", file["raw"])


def large_tenx(path, data, indices, starts, shape):
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        group["data"], group["indices"], group["indptr"] = data, indices, starts
        group["shape"] = np.array(shape[::-1])
        group["barcodes"] = np.array([f"c{number}" for number in range(shape[0])], dtype="S")
        genes = np.array([f"g{number}" for number in range(shape[1])], dtype="S")
        group["features/id"] = group["features/name"] = genes
        group["features/feature_type"] = np.full(shape[1], b"Gene Expression")


@pytest.mark.parametrize(
    ("name", "write"), [("cells.h5ad", large_h5ad), ("cells.h5", large_tenx)], ids=["h5ad", "10x"]
)
def test_opening_a_large_file_takes_little_memory(tmp_path, name, write):
    shape, per_cell = (3000, 4000), 2000
    indices = np.tile(np.arange(0, shape[1], 2, dtype=np.int32), shape[0])
    data = np.ones(len(indices), dtype=np.float32)
    starts = np.arange(0, len(indices) + 1, per_cell)
    path = tmp_path / name
    write(path, data, indices, starts, shape)
    n_matrices = 3 if write is large_h5ad else 1
    assert path.stat().st_size >= n_matrices * (data.nbytes + indices.nbytes) >= 45 * MB
    tracemalloc.start()
    try:
        cells = read_cells(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert cells.shape == shape
    assert peak < LARGEST_BYTES
