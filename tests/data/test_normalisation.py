import numpy as np
import pytest
from scipy import sparse

from cellclassifier.data import AlignedCounts, Normalisation
from cellclassifier.errors import InputError


@pytest.fixture
def aligned():
    rng = np.random.default_rng(3)
    counts = sparse.csr_matrix(rng.poisson(0.7, size=(12, 9)).astype(np.float32))
    library_size = np.asarray(counts.sum(axis=1)).ravel() + rng.integers(50, 500, size=12)
    return AlignedCounts(counts, library_size.astype(np.float64), 1.0)


@pytest.mark.parametrize("counts_per_cell", [1.0, 300.0, 1e4, 1e6])
def test_log1p_per_library_is_what_numpy_says(aligned, counts_per_cell):
    expression = Normalisation("log1p_per_library", counts_per_cell).apply(aligned)
    scaled = aligned.counts.toarray() / aligned.library_size[:, None] * counts_per_cell
    np.testing.assert_allclose(expression.toarray(), np.log(1 + scaled), rtol=1e-6)
    assert expression.dtype == np.float32


def test_log1p_is_what_numpy_says(aligned):
    expression = Normalisation("log1p").apply(aligned)
    np.testing.assert_allclose(expression.toarray(), np.log(1 + aligned.counts.toarray()), 1e-6)
    assert expression.dtype == np.float32


@pytest.mark.parametrize("method", ["log1p_per_library", "log1p"])
def test_zeros_stay_zero_and_nothing_else_becomes_zero(aligned, method):
    expression = Normalisation(method).apply(aligned)
    np.testing.assert_array_equal(expression.toarray() > 0, aligned.counts.toarray() > 0)
    assert expression.nnz == aligned.counts.nnz


@pytest.mark.parametrize("method", ["log1p_per_library", "log1p"])
def test_the_counts_given_are_not_changed(aligned, method):
    before = aligned.counts.toarray()
    Normalisation(method).apply(aligned)
    np.testing.assert_array_equal(aligned.counts.toarray(), before)


def test_counts_outside_the_panel_lower_the_expression_in_it(aligned):
    deeper = AlignedCounts(aligned.counts, aligned.library_size * 2, 1.0)
    normalisation = Normalisation()
    shallow, deep = normalisation.apply(aligned), normalisation.apply(deeper)
    np.testing.assert_allclose(np.expm1(deep.data) * 2, np.expm1(shallow.data), rtol=1e-5)


def test_log1p_knows_no_library_size(aligned):
    deeper = AlignedCounts(aligned.counts, aligned.library_size * 2, 1.0)
    one, other = (Normalisation("log1p").apply(cells).data for cells in (aligned, deeper))
    np.testing.assert_array_equal(one, other)


def test_a_cell_without_counts_stays_zero():
    empty = AlignedCounts(sparse.csr_matrix((1, 3), dtype=np.float32), np.array([0.0]), 1.0)
    assert Normalisation().apply(empty).toarray().tolist() == [[0, 0, 0]]


def test_settings_go_through_json():
    normalisation = Normalisation("log1p", 1e4)
    assert Normalisation(**normalisation.to_json()) == normalisation


def test_an_unknown_method_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="'sqrt' is unknown; it is 'log1p_per_library' or 'log1p'"):
        Normalisation("sqrt")


@pytest.mark.parametrize("counts_per_cell", [0, -1e4, float("nan")])
def test_a_scale_that_is_not_positive_is_refused(counts_per_cell):
    with pytest.raises(InputError, match="counts_per_cell has to be positive"):
        Normalisation(counts_per_cell=counts_per_cell)
