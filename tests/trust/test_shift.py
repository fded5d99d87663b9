from dataclasses import fields

import numpy as np
import pytest
from scipy import sparse

from cellclassifier.trust.shift import TypeProfiles, _dispersion, find_shift, profile_shift
from cellclassifier.trust.type_totals import TypeTotals
from cellclassifier.trust.unexpected import TypeRates

N_TYPES, N_GENES, DEPTH = 4, 400, 3000


def type_shares(seed=0):
    """Return shares of the genes, (n_types, n_genes): one expression, with markers by type."""
    rng = np.random.default_rng(seed)
    shares = rng.lognormal(0, 1, N_GENES) * rng.lognormal(0, 0.7, (N_TYPES, N_GENES))
    return shares / shares.sum(axis=1, keepdims=True)


SHARES = type_shares()


def drawn(shares, codes, *, seed, depth=DEPTH, spread=0.0):
    """Draw cells of some types; with a spread, they differ within their type."""
    rng = np.random.default_rng(seed)
    library = depth * rng.lognormal(0, 0.3, len(codes))
    means = shares[codes] * library[:, None]
    if spread:
        means = means * rng.gamma(1 / spread**2, spread**2, means.shape)
    return sparse.csr_matrix(rng.poisson(means).astype(np.float32)), library, codes


def profiles_of(cells, n_types=N_TYPES):
    return TypeProfiles.of(*cells, n_types)


@pytest.fixture(scope="module")
def profiles():
    return profiles_of(drawn(SHARES, np.arange(800) % N_TYPES, seed=1))


def codes_of(n_cells):
    return np.arange(n_cells) % N_TYPES


def elsewhere(spread=0.5, seed=2):
    """Return the shares as a laboratory sees them in which each gene has a factor of its own."""
    shares = SHARES * np.random.default_rng(seed).lognormal(0, spread, N_GENES)
    return shares / shares.sum(axis=1, keepdims=True)


# --- profiles


def test_profiles_are_sums_over_the_cells_of_each_type():
    counts, library, codes = drawn(SHARES, codes_of(50), seed=3)
    profiles = TypeProfiles.of(counts, library, codes, N_TYPES + 1)
    assert profiles.counts.dtype == np.float32
    assert profiles.library.dtype == np.float64
    for code in range(N_TYPES):
        np.testing.assert_array_equal(profiles.counts[code], counts[codes == code].toarray().sum(0))
        assert profiles.library[code] == pytest.approx(library[codes == code].sum())
    assert profiles.counts[N_TYPES].sum() == profiles.library[N_TYPES] == 0
    assert np.all(profiles.shares[N_TYPES] == 0)


def test_profiles_of_rates_measure_the_shift_of_sums():
    counts, library, codes = drawn(SHARES, codes_of(800), seed=1)
    profiles = TypeProfiles.of(counts, library, codes, N_TYPES)
    rates = TypeRates.of(counts, library, codes, N_TYPES).rates
    # what a model file knows: how many cells, and about how deep
    about = TypeProfiles.of_rates(rates, np.full(N_TYPES, 200 * np.median(library)))
    for shares in (SHARES, elsewhere(0.2), elsewhere(0.5)):
        query = drawn(shares, codes_of(300), seed=4)
        exact = profile_shift(profiles, *query)
        assert profile_shift(about, *query) == pytest.approx(exact, abs=0.01)
    few = TypeProfiles.of_rates(np.vstack([rates, 0 * rates[:1]]), np.full(N_TYPES + 1, 1e6))
    assert few.known.tolist() == [True] * N_TYPES + [False]


def test_blocks_of_cells_add_up():
    counts, library, codes = drawn(SHARES, codes_of(100), seed=100, spread=0.5)
    whole, parts = (TypeTotals.empty(N_TYPES, N_GENES) for _ in range(2))
    whole.add(counts, library, codes)
    for rows in (slice(0, 7), slice(7, 8), slice(8, 100)):
        parts.add(counts[rows], library[rows], codes[rows])
    for field in fields(TypeTotals):
        of_whole = getattr(whole, field.name)
        np.testing.assert_allclose(getattr(parts, field.name), of_whole, rtol=1e-12)
    for code in range(N_TYPES):
        of_type = counts[codes == code].toarray().astype(float)
        np.testing.assert_array_equal(whole.counts[code], of_type.sum(axis=0))
        np.testing.assert_array_equal(whole.squares[code], (of_type**2).sum(axis=0))
        np.testing.assert_allclose(whole.products[code], library[codes == code] @ of_type)


