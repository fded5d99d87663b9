from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cellclassifier.errors import InputError
from cellclassifier.labels import LabelSpace
from cellclassifier.predictions import STATUSES, CellTrust, Predictions

SPACE = LabelSpace(("B", "NK", "T"))
ROWS = [[0.1, 0.2, 0.7], [0.5, 0.25, 0.25], [0.3, 0.4, 0.3]]


def predictions_of(rows, names=None):
    probabilities = np.array(rows, dtype=np.float32).reshape(-1, 3)
    names = [f"cell{i}" for i in range(len(probabilities))] if names is None else names
    return Predictions(SPACE, probabilities, pd.Index(names))


def test_label_and_confidence_are_those_of_the_greatest_probability():
    named = predictions_of(ROWS)
    assert named.codes.tolist() == [2, 0, 1]
    assert named.labels.tolist() == ["T", "B", "NK"]
    np.testing.assert_array_equal(named.confidence, np.float32([0.7, 0.5, 0.4]))


def test_a_tie_goes_to_the_first_type():
    assert predictions_of([[0.2, 0.4, 0.4]]).labels.tolist() == ["NK"]


def test_to_frame_has_a_row_a_cell_in_their_order():
    frame = predictions_of(ROWS, ["x", "y", "z"]).to_frame()
    assert frame.columns.tolist() == ["label", "confidence"]
    assert frame.loc["y"].tolist() == ["B", 0.5]
    assert frame.index.tolist() == ["x", "y", "z"]


def test_repr_counts_the_cells_of_each_type():
    text = repr(predictions_of([*ROWS, ROWS[0]]))
    assert text.splitlines()[0] == "Predictions of 4 cells over 3 types (median confidence 0.60)"
    assert text.splitlines()[1] == "  T: 2"


def test_no_cells_are_predictions_too():
    none = predictions_of([], names=[])
    assert len(none) == 0
    assert none.labels.tolist() == []
    assert "0 cells" in repr(none)


@pytest.mark.parametrize(
    ("shape", "n_names"),
    [((2, 2), 2), ((2, 3), 3), ((3, 3), 2)],
    ids=["types_missing", "cells_missing", "names_missing"],
)
def test_shapes_that_do_not_fit_are_refused(shape, n_names):
    probabilities = np.full(shape, 1 / shape[1], dtype=np.float32)
    with pytest.raises(InputError, match="probabilities have the shape"):
        Predictions(SPACE, probabilities, pd.Index([str(i) for i in range(n_names)]))


@pytest.mark.parametrize(
    "row",
    [[2.0, -1.5, 3.0], [0.4, 0.4, 0.4], [0.0, 0.0, 0.0], [np.nan, 0.5, 0.5], [1.5, -0.5, 0.0]],
    ids=["logits", "scores", "zeros", "nan", "negative_but_one_in_all"],
)
def test_rows_that_are_no_probabilities_are_refused(row):
    with pytest.raises(InputError, match="these may be logits or scores"):
        predictions_of([ROWS[0], row])


def test_the_message_shows_the_worst_row():
    with pytest.raises(InputError, match="one here adds up to 3;"):
        predictions_of([ROWS[0], [1.0, 1.0, 1.0], [0.4, 0.4, 0.4]])


def test_float32_rounding_of_a_row_is_accepted():
    assert len(predictions_of([[0.3334, 0.3334, 0.3334]])) == 1


def test_to_frame_says_what_labels_are_worth_where_that_is_known():
    sets = np.array([[True, False, True], [False, False, False], [False, True, False]])
    trust = CellTrust(sets, 0.9, np.float32([0.1, 2.5, 0.3]), np.array([3, 2, 4], dtype=np.int8))
    frame = replace(predictions_of(ROWS), trust=trust).to_frame()
    assert frame.columns.tolist() == ["label", "confidence", "set", "novelty", "status"]
    assert frame["set"].tolist() == ["B | T", "", "NK"]
    assert frame["status"].tolist() == ["ambiguous", "unknown", "assigned"]
    assert frame["novelty"].dtype == np.float32


def test_statuses_are_told_in_words():
    codes = np.arange(len(STATUSES), dtype=np.int8)
    trust = CellTrust(np.zeros((5, 1), bool), 0.9, np.zeros(5, np.float32), codes)
    assert trust.statuses.tolist() == list(STATUSES)


def test_labels_follow_what_was_asked_for_unknown_cells():
    codes = np.array([3, 2, 4], dtype=np.int8)
    trust = CellTrust(np.eye(3, dtype=bool), 0.9, np.zeros(3, np.float32), codes)
    kept, labelled = (
        replace(predictions_of(ROWS), trust=replace(trust, label_unknown=asked))
        for asked in (False, True)
    )
    assert kept.labels.tolist() == ["T", "B", "NK"]
    assert labelled.labels.tolist() == ["T", "unknown", "NK"]
    assert labelled.to_frame()["label"].tolist() == ["T", "unknown", "NK"]
    assert "unknown: 1" in repr(labelled)
    # what is scored, and votes, is the most probable type
    assert labelled.likeliest.tolist() == kept.labels.tolist()
    assert labelled.codes.tolist() == [2, 0, 1]
