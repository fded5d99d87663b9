import numpy as np
import pytest
import scanpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from cellclassifier.data import find_counts
from cellclassifier.data.counts.inversion import invert
from cellclassifier.data.counts.libraries import LibrarySizes
from cellclassifier.errors import CountsError, InputError


def invert_log1p(values, library_size=None):
    """Undo log1p and nothing else would do as well; the name says what is put in."""
    return invert(values, LibrarySizes(given=library_size))


def log_normalised(counts, counts_per_cell, library_size=None):
    counts = np.asarray(counts, dtype=np.float64)
    totals = counts.sum(axis=1) if library_size is None else library_size
    values = np.log1p(counts / np.asarray(totals)[:, None] * counts_per_cell)
    return sparse.csr_matrix(values.astype(np.float32))


@st.composite
def count_matrices(draw, max_count=500):
    """Draw counts, each cell with a gene of one count and one of two, as real cells have."""
    shape = draw(st.tuples(st.integers(2, 15), st.integers(4, 25)))
    zero_inflated = st.one_of(st.just(0), st.integers(0, 6), st.integers(0, max_count))
    counts = draw(hnp.arrays(np.int64, shape, elements=zero_inflated, fill=st.nothing()))
    counts[:, 0], counts[:, 1] = 1, 2
    return counts


def inverted_or_none(values, library_size):
    try:
        return invert_log1p(values, library_size)
    except CountsError:
        return None


def poisson_counts(seed=0, shape=(60, 40)):
    rng = np.random.default_rng(seed)
    counts = rng.poisson(rng.gamma(0.5, 3, size=shape[1]), size=shape)
    counts[:, 0] = 1
    return counts


@settings(deadline=None, max_examples=150)
@given(counts=count_matrices(), counts_per_cell=st.sampled_from([1e4, 1e6, 300, 1234.5]))
def test_counts_and_constant_come_back_exactly(counts, counts_per_cell):
    inversion = invert_log1p(log_normalised(counts, counts_per_cell))
    np.testing.assert_array_equal(inversion.counts.toarray(), counts)
    np.testing.assert_array_equal(inversion.library_size, counts.sum(axis=1))
    assert inversion.counts_per_cell == counts_per_cell
    assert inversion.counts.dtype == np.float32


@settings(deadline=None, max_examples=100)
@given(
    counts=count_matrices(max_count=100),
    seed=st.integers(0, 2**32 - 1),
    counts_per_cell=st.sampled_from([1e4, 1e5]),
)
def test_rounded_values_of_few_cells_are_refused_or_exact(counts, seed, counts_per_cell):
    removed = np.random.default_rng(seed).integers(50, 3000, size=len(counts))
    library_size = (counts.sum(axis=1) + removed).astype(np.float64)
    values = log_normalised(counts, counts_per_cell, library_size)
    values.data = values.data.round(3)
    inversion = inverted_or_none(values, library_size)
    if inversion is None:  # a few values may be too coarse to prove anything
        return
    np.testing.assert_array_equal(inversion.counts.toarray(), counts)
    np.testing.assert_array_equal(inversion.library_size, library_size)
    assert inversion.counts_per_cell == pytest.approx(counts_per_cell, rel=2e-3)


@pytest.mark.parametrize("seed", range(5))
def test_rounded_values_are_exact_where_genes_were_removed(seed):
    counts = poisson_counts(seed)
    library_size = counts.sum(axis=1) + 400.0
    values = log_normalised(counts, 1e4, library_size)
    values.data = values.data.round(3)
    inversion = invert_log1p(values, library_size)
    np.testing.assert_array_equal(inversion.counts.toarray(), counts)
    assert inversion.counts_per_cell == 1e4
    assert inversion.decimals == 3


@pytest.mark.parametrize("counts_per_cell", [300, 1e4, 1e6])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_that_were_not_rounded_are_not_said_to_be(counts_per_cell, dtype):
    counts = poisson_counts(shape=(30, 20))
    per_cell = counts / counts.sum(axis=1, keepdims=True)
    values = sparse.csr_matrix(np.log1p(per_cell * counts_per_cell).astype(dtype))
    inversion = invert_log1p(values)
    np.testing.assert_array_equal(inversion.counts.toarray(), counts)
    assert inversion.decimals is None


