"""Products with tiled kernels are those of NumPy, whatever the shape."""

import numpy as np
import pytest

from cellclassifier.data.compiling import compiled
from cellclassifier.data.line_sums import LANES, MAX_VECTORS, sum_lines
from cellclassifier.data.tiles import (
    TiledKernels,
    multiply_ordered,
    multiply_rows,
    multiply_tiles,
)


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@compiled()
def sum_one(values, places, lines, out):
    sum_lines(values, places, lines, out, 1)


@compiled()
def sum_five(values, places, lines, out):
    sum_lines(values, places, lines, out, 5)


@pytest.mark.parametrize("n_entries", [0, 1, 3, 4, 5, 31])
@pytest.mark.parametrize(("add", "n_vectors"), [(sum_one, 1), (sum_five, 5)], ids=["one", "five"])
def test_lines_are_summed_whatever_was_there(add, n_vectors, n_entries):
    lines, values = random(40, n_vectors * LANES), random(n_entries, seed=1)
    places = np.random.default_rng(2).integers(0, 40, n_entries).astype(np.uint32)
    out = np.full(n_vectors * LANES, np.nan, np.float32)
    add(values, places, lines.ravel(), out)
    np.testing.assert_allclose(out, values @ lines[places], atol=1e-5)


@pytest.mark.parametrize("n_columns", [1, 15, 16, 17, 48, 64, 80, 81, 100, 163, 513])
def test_a_dense_product_is_that_of_numpy(n_columns):
    rows, kernel = random(7, 30), random(30, n_columns, seed=1)
    product = TiledKernels.of([kernel]).times(rows)
    assert (product.shape, product.dtype) == ((7, n_columns), np.float32)
    np.testing.assert_allclose(product, rows @ kernel, atol=2e-5)


@pytest.mark.parametrize("shape", [(0, 5), (3, 0)], ids=["no-rows", "no-lines"])
def test_nothing_is_multiplied(shape):
    product = TiledKernels.of([random(shape[1], 20)]).times(np.empty(shape, np.float32))
    np.testing.assert_array_equal(product, np.zeros((shape[0], 20)))


@pytest.mark.parametrize(
    "layout",
    [
        pytest.param(np.asfortranarray, id="by-column"),
        pytest.param(lambda rows: np.repeat(rows, 2, axis=1)[:, ::2], id="strided"),
        pytest.param(lambda rows: np.hstack([rows, rows])[:, :30], id="part"),
        pytest.param(lambda rows: rows.astype(np.float64), id="double"),
    ],
)
def test_layout_of_the_rows_changes_nothing(layout):
    rows, kernel = random(7, 30), TiledKernels.of([random(30, 20, seed=1)])
    np.testing.assert_array_equal(kernel.times(layout(rows)), kernel.times(rows))


def test_a_row_is_the_same_in_any_company():
    rows, kernel = random(50, 30), TiledKernels.of([random(30, 100, seed=1)])
    together = kernel.times(rows)
    for some in (slice(0, 1), slice(17, 40), slice(None, None, -1)):
        np.testing.assert_array_equal(kernel.times(rows[some]), together[some])


def test_kernels_stand_side_by_side():
    kernels = [random(30, n, seed=n) for n in (1, 90, 0, 33)]
    tiled = TiledKernels.of(kernels)
    assert max(tiled.tiles[:, 2]) <= MAX_VECTORS
    assert tiled.lines.ctypes.data % 64 == 0
    # two rows, one of them with nothing in it
    values, places = random(4, 5, seed=7), np.array([1, 4, 9, 16, 25], np.uint32)
    out = np.empty((2, tiled.n_columns), np.float32)
    multiply_tiles(tiled.layout, tiled.n_lines, (values, places, np.array([0, 0, 5])), out)
    assert not out[0].any()
    for number, (kernel, columns) in enumerate(zip(kernels, tiled.columns, strict=True)):
        np.testing.assert_allclose(out[1, columns], values[number] @ kernel[places], atol=1e-5)


@pytest.mark.parametrize("n_columns", [3, 20, 45, 60, 80, 163])
@pytest.mark.parametrize("n_rows", [1, 2, 5])
def test_a_dense_row_is_summed_as_a_sparse_one_is(n_columns, n_rows):
    tiled, rows = TiledKernels.of([random(31, n_columns)]), random(n_rows, 31, seed=1)
    entries = rows.reshape(1, -1), np.tile(np.arange(31, dtype=np.uint32), n_rows)
    sparse, dense = (np.empty((n_rows, tiled.n_columns), np.float32) for _ in range(2))
    multiply_tiles(tiled.layout, 31, (*entries, np.arange(n_rows + 1) * 31), sparse)
    multiply_rows(tiled.layout, rows, dense)
    np.testing.assert_array_equal(dense, sparse)


@pytest.mark.parametrize("n_columns", [3, 20, 45, 60, 80, 163])
def test_rows_in_order_are_summed_as_others_are(n_columns):
    n_lines, rng = 600, np.random.default_rng(3)  # of which the cache holds some at a time
    tiled = TiledKernels.of([random(n_lines, 5), random(n_lines, n_columns, seed=1)])
    rows = [np.sort(rng.permutation(n_lines)[:n]) for n in (0, 1, 40, 0, n_lines, 7)]
    entries = (
        random(2, sum(map(len, rows)), seed=2),
        np.concatenate(rows).astype(np.uint32),
        np.cumsum([0, *map(len, rows)]),
    )
    whole, in_parts = (np.full((len(rows), tiled.n_columns), np.nan, np.float32) for _ in "12")
    multiply_tiles(tiled.layout, n_lines, entries, whole)
    multiply_ordered(tiled.layout, n_lines, entries, in_parts)
    np.testing.assert_array_equal(in_parts, whole)
