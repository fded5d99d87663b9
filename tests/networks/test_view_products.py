"""From raw counts to products: logarithms, the order of the panel, and what must not matter."""

from typing import NamedTuple

import numpy as np
import pytest
from scipy import sparse

from cellclassifier.data import ViewMoments
from cellclassifier.data.selection import order_rows
from cellclassifier.data.tiles import TiledKernels
from cellclassifier.errors import InputError
from cellclassifier.networks import WideDeepPredictor
from cellclassifier.networks.probabilities import probabilities_of
from cellclassifier.networks.view_products import ViewProducts, log1p_scaled

N_CELLS, N_MEASURED, N_PANEL = 150, 90, 50
SHARES = np.array([0.003, 0.03, 1.0])


class ProductsOfCounts(NamedTuple):
    """From counts as they stand in a file to products, as the network goes."""

    kernels: TiledKernels
    target: np.ndarray

    def __call__(self, counts, scales, rows=slice(None)):
        panel = order_rows(counts, self.target, self.kernels.n_lines, rows)
        return ViewProducts(self.kernels)(panel, scales)


def log1p(values, scale=1.0):
    out = np.empty_like(values)
    log1p_scaled(values, np.float32(scale), out)
    return out


@pytest.fixture(scope="module")
def counts():
    """Counts from none to thousands; some cells have none."""
    rng = np.random.default_rng(0)
    dense = rng.poisson(0.3, (N_CELLS, N_MEASURED)) * rng.integers(1, 4000, (N_CELLS, N_MEASURED))
    dense[[0, 70, N_CELLS - 1]] = 0
    return sparse.csr_matrix(dense.astype(np.float32))


@pytest.fixture(scope="module")
def target():
    """Each place of the panel but the last ten, in disorder, and some columns without one."""
    places = np.full(N_MEASURED, -1, np.int32)
    columns = np.random.default_rng(1).permutation(N_MEASURED)[: N_PANEL - 10]
    places[columns] = np.arange(N_PANEL - 10)
    return places


@pytest.fixture(scope="module")
def scales():
    return np.outer(np.random.default_rng(2).uniform(0.1, 20, N_CELLS), SHARES)


@pytest.fixture(scope="module")
def kernels():
    rng = np.random.default_rng(3)
    return [rng.normal(size=(N_PANEL, n)).astype(np.float32) for n in (3, 40, 17)]


@pytest.fixture(scope="module")
def products(kernels, target):
    return ProductsOfCounts(TiledKernels.of(kernels), target)


def test_logarithms_are_as_exact_as_those_of_numpy():
    rng = np.random.default_rng(0)
    values = np.concatenate([np.exp(rng.uniform(-20, 25, 1_000_000)), np.arange(1, 100_000)])
    values = values.astype(np.float32)
    exact = np.log1p(values.astype(np.float64))
    assert np.abs(log1p(values) / exact - 1).max() < 1.5e-7
    assert np.abs(np.log1p(values) / exact - 1).max() < 1.9e-7


@pytest.mark.parametrize("value", [0.0, 1e-45, 1e-38, 1e-20, 6e-8, 2**-24, 1.0, 3e38])
def test_logarithms_at_the_ends(value):
    values = np.full(5, value, np.float32)
    np.testing.assert_allclose(log1p(values), np.log1p(values.astype(np.float64)), rtol=2e-7)


def test_a_logarithm_is_the_same_at_each_place():
    values = np.exp(np.random.default_rng(0).uniform(-5, 5, 101)).astype(np.float32)
    together = log1p(values, 3)
    np.testing.assert_array_equal(
        np.concatenate([log1p(values[[i]], 3) for i in range(101)]), together
    )


def test_products_are_those_of_each_view(products, counts, target, scales, kernels):
    aligned = np.zeros((N_CELLS, N_PANEL))
    aligned[:, target[target >= 0]] = counts.toarray()[:, target >= 0]
    of_all = products(counts, scales)
    assert of_all.dtype == np.float32
    for view, columns in enumerate(products.kernels.columns):
        expected = np.log1p(aligned * scales[:, [view]]) @ kernels[view]
        np.testing.assert_allclose(of_all[:, columns], expected, atol=1e-4, rtol=1e-5)


def test_columns_of_one_gene_are_added(products, counts, scales, target):
    halves = sparse.csr_matrix(sparse.hstack([counts, 3 * counts]))
    four = products(4 * counts, scales)
    both = ProductsOfCounts(products.kernels, np.tile(target, 2))(halves, scales)
    np.testing.assert_array_equal(both, four)


