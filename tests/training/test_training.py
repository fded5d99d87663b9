"""Training: repeatable, stratified, stopped at its best, and for L-BFGS the true optimum."""

import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from scipy import sparse
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression

from cellclassifier.data import stratified_split
from cellclassifier.errors import InputError
from cellclassifier.evaluation import ReliabilityCurve
from cellclassifier.networks import build_linear, build_mlp, logits_model, predict_logits
from cellclassifier.training import TrainingConfig, progress, train_network
from cellclassifier.training.adam import train_by_adam
from cellclassifier.training.examples import Examples
from cellclassifier.training.lbfgs import train_by_lbfgs
from cellclassifier.training.progress import (
    BETWEEN_LINES,
    Lines,
    progress_bar,
    training_bars,
    watch_nothing,
)
from cellclassifier.training.softmax_loss import SoftmaxLoss

N_GENES, N_TYPES = 20, 3
TYPE_SIZES = (60, 40, 20)

LBFGS = TrainingConfig(solver="lbfgs", epochs=60)
ADAM = TrainingConfig(epochs=6, batch_size=16, learning_rate=0.01)
BOTH_SOLVERS = [
    pytest.param("linear", LBFGS, id="lbfgs"),
    pytest.param("mlp", ADAM, id="adam-with-dropout"),
]


@pytest.fixture
def codes():
    return (
        np.random.default_rng(0)
        .permutation(np.repeat(np.arange(N_TYPES), TYPE_SIZES))
        .astype(np.int32)
    )


@pytest.fixture
def expression(codes):
    """Sparse, non-negative, types overlapping so that no optimum is at infinity."""
    rng = np.random.default_rng(1)
    centres = rng.gamma(1.0, size=(N_TYPES, N_GENES))
    counts = rng.poisson(centres[codes])
    return sparse.csr_matrix(np.log1p(counts).astype(np.float32))


def build(network, seed=0):
    if network == "linear":
        return build_linear(N_GENES, N_TYPES, seed=seed)
    return build_mlp(N_GENES, N_TYPES, hidden=(16,), dropout=0.5, seed=seed)


def examples(expression, codes, config=ADAM):
    return Examples(expression, codes, config.cell_weights(codes, N_TYPES))


def weights_of(model):
    return np.concatenate([weights.ravel() for weights in model.get_weights()])


def weighted_loss(logits, cells):
    of_truth = log_softmax(logits.astype(np.float64), axis=1)[np.arange(len(cells)), cells.codes]
    return -np.average(of_truth, weights=cells.cell_weights)


@pytest.mark.parametrize(("network", "config"), BOTH_SOLVERS)
def test_same_seed_gives_the_same_bits(expression, codes, network, config):
    first, second = build(network), build(network)
    np.random.seed(0)  # noqa: NPY002  (the global state has to play no part)
    one = train_network(first, expression, codes, config, seed=3)
    np.random.seed(1)  # noqa: NPY002
    two = train_network(second, expression, codes, config, seed=3)
    np.testing.assert_array_equal(weights_of(first), weights_of(second))
    assert (one.to_json(), one.temperature) == (two.to_json(), two.temperature)
    np.testing.assert_array_equal(one.apart, two.apart)


@pytest.mark.parametrize(("network", "config"), BOTH_SOLVERS)
def test_another_seed_gives_another_model(expression, codes, network, config):
    first, second = build(network), build(network)
    train_network(first, expression, codes, config, seed=3)
    train_network(second, expression, codes, config, seed=4)
    assert not np.array_equal(weights_of(first), weights_of(second))


def test_validation_cells_are_stratified(expression, codes):
    config = TrainingConfig(solver="lbfgs", epochs=2, validation_fraction=0.25)
    record = train_network(build("linear"), expression, codes, config)
    assert record.validation["n_cells"] == 15 + 10 + 5
    assert record.n_cells == 120 - 30


def test_every_type_keeps_a_cell_to_train_on():
    codes = np.array([0, 0, 1, 1, 1], dtype=np.int32)
    expression = sparse.csr_matrix(np.eye(5, N_GENES, dtype=np.float32))
    config = TrainingConfig(solver="lbfgs", epochs=1, validation_fraction=0.99)
    record = train_network(build_linear(N_GENES, 2), expression, codes, config)
    assert (record.n_cells, record.validation["n_cells"]) == (2, 3)


