"""What each gene adds to a cell's logits: integrated gradients, exact where they can be."""

from collections.abc import Callable
from importlib import import_module
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from cellclassifier.networks.backend import keras
from cellclassifier.networks.counts_predictor import SHARES
from cellclassifier.networks.engines import Predictor
from cellclassifier.networks.heads import LOGITS, PROBABILITIES
from cellclassifier.networks.inference import logits_model
from cellclassifier.networks.wide_deep_inference import N_VIEWS, NEAR, WideDeepPredictor

# points at which gradients are taken between baseline and cell, where they have no closed form
N_STEPS = 64
# cells that a network takes at once: of gradients of a convolution, more would not fit
BATCH_CELLS = 64

Floats = npt.NDArray[np.float32]
# from expression, dense, and directions, a row of n_types a cell, to what each gene contributes, in
# the shape of the expression
Attributor = Callable[[Floats, Floats], Floats]


def choose_attributor(model: "keras.Model", predict: Predictor, baseline: Floats) -> Attributor:
    """Return what splits a difference of logits among the genes.

    Integrated gradients (Sundararajan et al. 2017): the gradients of
    ``(logits * directions).sum(axis=1)`` on the way from a baseline to a cell. The contributions of
    a cell add up to the difference of this sum between the cell and the baseline.

    Parameters
    ----------
    model
        From expression to probabilities.
    predict
        What runs it. A wide and deep network as it is there, adapted to a shift or not, has a
        closed form; so has a network of one dense layer. Others need gradients at 64 points of the
        way, by the backend of Keras: behind the first layer where that is dense.
    baseline
        Shape (n_genes,): the expression that says nothing.

    Raises
    ------
    InputError
        The model has no dense layer named ``logits``.

    Examples
    --------
    >>> from cellclassifier.networks.linear import build_linear
    >>> model = build_linear(2, 2)
    >>> model.set_weights([np.float32([[1, 0], [0, 3]]), np.float32([0, 0])])
    >>> attribute = choose_attributor(model, model.predict, np.float32([0, 1]))
    >>> attribute(np.float32([[2, 2]]), np.float32([[1, -1]])).tolist()
    [[2.0, -3.0]]
    """
    if isinstance(predict, WideDeepPredictor):
        return lambda expression, directions: wide_deep_contributions(
            predict, baseline, expression, directions
        )
    if _is_linear(model):
        kernel = model.get_layer(LOGITS).get_weights()[0]
        return lambda expression, directions: (expression - baseline) * (directions @ kernel.T)
    if _is_perceptron(model):
        return _perceptron_attributor(model, baseline)
    gradients = gradients_of(logits_model(model))
    return lambda expression, directions: integrated_gradients(
        gradients, baseline, expression, directions
    )


def wide_deep_contributions(
    network: WideDeepPredictor, baseline: Floats, expression: Floats, directions: Floats
) -> Floats:
    """Return the contributions in a wide and deep network, in closed form, (n_cells, n_genes).

    The way from baseline to cell is straight in the view that the hidden units look at: each of
    them is then linear on both sides of one point at most, so that its mean gradient is its share
    of the way on which it is active. The other views add what they change, whatever the way.

    Parameters
    ----------
    network
        With the last layer that is to be explained.
    baseline, expression, directions
        As for `choose_attributor`.
    """
    n_genes = len(network.projection)
    *of_views, of_hidden = np.split(network.logits[0], [n_genes * (n + 1) for n in range(N_VIEWS)])
    counts, none = np.expm1(expression), np.expm1(baseline)
    contributions = np.zeros_like(expression)
    for number, (share, kernel) in enumerate(zip(SHARES, of_views, strict=True)):
        start = np.log1p(np.float32(share) * none)
        change = np.log1p(np.float32(share) * counts) - start
        slope = directions @ kernel.T  # (n_cells, n_genes)
        if number == NEAR:
            (to_hidden, bias) = network.hidden
            before = start @ network.projection @ to_hidden + bias
            after = before + change @ network.projection @ to_hidden  # (n_cells, n_hidden)
            of_units = active_share(before, after) * (directions @ of_hidden.T)
            slope += of_units @ to_hidden.T @ network.projection.T
        contributions += change * slope
    return contributions


def active_share(before: Floats, after: Floats) -> Floats:
    """Return the share of the straight way between two values that is above zero.

    >>> active_share(np.float32([-1, 1, -1, 0]), np.float32([3, 2, -2, 0])).tolist()
    [0.75, 1.0, 0.0, 0.0]
    """
    above = np.maximum(before, 0) + np.maximum(after, 0)
    whole = np.abs(before) + np.abs(after)
    share: Floats = np.divide(above, whole, out=np.zeros_like(whole), where=whole > 0)
    return share


