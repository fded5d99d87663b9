"""Orders of genes for convolutional networks."""

import numpy as np
import pytest

from cellclassifier import CellTypeClassifier, TrainingConfig
from cellclassifier.data import LabelledCounts, order_genes, rank_genes
from cellclassifier.errors import InputError

KEY = "cell_type"


@pytest.mark.parametrize("n_genes", [1, 2, 7, 8, 100, 1000])
@pytest.mark.parametrize("order", ["native", "divergence", "spread"])
def test_every_gene_comes_once(order, n_genes):
    by_divergence = np.random.default_rng(0).permutation(n_genes)
    assert sorted(order_genes(order, by_divergence)) == list(range(n_genes))


def test_native_and_divergence_are_what_they_say():
    by_divergence = np.array([2, 0, 1])
    assert order_genes("native", by_divergence).tolist() == [0, 1, 2]
    assert order_genes("divergence", by_divergence).tolist() == [2, 0, 1]


@pytest.mark.parametrize("window", [2, 4, 16, 64])
@pytest.mark.parametrize("n_genes", [1024, 1000])
def test_spread_leaves_one_of_the_best_in_each_window(window, n_genes):
    rank_at = order_genes("spread", np.arange(n_genes))
    n_windows = -(-n_genes // window)
    best_of_each = [rank_at[start : start + window].min() for start in range(0, n_genes, window)]
    assert sorted(best_of_each) == list(range(n_windows))


def test_order_that_does_not_exist():
    with pytest.raises(InputError, match=r"no gene order 'random'; there are \['native', "):
        order_genes("random", np.arange(3))


@pytest.mark.parametrize("order", ["native", "divergence", "spread"])
def test_classifier_takes_the_genes_in_that_order(order, toy_reference):
    training = TrainingConfig(epochs=1)
    classifier = CellTypeClassifier("mlp", genes=20, gene_order=order, training=training)
    classifier.fit(toy_reference, labels_key=KEY)
    cells = LabelledCounts.of(toy_reference, KEY)
    best = rank_genes(cells.raw.counts, cells.codes, cells.raw.genes).order[:20]
    expected = cells.raw.genes[order_genes(order, best)].names
    assert classifier.manifest_.panel.names.tolist() == expected.tolist()
    assert classifier.manifest_.training["gene_order"] == order


def test_order_applies_to_named_genes_too(toy_reference):
    names = list(toy_reference.var_names[[5, 1, 9]])
    classifier = CellTypeClassifier("linear", genes=names, gene_order="native")
    classifier.fit(toy_reference, labels_key=KEY)
    assert classifier.manifest_.panel.names.tolist() == sorted(
        names, key=list(toy_reference.var_names).index
    )