@pytest.mark.parametrize(
    ("library", "codes", "says"),
    [
        (np.ones(3), np.zeros(2, dtype=int), r"2 cells need .* not \(3,\) and \(2,\)"),
        (np.ones(2), np.zeros((2, 1), dtype=int), r"not \(2,\) and \(2, 1\)"),
        (np.ones(2), np.array([0, 4]), "from 0 to 3, not from 0 to 4"),
        (np.ones(2), np.array([-1, 0]), "from 0 to 3, not from -1 to 0"),
    ],
    ids=["library_size", "shape_of_codes", "code_too_large", "negative_code"],
)
def test_cells_that_do_not_fit_are_refused(profiles, library, codes, says):
    counts = sparse.csr_matrix((2, N_GENES), dtype=np.float32)
    with pytest.raises(ValueError, match=says):
        TypeProfiles.of(counts, library, codes, N_TYPES)
    with pytest.raises(ValueError, match=says):
        profile_shift(profiles, counts, library, codes)


# --- the shift


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_cells", [20, 60, 400])
def test_cells_of_the_same_profiles_show_none(profiles, n_cells, seed):
    assert profile_shift(profiles, *drawn(SHARES, codes_of(n_cells), seed=10 + seed)) < 0.05


def test_cells_that_differ_within_their_type_show_none_where_poisson_noise_would(monkeypatch):
    cells = drawn(SHARES, codes_of(60), seed=5, spread=1.0)
    profiles = profiles_of(drawn(SHARES, codes_of(800), seed=4, spread=1.0))
    assert profile_shift(profiles, *cells) < 0.05
    monkeypatch.setattr("cellclassifier.trust.shift._dispersion", lambda _: np.zeros(N_GENES))
    assert profile_shift(profiles, *cells) > 0.1


def test_dispersion_is_the_squared_variation_of_cells_within_their_type():
    codes = np.arange(800) // 20
    shares = np.full((40, 50), 0.02)
    sums = TypeTotals.empty(*shares.shape)
    sums.add(*drawn(shares, codes, seed=27, depth=10_000, spread=0.7))
    assert np.median(_dispersion(sums)) == pytest.approx(0.49, rel=0.05)


def test_states_that_few_cells_share_by_chance_are_no_shift(monkeypatch):
    # three states; the variance of a gene's logarithm over cells is 3 x 0.35^2 = 0.37
    loadings = np.random.default_rng(25).normal(0, 0.35, (3, N_GENES))

    def in_states(n_cells, seed):
        states = np.random.default_rng(seed).normal(size=(n_cells, 3))
        shares = SHARES[0] * np.exp(states @ loadings)
        return drawn(shares / shares.sum(axis=1, keepdims=True), np.arange(n_cells), seed=seed)

    counts, library, _ = in_states(1000, seed=26)
    profiles = profiles_of((counts, library, np.zeros(1000, dtype=int)))
    queries = [in_states(25, seed=seed)[:2] for seed in range(30, 50)]

    def shifts():
        return [profile_shift(profiles, *query, np.zeros(25, dtype=int)) for query in queries]

    assert np.max(shifts()) < 0.1
    monkeypatch.setattr("cellclassifier.trust.shift.STATE_VARIANCE", 0.0)
    assert np.max(shifts()) > 0.1


@pytest.mark.parametrize("n_cells", [100, 400])
@pytest.mark.parametrize("spread", [0.25, 0.5, 1.0])
def test_a_known_spread_of_gene_factors_is_recovered_within_a_fifth(profiles, spread, n_cells):
    shift = profile_shift(profiles, *drawn(elsewhere(spread), codes_of(n_cells), seed=6))
    assert shift == pytest.approx(spread, rel=0.2)


def test_profiles_of_few_cells_show_none_at_home():
    profiles = profiles_of(drawn(SHARES, codes_of(12), seed=7))
    assert profile_shift(profiles, *drawn(SHARES, codes_of(400), seed=8)) < 0.05


