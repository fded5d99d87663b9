"""The table of an evaluation, as the terminal shows it."""

from dataclasses import replace
from io import StringIO

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from cellclassifier import LabelSpace, Predictions, evaluate
from cellclassifier.evaluation import ReliabilityCurve, SetScores
from cellclassifier.reporting import evaluation_table
from cellclassifier.reporting.tables import _validation


def shown(evaluation):
    console = Console(file=StringIO(), width=120)
    console.print(evaluation_table(evaluation))
    return {
        line.split("  ")[0]: " ".join(line.split())
        for line in console.file.getvalue().splitlines()
        if line.strip()
    }


@pytest.fixture
def evaluation():
    probabilities = np.float32([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.3, 0.7]])
    cells = pd.Index([f"cell{i}" for i in range(4)])
    truth = ["B", "B", "B", "Mast"]
    return evaluate(truth, Predictions(LabelSpace(("B", "T")), probabilities, cells))


def test_it_says_what_naming_the_surest_would_bring(evaluation):
    lines = shown(evaluation)
    assert lines["accuracy"] == "accuracy 0.500"
    assert "95%: accuracy 0.500" in lines["naming the surest"]
    assert "50%: accuracy 1.000" in lines["naming the surest"]
    assert lines["calibration error"].endswith("0.250 over-confident")
    assert "sets" not in lines
    assert "in its set" not in lines["type"]


def test_it_says_how_often_sets_hold_the_true_type(evaluation):
    sets = np.array([[True, False], [True, True], [False, False], [False, True]])
    scores = SetScores.of(np.array([0, 0, 0, -1]), sets, wanted=0.9)
    lines = shown(replace(evaluation, sets=scores))
    assert lines["type"] == "type precision recall F1 in its set cells"
    assert lines["B"] == "B 1.000 0.667 0.800 0.667 3"
    assert lines["T"] == "T 0.000 0.000 0.000 0"
    assert lines["Mast"] == "Mast 0.000 0.000 0.000 1"
    assert lines["sets"] == (
        "sets 50.0% hold the true type (0.9 wanted), 1.00 types on average; none 25.0%, one 50.0%, "
        "more 25.0%"
    )


def test_a_model_says_on_which_side_its_confidence_was_off():
    scores = {"accuracy": 0.9, "log_loss": 0.3, "ece": 0.05, "n_cells": 20}
    assert _validation(scores, "set apart").endswith("ECE 0.050 on 20 cells set apart")
    curve = ReliabilityCurve.of(np.full(20, 0.85), np.arange(20) < 18)
    told = _validation(scores | {"reliability": curve.to_json()}, "set apart")
    assert told.endswith("ECE 0.050 on 20 cells set apart, 0.050 under-confident")
