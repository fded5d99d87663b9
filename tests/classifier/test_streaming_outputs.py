"""Where annotations go: a copy of the cells, a table, or the file of the cells itself."""

import gc

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import zarr
from streamed_cells import KEY, check_same, in_blocks_of, write

from cellclassifier import read_cells
from cellclassifier.classifier.streaming import annotate_file
from cellclassifier.errors import InputError
from cellclassifier.predictions import STATUSES


@pytest.mark.parametrize("name", ["named.csv", "named.csv.gz"])
def test_the_annotations_alone(classifier, cells, tmp_path, name):
    cells.obs_names = [f'a, "{number}"' for number in range(cells.n_obs)]
    path, out = write(cells, tmp_path / "cells.h5ad"), tmp_path / name
    annotate_file(classifier, path, out, streaming=in_blocks_of(64))
    table, expected = pd.read_csv(out), classifier.classify(cells)
    assert table.columns.tolist() == ["cell", "label", "confidence", "set", "novelty", "status"]
    assert table["cell"].tolist() == cells.obs_names.tolist()
    assert table["label"].tolist() == expected.labels.tolist()
    assert table["status"].tolist() == np.array(STATUSES)[expected.trust.status].tolist()
    np.testing.assert_array_equal(table["confidence"].astype(np.float32), expected.confidence)


def test_parquet(classifier, cells, tmp_path):
    path, out = write(cells, tmp_path / "cells.h5ad"), tmp_path / "named.parquet"
    annotate_file(classifier, path, out, streaming=in_blocks_of(64))
    table, expected = pd.read_parquet(out), classifier.classify(cells)
    assert table["cell"].tolist() == cells.obs_names.tolist()
    assert table["label"].tolist() == expected.labels.tolist()
    np.testing.assert_array_equal(table["confidence"].to_numpy(), expected.confidence)


@pytest.mark.parametrize("kind", [".h5ad", ".zarr"])
def test_into_the_file_itself(classifier, cells, tmp_path, kind):
    path = write(cells, tmp_path / f"cells{kind}")
    annotate_file(classifier, path, None, shift=0.0)
    check_same(path, classifier.classify(cells, shift=0.0))
    annotate_file(classifier, path, None)  # in the place of those
    check_same(path, classifier.classify(cells))
    named = read_cells(path).to_memory()
    assert named.obs.columns.tolist() == [
        KEY, "predicted_cell_type", "predicted_cell_type_confidence", "predicted_cell_type_set",
        "predicted_cell_type_novelty", "predicted_cell_type_status",
    ]  # fmt: skip
    assert (named.X != cells.X).nnz == 0
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    if kind == ".zarr":
        assert "predicted_cell_type" in zarr.open_group(path, mode="r")["obs"]
        assert sorted(file.name for file in path.iterdir() if file.name.startswith(".")) == [
            ".zattrs", ".zgroup", ".zmetadata",
        ]  # fmt: skip


@pytest.mark.parametrize("kind", [".h5ad", ".zarr"])
@pytest.mark.parametrize("out", [None, "named"], ids=["in-place", "copy"])
def test_an_earlier_vote_goes(classifier, cells, tmp_path, kind, out):
    cells.obs["predicted_cell_type_vote"] = pd.Categorical(["B"] * cells.n_obs)
    cells.obs["predicted_cell_type_vote_agreement"] = np.float32(1)
    cells.obs["mine"] = 1
    path = write(cells, tmp_path / f"cells{kind}")
    target = out and tmp_path / f"{out}{kind}"
    annotate_file(classifier, path, target)
    columns = read_cells(target or path).to_memory().obs.columns
    assert not [name for name in columns if "vote" in name]
    assert "mine" in columns
    open_ = h5py.File if kind == ".h5ad" else zarr.open_group
    with_obs = open_(target or path, mode="r")["obs"]
    assert "predicted_cell_type_vote" not in with_obs


def test_cells_that_were_read_and_dropped_do_not_hide_what_is_written(classifier, cells, tmp_path):
    path = write(cells, tmp_path / "cells.h5ad")
    expected = classifier.classify(cells)
    gc.disable()
    try:
        read_cells(path)  # its file stays open until it is collected
        annotate_file(classifier, path, None)
        check_same(path, expected)
    finally:
        gc.enable()


def test_nothing_can_be_written_into_other_kinds(classifier, cells, tmp_path):
    cells.to_df().to_csv(tmp_path / "cells.csv")
    with pytest.raises(InputError, match=r"not into .*cells\.csv"):
        annotate_file(classifier, tmp_path / "cells.csv", None, genes_in="columns")


def test_the_copy_keeps_compression_and_what_nobody_knows(classifier, cells, tmp_path):
    path, out = tmp_path / "cells.h5ad", tmp_path / "named.h5ad"
    cells.obsm["X_pca"] = np.ones((cells.n_obs, 3))
    cells.write_h5ad(path, compression="gzip")
    with h5py.File(path, "r+") as file:
        file["X"].attrs["of_mine"] = "kept"
    annotate_file(classifier, path, out)
    with h5py.File(out) as file:
        assert file["X"].attrs["of_mine"] == "kept"
        assert file["X/data"].compression == "gzip"
        assert file["obsm/cell_type_probabilities"].compression == "gzip"
    assert ad.read_h5ad(out).obsm["X_pca"].shape == (600, 3)


def test_the_file_may_be_replaced_by_its_copy(classifier, cells, tmp_path):
    path = write(cells, tmp_path / "cells.h5ad")
    annotate_file(classifier, path, path, streaming=in_blocks_of(50))
    check_same(path, classifier.classify(cells))