def test_adam_puts_back_the_weights_of_the_best_epoch(expression, codes):
    # codes of the cells set apart are shuffled: learning makes their loss worse from some epoch on
    kept, apart = stratified_split(codes, 0.3, np.random.default_rng(0))
    validation = examples(expression, codes)[apart]
    wrong = Examples(validation.expression, np.roll(validation.codes, 1), validation.cell_weights)
    logits = logits_model(build("mlp"))
    config = TrainingConfig(epochs=30, batch_size=16, learning_rate=0.02, patience=4)
    rng = np.random.default_rng(0)
    history = train_by_adam(
        logits, examples(expression, codes)[kept], wrong, config, rng, watch_nothing
    )
    losses = [scores["val_loss"] for scores in history]
    best = int(np.argmin(losses))
    assert best < len(losses) - 1
    assert len(losses) == best + 1 + config.patience
    after = weighted_loss(predict_logits(logits, wrong.expression), wrong)
    assert after == pytest.approx(losses[best], abs=1e-5)
    assert after < losses[-1]


def test_lbfgs_keeps_the_weights_of_the_best_iteration(expression, codes):
    codes[::3] = np.roll(codes[::3], 1)  # labels wrong here and there: fitting them all is harmful
    kept, apart = stratified_split(codes, 0.3, np.random.default_rng(0))
    training, validation = (examples(expression, codes)[rows] for rows in (kept, apart))
    logits = logits_model(build("linear"))
    config = TrainingConfig(solver="lbfgs", epochs=300, penalty=1e-6, patience=5)
    history = train_by_lbfgs(
        logits, training, validation, config, np.random.default_rng(0), watch_nothing
    )
    losses = [scores["val_loss"] for scores in history]
    best = int(np.argmin(losses))
    assert len(losses) == best + 1 + config.patience

    again = logits_model(build("linear"))
    shorter = TrainingConfig(solver="lbfgs", epochs=best + 1, penalty=1e-6, patience=None)
    train_by_lbfgs(again, training, validation, shorter, np.random.default_rng(0), watch_nothing)
    np.testing.assert_array_equal(weights_of(logits), weights_of(again))


def test_logits_are_divided_by_the_temperature(expression, codes):
    model = build("mlp")
    record = train_network(model, expression, codes, ADAM, seed=5)
    _, apart = stratified_split(codes, ADAM.validation_fraction, np.random.default_rng(5))
    validation = examples(expression, codes)[apart]
    logits = predict_logits(logits_model(model), validation.expression)
    undivided = weighted_loss(logits * record.temperature, validation)
    assert record.temperature != 1
    assert undivided == pytest.approx(min(s["val_loss"] for s in record.history), abs=1e-5)
    assert record.validation["log_loss"] == pytest.approx(
        weighted_loss(logits, validation), abs=1e-5
    )
    hits = logits.argmax(axis=1) == validation.codes
    assert record.validation["accuracy"] == pytest.approx(hits.mean())
    np.testing.assert_array_equal(record.held_out.rows, apart)
    np.testing.assert_allclose(record.held_out.logits, logits, atol=1e-5)
    curve = ReliabilityCurve.from_json(record.validation["reliability"])
    assert curve.n_cells.sum() == len(apart)
    assert curve.ece == record.validation["ece"]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        pytest.param("none", None, id="unweighted"),
        pytest.param("balanced", "balanced", id="balanced"),
    ],
)
@pytest.mark.parametrize("penalty", [1e-2, 1e-3], ids=str)
def test_lbfgs_finds_the_optimum_that_scikit_learn_finds(expression, codes, penalty, ours, theirs):
    """On centred inputs divided by the root mean squared row norm, with penalty = 1 / (C n)."""
    config = TrainingConfig(
        solver="lbfgs", epochs=2000, penalty=penalty, class_weights=ours,
        validation_fraction=0.0, patience=None,
    )  # fmt: skip
    model = build("linear")
    record = train_network(model, expression, codes, config)
    assert record.temperature == 1

    dense = expression.toarray().astype(np.float64)
    dense -= dense.mean(axis=0)
    dense /= np.sqrt((dense**2).sum(axis=1).mean())
    oracle = LogisticRegression(
        C=1 / (penalty * len(codes)), class_weight=theirs, tol=1e-10, max_iter=10_000
    ).fit(dense, codes)
    probabilities = model.predict_on_batch(expression.toarray())
    np.testing.assert_allclose(probabilities, oracle.predict_proba(dense), atol=1e-3)


