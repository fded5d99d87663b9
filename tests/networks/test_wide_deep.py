"""Wide and deep networks: their views, and the way past Keras."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from cellclassifier.data import GeneFactors, StandIn, ViewMoments, sparse_views
from cellclassifier.data.views import NEAR_LINEAR
from cellclassifier.errors import InputError
from cellclassifier.networks import (
    WideDeepPredictor,
    build_mlp,
    build_wide_deep,
    choose_predictor,
    is_wide_deep,
    keras,
    logits_model,
    predict_logits,
)
from cellclassifier.networks.lowlevel import LowLevelNetwork

N_GENES, N_TYPES, N_CELLS = 50, 4, 30


@pytest.fixture(scope="module")
def expression():
    """From none to tens of thousands of counts per 10,000, most of them zero."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(0.4, (N_CELLS, N_GENES)) * rng.lognormal(3, 2, (N_CELLS, N_GENES))
    return sparse.csr_matrix(np.log1p(counts).astype(np.float32))


@pytest.fixture(scope="module")
def model():
    """Weights of the usual size, none of them zero."""
    network = build_wide_deep(N_GENES, N_TYPES, projection=8, hidden=(12,))
    rng = np.random.default_rng(1)
    network.set_weights([rng.normal(0, 0.2, weights.shape) for weights in network.get_weights()])
    return network


@pytest.fixture(scope="module")
def moments(expression):
    return ViewMoments.of(expression)


@pytest.fixture(scope="module")
def stand_in():
    """Two axes over all genes, of which every third was not measured."""
    rng = np.random.default_rng(2)
    axes = np.linalg.qr(rng.normal(size=(N_GENES, 2)))[0].T.astype(np.float32)
    factors = GeneFactors(
        rng.uniform(0.5, 2, N_GENES).astype(np.float32),
        np.full(N_GENES, 1 / N_GENES, np.float32),
        axes,
        np.float32([9, 4]),
        np.full(N_GENES, 0.5, np.float32),
    )
    return factors.stand_in(np.arange(N_GENES) % 3 > 0)


def view(values, share):
    """Return log1p of a share of the counts, in double precision."""
    return np.log1p(share * np.expm1(values.astype(np.float64)))


def test_near_linear_layers_are_log1p_of_a_share_of_the_counts():
    network = build_wide_deep(N_GENES, N_TYPES)
    values = np.tile(np.linspace(0, np.log1p(10_000), N_GENES, dtype=np.float32), (2, 1))
    for number, share in enumerate(NEAR_LINEAR, start=1):
        layers = keras.Model(network.input, network.get_layer(f"view_{number}").output)
        seen = np.asarray(layers.predict_on_batch(values))
        np.testing.assert_allclose(seen, view(values, share), atol=2e-6)
        np.testing.assert_allclose(seen[:, 0], 0, atol=1e-7)


def test_sparse_views_are_those_of_the_layers(expression, model):
    *near, last = sparse_views(expression)
    assert last is expression
    dense = expression.toarray()
    for number, (ours, share) in enumerate(zip(near, NEAR_LINEAR, strict=True), start=1):
        np.testing.assert_allclose(ours.toarray(), view(dense, share), atol=1e-5)
        assert ours.nnz == expression.nnz
        layers = keras.Model(model.input, model.get_layer(f"view_{number}").output)
        theirs = np.asarray(layers.predict_on_batch(dense))
        np.testing.assert_allclose(ours.toarray(), theirs, atol=1e-5)


def test_predictor_says_what_keras_says(expression, model, moments):
    ours = WideDeepPredictor.of(model, moments)(expression, None)
    assert ours.dtype == np.float32
    theirs = predict_logits(logits_model(model), expression)
    np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.abs(theirs).max())


def test_hidden_units_matter(expression, model, moments):
    predictor = WideDeepPredictor.of(model, moments)
    kernel, bias = predictor.hidden
    blind = replace(predictor, hidden=(0 * kernel, bias))
    assert np.abs(blind(expression, None) - predictor(expression, None)).max() > 0.1


