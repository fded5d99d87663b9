"""The low-level twin does what Keras does."""

import numpy as np
import pytest
from scipy import sparse

from cellclassifier.errors import InputError
from cellclassifier.networks import (
    ConvBlock,
    build_cnn,
    build_linear,
    build_mlp,
    keras,
    logits_model,
    predict_logits,
)
from cellclassifier.networks.lowlevel import LowLevelNetwork, Shortcuts
from cellclassifier.training import TrainingConfig
from cellclassifier.training.adam import train_by_adam
from cellclassifier.training.examples import Examples
from cellclassifier.training.lowlevel import LowLevelStep, train_by_lowlevel
from cellclassifier.training.progress import watch_nothing

N_GENES, N_TYPES = 600, 4
ODD_BLOCKS = (ConvBlock(5, 3, 2, "valid"), ConvBlock(7, 4, 3))

NETWORKS = {
    "original cnn": lambda: build_cnn(N_GENES, N_TYPES, dropout=0),
    "valid first, odd sizes": lambda: build_cnn(
        N_GENES, N_TYPES, blocks=ODD_BLOCKS, hidden=(20, 10), dropout=0
    ),
    "average pooling": lambda: build_cnn(
        N_GENES, N_TYPES, blocks=ODD_BLOCKS, pooling="average", dropout=0
    ),
    "gelu is not monotone": lambda: build_cnn(
        N_GENES, N_TYPES, blocks=ODD_BLOCKS, activation="gelu", dropout=0
    ),
    "tanh": lambda: build_cnn(N_GENES, N_TYPES, blocks=ODD_BLOCKS, activation="tanh", dropout=0),
    "no pooling": lambda: build_cnn(
        N_GENES, N_TYPES, blocks=(ConvBlock(6, 5, 1), ConvBlock(4, 3, 1)), dropout=0
    ),
    "too wide to unroll": lambda: build_cnn(
        N_GENES, N_TYPES, blocks=(ConvBlock(6, 25, 4), ConvBlock(4, 3, 2)), dropout=0
    ),
    "penalties": lambda: build_cnn(N_GENES, N_TYPES, l2=0.01, dropout=0),
    "mlp": lambda: build_mlp(N_GENES, N_TYPES, hidden=(30,), dropout=0),
    "linear": lambda: build_linear(N_GENES, N_TYPES),
}


@pytest.fixture(scope="module")
def examples():
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(N_TYPES, dtype=np.int32), 40)
    rates = rng.gamma(0.3, 1, (N_TYPES, N_GENES))
    expression = sparse.csr_matrix(np.log1p(rng.poisson(rates[codes])).astype(np.float32))
    weights = rng.uniform(0.5, 1.5, len(codes)).astype(np.float32)
    order = rng.permutation(len(codes))
    return Examples(expression, codes, weights)[order]


