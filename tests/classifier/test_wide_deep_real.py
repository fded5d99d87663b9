"""The default network on real cells; skipped where the data folder is not there."""

import numpy as np
import pytest
from sklearn.model_selection import StratifiedKFold

from cellclassifier import CellTypeClassifier, read_cells
from cellclassifier.data import read_labels

KEY = "cell_type"


def accuracy(classifier, cells, labels):
    return (classifier.predict(cells) == labels).mean()


@pytest.mark.slow
def test_it_names_as_well_as_the_linear_one_and_lacks_genes_lightly(shared_data):
    cells = read_cells(shared_data("zheng_sorted_facs.h5ad")).to_memory()
    labels = np.asarray(read_labels(cells, KEY))
    training, test = next(StratifiedKFold(5, shuffle=True, random_state=0).split(labels, labels))
    reference, unseen = cells[training].copy(), cells[test].copy()
    default, linear = (
        CellTypeClassifier(network).fit(reference, labels_key=KEY)
        for network in ("wide-deep", "linear")
    )
    whole = accuracy(default, unseen, labels[test])
    assert whole >= accuracy(linear, unseen, labels[test]) - 0.01
    assert default.classify(unseen).shift < 0.05
    kept = np.sort(np.random.default_rng(0).permutation(cells.n_vars)[: cells.n_vars // 2])
    assert accuracy(default, unseen[:, kept].copy(), labels[test]) > whole - 0.08
