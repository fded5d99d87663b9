"""Some rows of counts, in memory and in a file."""

import anndata as ad
import h5py
import numpy as np
import pytest
from anndata.io import sparse_dataset
from scipy import sparse

from cellclassifier.data import find_counts
from cellclassifier.data.streaming.buffers import Buffers
from cellclassifier.data.streaming.rows import read_rows, read_runs

RUNS = {
    "several": [slice(0, 3), slice(3, 3), slice(7, 9), slice(19, 20)],
    "one": [slice(4, 12)],
    "empty_cells": [slice(5, 6), slice(10, 11)],
    "none": [slice(2, 2)],
}


@pytest.fixture
def counts():
    counts = sparse.random_array((20, 30), density=0.3, rng=np.random.default_rng(0), format="lil")
    counts[[5, 10]] = 0
    counts = sparse.csr_matrix(counts)
    counts.data = np.ceil(10 * counts.data).astype(np.float32)
    return counts


@pytest.fixture
def stored(counts, tmp_path):
    ad.AnnData(counts).write_h5ad(tmp_path / "cells.h5ad")
    with h5py.File(tmp_path / "cells.h5ad") as file:
        yield sparse_dataset(file["X"])


@pytest.mark.parametrize("runs", RUNS.values(), ids=RUNS)
def test_runs_of_rows_of_a_file_are_one_below_the_other(counts, stored, runs):
    read = read_runs(stored, runs)
    expected = sparse.vstack([counts[run] for run in runs])
    assert read.shape == expected.shape
    assert (read != expected).nnz == 0
    assert read.data.dtype == np.float32
    assert read.indices.dtype == np.int32


def test_rows_read_into_the_same_memory_are_those_of_the_last_call(counts, stored):
    buffers = Buffers()
    for start, stop in [(0, 20), (3, 8), (10, 11)]:
        assert (read_rows(stored, start, stop, buffers) != counts[start:stop]).nnz == 0


@pytest.mark.parametrize(
    ("rows", "is_view"),
    [([7, 8, 9], True), ([9, 8, 7], False), ([-2, -1], False), ([], False)],
    ids=["consecutive", "backwards", "from_the_end", "none"],
)
def test_cells_of_some_rows(counts, rows, is_view):
    filled = sparse.csr_matrix(counts.toarray() + np.eye(20, 30, dtype=np.float32))
    raw, rows = find_counts(ad.AnnData(filled)), np.array(rows, dtype=int)
    some = raw[rows]
    assert np.array_equal(some.counts.toarray(), filled.toarray()[rows])
    assert some.cell_names.tolist() == raw.cell_names[rows].tolist()
    assert np.array_equal(some.library_size, raw.library_size[rows])
    assert np.shares_memory(some.counts.data, raw.counts.data) == is_view
