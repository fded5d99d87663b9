import time

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from cellclassifier.data import (
    AlignedCounts,
    Normalisation,
    choose_genes,
    find_counts,
    rank_genes,
    read_cells,
    read_gene_list,
    read_labels,
    redundancy,
)
from cellclassifier.errors import FileFormatError, InputError
from cellclassifier.labels import LabelSpace


def raw_of(counts, names=None):
    names = [f"GENE{i}" for i in range(counts.shape[1])] if names is None else names
    var = pd.DataFrame(index=[str(name) for name in names])
    obs = pd.DataFrame(index=[f"cell{i}" for i in range(len(counts))])
    return find_counts(ad.AnnData(counts.astype(np.float32), obs=obs, var=var))


def random_counts(seed=0, n_cells=90, n_genes=12, n_types=3):
    """Return counts of types of unequal size in which genes come in correlated pairs."""
    rng = np.random.default_rng(seed)
    codes = np.sort(
        np.concatenate([np.arange(n_types), rng.integers(0, n_types, n_cells - n_types)])
    )
    rates = np.repeat(rng.gamma(1.0, 4.0, size=(n_types, n_genes // 2)), 2, axis=1)
    activity = np.repeat(rng.gamma(4.0, 0.25, size=(n_cells, n_genes // 2)), 2, axis=1)
    return rng.poisson(rates[codes] * activity), codes


def explained(expression, codes, chosen, noise):
    """Return how much of the whitened types a ridge regression on the chosen genes explains."""
    weights = 1 / np.sqrt(np.bincount(codes))[codes]
    weights /= weights.sum()
    one_hot = np.eye(codes.max() + 1)[codes]
    centred = one_hot - weights @ one_hot
    within = np.linalg.pinv((centred * weights[:, None]).T @ centred, rcond=1e-9)
    genes = expression[:, chosen] - weights @ expression[:, chosen]
    among = (genes * weights[:, None]).T @ genes + noise * np.eye(len(chosen))
    across = (genes * weights[:, None]).T @ centred
    return np.trace(np.linalg.solve(among, across) @ within @ across.T)


def by_brute_force(raw, codes, n_genes, noise):
    """Return the greedy choice, each candidate's regression solved from scratch, and the gains."""
    aligned = AlignedCounts(raw.counts, raw.library_size, 1.0)
    expression = Normalisation().apply(aligned).toarray().astype(np.float64)
    pool = rank_genes(raw.counts, codes, raw.genes).detected.tolist()
    chosen, reached = [], [0.0]
    for _ in range(n_genes):
        left = [gene for gene in pool if gene not in chosen]
        totals = [explained(expression, codes, [*chosen, gene], noise) for gene in left]
        chosen.append(left[int(np.argmax(totals))])
        reached.append(max(totals))
    return chosen, np.diff(reached)


@pytest.mark.parametrize("noise", [0.01, 0.3], ids=["little_noise", "much_noise"])
@pytest.mark.parametrize("seed", range(5))
def test_each_gene_is_the_one_that_brute_force_finds(seed, noise):
    counts, codes = random_counts(seed)
    raw = raw_of(counts)
    chosen, gains = by_brute_force(raw, codes, 8, noise)
    choice = choose_genes(raw, codes, 8, noise=noise)
    assert choice.columns.tolist() == chosen
    np.testing.assert_allclose(choice.gain, gains, rtol=1e-5, atol=1e-8)


def test_a_repeated_marker_is_not_chosen_before_a_weaker_new_one():
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1, 2], 40)
    strong = rng.poisson(np.array([12, 1, 1])[codes])
    weak = rng.poisson(np.array([2, 6, 2])[codes])
    background = rng.poisson(2.0, size=(len(codes), 100))
    counts = np.column_stack([strong, strong, strong, weak, background])
    raw = raw_of(counts)
    assert set(rank_genes(raw.counts, codes, raw.genes).order[:3]) == {0, 1, 2}
    assert sorted(choose_genes(raw, codes, 2).columns) == [0, 3]


def test_a_repeated_marker_has_nothing_to_add_without_noise():
    counts, codes = random_counts()
    twice = np.concatenate([counts, counts], axis=1)
    choice = choose_genes(raw_of(twice), codes, twice.shape[1], noise=0)
    conditioned = choice.columns[~np.isnan(choice.gain)] % counts.shape[1]
    assert len(set(conditioned)) == len(conditioned) == counts.shape[1]
    assert len(set(choice.columns)) == twice.shape[1]


def test_the_panel_is_the_beginning_of_every_larger_one_and_the_same_each_time():
    counts, codes = random_counts()
    raw = raw_of(counts)
    large, small = choose_genes(raw, codes, 10), choose_genes(raw, codes, 4)
    assert large.columns[:4].tolist() == small.columns.tolist()
    assert choose_genes(raw, codes, 10).columns.tolist() == large.columns.tolist()
    np.testing.assert_array_equal(choose_genes(raw, codes, 10).gain, large.gain)


def test_order_of_genes_cells_and_types_is_no_matter():
    counts, codes = random_counts()
    names = np.array([f"GENE{i}" for i in range(counts.shape[1])])
    rng = np.random.default_rng(1)
    genes, cells = rng.permutation(counts.shape[1]), rng.permutation(len(codes))
    one = choose_genes(raw_of(counts, names), codes, 8)
    other_raw = raw_of(counts[cells][:, genes], names[genes])
    other = choose_genes(other_raw, codes.max() - codes[cells], 8)
    assert one.genes.names.tolist() == other.genes.names.tolist()
    np.testing.assert_allclose(one.gain, other.gain, rtol=1e-6)


def test_gains_add_up_to_less_than_the_types_have_dimensions():
    counts, codes = random_counts(n_genes=40)
    choice = choose_genes(raw_of(counts), codes, 40)
    assert np.nansum(choice.gain) < codes.max()
    assert (choice.gain > 0).all()


def test_genes_after_the_last_conditioned_one_follow_by_divergence(monkeypatch):
    monkeypatch.setattr(redundancy, "MOST_CONDITIONED", 3)
    counts, codes = random_counts()
    raw = raw_of(counts)
    choice = choose_genes(raw, codes, 8)
    ranked = rank_genes(raw.counts, codes, raw.genes).detected
    rest = [gene for gene in ranked if gene not in choice.columns[:3]]
    assert choice.columns[3:].tolist() == rest[:5]
    assert np.isnan(choice.gain).tolist() == [False] * 3 + [True] * 5


def test_only_candidates_are_chosen_and_no_fewer_than_the_panel_needs():
    counts, codes = random_counts()
    raw = raw_of(counts)
    ranked = rank_genes(raw.counts, codes, raw.genes).detected
    assert set(choose_genes(raw, codes, 3, candidates=4).columns) <= set(ranked[:4])
    assert set(choose_genes(raw, codes, 6, candidates=4).columns) == set(ranked[:6])


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"n_genes": 0}, "one gene or more, not 0"),
        ({"n_genes": 13}, "panel of 13 genes cannot be chosen: only 12 genes"),
        ({"n_genes": 2, "candidates": 0}, "one candidate or more"),
        ({"n_genes": 2, "noise": -1.0}, "noise of zero or more"),
    ],
    ids=["none", "too_many", "no_candidates", "negative_noise"],
)
def test_panels_that_cannot_be_are_refused(arguments, reason):
    counts, codes = random_counts()
    with pytest.raises(InputError, match=reason):
        choose_genes(raw_of(counts), codes, **arguments)


