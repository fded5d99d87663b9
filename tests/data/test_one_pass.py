"""One pass over rows finds what several looks at all values find."""

import numpy as np
import pytest
from scipy import sparse

from cellclassifier.data.counts import one_pass
from cellclassifier.data.counts.one_pass import (
    NO_COUNTS,
    UNSORTED,
    WHOLE,
    WITH_ZEROS,
    scan_rows,
    totals_of_counts,
)
from cellclassifier.data.counts.scanning import MAX_COUNT

DTYPES = ["float32", "float64", "int8", "int32", "int64", "uint16"]


def matrix(values, indices=(0, 2, 0, 1, 2), ends=(0, 2, 2, 5), dtype="float32"):
    arrays = np.array(values, dtype), np.array(indices, np.int32), np.array(ends, np.int32)
    made = sparse.csr_matrix((3, 3), dtype=dtype)
    made.data, made.indices, made.indptr = arrays  # as a broken file would have them
    return made


@pytest.mark.parametrize("dtype", DTYPES)
def test_counts_are_whole_and_their_sums_are_exact(dtype):
    counts = matrix([1, 2, 3, 4, 100], dtype=dtype)
    found, total = scan_rows(counts)
    assert (found, total.tolist()) == (WHOLE, [3.0, 0.0, 107.0])
    found, total = scan_rows(counts, slice(1, 3))
    assert (found, total.tolist()) == (WHOLE, [0.0, 107.0])
    assert totals_of_counts(counts).tolist() == [3.0, 0.0, 107.0]


NO_VALUES = {
    "negative": -1.0,
    "half": 0.5,
    "nan": np.nan,
    "infinite": np.inf,
    "large": 2.0 * MAX_COUNT,
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("value", NO_VALUES.values(), ids=NO_VALUES)
def test_one_other_value_is_found(value, dtype):
    for place in range(5):
        values = np.arange(1.0, 6.0)
        values[place] = value
        assert scan_rows(matrix(values, dtype=dtype))[0] == NO_COUNTS
        assert totals_of_counts(matrix(values, dtype=dtype)) is None


def test_integers_out_of_range_are_found():
    assert scan_rows(matrix([1, 2, 3, 4, MAX_COUNT + 1], dtype="int64"))[0] == NO_COUNTS
    assert scan_rows(matrix([1, 2, -3, 4, 5], dtype="int8"))[0] == NO_COUNTS


def test_floats_of_other_sizes_are_looked_at_more_closely():
    values = 1 + np.array([0, 0, 0, 0, 1e-12], np.longdouble)  # which float32 takes for 1
    assert scan_rows(matrix(values, dtype="longdouble"))[0] == NO_COUNTS


BROKEN = {
    "unsorted": {"indices": (2, 0, 0, 1, 2)},
    "twice": {"indices": (0, 2, 0, 1, 1)},
    "beyond": {"indices": (0, 2, 0, 1, 3)},
    "negative": {"indices": (-1, 2, 0, 1, 2)},
    "ends-fall": {"ends": (0, 4, 2, 5)},
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_columns_that_do_not_ascend_are_found(broken):
    values = matrix([1, 2, 3, 4, 5], **broken)
    assert scan_rows(values)[0] == UNSORTED
    assert totals_of_counts(values) is None


def test_stored_zeros_are_told():
    values = matrix([1, 2, 0, 4, 5])
    found, total = scan_rows(values)
    assert (found, total.tolist()) == (WITH_ZEROS, [3.0, 0.0, 9.0])
    assert totals_of_counts(values) is None


@pytest.mark.parametrize("n_cells", [0, 1, 7, 50])
def test_blocks_on_threads_change_nothing(n_cells, monkeypatch):
    monkeypatch.setattr(one_pass, "BLOCK_CELLS", 7)
    counts = np.random.default_rng(0).poisson(1.0, (n_cells, 40))
    values = sparse.csr_matrix(counts.astype(np.float32))
    np.testing.assert_array_equal(totals_of_counts(values), counts.sum(axis=1))
    if n_cells > 1:
        values.data[-1] = 0.5
        assert totals_of_counts(values) is None
