import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from cellclassifier.data import GenePanel, align_genes, find_counts, match_genes, select_genes
from cellclassifier.errors import GeneOverlapError

PANEL = GenePanel.of_names(["MS4A1", "CD3D", "NKG7", "LYZ"])


def raw_counts(matrix, genes):
    matrix = sparse.csr_matrix(np.asarray(matrix, dtype=np.float32))
    index = [str(i) for i in range(len(genes))]  # names may stand twice in a column
    return find_counts(ad.AnnData(matrix, var=pd.DataFrame({"gene_symbol": genes}, index=index)))


def assert_same_bits(one, other):
    assert one.shape == other.shape
    for part in ("data", "indices", "indptr"):
        assert getattr(one, part).dtype == getattr(other, part).dtype
        assert getattr(one, part).tobytes() == getattr(other, part).tobytes()


def test_counts_go_to_the_places_of_the_panel():
    aligned = align_genes(raw_counts([[1, 2, 3], [0, 5, 0]], ["LYZ", "CD3D", "MS4A1"]), PANEL)
    assert aligned.counts.toarray().tolist() == [[3, 2, 0, 1], [0, 5, 0, 0]]
    assert aligned.counts.dtype == np.float32
    assert aligned.counts.format == "csr"
    assert aligned.gene_coverage == 0.75


def test_library_size_counts_genes_outside_the_panel():
    raw = raw_counts([[1, 2, 90], [3, 0, 7]], ["LYZ", "CD3D", "MALAT1"])
    aligned = align_genes(raw, PANEL)
    assert aligned.library_size.tolist() == [93, 10]
    assert aligned.counts.sum(axis=1).ravel().tolist() == [[3, 3]]


def test_counts_of_one_name_add_up_there_and_in_the_library_size():
    raw = raw_counts([[1, 2, 4], [0, 0, 8]], ["CD3D", "LYZ", "CD3D"])
    aligned = align_genes(raw, PANEL)
    assert aligned.counts.toarray().tolist() == [[0, 5, 0, 2], [0, 8, 0, 0]]
    assert aligned.library_size.tolist() == [7, 8]
    assert aligned.counts.nnz == 3


def test_a_cell_with_no_panel_gene_keeps_its_row():
    aligned = align_genes(raw_counts([[0, 6], [1, 0]], ["LYZ", "MALAT1"]), PANEL)
    assert aligned.counts.toarray().tolist() == [[0, 0, 0, 0], [0, 0, 0, 1]]
    assert aligned.library_size.tolist() == [6, 1]


def test_too_few_genes_are_refused_unless_asked_for():
    raw = raw_counts([[1, 2]], ["LYZ", "MALAT1"])
    with pytest.raises(GeneOverlapError, match=r"only 1 of the model's 4 .* 30% are needed"):
        align_genes(raw, PANEL, min_coverage=0.3)
    assert align_genes(raw, PANEL, min_coverage=0.25).gene_coverage == 0.25


def test_blocks_give_the_bits_of_the_whole(toy_reference):
    raw = find_counts(toy_reference)
    panel = raw.genes[np.arange(0, 60, 3)]
    match = match_genes(raw.genes, panel)
    blocks = [select_genes(block.counts, match) for block in raw.blocks(32)]
    assert_same_bits(
        sparse.vstack(blocks, format="csr"), select_genes(raw.counts, match).astype(np.float32)
    )


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(slice(None), id="all"),
        pytest.param(slice(2, 5), id="some"),
        pytest.param(slice(-2, None), id="last"),
        pytest.param(slice(4, 4), id="none"),
        pytest.param(slice(5, 2), id="backwards"),
        pytest.param(slice(6, 99), id="beyond"),
        pytest.param(slice(1, 7, 2), id="every-second"),
        pytest.param(slice(None, None, -1), id="turned"),
        pytest.param(np.array([5, 0, 5]), id="numbers"),
    ],
)
def test_some_cells_are_those_rows(toy_reference, rows):
    raw = find_counts(toy_reference)[:8]
    some = raw[rows]
    assert_same_bits(some.counts, raw.counts[rows])
    np.testing.assert_array_equal(some.library_size, raw.library_size[rows])
    assert some.cell_names.equals(raw.cell_names[rows])
    assert some.counts.has_canonical_format


def test_consecutive_cells_are_not_copied(toy_reference):
    raw = find_counts(toy_reference)
    assert np.shares_memory(raw[3:9].counts.data, raw.counts.data)


@st.composite
def measured_twice(draw):
    """Draw counts of some panel genes, and the same in another order among further genes."""
    n_cells = draw(st.integers(1, 6))
    genes = draw(st.lists(st.sampled_from(PANEL.names.tolist()), min_size=1, max_size=7))
    counts = draw(
        st.lists(
            st.lists(st.integers(0, 9), min_size=len(genes), max_size=len(genes)),
            min_size=n_cells,
            max_size=n_cells,
        )
    )
    n_further = draw(st.integers(0, 5))
    order = draw(st.permutations(range(len(genes) + n_further)))
    counts = np.hstack([np.array(counts), np.ones((n_cells, 1), dtype=int)])
    further = np.hstack([counts, np.full((n_cells, n_further), 3)])
    names = [*genes, "XIST", *(f"OTHER{i}" for i in range(n_further))]
    order = [*order, len(names) - 1]
    return (
        raw_counts(counts, names[: len(genes) + 1]),
        raw_counts(further[:, order], [names[i] for i in order]),
    )


@settings(deadline=None, max_examples=100)
@given(pair=measured_twice())
def test_gene_order_and_further_genes_change_no_bit(pair):
    one, other = (align_genes(raw, PANEL, min_coverage=0.0) for raw in pair)
    assert_same_bits(one.counts, other.counts)
    assert one.gene_coverage == other.gene_coverage
    assert one.counts.has_sorted_indices
