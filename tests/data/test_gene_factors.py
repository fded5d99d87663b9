"""The factor model of the genes, against the textbook and against cells made by one."""

import numpy as np
import pytest
from scipy import sparse

from cellclassifier.data import AlignedCounts, GeneFactors
from cellclassifier.data import gene_factors as module

N_CELLS, N_GENES, N_AXES = 4_000, 12, 3


def aligned(counts):
    counts = sparse.csr_matrix(counts, dtype=np.float32)
    return AlignedCounts(counts, np.asarray(counts.sum(axis=1), dtype=float).ravel(), 1.0)


def factors_of(expression, seed=0):
    expression = sparse.csr_matrix(expression, dtype=np.float32)
    cells = aligned(expression)
    return GeneFactors.of(cells.counts, cells.library_size, expression, seed)


def of_arrays(factors, **changes):
    return GeneFactors.from_arrays(factors.to_arrays() | changes, n_genes=len(factors.mean))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def factors(rng):
    """Return a made-up model: three axes of twelve genes, each gene with its own noise."""
    axes = np.linalg.qr(rng.normal(size=(N_GENES, N_AXES)))[0].T
    return GeneFactors(
        mean=rng.uniform(5, 9, size=N_GENES).astype(np.float32),
        share=np.full(N_GENES, 1 / N_GENES, dtype=np.float32),
        axes=axes.astype(np.float32),
        variances=np.float32([4.0, 2.0, 1.0]),
        noise=rng.uniform(0.01, 0.5, size=N_GENES).astype(np.float32),
    )


@pytest.fixture
def cells(factors, rng):
    """Return expression that the made-up model draws."""
    scores = rng.normal(size=(N_CELLS, N_AXES)) * np.sqrt(factors.variances)
    noise = rng.normal(size=(N_CELLS, N_GENES)) * np.sqrt(factors.noise)
    return (factors.mean + scores @ factors.axes + noise).astype(np.float32)


def conditional_mean(factors, measured, expression):
    """Return the textbook's mean of missing genes: C_mo C_oo^-1 (x_o - mean_o) + mean_m."""
    axes = factors.axes.astype(float)
    covariance = axes.T @ np.diag(factors.variances) @ axes + np.diag(factors.noise)
    across, within = covariance[np.ix_(~measured, measured)], covariance[np.ix_(measured, measured)]
    centred = (expression - factors.mean)[:, measured]
    return factors.mean[~measured] + np.linalg.solve(within, centred.T).T @ across.T


@pytest.mark.parametrize("n_measured", [1, 5, 11])
def test_missing_genes_get_the_mean_given_the_measured_ones(factors, cells, rng, n_measured):
    measured = np.isin(np.arange(N_GENES), rng.permutation(N_GENES)[:n_measured])
    known = sparse.csr_matrix(cells * measured)
    filled = factors.stand_in(measured).fill(known)
    expected = conditional_mean(factors, measured, cells)
    np.testing.assert_allclose(filled[:, ~measured], expected, rtol=0, atol=2e-5)
    np.testing.assert_array_equal(filled[:, measured], cells[:, measured])
    assert filled.dtype == np.float32


def test_scores_are_the_product_of_expression_and_what_turns_it_into_them(factors, cells):
    measured = np.arange(N_GENES) < 7
    to_scores = factors.scores_from(measured)
    assert to_scores.shape == (N_GENES, N_AXES)
    assert not to_scores[~measured].any()
    stand_in = factors.stand_in(measured)
    scores = cells @ to_scores - factors.mean @ to_scores
    by_hand = np.where(measured, 0, factors.mean + scores @ factors.axes)
    part = stand_in.missing_part(sparse.csr_matrix(cells * measured))
    np.testing.assert_allclose(part, by_hand, rtol=0, atol=2e-5)


def test_model_that_made_the_cells_is_found_again(factors, cells):
    """A few axes too many do no harm: missing genes are as near as they can be."""
    found = factors_of(cells)
    measured = np.arange(N_GENES) % 2 == 0
    known = sparse.csr_matrix(cells * measured)
    errors = [
        np.mean((model.stand_in(measured).fill(known) - cells)[:, ~measured] ** 2)
        for model in (factors, found, GeneFactors.of_means(found.mean, found.share))
    ]
    best, ours, of_means = errors
    assert 0.95 * best < ours < 1.25 * best < 0.5 * of_means


def test_nothing_stands_in_where_all_genes_were_measured(factors):
    assert factors.stand_in(np.ones(N_GENES, dtype=bool)) is None