def test_missing_genes_get_the_views_that_go_with_their_expression(
    expression, model, moments, stand_in
):
    """Each view in full, dense, in double precision: for missing genes linear in the scores."""
    missing = ~stand_in.measured
    measured = sparse.csr_matrix(expression.toarray() * stand_in.measured)
    dense = measured.toarray().astype(np.float64)
    scores = (dense - stand_in.mean) @ stand_in.to_scores
    offset = scores @ stand_in.axes
    views = [view(dense, share) for share in NEAR_LINEAR]
    for number, values in enumerate(views):
        by_score = moments.mean[number] + moments.slope[number] * offset
        values[:, missing] = by_score[:, missing]
    last = dense.copy()
    last[:, missing] = (stand_in.mean + offset)[:, missing]
    plain = np.random.default_rng(5).normal(size=(N_GENES, N_TYPES)).astype(np.float32)
    with_plain = replace(WideDeepPredictor.of(model, moments), plain=plain)
    counts = sparse.csr_matrix(np.expm1(measured.toarray()))
    said = with_plain.on_counts(np.arange(N_GENES), stand_in)(counts, np.ones(N_CELLS))
    of_plain = views[0] @ plain
    np.testing.assert_allclose(said.embedding, of_plain, atol=1e-5 * np.abs(of_plain).max())
    (projection,) = model.get_layer("projection").get_weights()
    kernel, bias = model.get_layer("hidden_1").get_weights()
    hidden = np.maximum(views[1] @ projection @ kernel + bias, 0)
    weights, constant = model.get_layer("logits").get_weights()
    expected = np.hstack([*views, last, hidden]) @ weights + constant
    ours = WideDeepPredictor.of(model, moments)(measured, stand_in)
    np.testing.assert_allclose(ours, expected, atol=1e-5 * np.abs(expected).max())


def test_without_axes_missing_genes_get_the_means(expression, model, moments):
    measured = np.arange(N_GENES) >= 10
    mean = np.asarray(expression.mean(axis=0), dtype=np.float32).ravel()
    no_axes = np.empty((0, N_GENES), np.float32)
    plain = StandIn(measured, mean, no_axes.T, no_axes)
    kept = sparse.csr_matrix(expression.toarray() * measured)
    logits = WideDeepPredictor.of(model, moments)(kept, plain)
    # a cell of zeros plus means is the same for all where nothing was measured of it
    nothing = sparse.csr_matrix((2, N_GENES), dtype=np.float32)
    both = WideDeepPredictor.of(model, moments)(nothing, plain)
    np.testing.assert_array_equal(both[0], both[1])
    assert not np.allclose(logits, both[0])


@pytest.mark.parametrize("lacks", [False, True], ids=["all-genes", "missing-genes"])
def test_the_embedding_is_that_of_the_expression(expression, model, moments, stand_in, lacks):
    kernel = np.random.default_rng(3).normal(size=(N_GENES, 7)).astype(np.float32)
    predictor = WideDeepPredictor.of(model, moments)
    predict, given = replace(predictor, embedding=kernel), stand_in if lacks else None
    measured = sparse.csr_matrix(expression.toarray() * stand_in.measured) if lacks else expression
    counts = sparse.csr_matrix(np.expm1(measured.toarray()))
    said = predict.on_counts(np.arange(N_GENES), given)(counts, np.ones(N_CELLS))
    logits, embedding = said.logits, said.embedding
    plain = np.random.default_rng(4).normal(size=(N_GENES, N_TYPES)).astype(np.float32)
    both = replace(predict, plain=plain).on_counts(np.arange(N_GENES), given)
    beside = both(counts, np.ones(N_CELLS))
    np.testing.assert_array_equal(beside.logits, logits)
    np.testing.assert_array_equal(beside.embedding[:, :7], embedding)
    if not lacks:
        of_plain = view(measured.toarray().astype(np.float64), NEAR_LINEAR[0]) @ plain
        np.testing.assert_allclose(beside.embedding[:, 7:], of_plain, rtol=1e-5, atol=2e-4)
    filled = given.fill(measured) if lacks else measured.toarray()
    np.testing.assert_allclose(embedding, filled @ kernel, rtol=1e-5, atol=2e-4)
    np.testing.assert_allclose(logits, predictor(measured, given), rtol=1e-5, atol=1e-5)


