"""Unexpected counts: the Pearson residuals of a dense computation, gene by gene."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from cellclassifier.trust.unexpected import DEPTHS, MAX_SQUARE, MIN_TYPE_CELLS, TypeRates

N_TYPES, N_PANEL, N_CELLS = 3, 40, 90
IN_ORDER = np.arange(N_PANEL, dtype=np.int32)


def simulated(n_cells=N_CELLS, seed=0, n_types=N_TYPES):
    """Draw raw counts, library sizes over more genes than these, and types."""
    rng = np.random.default_rng(seed)
    shares = np.random.default_rng(99).dirichlet(np.ones(N_PANEL), size=n_types) / 2
    library_size = rng.integers(100, 3000, n_cells).astype(float)
    codes = np.arange(n_cells) % n_types
    counts = rng.poisson(shares[codes] * library_size[:, None]).astype(np.float32)
    return sparse.csr_matrix(counts), library_size, codes


@pytest.fixture(scope="module")
def rates():
    return TypeRates.of(*simulated(), N_TYPES)


def of_oracle(rates, counts, library_size, codes, measured):
    """Return the mean squared residual of dense counts, (n_cells,), gene by gene."""
    mean = rates.rates[codes].astype(float) * library_size[:, None]
    variance = mean + rates.dispersion.astype(float) * mean**2
    squares = np.minimum((counts - mean) ** 2 / variance, MAX_SQUARE)
    return squares[:, measured].mean(axis=1)


@pytest.mark.parametrize("share_measured", [1.0, 0.6])
def test_it_is_the_mean_squared_pearson_residual(rates, share_measured):
    counts, _, codes = simulated(seed=1)
    # where cells without counts were worked out beforehand; in between, see below
    library_size = np.random.default_rng(2).choice(DEPTHS[1:40], N_CELLS)
    measured = np.random.default_rng(3).random(N_PANEL) < share_measured
    target = np.where(measured, IN_ORDER, -1).astype(np.int32)
    found = rates.measured_by(measured)(counts, target, library_size, codes)
    expected = of_oracle(rates, counts.toarray(), library_size, codes, measured)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_between_the_depths_worked_out_it_is_off_by_little(rates):
    counts, library_size, codes = simulated(seed=1)
    everything = np.ones(N_PANEL, dtype=bool)
    found = rates.measured_by(everything)(counts, IN_ORDER, library_size, codes)
    expected = of_oracle(rates, counts.toarray(), library_size, codes, everything)
    off = np.abs(found / expected - 1)
    assert np.median(off) < 0.005
    assert off.max() < 0.1  # where a gene of these forty reaches the hundred


def test_cells_of_their_type_give_about_one_and_of_another_more(rates):
    counts, library_size, codes = simulated(600, seed=4)
    unexpected = rates.measured_by(np.ones(N_PANEL, dtype=bool))
    own = unexpected(counts, IN_ORDER, library_size, codes)
    other = unexpected(counts, IN_ORDER, library_size, (codes + 1) % N_TYPES)
    assert np.median(own) == pytest.approx(1, abs=0.2)
    assert (other > own).mean() > 0.99


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_order_of_genes_and_columns_of_one_gene_change_no_bit(rates, seed):
    rng = np.random.default_rng(seed)
    counts, library_size, codes = simulated(seed=5)
    unexpected = rates.measured_by(np.ones(N_PANEL, dtype=bool))
    straight = unexpected(counts, IN_ORDER, library_size, codes)
    order = rng.permutation(N_PANEL)
    turned = counts[:, order].tocsr()
    np.testing.assert_array_equal(
        unexpected(turned, IN_ORDER[order], library_size, codes), straight
    )
    # each gene in two columns, which share its counts
    part = rng.binomial(counts.toarray().astype(int), 0.5)
    split = sparse.csr_matrix(np.hstack([part, counts.toarray() - part]).astype(np.float32))
    columns = rng.permutation(2 * N_PANEL)
    target = np.concatenate([IN_ORDER, IN_ORDER])[columns]
    np.testing.assert_array_equal(
        unexpected(split[:, columns].tocsr(), target, library_size, codes), straight
    )


def test_counts_of_genes_outside_the_panel_are_not_looked_at(rates):
    counts, library_size, codes = simulated(seed=6)
    unexpected = rates.measured_by(np.ones(N_PANEL, dtype=bool))
    more = sparse.hstack([counts, 50 * counts], format="csr")
    target = np.concatenate([IN_ORDER, np.full(N_PANEL, -1, np.int32)])
    np.testing.assert_array_equal(
        unexpected(more, target, library_size, codes),
        unexpected(counts, IN_ORDER, library_size, codes),
    )


@pytest.fixture(scope="module")
def with_a_small_type():
    counts, library_size, codes = simulated(60)
    codes = np.where(np.arange(60) < MIN_TYPE_CELLS - 1, 2, codes % 2)
    return TypeRates.of(counts, library_size, codes, N_TYPES)


def test_types_of_under_ten_cells_give_one_and_keep_no_counts(with_a_small_type):
    assert with_a_small_type.known.tolist() == [True, True, False]
    assert not with_a_small_type.rates[2].any()
    counts, library_size, _ = simulated(seed=1)
    found = with_a_small_type.measured_by(np.ones(N_PANEL, dtype=bool))(
        counts, IN_ORDER, library_size, np.full(N_CELLS, 2)
    )
    assert (found == 1).all()


def test_a_cell_of_a_small_type_changes_nothing_for_the_next(with_a_small_type):
    counts, library_size, _ = simulated(seed=1)
    codes = np.arange(N_CELLS) % N_TYPES
    unexpected = with_a_small_type.measured_by(np.ones(N_PANEL, dtype=bool))
    together = unexpected(counts, IN_ORDER, library_size, codes)
    alone = [
        unexpected(counts[row : row + 1], IN_ORDER, library_size[[row]], codes[[row]])[0]
        for row in range(N_CELLS)
    ]
    np.testing.assert_array_equal(together, alone)


def test_a_type_without_cells_is_like_a_small_one():
    rates = TypeRates.of(*simulated(), N_TYPES + 1)
    assert rates.known.tolist() == [True, True, True, False]
    assert np.isfinite(rates.rates).all()
    assert np.isfinite(rates.dispersion).all()


def test_the_dispersion_is_that_of_the_counts():
    rng = np.random.default_rng(0)
    n_cells, dispersion = 20_000, 0.5
    library_size = np.full(n_cells, 1000.0)
    mean = np.linspace(1, 50, N_PANEL)
    gamma = rng.gamma(1 / dispersion, dispersion, (n_cells, N_PANEL))
    noisy = sparse.csr_matrix(rng.poisson(mean * gamma).astype(np.float32))
    even = sparse.csr_matrix(rng.poisson(mean, (n_cells, N_PANEL)).astype(np.float32))
    one_type = np.zeros(n_cells, dtype=int)
    found = TypeRates.of(noisy, library_size, one_type, 1).dispersion
    np.testing.assert_allclose(found, dispersion, rtol=0.1)
    assert TypeRates.of(even, library_size, one_type, 1).dispersion.max() < 0.05
