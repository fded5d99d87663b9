"""The map of logits: convex, near the identity, and part of the layer in the end."""

import numpy as np
import pytest
from scipy.special import log_softmax

from cellclassifier.training.softmax_loss import DenseWeights
from cellclassifier.training.stacking import mapping
from cellclassifier.training.stacking.mapping import LogitMap, centred, fit_map

N_TYPES = 4
MISTAKEN = np.array([[3, 0, 0, 1], [0, 3, 2.5, 0], [0, 2.5, 3, 0], [2, 0, 1, 3]])


def cells(n_cells, seed):
    """Return logits that are not what they should be, in float32, and codes."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(N_TYPES, size=n_cells)
    logits = MISTAKEN[codes] + rng.normal(size=(n_cells, N_TYPES))
    return logits.astype(np.float32), codes


def log_loss(logits, codes):
    return -log_softmax(np.float64(logits), axis=1)[np.arange(len(codes)), codes].mean()


def random_map(seed=0):
    rng = np.random.default_rng(seed)
    return LogitMap(rng.normal(size=(N_TYPES, N_TYPES)), rng.normal(size=N_TYPES))


def test_other_cells_gain():
    found = fit_map(*cells(600, seed=1))
    logits, codes = cells(2000, seed=2)
    assert log_loss(found(logits), codes) < log_loss(logits, codes) - 0.05
    ours, theirs = ((values.argmax(axis=1) == codes).mean() for values in (found(logits), logits))
    assert ours > theirs


def test_the_map_folds_into_the_layer():
    rng = np.random.default_rng(1)
    layer = DenseWeights(
        rng.normal(size=(30, N_TYPES)).astype(np.float32),
        rng.normal(3, 1, size=N_TYPES).astype(np.float32),
    )
    inputs = rng.poisson(1.0, (50, 30)).astype(np.float32)
    folded = random_map().after(layer)
    assert folded.kernel.dtype == folded.bias.dtype == np.float32
    expected = random_map()(np.float64(inputs) @ layer.kernel + layer.bias)
    ours = inputs @ folded.kernel + folded.bias
    np.testing.assert_allclose(ours, expected, atol=1e-5 * np.abs(expected).max())


def test_a_constant_in_all_types_means_nothing():
    logits, codes = cells(200, seed=1)
    lifted = logits + np.linspace(-5, 5, 200, dtype=np.float32)[:, None]
    one, two = fit_map(logits, codes), fit_map(lifted, codes)
    np.testing.assert_allclose(two(lifted), one(logits), atol=1e-4)


def test_the_loss_has_the_gradient_it_says():
    loss = mapping._MapLoss.of(*cells(100, seed=1))
    point, direction = np.random.default_rng(0).normal(size=(2, N_TYPES * (N_TYPES + 1)))
    step = 1e-6
    numeric = (loss(point + step * direction)[0] - loss(point - step * direction)[0]) / (2 * step)
    assert loss(point)[1] @ direction == pytest.approx(numeric, rel=1e-6)


def test_the_loss_is_what_it_says():
    logits, codes = cells(100, seed=1)
    found = random_map()
    steps = np.column_stack([found.weights - np.eye(N_TYPES), found.terms])
    value, _ = mapping._MapLoss.of(logits, codes)(steps.ravel())
    penalty = mapping.PENALTY / 100 * np.sum(steps**2)
    assert value == pytest.approx(log_loss(found(logits), codes) + penalty)


@pytest.mark.parametrize("n_cells", [1, 2, 10, 300])
def test_never_worse_than_the_identity_on_its_own_terms(n_cells):
    logits, codes = cells(n_cells, seed=3)
    found = fit_map(logits, codes)
    steps = np.column_stack([found.weights - np.eye(N_TYPES), found.terms])
    loss = mapping._MapLoss.of(logits, codes)
    value, slope = loss(steps.ravel())
    assert value <= loss(np.zeros(steps.size))[0]
    assert np.abs(slope).max() < 1e-3
    assert log_loss(found(logits), codes) <= log_loss(logits, codes)


def test_types_in_another_order_give_the_same_map_in_that_order():
    logits, codes = cells(300, seed=1)
    order = np.array([2, 0, 3, 1])
    plain = fit_map(logits, codes)
    permuted = fit_map(logits[:, order], np.argsort(order)[codes])
    np.testing.assert_allclose(permuted.weights, plain.weights[np.ix_(order, order)], atol=2e-3)
    np.testing.assert_allclose(permuted.terms, plain.terms[order], atol=2e-3)


def test_the_same_cells_give_the_same_bits():
    one, two = (fit_map(*cells(300, seed=1)) for _ in range(2))
    np.testing.assert_array_equal(one.weights, two.weights)
    np.testing.assert_array_equal(one.terms, two.terms)


def test_few_cells_hardly_move_the_map():
    logits, codes = cells(600, seed=1)
    kept = (codes < 3) | (np.cumsum(codes == 3) == 1)  # one cell of the last type
    found = fit_map(logits[kept], codes[kept])
    moved = np.abs(found.weights - np.eye(N_TYPES)).sum(axis=1)
    assert 0 < moved[3] < moved[:3].min()
    assert np.abs(fit_map(logits[:3], codes[:3]).weights - np.eye(N_TYPES)).max() < 0.15


def test_a_type_without_cells_keeps_its_logit():
    logits, codes = cells(300, seed=1)
    found = fit_map(logits, codes % 3)
    np.testing.assert_allclose(found(logits)[:, 3], centred(logits)[:, 3])


def test_without_cells_it_is_the_identity():
    logits, codes = cells(20, seed=1)
    np.testing.assert_array_equal(fit_map(logits[:0], codes[:0])(logits), centred(logits))
