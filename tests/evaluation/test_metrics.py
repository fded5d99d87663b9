import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from cellclassifier.evaluation.metrics import (
    confusion_matrix,
    expected_calibration_error,
    log_loss,
    per_type_scores,
)


@st.composite
def codes_of_two(draw):
    n_labels = draw(st.integers(2, 6))
    codes = st.lists(st.integers(0, n_labels - 1), min_size=30, max_size=30)
    return np.array(draw(codes)), np.array(draw(codes)), n_labels


@settings(deadline=None, max_examples=60)
@given(drawn=codes_of_two())
def test_confusion_and_scores_are_those_of_scikit_learn(drawn):
    truth, predicted, n_labels = drawn
    confusion = confusion_matrix(truth, predicted, n_labels)
    labels = np.arange(n_labels)
    expected = metrics.confusion_matrix(truth, predicted, labels=labels)
    np.testing.assert_array_equal(confusion, expected)
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        truth, predicted, labels=labels, zero_division=0
    )
    np.testing.assert_allclose(per_type_scores(confusion), np.stack([precision, recall, f1], 1))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_log_loss_is_that_of_scikit_learn(dtype):
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet([0.3] * 5, size=200).astype(dtype)
    truth = rng.integers(0, 5, size=200)
    expected = metrics.log_loss(truth, probabilities.astype("float32"), labels=np.arange(5))
    assert log_loss(truth, probabilities) == pytest.approx(expected, rel=1e-5)


def test_a_probability_of_zero_costs_as_much_as_in_scikit_learn():
    probabilities = np.array([[1, 0], [1, 0]], dtype=np.float32)
    expected = metrics.log_loss([0, 1], probabilities, labels=[0, 1])
    assert log_loss(np.array([0, 1]), probabilities) == pytest.approx(expected, rel=1e-6)


def test_a_label_without_a_column_costs_as_much_as_a_probability_of_zero():
    probabilities = np.array([[0.5, 0.5]], dtype=np.float32)
    assert log_loss(np.array([-1]), probabilities) == pytest.approx(15.942, abs=1e-3)


def loop_over_bins(confidence, correct, n_bins):
    """Return the calibration error bin by bin; a bin holds its upper edge."""
    error = 0.0
    for lower in np.arange(n_bins) / n_bins:
        inside = [
            (c, right)
            for c, right in zip(confidence, correct, strict=True)
            if lower < c <= lower + 1 / n_bins
        ]
        if inside:
            mean_confidence = sum(c for c, _ in inside) / len(inside)
            accuracy = sum(right for _, right in inside) / len(inside)
            error += len(inside) / len(confidence) * abs(accuracy - mean_confidence)
    return error


@pytest.mark.parametrize("n_bins", [1, 10, 15])
@pytest.mark.parametrize("seed", range(3))
def test_calibration_error_is_that_of_a_loop_over_bins(seed, n_bins):
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(0.01, 1, size=500)
    correct = rng.random(500) < confidence**2
    expected = loop_over_bins(confidence, correct, n_bins)
    seen = expected_calibration_error(confidence, correct, n_bins)
    assert seen == pytest.approx(expected, abs=1e-9)


def test_a_confidence_on_the_edge_of_two_bins_is_in_the_lower_one():
    confidence, correct = np.array([0.5, 1.0]), np.array([True, False])
    assert expected_calibration_error(confidence, correct, 2) == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("confidence", "correct", "expected"),
    [
        ([1.0, 1.0], [True, True], 0.0),
        ([1.0, 1.0], [False, False], 1.0),
        ([0.5, 0.5], [True, False], 0.0),
        ([0.0], [True], 1.0),
        # gaps of two bins do not cancel out
        ([0.9, 0.1], [False, True], 0.9),
    ],
    ids=["sure_and_right", "sure_and_wrong", "calibrated", "zero_confidence", "two_bins"],
)
def test_calibration_error_of_simple_cases(confidence, correct, expected):
    error = expected_calibration_error(np.array(confidence, "float32"), np.array(correct))
    assert error == pytest.approx(expected, abs=1e-6)
