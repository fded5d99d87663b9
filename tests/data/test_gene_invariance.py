"""The same cells, however their genes are named and their counts are kept: the same bits."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

from cellclassifier import CellTypeClassifier
from cellclassifier.data.gene_table import gene_table

N_GENES, N_CELLS, N_EXTRA = 60, 24, 5000
MATRICES = {
    "csr": sparse.csr_matrix,
    "csc": sparse.csc_matrix,
    "csr_array": sparse.csr_array,
    "dense": np.asarray,
}
DTYPES = ["float32", "float64", "int32", "int64"]
NAMINGS = ["symbol", "id", "versioned_id", "symbol_and_id", "genome_and_symbol", "former_name"]
# each example is a prediction; the fitted classifiers are not changed by it
invariance = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def names_of(id_, symbol, former):
    return {
        "symbol": symbol,
        "id": id_,
        "versioned_id": f"{id_}.{len(symbol)}",
        "symbol_and_id": f"{symbol}_{id_}",
        "genome_and_symbol": f"GRCh38_{symbol}",
        "former_name": former.get(id_, symbol),
    }


@pytest.fixture(scope="module")
def genes():
    """Return 60 genes, half of them with a former name, and 5,000 others, by naming."""
    human = gene_table("human")
    former = {id_: name for name, id_ in human.by_other.items()}
    pairs = sorted((id_, symbol) for symbol, id_ in human.by_symbol.items())
    order = np.random.default_rng(0).permutation(len(pairs))
    named = [pairs[i] for i in order]
    chosen = [pair for pair in named if pair[0] in former][: N_GENES // 2]
    others = [pair for pair in named if pair not in set(chosen)]
    chosen += others[: N_GENES // 2]
    extra = others[N_GENES // 2 :][:N_EXTRA]
    return [names_of(*pair, former) for pair in chosen], [names_of(*pair, {}) for pair in extra]


@pytest.fixture(scope="module")
def counts():
    rng = np.random.default_rng(1)
    codes = np.repeat([0, 1, 2], N_CELLS // 3)
    means = np.full((3, N_GENES), 1.0)
    for code in range(3):
        means[code, code * 15 : code * 15 + 15] = 6.0
    return rng.poisson(means[codes]), np.array(["B", "NK", "T"], dtype=object)[codes]


def cells_of(matrix, names, labels=None):
    obs = pd.DataFrame(index=[f"cell{i}" for i in range(matrix.shape[0])])
    if labels is not None:
        obs["cell_type"] = labels
    return ad.AnnData(matrix, obs=obs, var=pd.DataFrame(index=names))


@pytest.fixture(scope="module", params=["symbol", "id"])
def fitted(request, genes, counts):
    """Return a classifier trained on symbols or on ids, and what it says of its own cells."""
    matrix, labels = counts
    names = [gene[request.param] for gene in genes[0]]
    reference = cells_of(sparse.csr_matrix(matrix.astype("float32")), names, labels)
    classifier = CellTypeClassifier("linear", genes="all").fit(reference, labels_key="cell_type")
    return classifier, classifier.predict_proba(reference)


@st.composite
def presentations(draw):
    """Draw a way to name genes and to keep counts."""
    one = draw(st.sampled_from([*NAMINGS, "mix"]))
    namings = [one] * N_GENES
    if one == "mix":
        namings = draw(st.lists(st.sampled_from(NAMINGS), min_size=N_GENES, max_size=N_GENES))
    return (
        namings,
        draw(st.permutations(range(N_GENES))),
        draw(st.sampled_from(sorted(MATRICES))),
        draw(st.sampled_from(DTYPES)),
    )


@invariance
@given(presentation=presentations())
def test_names_order_matrix_and_dtype_change_no_bit(fitted, genes, counts, presentation):
    classifier, expected = fitted
    namings, order, kind, dtype = presentation
    names = [genes[0][i][namings[i]] for i in order]
    cells = cells_of(MATRICES[kind](counts[0][:, order].astype(dtype)), names)
    predictions = classifier.classify(cells)
    assert predictions.gene_coverage == 1.0
    assert np.array_equal(predictions.probabilities, expected)


@pytest.mark.parametrize("naming", ["symbol", "versioned_id"])
def test_genes_without_counts_change_no_bit(fitted, genes, counts, naming):
    classifier, expected = fitted
    names = [gene[naming] for gene in (*genes[1], *genes[0])]
    matrix = sparse.hstack([sparse.csr_matrix((N_CELLS, N_EXTRA)), counts[0]], format="csr")
    assert np.array_equal(classifier.predict_proba(cells_of(matrix, names)), expected)


@pytest.mark.parametrize("naming", ["symbol", "versioned_id"])
def test_further_genes_change_no_bit_where_the_library_size_is_the_same(
    fitted, genes, counts, naming
):
    classifier, _ = fitted
    order = np.random.default_rng(2).permutation(N_EXTRA + N_GENES)
    names = [gene[naming] for gene in (*genes[0], *genes[1])]
    more = np.random.default_rng(3).poisson(0.1, (N_CELLS, N_EXTRA))
    whole = cells_of(np.hstack([counts[0], more])[:, order], [names[i] for i in order])
    part = cells_of(counts[0], names[:N_GENES])
    part.obs["n_counts"] = np.asarray(whole.X).sum(axis=1)
    assert np.array_equal(
        classifier.classify(whole).probabilities,
        classifier.classify(part, library_size_key="n_counts").probabilities,
    )


def test_unsorted_and_split_entries_change_no_bit(fitted, genes, counts):
    classifier, expected = fitted
    matrix = sparse.csr_matrix(counts[0].astype("float32"))
    rows = np.repeat(np.arange(N_CELLS), np.diff(matrix.indptr))
    order = np.lexsort((-matrix.indices, rows))
    ones = np.ones_like(matrix.data)
    data = np.stack([matrix.data - ones, ones], axis=1)[order].ravel()  # zeros are stored, too
    split = sparse.csr_matrix(
        (data, np.repeat(matrix.indices[order], 2), matrix.indptr * 2), shape=matrix.shape
    )
    assert not split.has_canonical_format
    cells = cells_of(split, [gene["symbol"] for gene in genes[0]])
    assert np.array_equal(classifier.predict_proba(cells), expected)


def test_a_gene_in_two_columns_is_one_gene(fitted, genes, counts):
    classifier, expected = fitted
    matrix, names = counts[0], [gene["symbol"] for gene in genes[0]]
    part = matrix[:, :1] // 2
    twice = np.hstack([matrix[:, :1] - part, matrix[:, 1:], part])
    cells = cells_of(twice, [*names, genes[0][0]["versioned_id"]])
    assert np.array_equal(classifier.predict_proba(cells), expected)
