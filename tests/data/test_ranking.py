import time
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.stats import spearmanr
from sklearn.metrics import mutual_info_score

from cellclassifier.data import GenePanel, find_counts, rank_genes, read_cells, read_labels
from cellclassifier.errors import InputError
from cellclassifier.labels import LabelSpace

WEIGHTS = ["equal", "class_share"]


def genes_of(n_genes):
    return GenePanel.of_names([f"GENE{i}" for i in range(n_genes)])


def ranked(counts, codes, **options):
    counts = sparse.csr_matrix(counts)
    return rank_genes(counts, np.asarray(codes), genes_of(counts.shape[1]), **options)


def random_counts(seed, n_cells=80, n_genes=25, n_types=4):
    rng = np.random.default_rng(seed)
    codes = np.concatenate([np.arange(n_types), rng.integers(0, n_types, n_cells - n_types)])
    rates = rng.gamma(0.4, 4, size=(n_types, n_genes))
    return rng.poisson(rates[codes]), codes


def entropy(distribution):
    filled = distribution[distribution > 0]
    return -(filled * np.log(filled)).sum()


def oracle_divergence(column, codes, *, weights, smoothed):
    """Return one gene's Jensen-Shannon divergence by its definition, bin by bin."""
    column = np.minimum(column, 10) if smoothed else column
    types, sizes = np.unique(codes, return_counts=True)
    share = np.full(len(types), 1 / len(types)) if weights == "equal" else sizes / sizes.sum()
    bins = np.unique(np.append(column, 0))
    histograms = np.array([[np.sum(column[codes == t] == b) for b in bins] for t in types])
    distributions = histograms / sizes[:, None]
    if smoothed:
        prior_cells = 5
        mean = share @ distributions
        distributions = (histograms + prior_cells * mean) / (sizes[:, None] + prior_cells)
    return entropy(share @ distributions) - share @ [entropy(p) for p in distributions]


# --- against oracles


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("estimator", ["plug_in", "smoothed"])
@pytest.mark.parametrize("seed", range(4))
def test_divergence_is_what_the_definition_says(seed, estimator, weights):
    counts, codes = random_counts(seed)
    expected = [
        oracle_divergence(column, codes, weights=weights, smoothed=estimator == "smoothed")
        for column in counts.T
    ]
    divergence = ranked(counts, codes, weights=weights, estimator=estimator).divergence
    np.testing.assert_allclose(divergence, expected, atol=1e-12)


def oracle_miller_madow_bias(column, codes, weights):
    """Return the first-order bias: (bins - 1) / 2n of each type, less that of the mixture."""
    types, sizes = np.unique(codes, return_counts=True)
    share = np.full(len(types), 1 / len(types)) if weights == "equal" else sizes / sizes.sum()
    bias = 0.0
    for code, size, weight in zip(types, sizes, share, strict=True):
        bias += weight * (len(np.unique(column[codes == code])) - 1) / (2 * size)
    for count in np.unique(column):
        p = np.array([np.mean(column[codes == code] == count) for code in types])
        variance_of_mixture = np.sum(share**2 * p * (1 - p) / sizes)
        bias -= variance_of_mixture / (2 * np.sum(share * p))
    return bias


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("seed", range(4))
def test_miller_madow_takes_the_first_order_bias_off_the_plug_in(seed, weights):
    counts, codes = random_counts(seed)
    plug_in, corrected = (
        ranked(counts, codes, weights=weights, estimator=estimator).divergence
        for estimator in ("plug_in", "miller_madow")
    )
    expected = [oracle_miller_madow_bias(column, codes, weights) for column in counts.T]
    np.testing.assert_allclose(plug_in - corrected, expected, atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_by_class_share_it_is_the_mutual_information_of_count_and_label(seed):
    counts, codes = random_counts(seed)
    expected = [mutual_info_score(codes, column) for column in counts.T]
    divergence = ranked(counts, codes, weights="class_share", estimator="plug_in").divergence
    np.testing.assert_allclose(divergence, expected, atol=1e-10)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    weights=st.sampled_from(WEIGHTS),
    estimator=st.sampled_from(["plug_in", "smoothed"]),
)
def test_divergence_lies_between_zero_and_the_entropy_of_the_weights(seed, weights, estimator):
    counts, codes = random_counts(seed, n_cells=30, n_genes=10)
    divergence = ranked(counts, codes, weights=weights, estimator=estimator).divergence
    assert divergence.min() >= -1e-12
    assert divergence.max() <= np.log(4) + 1e-12


