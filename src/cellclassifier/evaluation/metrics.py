"""Scores of labels and probabilities; arrays in, numbers out."""

import numpy as np
import numpy.typing as npt

from cellclassifier.evaluation.reliability import N_BINS, ReliabilityCurve

# a probability below this is counted as this, as scikit-learn does for float32
MIN_PROBABILITY = float(np.finfo(np.float32).eps)

Codes = npt.NDArray[np.integer]


def confusion_matrix(truth: Codes, predicted: Codes, n_labels: int) -> npt.NDArray[np.int64]:
    """Count cells by true label (row) and predicted label (column).

    >>> confusion_matrix(np.array([0, 1, 1]), np.array([0, 1, 0]), 2).tolist()
    [[1, 0], [1, 1]]
    """
    flat = np.bincount(truth * n_labels + predicted, minlength=n_labels**2)
    return flat.reshape(n_labels, n_labels).astype(np.int64)


def log_loss(truth: Codes, probabilities: npt.NDArray[np.floating]) -> float:
    """Return the mean of -log(probability of the true label), in nats.

    A true label that has no column (code -1) counts as having the smallest probability.
    """
    known = truth >= 0
    of_truth = np.where(known, probabilities[np.arange(len(truth)), np.maximum(truth, 0)], 0.0)
    return float(-np.log(np.clip(of_truth, MIN_PROBABILITY, 1.0)).mean())


def expected_calibration_error(
    confidence: npt.NDArray[np.floating], correct: npt.NDArray[np.bool_], n_bins: int = N_BINS
) -> float:
    """Return the mean gap between confidence and accuracy over bins of equal width.

    That of `ReliabilityCurve`, where nothing else of it is needed.

    >>> expected_calibration_error(np.array([0.9, 0.9]), np.array([True, False]))
    0.4
    """
    return ReliabilityCurve.of(confidence, correct, n_bins).ece


def per_type_scores(confusion: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return precision, recall and F1 of each label, shape (n_labels, 3).

    A label never predicted has precision 0, and one without cells recall 0.
    """
    hits = np.diag(confusion).astype(np.float64)
    predicted, true = confusion.sum(axis=0), confusion.sum(axis=1)
    precision = hits / np.maximum(predicted, 1)
    recall = hits / np.maximum(true, 1)
    f1 = 2 * hits / np.maximum(predicted + true, 1)
    return np.stack([precision, recall, f1], axis=1)
