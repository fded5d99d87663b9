"""The compiled proof shows what the one in NumPy shows."""

import numpy as np
import pytest
from scipy import sparse

from cellclassifier.data.counts import witness
from cellclassifier.data.counts.cells import FilledCells
from cellclassifier.data.counts.inversion import invert
from cellclassifier.data.counts.libraries import LibrarySizes
from cellclassifier.data.counts.transforms import TRANSFORMS
from cellclassifier.errors import CountsError

LOGS = [transform for transform in TRANSFORMS if transform.kind == "log"]
N_CELLS, N_GENES = 60, 300


def drawn(seed, largest=40):
    rng = np.random.default_rng(seed)
    means = rng.lognormal(-1, 1.5, size=N_GENES)
    counts = np.minimum(rng.poisson(rng.gamma(3, 0.5, size=(N_CELLS, 1)) * means), largest)
    counts[:, 0] += 1  # no cell is empty
    counts[3] *= 2  # the smallest count of this cell is two
    return counts.astype(np.float64)


def logarithms(counts, constant, log_base):
    scaled = counts * (constant / counts.sum(axis=1, keepdims=True))
    return sparse.csr_matrix((np.log1p(scaled) / log_base).astype(np.float32))


@pytest.fixture
def compiled(monkeypatch):
    monkeypatch.setattr(witness, "MIN_COMPILED", 0)


@pytest.mark.parametrize("transform", LOGS, ids=lambda transform: transform.undoing)
@pytest.mark.parametrize("constant", [1e3, 1e4, 1e6])
@pytest.mark.parametrize("is_unit_given", [False, True])
def test_both_prove_the_same_cells_and_counts(transform, constant, is_unit_given):
    counts = drawn(seed=1)
    cells = FilledCells.of(logarithms(counts, constant, transform.log_base))
    unit = constant / counts.sum(axis=1) if is_unit_given else None
    seen = []
    for show in (witness.witnessed, witness._compiled):
        told = np.empty(len(cells.values), dtype=np.float32)
        proved, units, total = show(cells, transform, unit, constant, told)
        seen.append((proved, units, total, told))
    (ours, our_units, our_totals, our_counts), (theirs, units, totals, told) = seen
    of_value = np.repeat(theirs, cells.n_values)
    assert theirs.mean() > 0.9
    assert not np.any(theirs & ~ours)
    np.testing.assert_array_equal(told[of_value], our_counts[of_value])
    if is_unit_given:  # without it, a cell comes back divided by its common divisor
        np.testing.assert_array_equal(told[of_value], counts[counts > 0][of_value])
    np.testing.assert_allclose(units[theirs], our_units[theirs], rtol=1e-12)
    np.testing.assert_array_equal(totals[theirs], our_totals[theirs])


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("transform", LOGS, ids=lambda transform: transform.undoing)
@pytest.mark.parametrize("is_given", [False, True], ids=["sums", "library-sizes"])
def test_counts_come_back(transform, is_given):
    counts = drawn(seed=2)
    values = logarithms(counts, 1e4, transform.log_base)
    given = LibrarySizes(given=counts.sum(axis=1)) if is_given else None
    inversion = invert(values, given)
    expected = counts.copy()
    if not is_given:  # a common divisor cannot be seen
        expected[3] /= np.gcd.reduce(counts[3].astype(int))
    np.testing.assert_array_equal(inversion.counts.toarray(), expected)
    assert inversion.counts_per_cell == 1e4


@pytest.mark.usefixtures("compiled")
def test_one_value_that_is_no_count_is_found():
    values = logarithms(drawn(seed=3), 1e4, 1.0)
    values.data[values.indptr[20] + 5] += np.float32(1e-4)
    with pytest.raises(CountsError, match="does not give whole numbers"):
        invert(values)


@pytest.mark.parametrize("off", [0.3, 2.0])
def test_a_value_off_by_more_than_rounding_is_not_proved(off):
    counts = drawn(seed=4)
    values = logarithms(counts, 1e4, 1.0)
    slack = witness.FLOAT32_ULPS * max(float(values.data[0]), 1.0)
    values.data[0] += np.float32(off * slack)
    cells = FilledCells.of(values)
    told = np.empty(len(cells.values), dtype=np.float32)
    proved, *_ = witness._compiled(cells, LOGS[0], 1e4 / counts.sum(axis=1), 1e4, told)
    assert proved[0] == (off < 1)