@pytest.mark.parametrize("counts_per_cell", [300, 1e4, 1e6])
def test_values_computed_by_scanpy_in_single_precision_come_back(toy_reference, counts_per_cell):
    counts = toy_reference.X.toarray()
    scanpy.pp.normalize_total(toy_reference, target_sum=counts_per_cell)
    scanpy.pp.log1p(toy_reference)
    raw = find_counts(toy_reference)
    assert f"counts per {counts_per_cell:,.0f}," in raw.evidence
    np.testing.assert_array_equal(raw.counts.toarray(), counts)


def test_a_cell_whose_smallest_count_is_two_is_right_where_library_sizes_are_given():
    counts = poisson_counts()
    counts[7] = np.where(counts[7] == 1, 0, counts[7])
    counts[7, :2] = [2, 3]
    counts[8] = 2 * counts[8]
    library_size = counts.sum(axis=1) + 100.0
    inversion = invert_log1p(log_normalised(counts, 1e4, library_size), library_size)
    np.testing.assert_array_equal(inversion.counts.toarray(), counts)


def test_a_cell_whose_smallest_count_is_two_comes_back_where_that_makes_all_whole():
    counts = poisson_counts()
    counts[7] = 0
    counts[7, :3] = [2, 3, 5]
    inversion = invert_log1p(log_normalised(counts, 1e4))
    np.testing.assert_array_equal(inversion.counts.toarray(), counts)


def test_a_cell_whose_smallest_count_is_two_is_refused_where_that_may_be_luck():
    counts = poisson_counts()
    counts[7] = 0
    counts[7, :2] = [2, 3]
    values = log_normalised(counts, 1e4)
    values.data = values.data.round(4)
    with pytest.raises(CountsError, match=r"become fractions such as \[1.5"):
        invert_log1p(values)


