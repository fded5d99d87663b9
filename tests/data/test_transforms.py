"""Counts come back from every transform that is undone, and from nothing else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from cellclassifier.data.counts.cells import BLOCK_VALUES, FilledCells
from cellclassifier.data.counts.intervals import Intervals, prove_by_smallest
from cellclassifier.data.counts.inversion import invert
from cellclassifier.data.counts.libraries import LibrarySizes, LibrarySizeUnknownError
from cellclassifier.data.counts.transforms import TRANSFORMS
from cellclassifier.data.counts.witness import witnessed
from cellclassifier.errors import CountsError

FORWARD = {
    "log1p of ": np.log1p,
    "log2(1 + x) of ": lambda x: np.log2(1 + x),
    "log10(1 + x) of ": lambda x: np.log10(1 + x),
    "": lambda x: x,
    "the square root of ": np.sqrt,
}
NAMES = ["log1p", "log2", "log10", "unchanged", "root"]
each_transform = pytest.mark.parametrize("name", FORWARD, ids=NAMES)
GENES_PRESENT = LibrarySizes(genes_present=True)


def drawn_counts(seed, n_cells=30, n_genes=40, mean=3.0):
    """Draw counts of genes that differ, each cell with a gene of one count."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(rng.gamma(0.5, 2 * mean, size=n_genes), size=(n_cells, n_genes))
    counts[:, 0] = 1
    return counts


def transformed(counts, name, unit, dtype="float32"):
    scaled = np.asarray(counts, dtype=np.float64) * np.asarray(unit, dtype=np.float64)
    return sparse.csr_matrix(FORWARD[name](scaled).astype(dtype))


def per_constant(counts, constant):
    return constant / counts.sum(axis=1, keepdims=True)


seeds = st.integers(0, 2**32 - 1)
dtypes = st.sampled_from(["float32", "float64"])
names = st.sampled_from(list(FORWARD))


@settings(deadline=None, max_examples=200)
@given(seed=seeds, name=names, dtype=dtypes, digits=st.integers(100, 9999), power=st.integers(0, 4))
def test_counts_per_any_constant_come_back(seed, name, dtype, digits, power):
    counts, constant = drawn_counts(seed), digits * 10.0**power
    found = invert(transformed(counts, name, per_constant(counts, constant), dtype))
    np.testing.assert_array_equal(found.counts.toarray(), counts)
    np.testing.assert_array_equal(found.library_size, counts.sum(axis=1))
    assert found.transform.name == name
    assert found.counts_per_cell == pytest.approx(constant, rel=1e-5)


@settings(deadline=None, max_examples=100)
@given(seed=seeds, name=names, dtype=dtypes, kept=st.integers(10, 35))
def test_library_sizes_that_are_given_stand_for_genes_removed(seed, name, dtype, kept):
    counts = drawn_counts(seed)
    library_size = counts.sum(axis=1).astype(np.float64)
    values = transformed(counts, name, per_constant(counts, 1e4), dtype)[:, :kept]
    found = invert(values, LibrarySizes(given=library_size))
    np.testing.assert_array_equal(found.counts.toarray(), counts[:, :kept])
    np.testing.assert_array_equal(found.library_size, library_size)
    np.testing.assert_array_equal(found.measured, counts[:, :kept].sum(axis=1))


@settings(deadline=None, max_examples=100)
@given(seed=seeds, name=names.filter(bool), dtype=dtypes)
def test_counts_that_were_not_scaled_come_back(seed, name, dtype):
    counts = drawn_counts(seed)
    counts[3] = 2 * counts[3]  # the cells beside it say that one is one
    found = invert(transformed(counts, name, 1.0, dtype))
    np.testing.assert_array_equal(found.counts.toarray(), counts)
    assert found.counts_per_cell is None
    assert str(found) == f"{name}counts"


@settings(deadline=None, max_examples=100)
@given(seed=seeds, name=names, dtype=dtypes)
def test_counts_scaled_by_factors_come_back_only_where_no_gene_is_said_to_miss(seed, name, dtype):
    counts = drawn_counts(seed)
    factors = np.random.default_rng(seed).lognormal(0, 0.4, size=(len(counts), 1))
    values = transformed(counts, name, factors, dtype)
    with pytest.raises(LibrarySizeUnknownError, match='library_size_key="genes_present"'):
        invert(values)
    found = invert(values, GENES_PRESENT)
    np.testing.assert_array_equal(found.counts.toarray(), counts)
    np.testing.assert_array_equal(found.library_size, counts.sum(axis=1))
    assert str(found) == f"{name}counts scaled by a factor of each cell's own"


@settings(deadline=None, max_examples=100)
@given(
    seed=seeds, name=st.sampled_from(["log1p of ", "log2(1 + x) of "]), decimals=st.integers(3, 5)
)
def test_rounded_values_come_back_or_are_refused(seed, name, decimals):
    counts = drawn_counts(seed)
    values = transformed(counts, name, per_constant(counts, 1e4))
    values.data = values.data.round(decimals)
    try:
        found = invert(values)
    except CountsError:
        return
    np.testing.assert_array_equal(found.counts.toarray(), counts)
    assert found.decimals == decimals


@each_transform
def test_equal_totals_are_told_from_counts_that_were_not_scaled(name):
    rng = np.random.default_rng(0)
    counts = rng.multinomial(1000, rng.dirichlet(np.ones(60)), size=40)
    counts[:, 0] += 1
    counts[:, 1] -= 1
    found = invert(transformed(counts, name, 10.0))  # 10,000 / 1,000 is whole in every cell
    np.testing.assert_array_equal(found.counts.toarray(), counts)
    assert found.counts_per_cell == pytest.approx(1e4)


