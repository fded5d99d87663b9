"""Logits of shallow cells: one scale and an offset for each type, by known cells."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from cellclassifier.trust import LogitMap

N_TYPES = 4


@pytest.fixture(scope="module")
def told():
    """Return logits that mean what they say, and types drawn by them."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2.5, (3_000, N_TYPES)).astype(np.float32)
    chosen = (rng.random((3_000, 1)) > softmax(logits, axis=1).cumsum(axis=1)).sum(axis=1)
    return logits, np.minimum(chosen, N_TYPES - 1)


def log_loss(logits, codes):
    return -log_softmax(logits.astype(np.float64), axis=1)[np.arange(len(codes)), codes].mean()


def test_what_was_done_to_logits_is_undone(told):
    logits, codes = told
    bias = np.array([1.5, -0.5, 0.0, -1.0])
    spoilt = (logits - bias) * 3
    fitted = LogitMap.of(spoilt[:2000], codes[:2000])
    assert fitted.scale == pytest.approx(1 / 3, rel=0.1)
    assert fitted.offsets - fitted.offsets.mean() == pytest.approx(bias, abs=0.3)
    best, mended = (log_loss(of[2000:], codes[2000:]) for of in (logits, fitted(spoilt)))
    assert mended == pytest.approx(best, abs=0.01)
    assert log_loss(spoilt[2000:], codes[2000:]) > best + 0.3


def test_logits_that_mean_what_they_say_stay(told):
    fitted = LogitMap.of(*told)
    assert fitted.scale == pytest.approx(1, abs=0.1)
    assert np.ptp(fitted.offsets) < 0.3


def test_cells_that_come_several_times_count_once(told):
    logits, codes = (values[:60] for values in told)
    once = LogitMap.of(logits, codes)
    often = LogitMap.of(np.tile(logits, (5, 1)), np.tile(codes, 5), repeats=5)
    assert often.scale == pytest.approx(once.scale, rel=1e-3)
    np.testing.assert_allclose(often.offsets, once.offsets, atol=1e-3)


def test_without_cells_nothing_changes(told):
    nothing = LogitMap.of(told[0][:0], told[1][:0])
    np.testing.assert_array_equal(nothing(told[0]), told[0])


def test_a_layer_gives_what_the_map_makes_of_its_logits(told):
    rng = np.random.default_rng(3)
    kernel, bias = (rng.normal(size=shape).astype("f4") for shape in ((7, N_TYPES), N_TYPES))
    cells = rng.normal(size=(20, 7)).astype("f4")
    fitted = LogitMap.of(told[0] * 2 + [1, 0, 0, 0], told[1])
    mapped_kernel, mapped_bias = fitted.of_layer(kernel, bias)
    np.testing.assert_allclose(
        cells @ mapped_kernel + mapped_bias, fitted(cells @ kernel + bias), rtol=1e-4, atol=1e-5
    )


def test_beyond_another_map_is_what_is_left(told):
    logits = told[0]
    usual, shallow = LogitMap(1.2, np.array([0.1, 0, 0, 0])), LogitMap(0.5, np.arange(N_TYPES) / 2)
    np.testing.assert_allclose(
        shallow.relative_to(usual)(usual(logits)), shallow(logits), rtol=1e-4, atol=1e-5
    )


def test_a_share_of_a_map_lies_between_nothing_and_all():
    whole = LogitMap(0.25, np.array([2.0, -1.0]))
    half = whole.faded(0.5)
    assert (half.scale, half.offsets.tolist()) == (0.5, [1.0, -0.5])
    assert whole.faded(0.0).scale == 1
    assert whole.faded(1.0).offsets.tolist() == [2.0, -1.0]
