import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from cellclassifier.evaluation import ReliabilityCurve
from cellclassifier.evaluation.metrics import expected_calibration_error


@pytest.fixture
def cells():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.2, 1, size=2000)
    return confidence, rng.random(2000) < confidence**2


def test_the_curve_is_that_of_scikit_learn(cells):
    confidence, correct = cells
    curve = ReliabilityCurve.of(confidence, correct)
    accuracy, mean = calibration_curve(correct, confidence, n_bins=15)
    seen = curve.n_cells > 0
    np.testing.assert_allclose(curve.accuracy[seen], accuracy)
    np.testing.assert_allclose(curve.confidence[seen], mean)
    assert np.isnan(curve.accuracy[~seen]).all()
    assert curve.n_cells.sum() == 2000
    assert (curve.n_cells[:3] == 0).all()


def test_its_error_is_the_metric(cells):
    assert ReliabilityCurve.of(*cells).ece == expected_calibration_error(*cells)


def test_overconfidence_is_mean_confidence_less_accuracy(cells):
    confidence, correct = cells
    expected = confidence.mean() - correct.mean()
    assert expected > 0.1
    assert ReliabilityCurve.of(*cells).overconfidence == pytest.approx(expected)


def test_no_cells_have_no_error():
    curve = ReliabilityCurve.of(np.empty(0), np.empty(0, bool))
    assert (curve.ece, curve.overconfidence) == (0.0, 0.0)


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**32 - 1), n_cells=st.integers(0, 50), n_bins=st.integers(1, 20))
def test_json_gives_back_the_curve(seed, n_cells, n_bins):
    rng = np.random.default_rng(seed)
    curve = ReliabilityCurve.of(rng.random(n_cells), rng.random(n_cells) < 0.5, n_bins)
    again = ReliabilityCurve.from_json(json.loads(json.dumps(curve.to_json())))
    np.testing.assert_array_equal(again.n_cells, curve.n_cells)
    np.testing.assert_allclose(again.accuracy, curve.accuracy, atol=1e-9)
    np.testing.assert_allclose(again.confidence, curve.confidence, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_cells", None),
        ("n_cells", [1.0, 0]),
        ("n_cells", [-1, 0]),
        ("n_cells", [True, 0]),
        ("n_cells", [10**30, 0]),
        ("n_cells", "20"),
        ("confidence", None),
        ("confidence", [0.5]),
        ("confidence", [0.5, 0.5]),
        ("confidence", [None, None]),
        ("confidence", [float("nan"), None]),
        ("accuracy", [1.5, None]),
        ("accuracy", [-0.1, None]),
        ("accuracy", ["1", None]),
        ("accuracy", [True, None]),
        ("accuracy", {"0": 1}),
    ],
)
def test_json_that_is_no_curve_is_refused(name, value):
    content = {"n_cells": [2, 0], "confidence": [0.4, None], "accuracy": [0.5, None]}
    assert ReliabilityCurve.from_json(content).n_cells.tolist() == [2, 0]
    with pytest.raises(ValueError, match=f"'{name}' of a reliability curve are"):
        ReliabilityCurve.from_json(content | {name: value})
