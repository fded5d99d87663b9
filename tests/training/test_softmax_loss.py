"""The loss of logistic regression: its gradient, its scales, and the weights it ends with."""

import numpy as np
import pytest
from scipy import sparse
from scipy.special import log_softmax

from cellclassifier.training.examples import Examples
from cellclassifier.training.softmax_loss import SoftmaxLoss, one_blas_thread
from cellclassifier.training.stacking.paths import Head, descent_path, fit_heads

N_CELLS, N_GENES, N_TYPES = 80, 15, 3
PENALTY = 0.05


@pytest.fixture(scope="module")
def examples():
    rng = np.random.default_rng(0)
    codes = (np.arange(N_CELLS) % N_TYPES).astype(np.int32)
    means = rng.gamma(0.5, 4, (N_TYPES, N_GENES))
    expression = sparse.csr_matrix(np.log1p(rng.poisson(means[codes])).astype(np.float32))
    return Examples(expression, codes, rng.uniform(0.5, 2, N_CELLS).astype(np.float32))


@pytest.fixture(params=[False, True], ids=["as-they-are", "gene-scaled"])
def loss(request, examples):
    return SoftmaxLoss.of(examples, N_TYPES, PENALTY, gene_scaled=request.param)


def standardised(examples, gene_scaled):
    """Return the inputs as the loss says it sees them, dense, in double precision."""
    dense = examples.expression.toarray().astype(np.float64)
    square = (dense**2).mean(axis=0)
    scale = 1 / np.sqrt(1 + square) if gene_scaled else np.ones(N_GENES)
    inputs = (dense - dense.mean(axis=0)) * scale
    return inputs / np.sqrt((inputs**2).sum(axis=1).mean())


def point(loss, seed=0):
    return np.random.default_rng(seed).normal(size=loss.n_parameters)


def test_gradient_is_that_of_the_loss(loss):
    here = point(loss)
    _, gradient = loss(here)
    step = 1e-2  # products are in float32
    for number in range(loss.n_parameters):
        along = np.eye(loss.n_parameters)[number] * step
        numeric = (loss(here + along)[0] - loss(here - along)[0]) / (2 * step)
        assert gradient[number] == pytest.approx(numeric, abs=2e-4)


@pytest.mark.parametrize("gene_scaled", [False, True])
def test_loss_is_the_weighted_cross_entropy_of_standardised_inputs(examples, gene_scaled):
    loss = SoftmaxLoss.of(examples, N_TYPES, PENALTY, gene_scaled=gene_scaled)
    parameters = point(loss)
    kernel, bias = parameters[:-N_TYPES].reshape(N_GENES, N_TYPES), parameters[-N_TYPES:]
    logits = standardised(examples, gene_scaled) @ kernel + bias
    of_truth = log_softmax(logits, axis=1)[np.arange(N_CELLS), examples.codes]
    expected = -np.average(of_truth, weights=examples.cell_weights)
    expected += PENALTY / 2 * (kernel**2).sum()
    assert loss(parameters)[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("gene_scaled", [False, True])
def test_weights_are_for_expression_as_it_is(examples, gene_scaled):
    loss = SoftmaxLoss.of(examples, N_TYPES, PENALTY, gene_scaled=gene_scaled)
    parameters = point(loss)
    kernel, bias = loss.split(parameters)
    expected = standardised(examples, gene_scaled) @ kernel + bias
    logits = loss.weights(parameters)(examples.expression)
    np.testing.assert_allclose(logits, expected, atol=1e-5)


def test_gene_scaling_holds_strong_genes_back(examples):
    plain, scaled = (
        SoftmaxLoss.of(examples, N_TYPES, PENALTY, gene_scaled=flag).scale for flag in (False, True)
    )
    np.testing.assert_allclose(plain, plain[0])
    strength = np.asarray(examples.expression.power(2).mean(axis=0)).ravel()
    np.testing.assert_array_equal(np.argsort(-strength), np.argsort(scaled))


def test_constant_genes_and_no_genes_at_all_are_finite():
    codes = np.int32([0, 1, 0, 1])
    for values in (np.ones((4, 3)), np.zeros((4, 3))):
        cells = Examples(sparse.csr_matrix(np.float32(values)), codes, np.ones(4, np.float32))
        loss = SoftmaxLoss.of(cells, 2, PENALTY)
        with one_blas_thread():
            end = loss.minimise(20, lambda _: None)
        logits = loss.weights(end)(cells.expression)
        assert np.isfinite(logits).all()
        np.testing.assert_allclose(logits, logits[0, 0], atol=1e-4)


def test_number_of_threads_does_not_change_a_bit(examples, monkeypatch):
    monkeypatch.setattr("cellclassifier.networks.products.MIN_PARALLEL", 0)
    one, four = (SoftmaxLoss.of(examples, N_TYPES, PENALTY, n_threads=n) for n in (1, 4))
    np.testing.assert_array_equal(one(point(one))[1], four(point(four))[1])


# --- the path


def test_a_path_has_the_weights_at_each_checkpoint(examples):
    long = descent_path(examples, N_TYPES, Head(0, 1e-4, checkpoints=(2, 5, 9)))
    assert len(long) == 3
    for iteration, weights in zip((2, 5, 9), long, strict=True):
        (alone,) = descent_path(examples, N_TYPES, Head(0, 1e-4, checkpoints=(iteration,)))
        np.testing.assert_array_equal(weights.kernel, alone.kernel)
        np.testing.assert_array_equal(weights.bias, alone.bias)
    assert not np.allclose(long[0].kernel, long[1].kernel)


def test_a_descent_that_ends_early_has_its_end_at_the_checkpoints_left(examples):
    checkpoints = (1, 2, 5_000, 10_000)
    path = descent_path(examples, N_TYPES, Head(0, 1.0, checkpoints=checkpoints))
    assert len(path) == len(checkpoints)
    np.testing.assert_array_equal(path[2].kernel, path[3].kernel)
    assert not np.array_equal(path[0].kernel, path[3].kernel)


def test_heads_are_fitted_to_their_own_view_and_rows(examples):
    doubled = Examples(2 * examples.expression, examples.codes, examples.cell_weights)
    rows = np.arange(0, N_CELLS, 2)
    heads = [Head(0, 1e-3, checkpoints=(4,)), Head(1, 1e-3, checkpoints=(3, 6))]
    tasks = [(heads[1], rows), (heads[0], np.arange(N_CELLS))]
    (second, first) = fit_heads([examples, doubled], N_TYPES, tasks)
    for ours, alone in (
        (second, descent_path(doubled[rows], N_TYPES, heads[1])),
        (first, descent_path(examples, N_TYPES, heads[0])),
    ):
        assert len(ours) == len(alone)
        for one, other in zip(ours, alone, strict=True):
            np.testing.assert_array_equal(one.kernel, other.kernel)