def test_a_fifth_of_foreign_cells_does_not_double_it(profiles):
    counts, library, codes = drawn(elsewhere(0.3), codes_of(400), seed=9)
    foreign = drawn(type_shares(seed=99), np.zeros(100, dtype=int), seed=11)
    plain = profile_shift(profiles, counts, library, codes)
    mixed = profile_shift(
        profiles,
        sparse.vstack([counts, foreign[0]], format="csr"),
        np.concatenate([library, foreign[1]]),
        np.concatenate([codes, foreign[2]]),  # all of them predicted to be of one type
    )
    assert 0.25 < plain < mixed * 1.1 < 1.5 * plain


def test_the_median_of_types_counts_only_where_they_hold_half_of_the_cells(profiles):
    # one type of 30 cells comes from home, 90 cells of the other three from elsewhere
    home = drawn(SHARES, np.zeros(30, dtype=int), seed=12)
    few, many = (
        drawn(elsewhere(), 1 + np.arange(n) % 3, seed=13) for n in (54, 90)
    )  # 18 or 30 of each type
    shifts = [
        profile_shift(
            profiles,
            sparse.vstack([home[0], other[0]], format="csr"),
            np.concatenate([home[1], other[1]]),
            np.concatenate([home[2], other[2]]),
        )
        for other in (few, many)
    ]
    assert min(shifts) > 0.25


def test_depth_does_not_matter(profiles):
    shares = elsewhere()
    shifts = [
        profile_shift(profiles, *drawn(shares, codes_of(400), seed=14, depth=depth))
        for depth in (DEPTH, 3 * DEPTH)
    ]
    assert shifts[0] == pytest.approx(shifts[1], abs=0.03)


def test_library_sizes_in_another_unit_do_not_matter(profiles):
    counts, library, codes = drawn(elsewhere(), codes_of(400), seed=15)
    one, two = (profile_shift(profiles, counts, factor * library, codes) for factor in (1, 2))
    assert one == pytest.approx(two, abs=0.02)


def test_the_order_of_cells_and_genes_does_not_matter(profiles):
    counts, library, codes = drawn(elsewhere(), codes_of(100), seed=16)
    rng = np.random.default_rng(0)
    cells, genes = rng.permutation(100), rng.permutation(N_GENES)
    turned = TypeProfiles(profiles.counts[:, genes], profiles.library)
    shift = profile_shift(turned, counts[cells][:, genes].tocsr(), library[cells], codes[cells])
    assert shift == pytest.approx(profile_shift(profiles, counts, library, codes), abs=1e-4)


def test_types_that_no_cell_is_predicted_to_be_of_do_not_matter(profiles):
    cells = drawn(elsewhere(), np.full(100, 2), seed=17)
    alone = TypeProfiles(profiles.counts[2:3], profiles.library[2:3])
    shift = profile_shift(profiles, *cells)
    assert 0.4 < shift < 0.6
    assert shift == pytest.approx(profile_shift(alone, *cells[:2], np.zeros(100, dtype=int)))


def test_cells_predicted_to_be_of_a_type_without_training_cells_are_left_out(profiles):
    counts, library = profiles.counts.copy(), profiles.library.copy()
    counts[3] = library[3] = 0
    query = drawn(SHARES, codes_of(400), seed=18)
    assert profile_shift(TypeProfiles(counts, library), *query) < 0.05


# --- genes that were not measured, and too little to tell


def test_genes_that_were_not_measured_do_not_count(profiles):
    counts, library, codes = drawn(SHARES, codes_of(200), seed=19)
    measured = np.arange(N_GENES) % 2 == 0
    kept = sparse.csr_matrix(counts.toarray() * measured)
    assert profile_shift(profiles, kept, library, codes) > 0.5
    assert profile_shift(profiles, kept, library, codes, measured) < 0.05
    abroad = drawn(elsewhere(), codes_of(200), seed=20)
    assert 0.4 < profile_shift(profiles, *abroad, measured) < 0.6


@pytest.mark.parametrize("n_genes", [0, 29])
def test_fewer_than_thirty_genes_tell_nothing(profiles, n_genes):
    measured = np.arange(N_GENES) < n_genes
    assert profile_shift(profiles, *drawn(elsewhere(), codes_of(400), seed=21), measured) == 0


@pytest.mark.parametrize("n_cells", [0, 1, 19])
def test_fewer_than_twenty_cells_tell_nothing(profiles, n_cells):
    assert profile_shift(profiles, *drawn(elsewhere(), codes_of(n_cells), seed=22)) == 0