@pytest.mark.parametrize("estimator", ["plug_in", "smoothed", "miller_madow"])
def test_order_of_cells_and_names_of_types_are_no_matter(estimator):
    counts, codes = random_counts(0)
    order = np.random.default_rng(1).permutation(len(codes))
    one = ranked(counts, codes, estimator=estimator).divergence
    other = ranked(counts[order], 3 - codes[order], estimator=estimator).divergence
    np.testing.assert_allclose(one, other, atol=1e-12)


# --- bias


@pytest.fixture(scope="module")
def noise():
    """2,000 genes that know nothing of five types, two of them small."""
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(5), [20, 30, 100, 100, 150])
    return sparse.csr_matrix(rng.poisson(2.0, size=(len(codes), 2000))), codes


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize(("estimator", "share_left"), [("miller_madow", 0.4), ("smoothed", 0.8)])
def test_bias_of_genes_that_say_nothing_is_reduced(noise, estimator, share_left, weights):
    bias = ranked(*noise, weights=weights, estimator="plug_in").divergence.mean()
    left = ranked(*noise, weights=weights, estimator=estimator).divergence.mean()
    assert bias > 0.02
    assert abs(left) < share_left * bias


# --- large and awkward matrices


def test_a_large_sparse_matrix_is_never_made_dense():
    rng = np.random.default_rng(0)
    counts = sparse.random(
        20_000, 30_000, density=1e-4, format="csr", dtype=np.float32, random_state=rng
    )
    counts.data = rng.integers(1, 30, size=counts.nnz).astype(np.float32)
    codes, genes = np.arange(20_000) % 8, genes_of(30_000)
    tracemalloc.start()
    begun = time.process_time()
    ranking = rank_genes(counts, codes, genes)
    seconds = time.process_time() - begun
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(ranking.order) == 30_000
    assert seconds < 5
    assert peak < 100e6  # dense, it would be 2.4 GB


