"""Training by the low-level twin: one compiled step, no Python inside."""

import numpy as np
import numpy.typing as npt

from cellclassifier.networks import keras
from cellclassifier.networks.lowlevel import LowLevelNetwork, Shortcuts
from cellclassifier.networks.lowlevel.backend import Tensor, tf
from cellclassifier.training.config import TrainingConfig
from cellclassifier.training.examples import Examples
from cellclassifier.training.progress import Watcher

# Keras's own for Adam
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7

Weights = list[npt.NDArray[np.float32]]


class LowLevelStep:
    """One step of Adam (Kingma & Ba 2015) on a minibatch, compiled.

    The loss is the cells' weighted cross-entropy, added up and divided by the number of cells, plus
    the L2 penalties: what Keras minimises, too.

    Parameters
    ----------
    network
        Is trained in place.
    learning_rate
        Of Adam.
    seed
        Of dropout.
    """

    def __init__(self, network: LowLevelNetwork, learning_rate: float, seed: int) -> None:
        self._network, self._learning_rate, self._seed = network, learning_rate, seed
        self._first = [tf.Variable(tf.zeros_like(v)) for v in network.variables]
        self._second = [tf.Variable(tf.zeros_like(v)) for v in network.variables]
        self._count = tf.Variable(0, dtype=tf.int32)
        self._compiled = tf.function(self._step)

    def __call__(
        self,
        expression: npt.NDArray[np.float32],
        codes: npt.NDArray[np.int32],
        cell_weights: npt.NDArray[np.float32],
        n_cells: int,
    ) -> tuple[float, float]:
        """Take one step; return loss and weighted share of right labels before it.

        A batch filled up to its size has cells of weight zero; `n_cells` counts the others.
        """
        loss, accuracy = self._compiled(
            tf.constant(expression),
            tf.constant(codes),
            tf.constant(cell_weights),
            tf.constant(float(n_cells)),
        )
        return float(loss), float(accuracy)

    def _step(
        self, expression: Tensor, codes: Tensor, cell_weights: Tensor, n_cells: Tensor
    ) -> tuple[Tensor, Tensor]:
        self._count.assign_add(1)
        with tf.GradientTape() as tape:
            seed = tf.stack([tf.constant(self._seed), self._count])
            logits = self._network.logits(expression, seed)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(codes, logits)
            loss = tf.reduce_sum(losses * cell_weights) / n_cells + self._network.penalty()
        gradients = tape.gradient(loss, self._network.variables)
        step = tf.cast(self._count, tf.float32)
        powers = tf.pow(BETA_1, step), tf.pow(BETA_2, step)
        update = self._fused if self._network.shortcuts.fused_adam else self._plain
        for variable, first, second, gradient in zip(
            self._network.variables, self._first, self._second, gradients, strict=True
        ):
            update(variable, first, second, gradient, powers)
        hits = tf.cast(tf.equal(tf.argmax(logits, axis=1, output_type=tf.int32), codes), tf.float32)
        accuracy = tf.reduce_sum(hits * cell_weights) / tf.reduce_sum(cell_weights)
        return loss, accuracy

    def _fused(
        self,
        variable: Tensor,
        first: Tensor,
        second: Tensor,
        gradient: Tensor,
        powers: tuple[Tensor, Tensor],
    ) -> None:
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=first.handle,
            v=second.handle,
            beta1_power=powers[0],
            beta2_power=powers[1],
            lr=self._learning_rate,
            beta1=BETA_1,
            beta2=BETA_2,
            epsilon=EPSILON,
            grad=gradient,
        )

    def _plain(
        self,
        variable: Tensor,
        first: Tensor,
        second: Tensor,
        gradient: Tensor,
        powers: tuple[Tensor, Tensor],
    ) -> None:
        first.assign_add((gradient - first) * (1 - BETA_1))
        second.assign_add((tf.square(gradient) - second) * (1 - BETA_2))
        rate = self._learning_rate * tf.sqrt(1 - powers[1]) / (1 - powers[0])
        variable.assign_sub(rate * first / (tf.sqrt(second) + EPSILON))


def train_by_lowlevel(
    logits: keras.Model,
    training: Examples,
    validation: Examples,
    config: TrainingConfig,
    rng: np.random.Generator,
    watch: Watcher,
    shortcuts: Shortcuts | None = None,
) -> list[dict[str, float]]:
    """Train `logits` in place by its low-level twin; return the scores of each epoch.

    Stops early and puts the best weights back as `train_by_adam` does.

    Raises
    ------
    MissingExtraError
        TensorFlow is not installed.
    InputError
        The network holds a layer that the engine does not have.
    """
    network = LowLevelNetwork(logits, shortcuts)
    step = LowLevelStep(network, config.learning_rate, int(rng.integers(2**31 - 1)))
    history: list[dict[str, float]] = []
    best: Weights = network.weights()
    best_loss, best_epoch = np.inf, 0
    for epoch in range(1, config.epochs + 1):
        scores = _epoch(step, training, config.batch_size, rng)
        scores |= _validation(network, validation)
        history.append(scores)
        watch(epoch, config.epochs, scores)
        watched = scores.get("val_loss", -np.inf)
        if watched < best_loss or not len(validation):
            best, best_loss, best_epoch = network.weights(), watched, epoch
        elif config.patience is not None and epoch - best_epoch >= config.patience:
            break
    logits.set_weights(best)
    return history


def _epoch(
    step: LowLevelStep, training: Examples, batch_size: int, rng: np.random.Generator
) -> dict[str, float]:
    order = rng.permutation(len(training))
    results, sizes = [], []
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        results.append(step(*_filled_up(training[rows], batch_size), len(rows)))
        sizes.append(len(rows))
    loss, accuracy = np.average(np.array(results), axis=0, weights=sizes)
    return {"accuracy": float(accuracy), "loss": float(loss)}


def _filled_up(
    batch: Examples, batch_size: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Return a dense batch of one size, so that the step is compiled once."""
    n_cells, n_genes = batch.expression.shape
    expression = np.zeros((batch_size, n_genes), dtype=np.float32)
    expression[:n_cells] = batch.expression.toarray()
    missing = (0, batch_size - n_cells)
    return expression, np.pad(batch.codes, missing), np.pad(batch.cell_weights, missing)


def _validation(network: LowLevelNetwork, validation: Examples) -> dict[str, float]:
    if not len(validation):
        return {}
    logits = tf.constant(network.predict_logits(validation.expression))
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(validation.codes, logits).numpy()
    hits = logits.numpy().argmax(axis=1) == validation.codes
    weights = validation.cell_weights
    return {
        "val_accuracy": float(np.average(hits, weights=weights)),
        "val_loss": float((losses * weights).mean() + network.penalty().numpy()),
    }
