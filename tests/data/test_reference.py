"""A reference: labels and counts of the same cells."""

import numpy as np
import pytest

from cellclassifier import CellTypeClassifier
from cellclassifier.data import LabelledCounts
from cellclassifier.errors import LabelError

KEY = "cell_type"


@pytest.fixture
def partly_labelled(toy_reference):
    toy_reference.obs[KEY] = toy_reference.obs[KEY].astype(object)
    toy_reference.obs.loc[toy_reference.obs_names[[3, 50]], KEY] = np.nan
    return toy_reference


def test_cells_without_a_label_are_left_out(partly_labelled):
    cells = LabelledCounts.of(partly_labelled, KEY)
    kept = partly_labelled[partly_labelled.obs[KEY].notna()]
    assert (len(cells), cells.n_unlabelled) == (118, 2)
    assert cells.labels.tolist() == kept.obs[KEY].tolist()
    np.testing.assert_array_equal(cells.raw.counts.toarray(), kept.X.toarray())
    assert cells.raw.cell_names.tolist() == kept.obs_names.tolist()


def test_the_model_is_that_of_the_labelled_cells_and_says_how_many_were_left_out(partly_labelled):
    whole = CellTypeClassifier("linear").fit(partly_labelled, labels_key=KEY)
    kept = partly_labelled[partly_labelled.obs[KEY].notna()].copy()
    alone = CellTypeClassifier("linear").fit(kept, labels_key=KEY)
    np.testing.assert_array_equal(whole.predict_proba(kept), alone.predict_proba(kept))
    assert whole.manifest_.training["n_cells_without_label"] == 2
    assert alone.manifest_.training["n_cells_without_label"] == 0


def test_strict_refuses_them(partly_labelled):
    with pytest.raises(LabelError, match="2 of 120 cells have no label"):
        CellTypeClassifier("linear").fit(partly_labelled, labels_key=KEY, strict=True)


def test_arguments_that_find_counts_does_not_take_are_refused(toy_reference):
    with pytest.raises(TypeError, match="layers"):
        LabelledCounts.of(toy_reference, KEY, layers="counts")