def with_stored_zeros_and_split_entries(counts):
    """Return the counts with two stored parts each, one of which is often zero."""
    n_cells, n_genes = counts.shape
    parts = np.stack([counts // 2, counts - counts // 2], axis=2)
    return sparse.csr_matrix(
        (
            parts.ravel(),
            np.tile(np.repeat(np.arange(n_genes), 2), n_cells),
            np.arange(n_cells + 1) * 2 * n_genes,
        ),
        shape=counts.shape,
    )


@pytest.mark.parametrize("estimator", ["plug_in", "smoothed", "miller_madow"])
def test_stored_zeros_and_split_entries_change_nothing(estimator):
    counts, codes = random_counts(0)
    untidy = with_stored_zeros_and_split_entries(counts)
    before = untidy.data.copy()
    expected = ranked(counts, codes, estimator=estimator)
    seen = ranked(untidy, codes, estimator=estimator)
    np.testing.assert_allclose(seen.divergence, expected.divergence, atol=1e-12)
    np.testing.assert_array_equal(seen.n_cells, expected.n_cells)
    np.testing.assert_array_equal(untidy.data, before)


def test_a_gene_without_counts_diverges_by_nothing():
    ranking = ranked(np.array([[0, 1], [0, 2], [0, 0], [0, 0]]), [0, 0, 1, 1])
    assert ranking.divergence[0] == 0
    assert ranking.n_cells.tolist() == [0, 2]


# --- the value returned


def test_order_is_from_most_to_least_divergent_and_ties_in_column_order():
    counts = np.array([[0, 3, 0, 3], [0, 3, 0, 3], [0, 0, 1, 0], [0, 0, 0, 0]])
    ranking = ranked(counts, [0, 0, 1, 1], estimator="plug_in")
    assert ranking.order.tolist() == [1, 3, 2, 0]


def test_the_table_saved_lists_the_best_gene_first(tmp_path):
    genes = GenePanel.of_names(["ACTB", "CD79A", "ENSG00000105374"])
    counts = sparse.csr_matrix(np.array([[1, 5, 1], [1, 4, 0], [1, 0, 0], [1, 0, 0]]))
    ranking = rank_genes(counts, np.array([0, 0, 1, 1]), genes, estimator="plug_in")
    ranking.save(tmp_path / "genes.csv")
    table = pd.read_csv(tmp_path / "genes.csv", keep_default_na=False)
    assert table.columns.tolist() == [
        "rank", "ensembl_id", "gene_symbol", "js_divergence_nats", "n_cells",
    ]  # fmt: skip
    assert table["rank"].tolist() == [1, 2, 3]
    assert table["gene_symbol"].tolist() == ["CD79A", "", "ACTB"]
    assert table["ensembl_id"].tolist() == ["", "ENSG00000105374", ""]
    assert table["js_divergence_nats"].tolist() == pytest.approx([0.693147, 0.215762, 0], abs=1e-5)
    assert table["n_cells"].tolist() == [2, 1, 4]


# --- what is refused


@pytest.mark.parametrize(
    ("codes", "reason"),
    [
        ([0, 0, 0], "at least two types"),
        ([0, 2, 2], "coded from 0 without gaps"),
        ([0, 1], r"shape \(3, 2\), but there are 2 codes and 2 genes"),
    ],
    ids=["one_type", "gap", "too_few_codes"],
)
def test_codes_that_do_not_fit_are_refused(codes, reason):
    with pytest.raises(InputError, match=reason):
        ranked(np.ones((3, 2), dtype=int), codes)


@pytest.mark.parametrize("value", [0.5, -1.0, np.nan], ids=["fraction", "negative", "nan"])
def test_values_that_are_no_counts_are_refused(value):
    with pytest.raises(InputError, match="ranked by raw counts, whole and non-negative"):
        ranked(np.array([[1.0, value], [2.0, 0.0]]), [0, 1])


# --- against the divergences published with the original study


@pytest.fixture(scope="module")
def zheng(shared_data):
    cells = read_cells(shared_data("zheng_sorted_facs.h5ad"))
    published = pd.read_csv(shared_data("seed_divergences.csv"))
    labels = read_labels(cells, "cell_type")
    return find_counts(cells), LabelSpace.of(labels).encode(labels), published


def agreement(zheng, estimator):
    """Return Spearman's rho, the best 1,000 and 100 in common, and the rank of MALAT1."""
    raw, codes, published = zheng
    ranking = rank_genes(raw.counts, codes, raw.genes, estimator=estimator).to_frame()
    both = published.merge(ranking, on="ensembl_id", suffixes=("_published", ""))
    assert len(both) > 10_000
    rho = spearmanr(both["js_divergence_nats_published"], both["js_divergence_nats"]).statistic
    best = {
        n: len(
            set(both.nlargest(n, "js_divergence_nats")["ensembl_id"])
            & set(both.nlargest(n, "js_divergence_nats_published")["ensembl_id"])
        )
        for n in (100, 1000)
    }
    malat1 = ranking.loc[ranking["gene_symbol"] == "MALAT1", "rank"].item()
    return rho, best[1000], best[100], malat1


@pytest.fixture(scope="module")
def plug_in_agreement(zheng):
    return agreement(zheng, "plug_in")


@pytest.fixture(scope="module")
def smoothed_agreement(zheng):
    return agreement(zheng, "smoothed")


@pytest.mark.parametrize("estimator", ["plug_in", "smoothed"])
def test_ranking_agrees_with_the_one_published(estimator, request):
    rho, best_1000, _, _ = request.getfixturevalue(f"{estimator}_agreement")
    assert rho >= 0.95
    assert best_1000 >= 850


def test_smoothing_agrees_better_at_every_depth(plug_in_agreement, smoothed_agreement):
    assert smoothed_agreement[0] > plug_in_agreement[0]
    assert smoothed_agreement[1] > plug_in_agreement[1]
    assert smoothed_agreement[2] > plug_in_agreement[2]


def test_smoothing_takes_away_the_bias_of_malat1(plug_in_agreement, smoothed_agreement):
    assert plug_in_agreement[3] == 1
    assert smoothed_agreement[3] > 30


def test_ranking_three_thousand_cells_takes_less_than_two_seconds(zheng):
    raw, codes, _ = zheng
    begun = time.process_time()
    rank_genes(raw.counts, codes, raw.genes)
    assert time.process_time() - begun < 2


@pytest.mark.parametrize("wrong", [{"weights": "fair"}, {"estimator": "best"}], ids=str)
def test_a_choice_that_does_not_exist_is_refused(wrong):
    counts = sparse.csr_matrix(np.array([[1], [2]]))
    with pytest.raises(InputError, match="is one of"):
        rank_genes(counts, np.array([0, 1]), GenePanel.of_names(["CD3D"]), **wrong)
