"""Loom files."""

import h5py
import numpy as np
import pytest
from cell_files import COUNTS, IDS, N_CELLS, SYMBOLS, write_loom

from cellclassifier import read_cells
from cellclassifier.errors import FileFormatError


@pytest.fixture
def path(tmp_path):
    return write_loom(tmp_path / "cells.loom")


def test_layers_and_attributes_come_along(path):
    cells = read_cells(path)
    np.testing.assert_array_equal(cells.layers["spliced"].toarray(), COUNTS // 2)
    assert cells.obs["n"].tolist() == list(range(N_CELLS))
    assert cells.obsm["tsne"].shape == (N_CELLS, 2)


def test_genes_are_named_by_symbol_where_there_are_no_ids(path):
    with h5py.File(path, "a") as file:
        del file["row_attrs/Accession"]
    cells = read_cells(path)
    assert cells.var_names.tolist() == SYMBOLS
    assert list(cells.var) == ["gene_symbol"]


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("row_attrs/Accession", [*IDS[:-1], IDS[0]], f"the gene '{IDS[0]}' twice"),
        ("row_attrs/Accession", IDS[:-1], "row_attrs/Accession has 6 values for 7"),
        ("col_attrs/CellID", None, "nothing in it names the cells: it has ['n']"),
        ("matrix", ["text"], "not genes x cells of numbers"),
    ],
    ids=["gene_twice", "gene_missing", "no_cells", "text"],
)
def test_parts_that_do_not_fit_are_refused(path, name, values, expected):
    with h5py.File(path, "a") as file:
        del file[name]
        if values is not None:
            file[name] = values
    with pytest.raises(FileFormatError) as refused:
        read_cells(path)
    assert expected in str(refused.value)


def test_an_hdf5_file_of_another_kind_is_refused(path):
    with h5py.File(path, "a") as file:
        del file["row_attrs"]
    with pytest.raises(FileFormatError, match="but not a loom file: it has"):
        read_cells(path)
