"""Cells named from disk: the same as in memory, whatever the blocks and the file."""

import threading

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from streamed_cells import (
    KEY,
    N_GENES,
    as_dense,
    by_columns,
    check_same,
    drawn,
    in_blocks_of,
    log_normalised,
    of_dtype,
    write,
    write_tenx,
)

from cellclassifier import CellTypeClassifier, read_cells
from cellclassifier.classifier.sampling import SAMPLE_CELLS, sample_runs
from cellclassifier.classifier.streaming import annotate_file
from cellclassifier.data import read_predictions
from cellclassifier.data.streaming import KeptBlocks, SettledCounts, turning
from cellclassifier.errors import InputError

# --- the same as in memory


@pytest.mark.parametrize("block_cells", [1, 7, 1000])
def test_blocks_of_any_size_give_what_memory_gives(classifier, cells, tmp_path, block_cells):
    path, out = write(cells, tmp_path / "cells.h5ad"), tmp_path / "named.h5ad"
    expected = classifier.classify(cells)
    assert expected.shift > 0.05
    given = annotate_file(classifier, path, out, streaming=in_blocks_of(block_cells))
    check_same(out, expected)
    assert given.codes.tolist() == expected.codes.tolist()
    np.testing.assert_array_equal(given.confidence, expected.confidence)
    assert (given.shift, given.gene_coverage) == (expected.shift, 1.0)
    assert given.evidence == "raw counts in X"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["cells.h5ad", "named.h5ad"]


def test_the_keys_are_those_of_annotate(classifier, cells, tmp_path):
    path, out = write(cells, tmp_path / "cells.h5ad"), tmp_path / "named.h5ad"
    annotate_file(classifier, path, out)
    expected = classifier.annotate(cells.copy())
    named = ad.read_h5ad(out)
    pd.testing.assert_frame_equal(named.obs, expected.obs)
    pd.testing.assert_frame_equal(named.var, expected.var)
    assert set(named.obsm) == set(expected.obsm)
    assert named.uns["cellclassifier"].keys() == expected.uns["cellclassifier"].keys()
    assert (named.X != expected.X).nnz == 0


KINDS = {
    "gzip": ("cells.h5ad", lambda cells, path: cells.write_h5ad(path, compression="gzip")),
    "dense": ("cells.h5ad", lambda cells, path: write(as_dense(cells), path)),
    "by-columns": ("cells.h5ad", lambda cells, path: write(by_columns(cells), path)),
    "float64": ("cells.h5ad", lambda cells, path: write(of_dtype(cells, np.float64), path)),
    "int64": ("cells.h5ad", lambda cells, path: write(of_dtype(cells, np.int64), path)),
    "zarr": ("cells.zarr", write),
    "zarr-dense": ("cells.zarr", lambda cells, path: write(as_dense(cells), path)),
    "tenx": ("cells.h5", write_tenx),
    "csv": ("cells.csv", lambda cells, path: cells.to_df().to_csv(path)),
}


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file(classifier, cells, tmp_path, kind, suffix):
    name, make = KINDS[kind]
    expected = classifier.classify(cells)
    make(cells.copy(), tmp_path / name)
    out = tmp_path / f"named{suffix}"
    options = {"genes_in": "columns"} if kind == "csv" else {}
    annotate_file(classifier, tmp_path / name, out, streaming=in_blocks_of(100), **options)
    check_same(out, expected)
    named = read_cells(out).to_memory()
    assert named.obs_names.tolist() == cells.obs_names.tolist()
    assert named.var_names.tolist() == cells.var_names.tolist()
    assert np.abs(named.X - cells.X).max() == 0
    if kind not in ("tenx", "csv"):
        assert named.obs[KEY].tolist() == cells.obs[KEY].tolist()


@pytest.mark.parametrize("name", ["cells.h5ad", "cells.zarr"])
def test_columns_are_turned_piece_by_piece(classifier, cells, tmp_path, monkeypatch, name):
    monkeypatch.setattr(turning, "PIECE_VALUES", 5_000)
    expected = classifier.classify(cells)
    path, out = write(by_columns(cells), tmp_path / name), tmp_path / "named.csv"
    given = annotate_file(classifier, path, out, streaming=in_blocks_of(100))
    np.testing.assert_array_equal(given.confidence, expected.confidence)
    assert sorted(file.name for file in tmp_path.iterdir()) == [name, "named.csv"]


def layered(cells):
    cells.layers["counts"], cells.X = cells.X.copy(), -cells.X
    return "raw counts in layers['counts']"


def raw_beside(cells):
    cells.raw = cells.copy()
    cells.X = -cells.X
    return "raw counts in raw.X"


def larger_raw(cells):
    whole = cells.copy()
    del cells.varm
    cells._inplace_subset_var(np.arange(N_GENES - 5))
    cells.raw = whole
    return "raw counts in raw.X"


def undone(cells):
    cells.X = log_normalised(cells).X
    return "X is log1p of counts per 10,000, undone exactly: every value came out whole"