def test_a_cell_of_even_counts_comes_back_halved_and_normalises_to_the_same_values():
    # nothing in its values tells it from the cell of half its counts
    counts = poisson_counts()
    counts[7] *= 2
    values = log_normalised(counts, 1e4)
    inversion = invert_log1p(values)
    np.testing.assert_array_equal(inversion.counts.toarray()[7], counts[7] // 2)
    again = log_normalised(inversion.counts.toarray(), inversion.counts_per_cell)
    np.testing.assert_allclose(again.data, values.data, rtol=1e-6)


def test_cells_without_values_have_no_counts():
    counts = poisson_counts()
    values = log_normalised(counts, 1e4).tolil()
    values[[0, 5, -1]] = 0
    counts[[0, 5, -1]] = 0
    inversion = invert_log1p(values.tocsr())
    np.testing.assert_array_equal(inversion.counts.toarray(), counts)
    assert inversion.library_size[[0, 5, -1]].tolist() == [0, 0, 0]


# --- what cannot be proved


def test_removed_genes_are_refused_with_the_option_that_helps():
    counts = poisson_counts()
    values = log_normalised(counts, 1e4)[:, :25]
    with pytest.raises(CountsError, match='library_size_key="…"') as refused:
        invert_log1p(values)
    assert "genes were removed" in str(refused.value)
    inversion = invert_log1p(values, counts.sum(axis=1).astype(np.float64))
    np.testing.assert_array_equal(inversion.counts.toarray(), counts[:, :25])


@settings(deadline=None, max_examples=150)
@given(
    seed=st.integers(0, 2**32 - 1),
    scale=st.sampled_from([1e-8, 1e-3, 1.0, 5.0, 100.0, 1e5]),
    decimals=st.sampled_from([None, 2, 3]),
)
def test_random_positive_numbers_are_refused(seed, scale, decimals):
    rng = np.random.default_rng(seed)
    values = sparse.random(
        rng.integers(3, 30), rng.integers(5, 40), density=0.4, dtype=np.float32, random_state=rng,
        format="csr",
    )  # fmt: skip
    values.data *= np.float32(scale)
    if decimals is not None:
        values.data = values.data.round(decimals)
        values.eliminate_zeros()
    if not values.nnz:
        return
    library_size = rng.integers(100, 5000, size=values.shape[0]).astype(np.float64)
    for given_size in (None, library_size):
        with pytest.raises(CountsError):
            invert_log1p(values, given_size)


def per_million(counts, gene_lengths):
    rates = counts / gene_lengths
    return rates / rates.sum(axis=1, keepdims=True) * 1e6


NO_TRANSFORMS = {
    "arcsinh": lambda counts: np.arcsinh(counts / counts.sum(axis=1, keepdims=True) * 1e4),
    "tpm": lambda counts: per_million(counts, np.linspace(0.3, 8, counts.shape[1])),
    "log1p_tpm": lambda counts: np.log1p(per_million(counts, np.linspace(0.3, 8, counts.shape[1]))),
    "log2_tpm": lambda counts: np.log2(1 + per_million(counts, np.linspace(0.3, 8, 40))),
    "scaled_genes": lambda counts: np.log1p(counts / (0.5 + counts.std(axis=0))),
    "cube_root": np.cbrt,
    "log1p_twice": lambda counts: np.log1p(np.log1p(counts)),
    "smoothed": lambda counts: np.log1p(counts + 0.3 * np.roll(counts, 1, axis=0)),
    "lognormal": lambda counts: (
        (counts > 0) * np.random.default_rng(0).lognormal(size=counts.shape)
    ),
}


@pytest.mark.parametrize("transform", NO_TRANSFORMS.values(), ids=list(NO_TRANSFORMS))
def test_other_transforms_are_refused(transform):
    counts = poisson_counts()
    values = sparse.csr_matrix(transform(counts).astype(np.float32))
    known = LibrarySizes(given=counts.sum(axis=1).astype(np.float64))
    for library_sizes in (None, known, LibrarySizes(genes_present=True)):
        with pytest.raises(CountsError):
            invert(values, library_sizes)


@pytest.mark.parametrize("given_size", [False, True], ids=["alone", "with_library_size"])
@pytest.mark.parametrize("seed", range(10))
def test_one_value_changed_is_enough_to_refuse(seed, given_size):
    counts = poisson_counts(seed)
    values = log_normalised(counts, 1e4)
    position = np.random.default_rng(seed).integers(values.nnz)
    values.data[position] += np.float32(0.01)
    library_size = counts.sum(axis=1).astype(np.float64) if given_size else None
    with pytest.raises(CountsError):
        invert_log1p(values, library_size)


def test_values_of_one_size_prove_nothing():
    values = sparse.csr_matrix((poisson_counts() > 0).astype(np.float32) * np.float32(0.7))
    with pytest.raises(CountsError, match="only 0 values are above a cell's smallest: too few"):
        invert_log1p(values)


def test_library_sizes_of_other_cells_are_refused():
    counts = poisson_counts()
    others = np.random.default_rng(1).permutation(counts.sum(axis=1)) * 1.0
    with pytest.raises(CountsError, match="library sizes given do not fit"):
        invert_log1p(log_normalised(counts, 1e4)[:, :25], others)


def test_values_rounded_too_coarsely_are_refused():
    counts = poisson_counts() + 40
    counts[:, 0] = 1
    values = log_normalised(counts, 1e4)
    values.data = values.data.round(1)
    with pytest.raises(CountsError):
        invert_log1p(values)


# --- real cells


def test_real_cells_rounded_to_three_decimals_are_proved_by_their_library_sizes(pbmc68k):
    cells = pbmc68k.raw.to_adata()
    raw = find_counts(cells, library_size_key="n_counts")
    assert "log1p of counts per 10,000 rounded to 3 decimals" in raw.evidence
    assert np.all(raw.counts.data == np.rint(raw.counts.data))
    assert raw.counts.nnz == sparse.csr_matrix(cells.X).nnz
    measured = np.asarray(raw.counts.sum(axis=1)).ravel()
    assert np.all(measured <= cells.obs["n_counts"])
    assert raw.library_size.tolist() == cells.obs["n_counts"].tolist()
    library_size = raw.library_size
    again = np.log1p(raw.counts.toarray() / library_size[:, None] * 1e4)
    np.testing.assert_allclose(again, sparse.csr_matrix(cells.X).toarray(), atol=0.5001e-3)


def test_real_cells_are_refused_without_their_library_sizes(pbmc68k):
    with pytest.raises(CountsError, match="library_size_key"):
        find_counts(pbmc68k.raw.to_adata())


def test_real_cells_scaled_in_x_are_read_from_raw(pbmc68k):
    raw = find_counts(pbmc68k, library_size_key="n_counts")
    assert raw.evidence.startswith("raw.X is log1p")
    assert raw.counts.shape == (700, 765)
    assert raw.counts.max() > 50


def test_real_cells_whose_library_sizes_are_halved_are_refused(pbmc68k):
    pbmc68k.obs["half"] = pbmc68k.obs["n_counts"] / 10
    with pytest.raises(InputError, match="already add up to"):
        find_counts(pbmc68k, library_size_key="half")
