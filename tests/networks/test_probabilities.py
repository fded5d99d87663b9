"""Probabilities are SciPy's softmax, to the bit."""

import numpy as np
import pytest
from scipy.special import softmax

from cellclassifier.networks.probabilities import probabilities_of


@pytest.mark.parametrize("n_types", [1, 2, 3, 7, 8, 9, 14, 16, 23, 64, 127, 128, 129, 130, 500])
@pytest.mark.parametrize("n_cells", [0, 1, 300])
def test_they_are_those_of_scipy(n_types, n_cells):
    rng = np.random.default_rng(n_types)
    logits = (8 * rng.normal(size=(n_cells, n_types))).astype(np.float32)
    np.testing.assert_array_equal(probabilities_of(logits), softmax(logits, axis=1))


def test_columns_of_a_wider_array_are_taken_as_they_are():
    wide = np.random.default_rng(0).normal(size=(50, 60)).astype(np.float32)
    np.testing.assert_array_equal(probabilities_of(wide[:, 7:21]), softmax(wide[:, 7:21], axis=1))


def test_what_is_no_number_stays_none():
    logits = np.float32([[1, np.nan, 2], [np.nan, 1, 2], [0, 0, 0]])
    np.testing.assert_array_equal(np.isnan(probabilities_of(logits)).all(axis=1), [1, 1, 0])