def test_measured_genes_stay_to_the_bit(factors, cells):
    measured = np.arange(N_GENES) != 4
    filled = factors.stand_in(measured).fill(sparse.csr_matrix(cells * measured))
    np.testing.assert_array_equal(filled[:, measured], cells[:, measured])


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param(np.zeros((10, 5)), id="no-counts"),
        pytest.param(np.tile([0.1, 0.7, 3.0], (10, 1)), id="all-alike"),
        pytest.param([[1.0, 2.0, 3.0]], id="one-cell"),
        pytest.param(np.arange(8.0)[:, None], id="one-gene"),
        pytest.param([[5.0]], id="one-of-each"),
    ],
)
def test_where_nothing_varies_together_missing_genes_get_their_mean(expression):
    factors = factors_of(expression)
    n_genes = len(factors.mean)
    assert factors.axes.shape == (0, n_genes)
    stand_in = factors.stand_in(np.zeros(n_genes, dtype=bool))
    filled = stand_in.fill(sparse.csr_matrix((2, n_genes), dtype=np.float32))
    np.testing.assert_array_equal(filled, np.tile(factors.mean, (2, 1)))


def test_genes_that_are_one_another_fill_each_other(rng):
    """The axis explains all there is: no noise is left to divide by."""
    profile = rng.uniform(1, 3, size=(50, 1)).astype(np.float32)
    cells = np.repeat(profile, 6, axis=1)
    factors = factors_of(cells)
    measured = np.arange(6) < 3
    filled = factors.stand_in(measured).fill(sparse.csr_matrix(cells * measured))
    np.testing.assert_allclose(filled, cells, atol=1e-3)


def test_axes_of_many_cells_come_from_a_seeded_sample(cells, monkeypatch):
    monkeypatch.setattr(module, "MAX_CELLS", 500)
    first, again, other = (factors_of(cells, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.axes, again.axes)
    assert not np.array_equal(first.axes, other.axes)
    # means and shares are those of all cells
    np.testing.assert_allclose(other.mean, cells.mean(axis=0), rtol=1e-5)
    np.testing.assert_array_equal(first.share, other.share)


def test_noise_is_what_the_axes_leave_over(cells):
    factors = factors_of(cells)
    kept = factors.variances @ factors.axes**2
    np.testing.assert_allclose(kept + factors.noise, cells.var(axis=0, ddof=1), rtol=1e-4)
    assert (np.diff(factors.variances) <= 0).all()


def test_libraries_are_made_up_for_by_ten_times_at_most(factors):
    assert factors.library_factor(np.arange(N_GENES) % 2 == 0) == pytest.approx(2)
    assert factors.library_factor(np.zeros(N_GENES, dtype=bool)) == pytest.approx(10)


def test_arrays_make_the_same_model_again(factors):
    again = of_arrays(factors)
    for name, values in factors.to_arrays().items():
        np.testing.assert_array_equal(getattr(again, name), values)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        pytest.param("mean", np.ones(11, np.float32), r"shape \(11,\)", id="too-few-means"),
        pytest.param("mean", -np.ones(12, np.float32), "'mean' does not lie", id="negative-mean"),
        pytest.param("share", np.full(12, np.nan, np.float32), "not finite", id="not-finite"),
        pytest.param("axes", np.ones((3, 12)), "float64", id="other-type"),
        pytest.param("axes", np.full((3, 12), 2, np.float32), "'axes' does", id="too-long-axes"),
        pytest.param("axes", np.ones((2, 12), np.float32), r"shape \(2, 12\)", id="too-few-axes"),
        pytest.param(
            "variances", np.float32([1, 1, 0]), "'variances' does not lie", id="no-variance"
        ),
        pytest.param("variances", np.float32(7), r"shape \(\)", id="no-list"),
        pytest.param("variances", np.ones(257, np.float32), "257 axes", id="too-many-axes"),
        pytest.param("noise", np.zeros(12, np.float32), "'noise' does not lie", id="no-noise"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(factors, name, values, message):
    with pytest.raises(ValueError, match=message):
        of_arrays(factors, **{name: values})


def test_an_array_that_is_missing_is_named(factors):
    arrays = factors.to_arrays()
    del arrays["noise"]
    with pytest.raises(ValueError, match="'noise' is missing"):
        GeneFactors.from_arrays(arrays, n_genes=N_GENES)


def test_absurd_numbers_end_in_absurd_scores_and_no_error(factors):
    """What a forged file may hold: equal axes of endless variance, and hardly any noise."""
    forged = of_arrays(
        factors,
        axes=np.ones_like(factors.axes),
        variances=np.full(N_AXES, 1e9, np.float32),
        noise=np.full(N_GENES, 1e-6, np.float32),
    )
    assert np.isfinite(forged.scores_from(np.arange(N_GENES) < 7)).all()