def test_lbfgs_loss_has_the_gradient_it_says(expression, codes):
    config = TrainingConfig(solver="lbfgs", class_weights="balanced")
    loss = SoftmaxLoss.of(examples(expression, codes, config), N_TYPES, penalty=0.1)
    rng = np.random.default_rng(0)
    point, direction = rng.normal(size=(2, (N_GENES + 1) * N_TYPES))
    step = 1e-2  # products are in float32
    numeric = (loss(point + step * direction)[0] - loss(point - step * direction)[0]) / (2 * step)
    assert loss(point)[1] @ direction == pytest.approx(numeric, rel=1e-3)


@pytest.mark.parametrize(
    ("class_weights", "expected"),
    [
        pytest.param("none", [1, 1, 1], id="none"),
        pytest.param("balanced", [120 / 180, 120 / 120, 120 / 60], id="balanced"),
        pytest.param("sqrt", np.sqrt([120 / 180, 120 / 120, 120 / 60]), id="sqrt"),
    ],
)
def test_class_weights(codes, class_weights, expected):
    weights = TrainingConfig(class_weights=class_weights).cell_weights(codes, N_TYPES)
    assert weights.mean() == pytest.approx(1)
    per_type = np.array([weights[codes == code][0] for code in range(N_TYPES)])
    np.testing.assert_allclose(per_type / per_type[0], np.divide(expected, expected[0]), rtol=1e-6)


def test_class_weights_favour_the_small_type_in_adam(expression, codes):
    flat, balanced = build("mlp"), build("mlp")
    shared = {"epochs": 8, "batch_size": 16, "validation_fraction": 0.0}
    train_network(flat, expression, codes, TrainingConfig(**shared))
    train_network(balanced, expression, codes, TrainingConfig(**shared, class_weights="balanced"))
    dense = expression.toarray()
    small = N_TYPES - 1
    share = [model.predict_on_batch(dense)[:, small].mean() for model in (flat, balanced)]
    assert share[1] > share[0]


@pytest.mark.parametrize(("network", "config"), BOTH_SOLVERS)
def test_refit_trains_on_all_cells_for_the_best_number_of_epochs(
    expression, codes, network, config
):
    seen = []
    config = replace(config, patience=3, refit=True)
    model = build(network)
    record = train_network(
        model, expression, codes, config, watch=lambda *call: seen.append(call[:2])
    )
    refit = seen[len(record.history) :]
    assert refit == [(epoch, record.best_epoch) for epoch in range(1, record.best_epoch + 1)]
    assert record.n_cells == len(codes)

    without = build(network)
    before = train_network(without, expression, codes, replace(config, refit=False))
    assert before.history == record.history
    assert before.temperature == record.temperature
    assert before.validation == record.validation
    np.testing.assert_array_equal(before.held_out.logits, record.held_out.logits)
    assert not np.array_equal(weights_of(model), weights_of(without))


def test_refit_begins_from_the_untrained_weights(expression, codes):
    config = TrainingConfig(epochs=1, batch_size=16, refit=True)
    model, plain = build("mlp"), build("mlp")
    record = train_network(model, expression, codes, config, seed=2)
    alone = train_by_adam(
        logits_model(plain), examples(expression, codes), examples(expression, codes)[:0],
        config, np.random.default_rng(2), watch_nothing,
    )  # fmt: skip
    assert len(alone) == 1
    kernel, bias = plain.get_layer("logits").get_weights()
    expected = [kernel / np.float32(record.temperature), bias / np.float32(record.temperature)]
    np.testing.assert_array_equal(model.get_layer("logits").get_weights()[0], expected[0])
    np.testing.assert_array_equal(model.get_layer("logits").get_weights()[1], expected[1])


@pytest.mark.parametrize(("network", "config"), BOTH_SOLVERS)
def test_no_validation_cells(expression, codes, network, config):
    config = replace(config, epochs=4, validation_fraction=0.0, refit=True)
    record = train_network(build(network), expression, codes, config)
    assert record.validation is None
    assert record.held_out is None
    assert record.temperature == 1
    assert record.best_epoch == len(record.history) == 4
    assert record.n_cells == len(codes)
    assert not any("val_loss" in scores for scores in record.history)


