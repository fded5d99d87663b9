"""Differences of logits split among the genes."""

import numpy as np
import pytest
from scipy import sparse

from cellclassifier.data import ViewMoments
from cellclassifier.networks import (
    NETWORKS,
    WideDeepPredictor,
    build_wide_deep,
    choose_attributor,
    choose_predictor,
    logits_model,
)
from cellclassifier.networks.contributions import (
    active_share,
    gradients_of,
    integrated_gradients,
    wide_deep_contributions,
)

N_GENES, N_TYPES, N_CELLS = 40, 4, 30
NEAR_SHARE = np.float32(0.03)


@pytest.fixture(scope="module")
def expression():
    rng = np.random.default_rng(0)
    counts = rng.poisson(0.6, (N_CELLS, N_GENES)) * rng.lognormal(3, 1.5, (N_CELLS, N_GENES))
    return np.log1p(counts).astype(np.float32)


@pytest.fixture(scope="module")
def baseline(expression):
    return expression.mean(axis=0)


@pytest.fixture(scope="module")
def directions():
    """One type against another, a different pair for each cell."""
    rng = np.random.default_rng(1)
    pairs = np.array([rng.permutation(N_TYPES)[:2] for _ in range(N_CELLS)])
    types = np.eye(N_TYPES, dtype=np.float32)
    return types[pairs[:, 0]] - types[pairs[:, 1]]


def with_weights(model, seed=2):
    rng = np.random.default_rng(seed)
    weights = [
        rng.normal(0, 1 / np.sqrt(max(np.prod(each.shape[:-1]), 10)), each.shape)
        for each in model.get_weights()
    ]
    model.set_weights(weights)
    return model


@pytest.fixture(scope="module")
def wide_deep(expression):
    model = with_weights(build_wide_deep(N_GENES, N_TYPES, projection=6, hidden=(9,)))
    return model, WideDeepPredictor.of(model, ViewMoments.of(sparse.csr_matrix(expression)))


def said(predict, cells, directions):
    return (predict(sparse.csr_matrix(cells), None) * directions).sum(axis=1)


def difference(predict, expression, baseline, directions):
    at_baseline = np.tile(baseline, (len(expression), 1))
    return said(predict, expression, directions) - said(predict, at_baseline, directions)


def test_active_share_is_the_share_of_the_way_above_zero():
    rng = np.random.default_rng(3)
    before, after = rng.normal(size=(2, 200)).astype(np.float32)
    way = before + (after - before) * np.linspace(0, 1, 2001, dtype=np.float32)[:, None]
    np.testing.assert_allclose(active_share(before, after), (way > 0).mean(axis=0), atol=1e-3)


def test_contributions_add_up_in_a_wide_and_deep_network(
    wide_deep, expression, baseline, directions
):
    _, predict = wide_deep
    found = wide_deep_contributions(predict, baseline, expression, directions)
    wanted = difference(predict, expression, baseline, directions)
    np.testing.assert_allclose(found.sum(axis=1), wanted, atol=1e-4 * np.abs(wanted).max())
    assert np.abs(wanted).min() > 1e-3


def test_the_closed_form_is_the_integral_along_its_way(wide_deep, expression, baseline, directions):
    """Gradients by Keras, on the way that is straight in counts per 300."""
    model, predict = wide_deep
    found = wide_deep_contributions(predict, baseline, expression, directions)
    gradients, n_steps = gradients_of(logits_model(model)), 200
    start, end = (np.log1p(NEAR_SHARE * np.expm1(cells)) for cells in (baseline, expression))

    def at(position):
        return np.log1p(np.expm1(start + position * (end - start)) / NEAR_SHARE)

    integral = np.zeros_like(expression)
    for step in range(n_steps):
        change = at((step + 1) / n_steps) - at(step / n_steps)
        integral += change * gradients(at((step + 0.5) / n_steps).astype(np.float32), directions)
    np.testing.assert_allclose(found, integral, atol=5e-3 * np.abs(integral).max())


def test_without_hidden_units_the_way_does_not_matter(wide_deep, expression, baseline, directions):
    model, _ = wide_deep
    shallow = build_wide_deep(N_GENES, N_TYPES, projection=6, hidden=(9,))
    kernel, bias = model.get_layer("logits").get_weights()
    kernel[3 * N_GENES :] = 0
    shallow.set_weights([*model.get_weights()[:-2], kernel, bias])
    predict = WideDeepPredictor.of(shallow, ViewMoments.of(sparse.csr_matrix(expression)))
    closed = choose_attributor(shallow, predict, baseline)(expression, directions)
    by_steps = integrated_gradients(
        gradients_of(logits_model(shallow)), baseline, expression, directions, n_steps=200
    )
    np.testing.assert_allclose(closed, by_steps, atol=2e-4 * np.abs(closed).max())


def test_a_linear_network_is_split_exactly(expression, baseline, directions):
    model = with_weights(NETWORKS["linear"](N_GENES, N_TYPES, seed=0))
    predict = choose_predictor(model, "keras")
    exact = choose_attributor(model, predict, baseline)(expression, directions)
    kernel = model.get_layer("logits").get_weights()[0]
    np.testing.assert_allclose(exact, (expression - baseline) * (directions @ kernel.T), rtol=1e-6)
    by_steps = integrated_gradients(
        gradients_of(logits_model(model)), baseline, expression, directions, n_steps=4
    )
    np.testing.assert_allclose(exact, by_steps, atol=1e-5)


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_contributions_add_up_in_other_networks(name, baseline, expression, directions):
    n_genes = {"cnn": 256}.get(name, N_GENES)
    times = -(-n_genes // N_GENES)
    cells = np.tile(expression, (1, times))[:, :n_genes]
    nothing = np.tile(baseline, times)[:n_genes]
    model = with_weights(NETWORKS[name](n_genes, N_TYPES, seed=0))
    predict = choose_predictor(model, "keras")
    found = choose_attributor(model, predict, nothing)(cells, directions)
    wanted = difference(predict, cells, nothing, directions)
    gap = np.abs(found.sum(axis=1) - wanted)
    assert gap.max() < 0.02 * np.abs(wanted).max()
    assert np.abs(wanted).max() > 0.1


def test_gradients_behind_the_first_layer_are_those_of_the_whole(expression, baseline, directions):
    model = with_weights(NETWORKS["mlp"](N_GENES, N_TYPES, seed=0))
    quick = choose_attributor(model, model.predict, baseline)(expression, directions)
    gradients = gradients_of(logits_model(model))
    whole = integrated_gradients(gradients, baseline, expression, directions)
    np.testing.assert_allclose(quick, whole, atol=3e-3 * np.abs(whole).max())
    assert logits_model(model).output_shape == (None, N_TYPES)
