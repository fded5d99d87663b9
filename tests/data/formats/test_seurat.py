"""Files that R wrote; golden/make_golden.R says how."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cellclassifier import read_cells
from cellclassifier.data import formats
from cellclassifier.errors import FileFormatError, InputError, MissingExtraError

GOLDEN = Path(__file__).parent / "golden"
GENES = ["CD3D", "CD3E", "MS4A1", "CD79A", "NKG7", "GNLY", "LYZ", "CD14"]
COUNTS = np.array(
    [
        [0, 1, 1, 2, 0, 2, 3, 1],
        [1, 0, 0, 0, 1, 1, 2, 1],
        [1, 4, 1, 2, 3, 0, 1, 0],
        [0, 1, 0, 1, 2, 0, 1, 1],
        [1, 0, 2, 1, 2, 0, 1, 1],
    ]
)
OBJECTS = ["seurat4", "seurat5", "experiment", "summarized"]


def counts_of(name):
    counts = COUNTS.copy()
    if name == "seurat5":  # its second layer was made without the first gene
        counts[3:, 0] = 0
    return counts


@pytest.mark.parametrize("name", [*OBJECTS, "dgcmatrix", "matrix"])
def test_counts_and_names(name):
    cells = read_cells(GOLDEN / f"{name}.rds")
    np.testing.assert_array_equal(cells.X.toarray(), counts_of(name))
    assert cells.X.dtype == np.float32
    assert cells.var_names.tolist() == GENES
    assert cells.obs_names.tolist() == [f"cell{number}" for number in range(1, 6)]


@pytest.mark.parametrize("name", OBJECTS)
def test_what_is_told_of_the_cells(name):
    obs = read_cells(GOLDEN / f"{name}.rds").obs
    assert obs["cell_type"].tolist() == ["T", "B", "NK", "T", "B"]
    assert obs["cell_type"].dtype == "category"
    assert pd.isna(obs["donor"].iloc[2])
    assert np.isnan(obs["score"].iloc[1])
    assert obs["n"].tolist() == [1, 2, 3, 4, 5]


def test_what_is_told_of_the_genes():
    var = read_cells(GOLDEN / "experiment.rds").var
    assert var["ID"].iloc[7] == "ENSG00000000008"


def test_the_assay_of_genes_is_read_and_not_the_active_one():
    settled = read_cells(GOLDEN / "seurat4.rds").uns["read_cells"]
    assert (settled["assay"], settled["layers"].tolist()) == ("RNA", ["counts"])


def test_layers_of_seurat_5_are_joined():
    settled = read_cells(GOLDEN / "seurat5.rds").uns["read_cells"]
    assert settled["layers"].tolist() == ["counts.a", "counts.b"]
    assert settled["n_genes_not_in_every_layer"] == 1


def test_a_matrix_is_turned_by_the_users_word():
    cells = read_cells(GOLDEN / "dgcmatrix.rds", genes_in="columns")
    np.testing.assert_array_equal(cells.X.toarray(), COUNTS.T)


def test_an_object_takes_no_word():
    with pytest.raises(InputError, match="a Seurat itself says where its genes are"):
        read_cells(GOLDEN / "seurat4.rds", genes_in="rows")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("data_frame", "it holds a data.frame"), ("unnamed", "no names of rows"), ("call", "a LANG")],
)
def test_other_objects_are_refused(name, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileFormatError, match=expected) as refused:
        read_cells(GOLDEN / f"{name}.rds")
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.iterdir())  # the call in the file would have left one


@pytest.mark.parametrize("share", [0.0, 0.3, 0.95])
def test_a_file_cut_off_is_refused(tmp_path, share):
    content = (GOLDEN / "seurat4.rds").read_bytes()
    path = tmp_path / "cells.rds"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(FileFormatError, match="cannot be read as cells of R"):
        read_cells(path)


def test_without_the_extra_the_way_to_it_and_around_it_is_told(monkeypatch):
    for name in ("r_objects", "seurat"):
        monkeypatch.delitem(sys.modules, f"{formats.__name__}.{name}", raising=False)
        monkeypatch.delattr(formats, name, raising=False)
    monkeypatch.setitem(sys.modules, "rdata.parser", None)
    with pytest.raises(MissingExtraError, match=r"cellclassifier\[rds\].*Matrix::writeMM"):
        read_cells(GOLDEN / "seurat4.rds")