@pytest.mark.parametrize("name", NETWORKS)
def test_same_logits_from_the_same_weights(name, examples):
    logits = logits_model(NETWORKS[name]())
    ours = LowLevelNetwork(logits).predict_logits(examples.expression)
    np.testing.assert_allclose(ours, predict_logits(logits, examples.expression), atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_same_loss_for_fifty_steps(name, examples):
    """At larger steps both drift apart, as Keras does from itself when its rows are permuted."""
    logits = logits_model(NETWORKS[name]())
    step = LowLevelStep(LowLevelNetwork(logits), 3e-5, seed=0)
    logits.compile(
        optimizer=keras.optimizers.Adam(3e-5),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    ours, theirs = [], []
    for number in range(50):
        rows = np.arange(32) + 32 * (number % 5)
        batch = examples[rows]
        expression = batch.expression.toarray()
        shaped = expression.reshape(-1, *logits.input_shape[1:])
        ours.append(step(expression, batch.codes, batch.cell_weights, len(batch))[0])
        theirs.append(logits.train_on_batch(shaped, batch.codes, sample_weight=batch.cell_weights))
        logits.reset_metrics()
    np.testing.assert_allclose(ours, np.array(theirs), atol=1e-4)
    assert ours[-1] < ours[0]


@pytest.mark.parametrize(
    "shortcuts",
    [
        pytest.param(Shortcuts(unrolled_first=False), id="first layer not unrolled"),
        pytest.param(Shortcuts(fused_pool_gradient=False), id="TensorFlow's pool gradient"),
        pytest.param(Shortcuts(fused_adam=False), id="plain Adam"),
    ],
)
def test_shortcuts_change_the_speed_and_not_the_result(shortcuts, examples):
    losses = []
    for chosen in (Shortcuts(), shortcuts):
        network = LowLevelNetwork(logits_model(build_cnn(N_GENES, N_TYPES, dropout=0)), chosen)
        step = LowLevelStep(network, 1e-4, seed=0)
        expression = examples.expression.toarray()
        losses.append(
            [
                step(expression, examples.codes, examples.cell_weights, len(examples))[0]
                for _ in range(10)
            ]
        )
    np.testing.assert_allclose(*losses, atol=1e-5)


@pytest.mark.parametrize("network", NETWORKS)
def test_the_short_way_of_prediction_gives_the_same_logits(network, examples):
    expression = examples.expression.toarray()
    logits = logits_model(NETWORKS[network]())
    logits.set_weights([weights + 0.01 for weights in logits.get_weights()])  # no bias is zero
    short, long = (
        LowLevelNetwork(logits, Shortcuts(fused_prediction=fused)).predict_on_batch(expression)
        for fused in (True, False)
    )
    np.testing.assert_allclose(short, long, atol=1e-6)


def test_a_batch_filled_up_with_weightless_cells_is_the_same_batch(examples):
    expression, codes = examples.expression.toarray(), examples.codes
    losses = []
    for n_extra in (0, 40):
        network = LowLevelNetwork(logits_model(build_mlp(N_GENES, N_TYPES, dropout=0)))
        step = LowLevelStep(network, 1e-3, seed=0)
        padded = np.pad(expression, ((0, n_extra), (0, 0)))
        weights = np.pad(examples.cell_weights, (0, n_extra))
        losses.append(
            [step(padded, np.pad(codes, (0, n_extra)), weights, len(codes)) for _ in range(5)]
        )
    np.testing.assert_allclose(*losses, atol=1e-5)


def test_weights_go_back_into_keras(examples):
    config = TrainingConfig(epochs=3, batch_size=48, validation_fraction=0)
    logits = logits_model(build_cnn(N_GENES, N_TYPES))
    before = predict_logits(logits, examples.expression)
    nothing = examples[np.arange(0)]
    history = train_by_lowlevel(
        logits, examples, nothing, config, np.random.default_rng(0), watch_nothing
    )
    after = predict_logits(logits, examples.expression)
    assert len(history) == 3
    assert np.abs(after - before).max() > 0.01
    twin = LowLevelNetwork(logits)
    np.testing.assert_allclose(twin.predict_logits(examples.expression), after, atol=1e-5)


def test_same_seed_same_bits(examples):
    config = TrainingConfig(epochs=2, batch_size=48)
    weights = []
    for _ in range(2):
        logits = logits_model(build_mlp(N_GENES, N_TYPES, hidden=(16,), dropout=0.5))
        train_by_lowlevel(
            logits, examples, examples, config, np.random.default_rng(3), watch_nothing
        )
        weights.append(logits.get_weights())
    for first, second in zip(*weights, strict=True):
        np.testing.assert_array_equal(first, second)


def test_early_stopping_puts_the_best_weights_back(examples):
    config = TrainingConfig(epochs=60, batch_size=64, patience=3, learning_rate=0.05)
    logits = logits_model(build_mlp(N_GENES, N_TYPES, hidden=(16,), dropout=0.5))
    rng = np.random.default_rng(0)
    shuffled = Examples(examples.expression, rng.permutation(examples.codes), examples.cell_weights)
    history = train_by_lowlevel(logits, examples, shuffled, config, rng, watch_nothing)
    assert len(history) < 60
    logits.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    loss = logits.evaluate(
        shuffled.expression.toarray(),
        shuffled.codes,
        sample_weight=shuffled.cell_weights,
        verbose=0,
    )
    assert loss == pytest.approx(min(scores["val_loss"] for scores in history), abs=1e-4)


def test_learns_as_keras_does(examples):
    config = TrainingConfig(epochs=10, batch_size=40)
    final = []
    for train in (train_by_adam, train_by_lowlevel):
        logits = logits_model(build_cnn(N_GENES, N_TYPES, dropout=0))
        rng = np.random.default_rng(0)
        nothing = examples[np.arange(0)]
        final.append(train(logits, examples, nothing, config, rng, watch_nothing)[-1]["accuracy"])
    assert final[0] > 0.9
    assert final[1] > 0.9


def test_a_layer_it_does_not_have_is_refused():
    expression = keras.Input((N_GENES,))
    normalised = keras.layers.LayerNormalization(name="norm")(expression)
    logits = keras.Model(expression, keras.layers.Dense(3, name="logits")(normalised))
    with pytest.raises(InputError, match="no layer like 'norm'"):
        LowLevelNetwork(logits)
