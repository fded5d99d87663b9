"""Stacking: towers that keep apart, and one network at the end."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import sparse

from cellclassifier.data import stratified_folds
from cellclassifier.errors import InputError
from cellclassifier.evaluation import ReliabilityCurve
from cellclassifier.networks import (
    build_linear,
    build_wide_deep,
    logits_model,
    predict_logits,
)
from cellclassifier.training import TrainingConfig, train_network
from cellclassifier.training.examples import Examples
from cellclassifier.training.progress import watch_nothing
from cellclassifier.training.softmax_loss import DenseWeights
from cellclassifier.training.stacking import (
    StackedLayers,
    check_wide_deep,
    opinions,
    stacked,
    towers,
    train_by_stacking,
)
from cellclassifier.training.stacking.layers import Weighted, logits_layer
from cellclassifier.training.stacking.mapping import LogitMap, fit_map

N_GENES, N_TYPES, N_HIDDEN = 40, 4, 32
CONFIG = TrainingConfig(
    solver="stacked", epochs=6, batch_size=32, penalty=1e-5, validation_fraction=0.0, patience=None
)
SHORT = TrainingConfig(solver="stacked", epochs=1, batch_size=8, penalty=1e-5)


def cells(n_cells, seed, n_genes=N_GENES, n_types=N_TYPES):
    """Return cells whose types overlap, so that no method names all of them."""
    means = np.random.default_rng(0).lognormal(0, 0.35, (n_types, n_genes))
    rng = np.random.default_rng(seed)
    codes = (np.arange(n_cells) % n_types).astype(np.int32)
    counts = rng.poisson(means[codes])
    scaled = np.log1p(counts * 1e4 / np.maximum(counts.sum(axis=1, keepdims=True), 1))
    return examples_of(scaled, codes)


def examples_of(values, codes):
    codes = np.asarray(codes, dtype=np.int32)
    return Examples(sparse.csr_matrix(np.float32(values)), codes, np.ones(len(codes), np.float32))


def stacked_on(examples, n_types=N_TYPES, config=CONFIG, seed=0, n_hidden=N_HIDDEN):
    return train_by_stacking(examples, n_types, n_hidden, config, seed, watch_nothing)


def network_of(layers, n_genes=N_GENES, n_types=N_TYPES, n_hidden=N_HIDDEN):
    model = logits_model(build_wide_deep(n_genes, n_types, hidden=(n_hidden,)))
    layers.put_into(model)
    return model


def centred(logits):
    return logits - logits.mean(axis=1, keepdims=True)


# --- the towers


SEEN = np.stack([np.arange(96) % 3 != fold for fold in range(3)] + [np.ones(96, bool)], axis=1)


def trained_towers(examples, seed=0, n_units=8):
    rng = np.random.default_rng(seed)
    return towers.train_towers(examples, SEEN, N_TYPES, n_units, SHORT, rng, watch_nothing)


def test_a_tower_knows_nothing_of_cells_it_has_not_seen(monkeypatch):
    monkeypatch.setattr(
        towers, "_low_rank", lambda kernel, bias, *_: (kernel, np.eye(len(bias)), bias)
    )
    examples = cells(96, seed=1)
    other_codes = np.where(SEEN[:, 0], examples.codes, (examples.codes + 1) % N_TYPES)
    others = Examples(examples.expression, np.int32(other_codes), examples.cell_weights)
    one, two = trained_towers(examples), trained_towers(others)
    own = slice(0, 8)
    np.testing.assert_array_equal(one.projection[:, own], two.projection[:, own])
    np.testing.assert_array_equal(one.bias[own], two.bias[own])
    np.testing.assert_array_equal(one.head_kernel[0], two.head_kernel[0])
    np.testing.assert_array_equal(one.head_bias[0], two.head_bias[0])
    for tower in (1, 2, 3):
        assert not np.array_equal(one.head_kernel[tower], two.head_kernel[tower])


@pytest.mark.parametrize(("rank", "error"), [(40, 1e-5), (12, 0.02)])
def test_the_low_rank_leaves_the_sums_close(monkeypatch, rank, error):
    """Of what varies along a few directions the rest can go; its mean stays."""
    monkeypatch.setattr(towers, "RANK", rank)
    rng = np.random.default_rng(0)
    examples = cells(200, seed=1)
    directions = rng.normal(size=(N_GENES, 60)) * 2.0 ** -np.arange(N_GENES)[:, None]
    kernel = (np.linalg.qr(rng.normal(size=(N_GENES, N_GENES)))[0] @ directions).astype(np.float32)
    bias = rng.normal(size=60).astype(np.float32)
    projection, inner, inner_bias = towers._low_rank(kernel, bias, examples, rng)
    assert projection.shape == (N_GENES, rank)
    assert inner.shape == (rank, 60)
    dense = examples.expression.toarray()
    expected = dense @ kernel + bias
    ours = dense @ projection @ inner + inner_bias
    assert np.abs(ours - expected).max() < error * expected.std()


def test_towers_are_the_same_bits_for_the_same_seed():
    one, two, other = (trained_towers(cells(96, seed=1), seed) for seed in (3, 3, 4))
    for name in ("projection", "kernel", "bias", "head_kernel", "head_bias"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert not np.array_equal(one.head_kernel, other.head_kernel)


@pytest.mark.parametrize(
    ("n_cells", "batch_size", "n_epochs"), [(5, 5, 20), (96, 64, 20), (1_000_000, 256, 1)]
)
def test_large_references_are_seen_in_fewer_steps(n_cells, batch_size, n_epochs):
    values = sparse.csr_matrix((n_cells, 2), dtype=np.float32)
    many = Examples(values, np.zeros(n_cells, np.int32), np.ones(n_cells, np.float32))
    config = TrainingConfig(epochs=20, batch_size=64)
    batches = towers._Batches(
        many, np.ones((n_cells, 4), bool), (np.zeros(2), 1.0), config, np.random.default_rng(0)
    )
    assert (batches.size, batches.n_epochs) == (batch_size, n_epochs)
    assert batches.n_steps == n_epochs * len(batches) <= towers.MAX_STEPS
    inputs, codes, weights = batches[len(batches) - 1]
    assert inputs.shape == (batch_size, 2)
    assert codes.shape == weights.shape == (batch_size, 4)


# --- one network


def test_the_network_is_the_sum_of_its_members():
    rng = np.random.default_rng(0)

    def normal(*shape):
        return rng.normal(size=shape).astype(np.float32)

    n_units = 5
    parts = towers.Towers(
        normal(N_GENES, 64), normal(64, 4 * n_units), normal(4 * n_units),
        normal(4, n_units, N_TYPES), normal(4, N_TYPES),
    )  # fmt: skip
    heads = [
        Weighted(DenseWeights(normal(N_GENES, N_TYPES), normal(N_TYPES)), view, 0.1 * (1 + number))
        for number, view in enumerate((0, 1, 2, 1))
    ]
    shares = np.array([0.3, 0.0, 0.2, 0.1])
    layer = logits_layer(heads, parts, shares, (N_GENES, N_HIDDEN, N_TYPES))
    layers = StackedLayers(parts.projection, DenseWeights(parts.kernel, parts.bias), layer)
    expression = cells(20, seed=1).expression
    views = opinions.sparse_views(expression)
    expected = sum(head.share * head.weights(views[head.view]) for head in heads)
    expected = expected + np.tensordot(shares, parts.logits(views[1]), 1)
    ours = predict_logits(network_of(layers), expression)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(centred(ours), centred(expected), atol=2e-5 * scale)


@dataclass(frozen=True, eq=False)
class Trained:
    examples: Examples
    stacked: stacked.Stacked


@pytest.fixture(scope="module")
def trained():
    examples = cells(240, seed=1)
    return Trained(examples, stacked_on(examples))


def accuracy(logits, codes):
    return (logits.argmax(axis=1) == codes).mean()


def test_accuracy_out_of_fold_is_that_on_other_cells(trained):
    others = cells(800, seed=2)
    model = network_of(trained.stacked.layers)
    home = accuracy(trained.stacked.out_of_fold, trained.examples.codes)
    abroad = accuracy(predict_logits(model, others.expression), others.codes)
    assert 0.5 < abroad < 0.97  # neither chance nor all of them
    assert home == pytest.approx(abroad, abs=0.08)
    fitted = accuracy(predict_logits(model, trained.examples.expression), trained.examples.codes)
    assert fitted > home + 0.02


def without_map(examples, monkeypatch, config=CONFIG):
    identity = LogitMap(np.eye(N_TYPES), np.zeros(N_TYPES))
    monkeypatch.setattr(opinions, "fit_map", lambda *_: identity)
    return stacked_on(examples, config=config)


def test_the_network_before_says_of_cells_apart_what_counted_for_the_weights(trained, monkeypatch):
    """It is made of the members that have not seen the first fold, and has no map."""
    plain = without_map(trained.examples, monkeypatch)
    np.testing.assert_array_equal(plain.apart, trained.stacked.apart)
    model = network_of(trained.stacked.layers_before)
    logits = predict_logits(model, trained.examples.expression[plain.apart])
    expected = plain.out_of_fold[plain.apart]
    np.testing.assert_allclose(
        centred(logits), centred(expected), atol=1e-4 * np.abs(expected).max()
    )


def test_logits_out_of_fold_come_from_maps_that_have_not_seen_the_cell():
    """Another label of a cell makes no difference to what is said of it, but for other cells."""
    logits, codes = 3 * np.random.default_rng(0).normal(size=(90, N_TYPES)), np.arange(90) % N_TYPES
    groups = stratified_folds(codes, 3, np.random.default_rng(5))
    own = groups[1][1]

    def mapped(labels, monkeypatch):
        monkeypatch.setattr(opinions, "stratified_folds", lambda *_: groups)
        return opinions.map_of_logits(logits, labels, np.arange(5, 90), np.random.default_rng(5))

    others = codes.copy()
    others[own] = (codes[own] + 1) % N_TYPES
    with pytest.MonkeyPatch.context() as monkeypatch:
        (_, before), (whole, after) = (mapped(labels, monkeypatch) for labels in (codes, others))
    np.testing.assert_array_equal(before[own], after[own])
    assert not np.allclose(before[groups[0][1]], after[groups[0][1]], atol=1e-3)
    assert not np.allclose(whole(logits[own]), after[own], atol=1e-3)


def test_the_map_of_all_cells_is_part_of_the_network_and_of_no_other(monkeypatch):
    examples, maps = cells(60, seed=1), []
    monkeypatch.setattr(opinions, "n_cores", lambda: 1)  # the maps come in their order

    def keeping(*held_out):
        maps.append(fit_map(*held_out))
        return maps[-1]

    monkeypatch.setattr(opinions, "fit_map", keeping)
    found = stacked_on(examples, config=SHORT)
    plain = without_map(examples, monkeypatch, SHORT)
    old, new = (predict_logits(network_of(of.layers), examples.expression) for of in (plain, found))
    np.testing.assert_allclose(centred(new), centred(maps[0](old)), atol=1e-4 * np.abs(new).max())
    assert not np.allclose(centred(new), centred(old), atol=1e-2)
    for with_map, without in zip(found.shifted, plain.shifted, strict=True):
        np.testing.assert_array_equal(with_map.kernel, without.kernel)


def test_cells_of_a_type_that_nobody_else_has_are_not_known():
    examples = one_of_the_last(40, 1)
    found = stacked_on(examples, config=SHORT, n_hidden=8)
    np.testing.assert_array_equal(found.known, np.arange(1, 40))


def test_other_layers_are_for_the_same_features(trained):
    others = cells(400, seed=3)
    layers = trained.stacked.layers
    for logits in trained.stacked.shifted:
        assert logits.kernel.shape == layers.logits.kernel.shape
        assert not np.array_equal(logits.kernel, layers.logits.kernel)
        model = network_of(StackedLayers(layers.projection, layers.hidden, logits))
        assert accuracy(predict_logits(model, others.expression), others.codes) > 0.5
    far = trained.stacked.shifted[1].kernel
    assert not far[: 2 * N_GENES].any()
    assert not far[3 * N_GENES :].any()


def test_same_seed_same_bits(trained):
    again = stacked_on(trained.examples)
    np.testing.assert_array_equal(again.layers.logits.kernel, trained.stacked.layers.logits.kernel)
    np.testing.assert_array_equal(again.out_of_fold, trained.stacked.out_of_fold)
    other = stacked_on(trained.examples, seed=1, config=SHORT)
    assert not np.array_equal(other.apart, trained.stacked.apart)


def test_shares_are_positive_and_not_all_equal(trained):
    shares = trained.stacked.shares
    assert len(shares) == 4 + 4 + 4 + 1
    assert (shares >= 0).all()
    assert np.ptp(shares) > 0


def one_of_the_last(n_cells, n_last):
    """Return cells of three types, `n_last` of them of the fourth."""
    examples = cells(n_cells, seed=1)
    codes = np.where(np.arange(n_cells) < n_last, N_TYPES - 1, examples.codes % (N_TYPES - 1))
    return Examples(examples.expression, codes.astype(np.int32), examples.cell_weights)


HARD_CASES = {
    "one-cell-of-a-type": lambda: (one_of_the_last(40, 1), N_TYPES),
    "one-cell-of-each-type": lambda: (cells(N_TYPES, seed=1), N_TYPES),
    "two-cells-of-a-type": lambda: (one_of_the_last(40, 2), N_TYPES),
    "a-type-without-cells": lambda: (one_of_the_last(40, 0), N_TYPES),
    "more-types-than-cells-in-a-fold": lambda: (cells(20, seed=1, n_types=10), 10),
    "twelve-cells": lambda: (cells(12, seed=1), N_TYPES),
    "four-cells": lambda: (cells(4, seed=1, n_types=2), 2),
    "one-gene": lambda: (cells(30, seed=1, n_genes=1), N_TYPES),
    "constant-genes": lambda: (examples_of(np.ones((30, 5)), np.arange(30) % 3), 3),
    "no-counts": lambda: (examples_of(np.zeros((30, 5)), np.arange(30) % 3), 3),
}


@pytest.mark.parametrize("name", HARD_CASES)
def test_hard_cases_end_in_a_finite_network(name):
    examples, n_types = HARD_CASES[name]()
    found = stacked_on(examples, n_types, SHORT, n_hidden=8)
    assert np.isfinite(found.shares).all()
    assert np.isfinite(found.out_of_fold).all()
    n_genes = examples.expression.shape[1]
    model = network_of(found.layers, n_genes, n_types, n_hidden=8)
    assert np.isfinite(predict_logits(model, examples.expression)).all()
    for logits in found.shifted:
        assert np.isfinite(logits.kernel).all()
        assert np.isfinite(logits.bias).all()


def test_more_cells_than_the_caps_are_drawn_from(monkeypatch):
    monkeypatch.setattr(opinions, "MAX_CELLS", 50)
    monkeypatch.setattr(towers, "SAMPLE_CELLS", 20)
    monkeypatch.setattr(towers, "MAX_STEPS", 5)
    fitted = []
    fit_heads = stacked.fit_heads
    monkeypatch.setattr(
        stacked,
        "fit_heads",
        lambda views, n_types, tasks: (
            fitted.extend(len(rows) for _, rows in tasks) or fit_heads(views, n_types, tasks)
        ),
    )
    found = stacked_on(cells(150, seed=1))
    assert set(fitted) == {50}
    assert found.out_of_fold.shape == (150, N_TYPES)
    assert np.isfinite(found.out_of_fold).all()


# --- through the trainer


def test_training_says_what_it_did():
    examples, told = cells(60, seed=1), []
    model = build_wide_deep(N_GENES, N_TYPES, hidden=(N_HIDDEN,))
    record = train_network(
        model, examples.expression, examples.codes, SHORT, seed=2,
        watch=lambda epoch, n_epochs, _: told.append((epoch, n_epochs)),
    )  # fmt: skip
    assert told == [(1, 1)]
    assert (record.n_cells, record.best_epoch, record.temperature) == (60, 1, 1.0)
    assert len(record.apart) == 20
    assert len(record.shifted) == 2
    expected = stacked_on(
        Examples(examples.expression, examples.codes, SHORT.cell_weights(examples.codes, N_TYPES)),
        config=SHORT,
        seed=2,
    )
    np.testing.assert_array_equal(
        model.get_layer("logits").get_weights()[0], expected.layers.logits.kernel
    )
    right = accuracy(expected.out_of_fold, examples.codes)
    assert record.validation["accuracy"] == pytest.approx(right)
    np.testing.assert_array_equal(record.held_out.rows, np.arange(60))
    np.testing.assert_array_equal(record.held_out.logits, expected.out_of_fold)
    curve = ReliabilityCurve.from_json(record.validation["reliability"])
    assert curve.n_cells.sum() == record.validation["n_cells"] == 60
    assert curve.ece == pytest.approx(record.validation["ece"])
    assert record.weights_before_refit[-2].shape == expected.layers.logits.kernel.shape


@pytest.mark.parametrize(
    ("build", "message"),
    [
        pytest.param(lambda: build_linear(9, 3), "one hidden layer of 'relu'", id="linear"),
        pytest.param(lambda: build_wide_deep(9, 3, hidden=(8, 4)), "'hidden_2'", id="two-layers"),
        pytest.param(lambda: build_wide_deep(9, 3, activation="gelu"), "'relu'", id="gelu"),
        pytest.param(lambda: build_wide_deep(9, 3, projection=63), "not 63 and 512", id="narrow"),
        pytest.param(lambda: build_wide_deep(9, 3, hidden=(3,)), "not 64 and 3", id="few-units"),
    ],
)
def test_networks_that_no_ensemble_fits_into(build, message):
    with pytest.raises(InputError, match=message):
        check_wide_deep(build())
