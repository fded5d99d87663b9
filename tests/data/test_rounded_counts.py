"""Estimates of counts that are not whole go all the way that counts go."""

import numpy as np
import pytest

from cellclassifier import CellTypeClassifier, find_counts, panel_curve
from cellclassifier.cli import main
from cellclassifier.data import choose_genes
from cellclassifier.labels import LabelSpace

KEY = "cell_type"


@pytest.fixture
def estimates(toy_reference):
    rng = np.random.default_rng(0)
    toy_reference.X = toy_reference.X.astype(np.float32)
    toy_reference.X.data *= rng.uniform(0.8, 1.0, size=toy_reference.X.nnz).astype(np.float32)
    return toy_reference


def test_whole_counts_are_their_own(toy_reference):
    raw = find_counts(toy_reference)
    assert raw.whole is raw.counts


def test_estimates_are_rounded(estimates):
    raw = find_counts(estimates, allow_non_integer=True)
    np.testing.assert_array_equal(raw.whole.toarray(), np.rint(raw.counts.toarray()))
    assert raw.whole.data.all()


@pytest.mark.parametrize("genes", [20, "all"])
@pytest.mark.parametrize("gene_order", [None, "divergence", "spread"])
def test_classifiers_learn_from_them(estimates, genes, gene_order):
    classifier = CellTypeClassifier("linear", genes=genes, gene_order=gene_order)
    classifier.fit(estimates, labels_key=KEY, allow_non_integer=True)
    assert classifier.score(estimates, KEY, allow_non_integer=True) > 0.9


def test_panels_and_rankings_take_them(estimates, tmp_path):
    raw = find_counts(estimates, allow_non_integer=True)
    labels = estimates.obs[KEY].astype(str)
    codes = LabelSpace.of(labels).encode(labels)
    assert len(choose_genes(raw, codes, 5)) == 5
    assert len(panel_curve(raw, labels, sizes=[5]).choice) == 5
    estimates.write_h5ad(tmp_path / "cells.h5ad")
    words = f"genes {tmp_path}/cells.h5ad --labels-key {KEY} --out {tmp_path}/ranking.csv"
    with pytest.raises(SystemExit) as stopped:
        main([*words.split(), "--allow-non-integer"])
    assert stopped.value.code == 0
