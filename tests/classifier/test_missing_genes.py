"""Cells that lack genes of the model: what stands in for them, and what it is worth."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.model_selection import StratifiedKFold

from cellclassifier import CellTypeClassifier, read_cells
from cellclassifier.data import GeneFactors, read_labels

KEY = "cell_type"


@pytest.fixture
def classifier(toy_reference):
    return CellTypeClassifier("linear").fit(toy_reference, labels_key=KEY)


def with_means_alone(classifier):
    """Return the same classifier, which does not know how its genes go together."""
    manifest = classifier.manifest_
    plain = CellTypeClassifier(engine=classifier.engine)
    plain.model_ = classifier.model_
    means = GeneFactors.of_means(manifest.factors.mean, manifest.factors.share)
    plain.manifest_ = replace(manifest, factors=means)
    return plain


def test_with_all_genes_nothing_changes_to_the_bit(classifier, toy_reference):
    plain = with_means_alone(classifier)
    np.testing.assert_array_equal(
        classifier.predict_proba(toy_reference), plain.predict_proba(toy_reference)
    )


@pytest.mark.parametrize("network", ["linear", "mlp"])
def test_engines_agree_on_cells_that_lack_genes(toy_reference, network):
    classifier = CellTypeClassifier(network).fit(toy_reference, labels_key=KEY)
    cells = toy_reference[:, ::2].copy()
    by_keras = classifier.predict_proba(cells)
    classifier.engine = "lowlevel"
    np.testing.assert_allclose(classifier.predict_proba(cells), by_keras, atol=1e-5)


@pytest.mark.parametrize("engine", ["keras", "lowlevel"])
def test_a_cell_that_lacks_genes_is_named_alike_in_any_company(classifier, toy_reference, engine):
    classifier.engine = engine
    cells = toy_reference[:, ::2].copy()
    together = classifier.predict_proba(cells)
    np.testing.assert_array_equal(classifier.predict_proba(cells[7:8].copy()), together[7:8])
    np.testing.assert_array_equal(classifier.predict_proba(cells[::-1].copy()), together[::-1])


def test_expression_holds_what_the_network_sees(classifier, toy_reference):
    cells = toy_reference[:, ::2].copy()
    expression = classifier.expression(cells).toarray()
    np.testing.assert_allclose(
        classifier.model_.predict_on_batch(expression), classifier.predict_proba(cells), atol=1e-6
    )
    plain = with_means_alone(classifier).expression(cells).toarray()
    measured = np.isin(classifier.manifest_.panel.symbols, cells.var_names)
    np.testing.assert_array_equal(expression[:, measured], plain[:, measured])
    assert np.ptp(plain[:, ~measured], axis=0).max() == 0
    assert np.ptp(expression[:, ~measured], axis=0).min() > 0


def test_half_the_genes_of_real_cells_go_a_longer_way(shared_data):
    cells = read_cells(shared_data("zheng_sorted_facs.h5ad")).to_memory()
    labels = read_labels(cells, KEY)
    training, test = next(StratifiedKFold(5, shuffle=True, random_state=0).split(labels, labels))
    classifier = CellTypeClassifier("linear").fit(cells[training].copy(), labels_key=KEY)
    kept = np.sort(np.random.default_rng(0).permutation(cells.n_vars)[: cells.n_vars // 2])
    half = cells[test][:, kept].copy()
    assert classifier.score(half, KEY) >= with_means_alone(classifier).score(half, KEY) + 0.03
    assert classifier.score(half, KEY) > 0.85