def test_the_order_of_the_genes_changes_no_bit(products, counts, scales, target):
    order = np.random.default_rng(5).permutation(N_MEASURED)
    turned = ProductsOfCounts(products.kernels, target[order])
    np.testing.assert_array_equal(
        turned(sparse.csr_matrix(counts[:, order]), scales), products(counts, scales)
    )


@pytest.mark.parametrize(
    "rows", [slice(0, 0), slice(0, 1), slice(63, 66), slice(100, None)], ids=str
)
def test_a_cell_is_the_same_in_any_company(products, counts, scales, rows):
    whole = products(counts, scales)[rows]
    np.testing.assert_array_equal(products(counts, scales[rows], rows), whole)
    np.testing.assert_array_equal(products(counts[rows], scales[rows]), whole)


@pytest.mark.parametrize("kind", [np.int32, np.int64], ids=["narrow", "wide"])
@pytest.mark.parametrize("numbers", [np.float32, np.float64, np.uint16, np.int64])
def test_numbers_of_any_kind_are_counts(products, counts, scales, kind, numbers):
    other = counts.copy()
    other.data = other.data.astype(numbers)
    other.indices, other.indptr = other.indices.astype(kind), other.indptr.astype(kind)
    np.testing.assert_array_equal(products(other, scales), products(counts, scales))


def test_arrays_may_be_read_only_and_stay_as_they_were(products, counts, scales):
    other = counts.copy()
    for values in (other.data, other.indices, other.indptr):
        values.setflags(write=False)
    np.testing.assert_array_equal(products(other, scales), products(counts, scales))


@pytest.mark.parametrize("column", [-1, N_MEASURED, 2**31 - 1])
def test_columns_that_do_not_exist_are_refused(products, counts, scales, column):
    broken = counts.copy()
    broken.indices[7] = column
    with pytest.raises(InputError, match=f"but there are {N_MEASURED} genes; its file is broken"):
        products(broken, scales)


# --- the whole network


@pytest.fixture(scope="module")
def network():
    rng = np.random.default_rng(6)

    def weights(*shape):
        return rng.normal(0, 0.3, shape).astype(np.float32)

    return WideDeepPredictor(
        weights(N_PANEL, 8),
        (weights(8, 30), weights(30)),
        (weights(3 * N_PANEL + 30, 5), weights(5)),
        ViewMoments(weights(2, N_PANEL), weights(2, N_PANEL)),
        weights(N_PANEL, 6),
    )


@pytest.mark.parametrize("n_threads", [1, 2, 3, 50])
def test_threads_change_no_bit(network, counts, target, scales, n_threads, monkeypatch):
    predict, scale = network.on_counts(target, None), scales[:, -1]
    alone = predict(counts, scale)
    monkeypatch.setattr("cellclassifier.networks.counts_predictor.BLOCK_CELLS", 7)
    in_blocks = predict(counts, scale, n_threads=n_threads)
    np.testing.assert_array_equal(alone.logits, in_blocks.logits)
    np.testing.assert_array_equal(alone.embedding, in_blocks.embedding)


@pytest.mark.parametrize("n_threads", [1, 3])
def test_who_looks_beside_sees_each_cell_in_the_order_of_the_panel(
    network, counts, target, scales, n_threads, monkeypatch
):
    monkeypatch.setattr("cellclassifier.networks.counts_predictor.BLOCK_CELLS", 7)
    predict, places = network.on_counts(target, None), np.arange(1, N_PANEL + 1)
    seen = np.empty((N_CELLS, 5), np.float32)

    def weigh(rows, panel, probabilities):
        seen[rows] = probabilities
        of_panel = sparse.csr_matrix(tuple(panel), (rows.stop - rows.start, N_PANEL))
        assert of_panel.has_sorted_indices
        return of_panel @ places

    said = predict(counts, scales[:, -1], n_threads=n_threads, companion=weigh)
    aligned = np.zeros((N_CELLS, N_PANEL))
    aligned[:, target[target >= 0]] = counts.toarray()[:, target >= 0]
    np.testing.assert_array_equal(said.beside, aligned @ places)
    np.testing.assert_array_equal(seen, said.probabilities)
    np.testing.assert_array_equal(seen, probabilities_of(said.logits))
    alone = predict(counts, scales[:, -1])
    assert alone.beside is None
    assert alone.probabilities is None


def test_no_cells_have_no_logits(network, counts, target):
    said = network.on_counts(target, None)(counts[:0], np.empty(0))
    assert (said.logits.shape, said.embedding.shape) == ((0, 5), (0, 6))
