"""What `check` says of real cells; skipped where the data folder is not there."""

import pytest

from cellclassifier import CellTypeClassifier, check, read_cells
from cellclassifier.errors import CountsError, GeneOverlapError

LIBRARY_SIZE_KEY = "n_counts_all_genes"


@pytest.fixture(scope="module")
def classifier(shared_data):
    reference = read_cells(shared_data("zheng_sorted_facs.h5ad"))
    return CellTypeClassifier("linear").fit(reference, labels_key="cell_type")


@pytest.mark.parametrize(
    ("name", "n_genes", "coverage"),
    [
        pytest.param("pbmc3k", 32_738, (0.999, 1.0), id="pbmc3k"),
        pytest.param("baron_pancreas", 20_113, (0.95, 0.99), id="baron_pancreas"),
        pytest.param("zheng_sorted_merged", 8_385, (0.9, 0.95), id="zheng_sorted_merged"),
    ],
)
def test_real_cells_are_told_for_what_they_are(classifier, shared_data, name, n_genes, coverage):
    report = check(read_cells(shared_data(f"{name}.h5ad")), classifier)
    assert report.counts == "raw counts in X"
    assert (report.species, report.n_genes) == ("human", n_genes)
    assert coverage[0] <= report.model.gene_coverage <= coverage[1]
    expected = report.model.expected
    # fewer genes can only cost
    assert 0.9 < expected.accuracy <= expected.as_trained < 0.97


def test_counts_cut_down_to_some_genes_are_noticed(classifier, shared_data):
    cells = read_cells(shared_data("pbmc_10x_3prime.h5ad"))
    with pytest.raises(CountsError, match=LIBRARY_SIZE_KEY):
        check(cells, classifier)
    assert check(cells, library_size_key=LIBRARY_SIZE_KEY).n_genes == 1_766


def test_an_eighth_of_the_genes_is_too_little(classifier, shared_data):
    cells = read_cells(shared_data("pbmc_10x_3prime.h5ad"))
    with pytest.raises(GeneOverlapError, match="only 500 of the model's 4,000 genes"):
        check(cells, classifier, library_size_key=LIBRARY_SIZE_KEY)


def test_mouse_cells_are_noticed(classifier, shared_data):
    cells = read_cells(shared_data("paul15.h5ad"))
    with pytest.raises(GeneOverlapError, match="map_orthologs"):
        check(cells, classifier)
    assert check(cells, classifier, map_orthologs=True).model.n_orthologs > 1_000