def test_another_last_layer_changes_the_logits_alone(expression, model, moments):
    predictor = WideDeepPredictor.of(model, moments)
    kernel, bias = predictor.logits
    twice = predictor.with_logits(2 * kernel, 2 * bias)
    np.testing.assert_allclose(
        twice(expression, None), 2 * predictor(expression, None), rtol=1e-5, atol=1e-4
    )
    assert predictor.logits[0] is kernel


def test_logits_of_a_cell_do_not_depend_on_its_company(expression, model, moments, stand_in):
    predictor = WideDeepPredictor.of(model, moments)
    for given in (None, stand_in):
        together = predictor(expression, given)
        alone = np.vstack([predictor(expression[[row]], given) for row in range(N_CELLS)])
        np.testing.assert_array_equal(alone, together)


@pytest.mark.parametrize(
    ("build", "is_one"),
    [
        pytest.param(lambda: build_wide_deep(9, 3), True, id="default"),
        pytest.param(lambda: logits_model(build_wide_deep(9, 3)), True, id="its-logits"),
        pytest.param(lambda: build_wide_deep(9, 3, hidden=(8, 4)), False, id="two-layers"),
        pytest.param(lambda: build_wide_deep(9, 3, hidden=()), False, id="no-layer"),
        pytest.param(lambda: build_wide_deep(9, 3, activation="tanh"), False, id="tanh"),
        pytest.param(lambda: build_mlp(9, 3, hidden=(8,)), False, id="mlp"),
    ],
)
def test_what_the_predictor_can_stand_in_for(build, is_one):
    assert is_wide_deep(build()) == is_one


def test_keras_runs_the_others(expression, moments):
    deep = build_wide_deep(N_GENES, N_TYPES, hidden=(6, 5))
    predict = choose_predictor(deep, "keras", moments)
    assert not isinstance(predict, WideDeepPredictor)
    np.testing.assert_allclose(
        predict(expression, None), predict_logits(logits_model(deep), expression), atol=1e-6
    )


def test_the_twin_refuses_it():
    with pytest.raises(InputError, match="no layer like"):
        LowLevelNetwork(logits_model(build_wide_deep(N_GENES, N_TYPES)))


@pytest.mark.parametrize("name", ["view_mean", "view_slope"])
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda values: values[:1], id="views"),
        pytest.param(lambda values: values[:, 1:], id="genes"),
        pytest.param(lambda values: values.astype(np.float64), id="double"),
        pytest.param(lambda values: values.astype(object), id="objects"),
        pytest.param(lambda values: values * np.float32(np.nan), id="nan"),
        pytest.param(lambda values: values + np.float32(np.inf), id="infinite"),
    ],
)
def test_moments_that_do_not_fit_are_refused(moments, name, change):
    arrays = moments.to_arrays()
    arrays[name] = change(arrays[name])
    with pytest.raises(ValueError, match=f"'{name}' is"):
        ViewMoments.from_arrays(arrays, n_genes=N_GENES)


def test_moments_are_the_regression_of_each_view_on_the_expression(expression, moments):
    dense = expression.toarray().astype(np.float64)
    for number, share in enumerate(NEAR_LINEAR):
        values = view(dense, share)
        np.testing.assert_allclose(moments.mean[number], values.mean(axis=0), atol=1e-5)
        slopes = [np.polyfit(dense[:, g], values[:, g], 1)[0] for g in range(N_GENES)]
        np.testing.assert_allclose(moments.slope[number], slopes, atol=1e-4)
