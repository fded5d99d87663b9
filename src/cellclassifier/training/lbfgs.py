"""The exact optimum of a linear network, from the sparse matrix."""

import numpy as np
import numpy.typing as npt
from scipy.optimize import OptimizeResult
from scipy.special import log_softmax

from cellclassifier.errors import InputError
from cellclassifier.networks import keras
from cellclassifier.training.config import TrainingConfig
from cellclassifier.training.examples import Examples
from cellclassifier.training.progress import Watcher
from cellclassifier.training.softmax_loss import DenseWeights, SoftmaxLoss, one_blas_thread
from cellclassifier.trust import calibrate_temperature

Floats = npt.NDArray[np.float64]


class _Descent:
    """Follows the iterations: scores, the best point so far, when to stop."""

    def __init__(
        self, loss: SoftmaxLoss, validation: Examples, config: TrainingConfig, watch: Watcher
    ) -> None:
        self.history: list[dict[str, float]] = []
        self.best: Floats | None = None
        self._loss, self._validation, self._config, self._watch = loss, validation, config, watch
        self._best_epoch, self._best_loss = 0, np.inf

    def __call__(self, result: OptimizeResult) -> None:
        scores = {"loss": float(result.fun)}
        scores |= _validation_scores(self._loss.weights(result.x), self._validation)
        self.history.append(scores)
        epoch = len(self.history)
        self._watch(epoch, self._config.epochs, scores)
        watched = scores.get("val_loss", -np.inf)
        if watched < self._best_loss or not len(self._validation):
            self._best_epoch, self._best_loss = epoch, watched
            self.best = result.x.copy()
        patience = self._config.patience
        if patience is not None and epoch - self._best_epoch >= patience:
            raise StopIteration


def train_by_lbfgs(
    logits: "keras.Model",
    training: Examples,
    validation: Examples,
    config: TrainingConfig,
    rng: np.random.Generator,  # noqa: ARG001  (the optimum does not depend on chance)
    watch: Watcher,
) -> list[dict[str, float]]:
    """Train a linear `logits` in place by L-BFGS; return the scores of each iteration.

    Raises
    ------
    InputError
        The network is not a single dense layer.
    """
    layers = [layer for layer in logits.layers if layer.count_params()]
    if len(layers) != 1 or not isinstance(layers[0], keras.layers.Dense):
        raise InputError(
            "the solver 'lbfgs' is for a network of one dense layer; "
            f"'{logits.name}' has the layers {[layer.name for layer in layers]}. Use 'adam'"
        )
    loss = SoftmaxLoss.of(training, logits.output_shape[-1], config.penalty)
    descent = _Descent(loss, validation, config, watch)
    with one_blas_thread():
        end = loss.minimise(config.epochs, descent)
    layers[0].set_weights(loss.weights(end if descent.best is None else descent.best))
    return descent.history


def _validation_scores(weights: DenseWeights, validation: Examples) -> dict[str, float]:
    """Return loss and accuracy on cells set apart, weighted as in training, and the plain loss.

    The loss is taken at its best temperature: the scale of the logits is calibrated later, so that
    it may not decide when to stop.
    """
    if not len(validation):
        return {}
    logits = weights(validation.expression)
    log_probabilities = log_softmax(
        logits / calibrate_temperature(logits, validation.codes), axis=1
    )
    of_truth = log_probabilities[np.arange(len(validation)), validation.codes]
    right = log_probabilities.argmax(axis=1) == validation.codes
    cell_weights = validation.cell_weights
    return {
        "val_loss": float(-np.average(of_truth, weights=cell_weights)),
        "val_log_loss": float(-of_truth.mean()),
        "val_accuracy": float(np.average(right, weights=cell_weights)),
    }
