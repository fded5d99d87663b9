"""Sparse times dense is what SciPy says, whatever the number of threads."""

import numpy as np
import pytest
from scipy import sparse

from cellclassifier.networks import products, times_dense


def random_csr(n_rows, n_columns, density=0.2, seed=0):
    rng = np.random.default_rng(seed)
    return sparse.random(
        n_rows, n_columns, density, format="csr", dtype=np.float32, random_state=rng
    )


def random_dense(*shape):
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


@pytest.fixture(autouse=True)
def _in_parallel(monkeypatch):
    """Let threads share even the smallest product."""
    monkeypatch.setattr(products, "MIN_PARALLEL", 0)


@pytest.mark.parametrize(
    ("n_rows", "n_columns", "n"),
    [(7, 5, 3), (1, 5, 1), (5, 1, 2), (0, 5, 3), (7, 5, 0), (300, 40, 6)],
    ids=str,
)
@pytest.mark.parametrize("n_threads", [1, 3, None])
def test_product_is_that_of_scipy(n_rows, n_columns, n, n_threads):
    matrix, dense = random_csr(n_rows, n_columns), random_dense(n_columns, n)
    product = times_dense(matrix, dense, n_threads=n_threads)
    assert (product.shape, product.dtype) == ((n_rows, n), np.float32)
    np.testing.assert_allclose(product, matrix @ dense, atol=1e-5)


@pytest.mark.parametrize("n_threads", [2, 3, 8, 200])
def test_threads_do_not_change_a_bit(n_threads):
    matrix, dense = random_csr(150, 60), random_dense(60, 9)
    alone = times_dense(matrix, dense, n_threads=1)
    np.testing.assert_array_equal(times_dense(matrix, dense, n_threads=n_threads), alone)


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_empty_rows_at_both_ends_and_between_are_zero(n_threads):
    dense_rows = random_csr(40, 12).toarray()
    dense_rows[[0, 1, 2, 17, 18, 37, 38, 39]] = 0
    product = times_dense(sparse.csr_matrix(dense_rows), random_dense(12, 4), n_threads=n_threads)
    np.testing.assert_allclose(product, dense_rows @ random_dense(12, 4), atol=1e-5)
    assert not product[[0, 17, 39]].any()


def test_all_rows_in_one_are_still_summed():
    matrix = sparse.csr_matrix((9, 20), dtype=np.float32)
    np.testing.assert_array_equal(times_dense(matrix, random_dense(20, 2), n_threads=4), 0)
    one_row = sparse.vstack([matrix, random_csr(1, 20, 1.0), matrix], format="csr")
    product = times_dense(one_row, random_dense(20, 2), n_threads=4)
    np.testing.assert_allclose(product, one_row @ random_dense(20, 2), atol=1e-5)


@pytest.mark.parametrize("kind", [np.int32, np.int64])
def test_indices_may_have_either_width(kind):
    matrix = random_csr(30, 10)
    expected = times_dense(matrix, random_dense(10, 3))
    matrix.indices, matrix.indptr = matrix.indices.astype(kind), matrix.indptr.astype(kind)
    np.testing.assert_array_equal(times_dense(matrix, random_dense(10, 3)), expected)


@pytest.mark.parametrize(
    "layout",
    [
        pytest.param(np.asfortranarray, id="by-column"),
        pytest.param(lambda dense: np.repeat(dense, 2, axis=1)[:, ::2], id="strided"),
        pytest.param(lambda dense: dense[::-1].copy()[::-1], id="backwards"),
        pytest.param(lambda dense: dense.astype(np.float64), id="double"),
    ],
)
def test_layout_of_the_dense_side_changes_nothing(layout):
    matrix, dense = random_csr(30, 10), random_dense(10, 4)
    np.testing.assert_array_equal(times_dense(matrix, layout(dense)), times_dense(matrix, dense))


def test_arrays_may_be_read_only_and_stay_as_they_were():
    matrix, dense = random_csr(30, 10), random_dense(10, 4)
    for values in (matrix.data, matrix.indices, matrix.indptr, dense):
        values.setflags(write=False)
    np.testing.assert_allclose(times_dense(matrix, dense), matrix @ dense, atol=1e-5)


@pytest.mark.parametrize(
    ("asked", "n_threads"), [("1", 1), ("0", 1), ("2,1", 4), ("", 4), ("9", 4)]
)
def test_threads_asked_for_are_an_upper_bound(monkeypatch, asked, n_threads):
    monkeypatch.setattr(products, "n_cores", lambda: 4)
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert products._n_threads() == n_threads