def test_shallow_cells_tell_nothing(profiles):
    assert profile_shift(profiles, *drawn(elsewhere(), codes_of(40), seed=23, depth=2)) == 0


def test_no_evidence_is_not_no_shift(profiles):
    counts, library, codes = drawn(SHARES, codes_of(300), seed=4)
    assert find_shift(profiles, counts, library, codes) == 0.0
    few = slice(0, 19)
    assert find_shift(profiles, counts[few], library[few], codes[few]) is None
    measured = np.arange(N_GENES) < 29
    assert find_shift(profiles, counts, library, codes, measured) is None


def test_it_is_finite_whatever_the_numbers(profiles):
    counts, library, codes = drawn(SHARES, codes_of(40), seed=24)
    tiny = TypeProfiles(profiles.counts, np.full(N_TYPES, 1e-300))
    empty = sparse.csr_matrix(counts.shape, dtype=np.float32)
    ones = np.arange(40)  # each cell alone in its type: nothing tells how cells differ
    many = TypeProfiles(np.repeat(profiles.counts, 10, axis=0), np.repeat(profiles.library, 10))
    for shift in (
        profile_shift(tiny, counts, library, codes),
        profile_shift(profiles, empty, library, codes),
        profile_shift(profiles, counts, np.zeros(40), codes),
        profile_shift(many, counts, library, ones),
    ):
        assert np.isfinite(shift)
        assert shift >= 0


@pytest.mark.parametrize(("n_counts", "n_measured"), [(N_GENES - 1, N_GENES), (N_GENES, 7)])
def test_other_genes_than_the_profiles_are_refused(profiles, n_counts, n_measured):
    counts = sparse.csr_matrix((2, n_counts), dtype=np.float32)
    with pytest.raises(ValueError, match=rf"of {N_GENES} genes, the counts of {n_counts}"):
        profile_shift(
            profiles, counts, np.ones(2), np.zeros(2, dtype=int), np.ones(n_measured, dtype=bool)
        )


# --- arrays


def test_arrays_come_back_as_they_went(profiles):
    arrays = profiles.to_arrays()
    again = TypeProfiles.from_arrays(arrays, N_TYPES, N_GENES)
    assert sorted(arrays) == ["counts", "library"]
    np.testing.assert_array_equal(again.counts, profiles.counts)
    np.testing.assert_array_equal(again.library, profiles.library)
    assert (again.counts.dtype, again.library.dtype) == (np.float32, np.float64)


def changed(values, value):
    values = values.copy()
    values.flat[1] = value
    return values


@pytest.mark.parametrize("name", ["counts", "library"])
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda values: values[:-1], "of the shape .* is needed"),
        (lambda values: values[..., None], "of the shape .* is needed"),
        (lambda values: np.zeros(values.shape, np.float16), "is float16 .* is needed"),
        (lambda values: values.astype(np.int64), "is int64 .* is needed"),
        (lambda values: values.astype(complex), "is complex128 .* is needed"),
        (lambda values: values.astype(object), "is object .* is needed"),
        (lambda values: values.astype(str), "is <U.* is needed"),
        (lambda values: values.astype(values.dtype.newbyteorder(">")), "is >f. .* is needed"),
        (lambda values: changed(values, -1), "negative or not finite"),
        (lambda values: changed(values, np.nan), "negative or not finite"),
        (lambda values: changed(values, np.inf), "negative or not finite"),
    ],
    ids=[
        "rows", "dimensions", "half", "whole", "complex", "objects", "text", "byte_order",
        "negative", "nan", "infinite",
    ],
)  # fmt: skip
def test_arrays_that_are_not_profiles_are_refused(profiles, name, change, says):
    arrays = profiles.to_arrays()
    arrays[name] = change(arrays[name])
    with pytest.raises(ValueError, match=rf"'{name}' .*{says}"):
        TypeProfiles.from_arrays(arrays, N_TYPES, N_GENES)


@pytest.mark.parametrize("name", ["counts", "library"])
def test_an_array_that_is_not_there_is_named(profiles, name):
    arrays = profiles.to_arrays()
    del arrays[name]
    with pytest.raises(ValueError, match=f"have no array '{name}', but"):
        TypeProfiles.from_arrays(arrays, N_TYPES, N_GENES)