def integrated_gradients(
    gradients: Attributor,
    baseline: Floats,
    expression: Floats,
    directions: Floats,
    n_steps: int = N_STEPS,
) -> Floats:
    """Return contributions by the mean gradient at the middles of equal steps.

    Parameters
    ----------
    gradients
        From `gradients_of`.
    baseline, expression, directions
        As for `choose_attributor`.
    n_steps
        On the straight way from baseline to cell.
    """
    change = expression - baseline
    return change * mean_gradients(gradients, baseline, change, directions, n_steps)


def mean_gradients(
    gradients: Attributor, start: Floats, change: Floats, directions: Floats, n_steps: int = N_STEPS
) -> Floats:
    """Return the mean gradient on straight ways, (n_cells, n_inputs).

    Parameters
    ----------
    gradients
        From `gradients_of`.
    start
        Shape (n_inputs,): where the ways begin.
    change
        Shape (n_cells, n_inputs): from there to each cell.
    directions
        Shape (n_cells, n_types).
    n_steps
        As for `integrated_gradients`.
    """
    mean = np.empty_like(change)
    for first in range(0, len(change), BATCH_CELLS):
        rows = slice(first, first + BATCH_CELLS)
        n_cells = len(change[rows])
        # the network is compiled once: the last batch is filled up
        missing = ((0, BATCH_CELLS - n_cells), (0, 0))
        step, wanted = np.pad(change[rows], missing), np.pad(directions[rows], missing)
        total = np.zeros_like(step)
        for number in range(n_steps):
            total += gradients(start + np.float32((number + 0.5) / n_steps) * step, wanted)
        mean[rows] = total[:n_cells] / n_steps
    return mean


def _perceptron_attributor(model: "keras.Model", baseline: Floats) -> Attributor:
    """Return contributions in a chain of dense layers: gradients begin behind the first.

    Up to there all is linear, and a straight way stays straight: what is many genes wide is
    multiplied twice, and not at each step.
    """
    first, *others = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    kernel, bias = first.get_weights()
    behind = keras.Input((first.units,), name="behind_the_first")
    values = first.activation(behind)
    for layer in others:
        twin = keras.layers.Dense.from_config(layer.get_config())
        values = twin(values)
        twin.set_weights(layer.get_weights())
    gradients = gradients_of(keras.Model(behind, values))

    def attribute(expression: Floats, directions: Floats) -> Floats:
        change = expression - baseline
        mean = mean_gradients(gradients, baseline @ kernel + bias, change @ kernel, directions)
        contributions: Floats = change * (mean @ kernel.T)
        return contributions

    return attribute


def gradients_of(model: "keras.Model") -> Attributor:
    """Return the gradients of directed logits by the expression, on the backend of Keras.

    Parameters
    ----------
    model
        From `logits_model`.
    """
    backend = keras.backend.backend()
    by_backend = {"jax": _by_jax, "tensorflow": _by_tensorflow, "torch": _by_torch}
    of_batch = by_backend[backend](model, import_module(backend))

    def gradients(expression: Floats, directions: Floats) -> Floats:
        batch = expression.reshape(-1, *model.input_shape[1:])
        of_input = np.asarray(of_batch(batch, directions), dtype=np.float32)
        return of_input.reshape(expression.shape)

    return gradients


# a backend is the one that Keras runs on: it has no types here, and is not imported by name
def _by_jax(model: "keras.Model", jax):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    trained = [variable.value for variable in model.trainable_variables]
    others = [variable.value for variable in model.non_trainable_variables]

    def directed(batch, directions):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        logits, _ = model.stateless_call(trained, others, batch, training=False)
        return (logits * directions).sum()

    return jax.jit(jax.grad(directed))


def _by_tensorflow(model: "keras.Model", tf):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    @tf.function(reduce_retracing=True)
    def gradient(batch, directions):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        with tf.GradientTape() as tape:
            tape.watch(batch)
            directed = tf.reduce_sum(model(batch, training=False) * directions)
        return tape.gradient(directed, batch)

    return lambda batch, directions: gradient(tf.constant(batch), tf.constant(directions))


def _by_torch(model: "keras.Model", torch):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    def gradient(batch, directions):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        cells = torch.tensor(batch, requires_grad=True)
        directed = (model(cells, training=False) * torch.tensor(directions)).sum()
        return torch.autograd.grad(directed, cells)[0].numpy()

    return gradient


def _is_linear(model: "keras.Model") -> bool:
    """Tell whether the logits are one dense layer on the expression."""
    return _is_perceptron(model) and len(model.layers) == len(("input", LOGITS, PROBABILITIES))


def _is_perceptron(model: "keras.Model") -> bool:
    """Tell whether a model is a chain of dense layers, dropout and a softmax at the end."""
    known = (keras.layers.Dense, keras.layers.Dropout)
    source, *chain, last = model.layers
    if not isinstance(source, keras.layers.InputLayer) or not isinstance(
        last, keras.layers.Softmax
    ):
        return False
    follows = all(layer.input is before.output for before, layer in pairwise([source, *chain]))
    return follows and all(isinstance(layer, known) for layer in chain) and chain[-1].name == LOGITS