@each_transform
def test_a_cell_without_a_gene_of_one_count_comes_back(name):
    counts = drawn_counts(0)
    counts[7] = np.where(counts[7] == 1, 0, counts[7])
    counts[7, :3] = [2, 3, 5]
    counts[8] = np.where(counts[8] < 4, 0, counts[8])
    counts[8, :3] = [4, 5, 7]
    found = invert(transformed(counts, name, per_constant(counts, 1e4)))
    np.testing.assert_array_equal(found.counts.toarray(), counts)


def test_one_cell_proves_its_library_size_only_by_a_constant_that_somebody_chose():
    counts = drawn_counts(0, n_cells=1)
    values = transformed(counts, "log1p of ", per_constant(counts, 1e4))
    assert invert(values).counts_per_cell == 1e4
    with pytest.raises(LibrarySizeUnknownError):
        invert(values[:, :20])


# --- many cells, where a unit a cell is shown before intervals are asked


@pytest.fixture(scope="module")
def many():
    counts = drawn_counts(1, n_cells=3000, n_genes=60)
    assert np.count_nonzero(counts) > 3 * BLOCK_VALUES
    return counts


@each_transform
@pytest.mark.parametrize("how", ["constant", "factors", "given"])
def test_many_cells_come_back(many, name, how):
    factors = np.random.default_rng(0).lognormal(0, 0.4, size=(len(many), 1))
    known = {
        "constant": None,
        "factors": GENES_PRESENT,
        "given": LibrarySizes(given=many.sum(axis=1) + 50.0),
    }[how]
    unit = {
        "constant": per_constant(many, 1e4),
        "factors": factors,
        "given": 1e4 / (many.sum(axis=1, keepdims=True) + 50.0),
    }[how]
    found = invert(transformed(many, name, unit), known)
    np.testing.assert_array_equal(found.counts.toarray(), many)
    np.testing.assert_array_equal(found.measured, many.sum(axis=1))


@each_transform
def test_one_value_of_many_changed_is_enough_to_refuse(many, name):
    values = transformed(many, name, per_constant(many, 1e4))
    values.data[len(values.data) // 2] *= np.float32(1.002)
    for known in (None, GENES_PRESENT, LibrarySizes(given=many.sum(axis=1) * 1.0)):
        with pytest.raises(CountsError):
            invert(values, known)


def test_a_gene_removed_from_one_cell_of_many_is_enough_to_refuse(many):
    values = transformed(many, "log1p of ", per_constant(many, 1e4)).tolil()
    values[1234, 0] = 0
    with pytest.raises(LibrarySizeUnknownError, match="genes were removed"):
        invert(values.tocsr())


@settings(deadline=None, max_examples=150)
@given(seed=seeds, number=st.integers(0, len(TRANSFORMS) - 1), noise=st.floats(0, 4e-6))
def test_what_a_unit_shows_intervals_prove(seed, number, noise):
    counts, transform = drawn_counts(seed, n_cells=8), TRANSFORMS[number]
    rng = np.random.default_rng(seed)
    values = transformed(counts, transform.name, per_constant(counts, 1e4))
    values.data *= (1 + noise * rng.standard_normal(values.nnz)).astype(np.float32)
    cells = FilledCells.of(values)
    shown_counts = np.empty(values.nnz, dtype=np.float32)
    for constant in (1e4, None):
        shown, unit, total = witnessed(cells, transform, None, constant, shown_counts)
        proof = prove_by_smallest(Intervals.of(cells, transform, None))
        assert not np.any(shown & (proof.broken | proof.undecided))
        same = cells.spread(shown * 1.0) == 1
        np.testing.assert_array_equal(shown_counts[same], proof.counts[same])
        np.testing.assert_array_equal(total[shown], counts.sum(axis=1)[shown])
        slack = 1 + 1e-6
        assert np.all(proof.unit_low[shown] <= unit[shown] * slack)
        assert np.all(unit[shown] <= proof.unit_high[shown] * slack)


# --- what is no transform of counts


@settings(deadline=None, max_examples=100)
@given(seed=seeds, scale=st.floats(0.01, 1000), name=names)
def test_numbers_of_no_kind_are_refused(seed, scale, name):
    rng = np.random.default_rng(seed)
    filled = rng.random((20, 30)) < 0.5
    values = sparse.csr_matrix(
        (filled * rng.lognormal(size=filled.shape) * scale).astype("float32")
    )
    values.data = FORWARD[name](values.data)
    known = LibrarySizes(given=rng.integers(100, 5000, size=20).astype(np.float64))
    for library_sizes in (None, GENES_PRESENT, known):
        with pytest.raises(CountsError):
            invert(values, library_sizes)


@settings(deadline=None, max_examples=50)
@given(seed=seeds, name=names, constant=st.sampled_from([1e4, 1e6]))
def test_counts_per_gene_length_are_refused(seed, name, constant):
    counts = drawn_counts(seed)
    rates = counts / np.random.default_rng(seed).uniform(0.3, 8, size=counts.shape[1])
    values = transformed(rates, name, per_constant(rates, constant))
    for library_sizes in (None, GENES_PRESENT, LibrarySizes(given=counts.sum(axis=1) * 1.0)):
        with pytest.raises(CountsError):
            invert(values, library_sizes)
