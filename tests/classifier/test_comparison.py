"""Cells beside the training cells: what is measured of how they differ."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from streamed_cells import KEY, QUICK, TYPES, drawn

from cellclassifier import CellTypeClassifier, TrustSettings
from cellclassifier.classifier.advising import advice_on, warnings_of
from cellclassifier.classifier.comparison import QueryComparison
from cellclassifier.classifier.naming import settle
from cellclassifier.classifier.view import ModelView
from cellclassifier.data import find_counts
from cellclassifier.labels import LabelSpace
from cellclassifier.predictions import STATUSES, CellTrust, Predictions


def compared(classifier, cells, **asked):
    """Return how cells that the classifier names differ from its training cells."""
    view = ModelView.of(classifier.manifest_, find_counts(cells))
    asked = {"shift": None, "depth": None, "settings": None, **asked}
    shifted, judge = settle(view, classifier.predictor(), **asked)
    named = judge(view.raw, shifted.predict(view.raw, 1))
    return QueryComparison.of(shifted, judge, view.raw, named)


@pytest.fixture
def named_as(classifier):
    """Return what makes predictions of cells: of which type, how novel, and of what status."""

    def make(cells, label="B", novelty=0.0, status="assigned", *, knows=True):
        n_cells = cells.n_obs
        probabilities = np.zeros((n_cells, len(TYPES)), np.float32)
        probabilities[:, TYPES.index(label)] = 1
        trust = CellTrust(
            probabilities > 0, 0.9, np.full(n_cells, novelty, np.float32),
            np.full(n_cells, STATUSES.index(status), np.int8),
        )  # fmt: skip
        named = Predictions(
            LabelSpace(TYPES), probabilities, cells.obs_names, 1.0, 0.0, trust if knows else None
        )
        view = ModelView.of(classifier.manifest_, find_counts(cells))
        settled = settle(view, classifier.predictor(), None, None, None)
        return QueryComparison.of(*settled, view.raw, named)

    return make


def test_cells_of_the_same_kind_are_alike(classifier):
    cells = drawn(600, seed=11)
    found = compared(classifier, cells)
    assert warnings_of(found) == []
    assert found.depth == pytest.approx(1, abs=0.1)
    assert found.gene_coverage == 1
    assert found.genes_detected == pytest.approx(np.median((cells.X.toarray() > 0).sum(axis=1)))
    assert found.low_depth == 0
    assert found.novel < 0.15
    assert found.composition < 0.1
    assert (found.shift_told_by, found.depth_given, found.adapts) == ("measured", None, True)


def test_of_few_cells_all_are_looked_at(classifier):
    view = ModelView.of(classifier.manifest_, find_counts(drawn(300, seed=11, spread=0.3)))
    shifted, judge = settle(view, classifier.predictor(), None, None, None)
    named = judge(view.raw, shifted.predict(view.raw, 1))
    of_all = QueryComparison.of(shifted, judge, view.raw, named)
    assert QueryComparison.of_sample(shifted, judge, named) == of_all


def test_what_is_said_is_kept_with_the_annotation(classifier):
    cells = classifier.annotate(drawn(300, seed=11, spread=0.5))
    assert "genes differ much" in cells.uns["cellclassifier"]["advice"]


def test_cells_from_elsewhere_are_told(classifier):
    found = compared(classifier, drawn(600, seed=11, spread=0.5))
    assert "genes differ much" in advice_on(found)
    assert found.none_unknown in ("shift", None)


def test_what_was_given_is_not_said_to_be_measured(classifier):
    cells = drawn(600, seed=11)
    found = compared(classifier, cells, shift=0.0)
    assert (found.shift_told_by, found.depth_given) == ("given", None)
    assert "was given as 0.00, and not measured" in advice_on(found)
    assert "was given as 0.50" in advice_on(compared(classifier, cells, shift=0.5))
    assert "depth was given as 0.3" in advice_on(compared(classifier, cells, depth=0.3))
    annotated = classifier.annotate(cells.copy(), shift=0.0).uns["cellclassifier"]["advice"]
    assert annotated == advice_on(found)


def test_where_nobody_is_refused_the_reason_is_known(classifier):
    near, far = drawn(300, seed=11), drawn(300, seed=11, spread=0.3)
    assert compared(classifier, near).none_unknown is None
    assert compared(classifier, far).none_unknown == "shift"
    nobody = TrustSettings(refused=0)
    for cells in (near, far):
        assert compared(classifier, cells, settings=nobody).none_unknown == "asked"


def test_a_few_of_the_genes_tell_no_shift(classifier):
    few = drawn(300, seed=11)[:, :29].copy()
    few.obs["size"] = drawn(300, seed=11).X.sum(axis=1).A1
    found = compared(classifier, few)
    assert found.shift_told_by == "nothing"


def test_depth_is_a_multiple_of_the_training_cells(named_as):
    cells = drawn(90, seed=11)
    deeper = cells.copy()
    deeper.X = sum(drawn(90, seed=seed).X for seed in range(4))
    assert named_as(deeper).depth == pytest.approx(4 * named_as(cells).depth, rel=0.1)


@pytest.mark.parametrize(("novelty", "share"), [(1.0, 0.0), (1.31, 1.0)])
def test_novel_is_what_few_known_cells_are(named_as, novelty, share):
    assert named_as(drawn(90, seed=11), novelty=novelty).novel == share


def test_cells_of_few_counts_are_counted(named_as):
    assert named_as(drawn(90, seed=11), status="low_depth").low_depth == 1


def test_without_trust_nothing_is_said_of_novelty(named_as):
    found = named_as(drawn(90, seed=11), knows=False)
    assert (found.novel, found.low_depth) == (None, None)


def test_models_trained_on_a_handful_of_cells_say_that_they_cannot_judge():
    small = CellTypeClassifier(network_options={"hidden": (8,)}, training=QUICK)
    small.fit(drawn(30, seed=3), labels_key=KEY)
    found = compared(small, drawn(90, seed=11))
    assert found.held_few
    assert "trained on too few cells to say what its labels are worth" in advice_on(found)


@pytest.mark.parametrize(("n_trained", "changed"), [(90, "B"), (120, None)])
def test_a_type_that_most_cells_are_and_few_training_cells_were(
    classifier, named_as, monkeypatch, n_trained, changed
):
    sizes = {"B": n_trained, "NK": 360 - n_trained, "T": 0}
    training = {**classifier.manifest_.training, "n_cells_per_type": sizes}
    monkeypatch.setattr(classifier, "manifest_", replace(classifier.manifest_, training=training))
    assert named_as(drawn(90, seed=11)).changed_type == changed


def test_shares_of_types_are_compared_beyond_chance(classifier, named_as):
    cells = drawn(600, seed=11)
    without_b = cells[cells.obs[KEY] != "B"].copy()
    assert compared(classifier, without_b).composition == pytest.approx(1 / 3, abs=0.05)
    assert "other shares than in training" in advice_on(compared(classifier, without_b))
    # of 21 cells in the shares of training, seven each, the distance by chance is more than theirs
    assert compared(classifier, cells[:21].copy()).composition == 0
    assert named_as(cells).composition == pytest.approx(2 / 3, abs=0.05)


def test_no_cells_have_no_type(classifier):
    view = ModelView.of(classifier.manifest_, find_counts(drawn(30, seed=11)))
    settled = settle(view, classifier.predictor(), None, None, None)
    none = Predictions(LabelSpace(TYPES), np.empty((0, 3), np.float32), pd.Index([]))
    assert QueryComparison.of(*settled, view.raw, none).changed_type is None


def test_few_cells_say_nothing_of_depth_and_are_not_calibrated_for_it(classifier):
    cells = drawn(600, seed=11)
    shallow = cells[np.argsort(cells.X.sum(axis=1).A1)[:19]].copy()
    found = compared(classifier, shallow)
    assert found.depth < 0.9
    assert found.calibrated_depth is None
    assert advice_on(found).startswith("19 cells are too few to be compared")
    assert compared(classifier, shallow, depth=0.6).calibrated_depth == 0.6