@pytest.mark.parametrize(("network", "config"), BOTH_SOLVERS)
def test_watcher_is_called_once_an_epoch_and_the_best_is_kept(expression, codes, network, config):
    seen = []
    record = train_network(
        build(network), expression, codes, config,
        watch=lambda epoch, n_epochs, scores: seen.append((epoch, n_epochs, dict(scores))),
    )  # fmt: skip
    assert seen == [
        (number, config.epochs, scores) for number, scores in enumerate(record.history, start=1)
    ]
    assert {"loss", "val_loss", "val_accuracy"} <= record.history[0].keys()
    losses = [scores["val_loss"] for scores in record.history]
    assert record.best_epoch == int(np.argmin(losses)) + 1


def test_lbfgs_refuses_a_perceptron(expression, codes):
    with pytest.raises(InputError, match=r"one dense layer; .*'hidden_1', 'logits'.* Use 'adam'"):
        train_network(build("mlp"), expression, codes, LBFGS)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        pytest.param({"solver": "sgd"}, r"solver is one of .* not 'sgd'", id="solver"),
        pytest.param({"class_weights": "equal"}, r"class_weights is one of", id="class_weights"),
        pytest.param({"epochs": 0}, "epochs has to be positive, not 0", id="epochs"),
        pytest.param({"batch_size": -1}, "batch_size has to be positive", id="batch_size"),
        pytest.param({"learning_rate": 0.0}, "learning_rate has to be", id="learning_rate"),
        pytest.param({"learning_rate": float("nan")}, "learning_rate has to be", id="nan"),
        pytest.param(
            {"validation_fraction": 1.0}, r"lies in \[0, 1\), it is not 1", id="all-cells"
        ),
        pytest.param({"validation_fraction": -0.1}, r"lies in \[0, 1\)", id="negative-share"),
        pytest.param({"penalty": -1.0}, "penalty", id="penalty"),
        pytest.param({"patience": 0}, "patience", id="patience"),
    ],
)
def test_settings_that_make_no_sense(setting, message):
    with pytest.raises(InputError, match=message):
        TrainingConfig(**setting)


@pytest.mark.parametrize("network", ["linear", "mlp"])
def test_logits_of_a_cell_do_not_depend_on_the_others(expression, network):
    logits = logits_model(build(network))
    all_cells = predict_logits(logits, expression)
    order = np.random.default_rng(0).permutation(expression.shape[0])
    np.testing.assert_array_equal(predict_logits(logits, expression[order]), all_cells[order])
    np.testing.assert_array_equal(predict_logits(logits, expression[7]), all_cells[7:8])
    crowd = sparse.vstack([expression] * 4, format="csr")  # more than one batch
    np.testing.assert_array_equal(predict_logits(logits, crowd)[-1], all_cells[-1])


def test_progress_bar_shows_the_losses_on_stderr(capsys):
    with progress_bar("training linear") as watch:
        watch(1, 3, {"loss": 1.25})
        watch(2, 3, {"loss": 0.5, "val_loss": 0.75})
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "training linear" in shown.err
    assert "2/2" in shown.err
    assert "loss 0.500  val_loss 0.750" in shown.err


class Clock:
    """Half a minute and a second between any two looks at it, or as long as is said."""

    def __init__(self, step=BETWEEN_LINES + 1):
        self.time, self.step = 0.0, step

    def __call__(self):
        self.time += self.step
        return self.time


def test_a_log_gets_a_line_now_and_then():
    log = io.StringIO()
    lines = Lines(Console(file=log), now=Clock(BETWEEN_LINES / 4))
    for number in range(1, 10):
        lines.say(lambda number=number: f"block {number}")
    assert log.getvalue().splitlines() == ["block 4", "block 8"]


def test_a_terminal_gets_no_lines():
    log = io.StringIO()
    lines = Lines(Console(file=log, force_terminal=True), now=Clock())
    lines.say(lambda: "block")
    assert log.getvalue() == ""


def test_training_tells_a_log_how_far_it_is(capsys, monkeypatch):
    monkeypatch.setattr(progress, "BETWEEN_LINES", 0.0)
    with training_bars("wide-deep") as (watch_cells, watch):
        watch_cells(4_000, 20_000)
        watch(2, 3, {"loss": 0.5})
        said = capsys.readouterr().err.splitlines()
    assert said == [
        "reading cells: 4,000 of 20,000",
        "training wide-deep: epoch 2 of 3  loss 0.500",
    ]


def test_progress_bar_leaves_an_error_alone(capsys):
    def fail():
        with progress_bar("training linear") as watch:
            watch(1, 3, {"loss": 1.25})
            raise InputError("broken")

    with pytest.raises(InputError, match="broken"):
        fail()
    assert capsys.readouterr().err == ""