def test_three_hundred_of_all_genes_take_seconds(shared_data):
    cells = read_cells(shared_data("zheng_sorted_facs.h5ad"))
    labels = read_labels(cells, "cell_type")
    raw, codes = find_counts(cells), LabelSpace.of(labels).encode(labels)
    started = time.process_time()
    choice = choose_genes(raw, codes, 300)
    assert time.process_time() - started < 20
    assert len(set(choice.columns.tolist())) == 300


# --- gene lists


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("rank,ensembl_id,gene_symbol\n1,ENSG00000000001,A\n2,,B\n", ["ENSG00000000001", "B"]),
        ("gene_symbol\nA\nB\n", ["A", "B"]),
        ("A\nB\n", ["A", "B"]),
    ],
    ids=["panel", "one_column", "no_heading"],
)
def test_gene_lists_are_read(tmp_path, text, names):
    path = tmp_path / "genes.csv"
    path.write_text(text)
    assert read_gene_list(path) == names


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"rank,ensembl_id,gene_symbol\n1,,\n", "a line without a gene's name"),
        (b"", "nothing"),
        (b"\xff\xfe\x00\x01", "not a text"),
        (None, "a number, 'all', or a file"),
    ],
    ids=["no_name", "empty", "binary", "missing"],
)
def test_gene_lists_that_are_none_are_refused(tmp_path, content, reason):
    path = tmp_path / "genes.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FileFormatError, match=reason):
        read_gene_list(path)
