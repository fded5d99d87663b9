"""Counts kept on disk for training: tallied, ranked, written, and read row by row."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from cellclassifier.data import GenePanel, Normalisation, rank_genes, sparse_views
from cellclassifier.data.ranking import POOLED_FROM, rank_tallied
from cellclassifier.data.row_sources import NormalisedRows, gene_means, views_of_source
from cellclassifier.data.streaming import cache
from cellclassifier.data.streaming.reference import PanelBlock
from cellclassifier.data.streaming.tally import CountTally
from cellclassifier.errors import FileFormatError
from cellclassifier.training.batches import POOL_CELLS, mixed_order
from cellclassifier.trust.type_totals import TypeTotals
from cellclassifier.trust.unexpected import TypeRates

N_CELLS, N_GENES, N_TYPES = 200, 30, 4


def drawn(largest=40, seed=0):
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, largest + 1, (N_CELLS, N_GENES)) * (
        rng.random((N_CELLS, N_GENES)) < 0.3
    )
    counts[0, 0] = largest
    return sparse.csr_matrix(counts.astype(np.float32)), rng.integers(0, N_TYPES, N_CELLS)


def kept(folder, counts, n_blocks=3):
    layout = cache.CacheLayout.of(
        N_CELLS, counts.getnnz(axis=0), float(counts.data.max()), is_whole=True
    )
    sizes = np.asarray(counts.sum(axis=1), dtype=float).ravel()
    blocks = [
        PanelBlock(counts[rows], sizes[rows])
        for rows in np.array_split(np.arange(N_CELLS), n_blocks)
    ]
    return cache.write_cache(folder, layout, blocks, np.zeros(N_CELLS, np.int32))


def assert_equal(found, expected):
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype == np.float32
    for part in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(found, part), getattr(expected, part))


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    counts, _ = drawn()
    opened = kept(tmp_path_factory.mktemp("cache"), counts)
    yield opened, counts
    opened.close()


@given(rows=st.lists(st.integers(0, N_CELLS - 1), max_size=60))
@settings(max_examples=60, deadline=None)
def test_any_rows_come_in_the_order_asked_for(stored, rows):
    opened, counts = stored
    assert_equal(opened[np.array(rows, dtype=np.intp)], counts[rows])


@pytest.mark.parametrize("rows", [slice(None), slice(17, 90), slice(5, 5)], ids=str)
def test_runs_of_rows_are_read_as_they_stand(stored, rows):
    opened, counts = stored
    assert_equal(opened[rows], counts[rows])


@pytest.mark.parametrize(
    ("largest", "kind"), [(255, "<u1"), (256, "<u2"), (65_535, "<u2"), (65_536, "<u4")]
)
def test_counts_take_the_fewest_bytes_that_hold_them(tmp_path, largest, kind):
    counts, _ = drawn(largest)
    opened = kept(tmp_path, counts)
    assert opened.layout.counts == kind
    assert sum(file.stat().st_size for file in tmp_path.glob("*.bin")) == opened.layout.n_bytes
    assert_equal(opened[:], counts)
    opened.close()


def test_a_cache_of_another_length_is_refused(tmp_path):
    counts, _ = drawn()
    opened = kept(tmp_path, counts)
    opened.close()
    with (tmp_path / cache.GENES).open("ab") as stream:
        stream.write(b"\0\0")
    with pytest.raises(FileFormatError, match="Remove the folder"):
        cache.CountsCache.open(tmp_path, opened.layout)


def test_expression_and_its_views_are_those_of_memory(stored):
    opened, counts = stored
    normalisation = Normalisation(counts_per_cell=1e4)
    from_disk = NormalisedRows(opened, opened.library_size, normalisation)
    in_memory = NormalisedRows(counts, opened.library_size, normalisation)[:]
    for found, expected in zip(views_of_source(from_disk), sparse_views(in_memory), strict=True):
        assert_equal(found[:], expected)
    np.testing.assert_array_equal(gene_means(from_disk), gene_means(in_memory))


def test_tallied_blocks_rank_genes_as_the_whole_does():
    counts, codes = drawn(seed=1)
    genes = GenePanel.of_names([f"G{number}" for number in range(N_GENES)])
    tally = CountTally.empty(N_GENES, N_TYPES)
    for rows in np.array_split(np.arange(N_CELLS), 7):
        tally.add(counts[rows], codes[rows])
    expected = rank_genes(counts, codes, genes)
    found = rank_tallied(tally.n_cells, np.bincount(codes), genes)
    np.testing.assert_array_equal(found.divergence, expected.divergence)
    np.testing.assert_array_equal(found.n_cells, expected.n_cells)
    np.testing.assert_array_equal(tally.largest, counts.max(axis=0).toarray().ravel())
    np.testing.assert_array_equal(tally.n_detected, counts.getnnz(axis=0))
    pooled = ((counts.toarray() >= POOLED_FROM) & (codes == 2)[:, None]).sum(axis=0)
    np.testing.assert_array_equal(tally.n_cells[:, -1, 2], pooled)


def test_totals_do_not_depend_on_blocks():
    counts, codes = drawn(seed=2)
    sizes = np.asarray(counts.sum(axis=1), dtype=float).ravel() + 7
    totals = TypeTotals.empty(N_TYPES, N_GENES)
    for rows in np.array_split(np.arange(N_CELLS), 9):
        totals.add(counts[rows], sizes[rows], codes[rows])
    expected = TypeRates.of(counts, sizes, codes, N_TYPES)
    np.testing.assert_array_equal(TypeRates.of_totals(totals).rates, expected.rates)
    np.testing.assert_array_equal(TypeRates.of_totals(totals).dispersion, expected.dispersion)
    dense = counts.toarray().astype(float)
    for code in range(N_TYPES):
        own = codes == code
        np.testing.assert_array_equal(totals.counts[code], dense[own].sum(axis=0))
        np.testing.assert_array_equal(totals.products[code], sizes[own] @ dense[own])


@pytest.mark.parametrize("n_cells", [1, 63, POOL_CELLS, POOL_CELLS + 1, 3 * POOL_CELLS + 100])
def test_a_mixed_order_holds_each_cell_once_and_reads_runs(n_cells):
    order = mixed_order(n_cells, np.random.default_rng(0))
    np.testing.assert_array_equal(np.sort(order), np.arange(n_cells))
    for start in range(0, n_cells - POOL_CELLS, POOL_CELLS):
        pool = order[start : start + POOL_CELLS]
        assert len(np.unique(pool // 64)) == 64
        # of two that follow one another few stand side by side in the file
        assert (np.abs(np.diff(pool)) == 1).mean() < 0.01