def plainly_undone(cells):
    cells.X = cells.X.log1p()
    return "X is log1p of counts, undone exactly: every value came out whole"


def duplicated(cells):
    cells.var_names = [f"GENE{number // 2 * 2}" for number in range(N_GENES)]
    return "raw counts in X"


@pytest.mark.parametrize(
    "change", [layered, raw_beside, larger_raw, undone, plainly_undone, duplicated]
)
@pytest.mark.parametrize("block_cells", [1, 64])
def test_counts_wherever_they_are(classifier, cells, tmp_path, change, block_cells):
    evidence = change(cells)
    path, out = write(cells, tmp_path / "cells.h5ad"), tmp_path / "named.h5ad"
    expected = classifier.classify(read_cells(path))
    given = annotate_file(classifier, path, out, streaming=in_blocks_of(block_cells))
    check_same(out, expected)
    assert given.evidence == evidence


def test_library_sizes_that_are_given(classifier, cells, tmp_path):
    cells.obs["depth"] = np.asarray(cells.X.sum(axis=1)).ravel() + 50
    cells = cells[:, :90].copy()
    path, out = write(cells, tmp_path / "cells.h5ad"), tmp_path / "named.h5ad"
    where = {"library_size_key": "depth"}
    annotate_file(classifier, path, out, streaming=in_blocks_of(64), **where)
    check_same(out, classifier.classify(cells, **where))


def test_options_are_those_of_classify(classifier, cells, tmp_path):
    cells.X = cells.X * 1.5
    path, out = write(cells, tmp_path / "cells.h5ad"), tmp_path / "named.h5ad"
    options = {"allow_non_integer": True, "shift": 0.0}
    annotate_file(classifier, path, out, streaming=in_blocks_of(64), **options)
    check_same(out, classifier.classify(cells, **options))


# --- a sample settles what depends on all


def test_the_sample_is_seeded_runs_all_over_the_file():
    runs = sample_runs(100_000)
    assert runs == sample_runs(100_000)
    assert sum(run.stop - run.start for run in runs) == SAMPLE_CELLS
    starts = np.array([run.start for run in runs])
    assert (np.diff(starts) > 0).all()
    assert starts[0] < 20_000
    assert starts[-1] > 80_000
    assert sample_runs(SAMPLE_CELLS) == [slice(0, SAMPLE_CELLS)]


def test_more_cells_than_the_sample(classifier, tmp_path):
    cells = drawn(3_000, seed=5, spread=0.3)
    rows = np.concatenate([np.arange(run.start, run.stop) for run in sample_runs(3_000)])
    shift = classifier.classify(cells[rows].copy()).shift
    path = write(cells, tmp_path / "cells.h5ad")
    annotate_file(classifier, path, tmp_path / "named.h5ad", streaming=in_blocks_of(500))
    annotate_file(classifier, path, tmp_path / "again.h5ad", streaming=in_blocks_of(77))
    expected = classifier.classify(cells, shift=shift)
    check_same(tmp_path / "named.h5ad", expected)
    check_same(tmp_path / "again.h5ad", expected)


# --- bounds


def test_no_more_blocks_in_memory_than_threads_need(classifier, cells, tmp_path, monkeypatch):
    path = write(cells, tmp_path / "cells.h5ad")
    lock, held, most = threading.Lock(), [0], [0]
    block, save = SettledCounts.block, KeptBlocks.save

    def counted(self, start, stop):
        with lock:
            held[0] += 1
            most[0] = max(most[0], held[0])
        return block(self, start, stop)

    def saved(self, number, arrays):
        save(self, number, arrays)
        with lock:
            held[0] -= 1

    monkeypatch.setattr(SettledCounts, "block", counted)
    monkeypatch.setattr(KeptBlocks, "save", saved)
    annotate_file(classifier, path, tmp_path / "named.csv", streaming=in_blocks_of(10, n_threads=2))
    assert most[0] <= 2


def test_a_block_has_a_cell_or_more():
    with pytest.raises(InputError, match="one cell or more, not 0"):
        in_blocks_of(0)


def test_a_network_without_adaptation(cells, tmp_path):
    path, out = write(cells, tmp_path / "cells.h5ad"), tmp_path / "named.h5ad"
    for n_known, knows in ((60, False), (600, True)):
        linear = CellTypeClassifier("linear").fit(drawn(n_known, seed=3), labels_key=KEY)
        annotate_file(linear, path, out, streaming=in_blocks_of(64))
        expected = linear.classify(cells)
        check_same(out, expected)
        assert (expected.shift is not None) == (expected.trust is not None) == knows
    found = read_predictions(read_cells(out))
    np.testing.assert_array_equal(found.trust.novelty, expected.trust.novelty)
    np.testing.assert_array_equal(found.trust.status, expected.trust.status)
    advice = linear.annotate(cells).uns["cellclassifier"]["advice"]
    assert read_cells(out).uns["cellclassifier"]["advice"] == advice
