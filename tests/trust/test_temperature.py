import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax

from cellclassifier.trust import calibrate_temperature


def simulated(temperature, n_cells=5000, n_types=6, seed=0):
    """Draw true types with the probabilities that the logits mean at this temperature."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, size=(n_cells, n_types))
    probabilities = softmax(logits / temperature, axis=1)
    codes = np.array([rng.choice(n_types, p=p) for p in probabilities])
    return logits, codes


def log_loss(logits, codes, temperature):
    return -log_softmax(logits / temperature, axis=1)[np.arange(len(codes)), codes].mean()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7, 4.0])
def test_a_known_temperature_is_recovered_within_a_tenth(temperature):
    assert calibrate_temperature(*simulated(temperature)) == pytest.approx(temperature, rel=0.1)


def test_no_other_temperature_has_a_better_log_loss_on_many_cells():
    logits, codes = simulated(2.5)
    found = calibrate_temperature(logits, codes)
    losses = [log_loss(logits, codes, t) for t in np.geomspace(0.2, 8, 200)]
    assert log_loss(logits, codes, found) <= min(losses) + 1e-4


def test_without_cells_it_is_one():
    assert calibrate_temperature(np.empty((0, 3)), np.empty(0, dtype=int)) == 1.0


@pytest.mark.parametrize("n_cells", [1, 30, 3000])
def test_it_is_finite_where_all_cells_are_right(n_cells):
    logits = np.tile([3.0, 0.0], (n_cells, 1)).astype(np.float32)
    temperature = calibrate_temperature(logits, np.zeros(n_cells, dtype=int))
    assert 0.1 <= temperature < 1


def test_it_is_finite_where_all_cells_are_wrong():
    logits = np.tile([30.0, 0.0], (3000, 1))
    assert 1 < calibrate_temperature(logits, np.ones(3000, dtype=int)) <= 10.01


def test_few_cells_move_it_less_than_many():
    few, many = (
        calibrate_temperature(np.tile([3.0, 0.0], (n, 1)), np.zeros(n, dtype=int)) for n in (2, 200)
    )
    assert many < 0.6 < few < 1


def test_logits_of_any_size_do_not_overflow():
    logits = np.array([[1e4, -1e4], [-1e4, 1e4]] * 20, dtype=np.float32)
    assert np.isfinite(calibrate_temperature(logits, np.array([0, 1] * 20)))


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**32 - 1), offset=st.floats(-100, 100))
def test_the_order_of_types_never_changes_and_neither_does_an_offset_matter(seed, offset):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 5, size=(40, 4))
    codes = rng.integers(0, 4, size=40)
    temperature = calibrate_temperature(logits, codes)
    assert temperature > 0
    calibrated = softmax(logits / temperature, axis=1)
    np.testing.assert_array_equal(calibrated.argmax(axis=1), logits.argmax(axis=1))
    shifted = calibrate_temperature(logits + offset, codes)
    assert shifted == pytest.approx(temperature, rel=1e-3)
