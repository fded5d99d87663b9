"""The exact optimum of a linear network, from the sparse matrix."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.optimize import OptimizeResult, minimize
from scipy.special import log_softmax

from cellclassifier.errors import InputError
from cellclassifier.networks import keras
from cellclassifier.training.config import TrainingConfig
from cellclassifier.training.examples import Examples
from cellclassifier.training.progress import Watcher
from cellclassifier.trust import calibrate_temperature

# corrections L-BFGS remembers: twice its usual number, for inputs of very unequal scales
MEMORY = 10

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _SoftmaxLoss:
    """Weighted cross-entropy plus penalty, and its gradient, of centred and scaled expression.

    Centring and scaling happen on the way to the logits, so that the matrix stays sparse.
    """

    examples: Examples
    by_gene: sparse.csr_matrix  # the transpose, for the gradient
    mean: Floats  # (n_genes,)
    scale: float
    n_types: int
    penalty: float

    @classmethod
    def of(cls, examples: Examples, n_types: int, penalty: float) -> "_SoftmaxLoss":
        expression = examples.expression
        mean = np.asarray(expression.mean(axis=0, dtype=np.float64)).ravel()
        squared = float(np.square(expression.data, dtype=np.float64).sum()) / len(examples)
        scale = float(np.sqrt(max(squared - mean @ mean, np.finfo(np.float32).tiny)))
        return cls(examples, expression.T.tocsr(), mean, scale, n_types, penalty)

    def split(self, parameters: Floats) -> tuple[Floats, Floats]:
        """Return kernel, (n_genes, n_types), and bias, (n_types,)."""
        kernel = parameters[: -self.n_types].reshape(-1, self.n_types)
        return kernel, parameters[-self.n_types :]

    def logits(self, parameters: Floats, expression: sparse.csr_matrix) -> Floats:
        kernel, bias = self.split(parameters)
        return (expression @ kernel - self.mean @ kernel) / self.scale + bias

    def __call__(self, parameters: Floats) -> tuple[float, Floats]:
        kernel, _ = self.split(parameters)
        log_probabilities = log_softmax(self.logits(parameters, self.examples.expression), axis=1)
        cells = np.arange(len(self.examples))
        weights = self.examples.cell_weights / self.examples.cell_weights.sum(dtype=np.float64)
        loss = -(weights * log_probabilities[cells, self.examples.codes]).sum()
        residuals = np.exp(log_probabilities)  # (n_cells, n_types)
        residuals[cells, self.examples.codes] -= 1
        residuals *= weights[:, None]
        total = residuals.sum(axis=0)
        slope = (self.by_gene @ residuals - np.outer(self.mean, total)) / self.scale
        slope += self.penalty * kernel
        value = float(loss + 0.5 * self.penalty * np.square(kernel).sum())
        return value, np.concatenate([slope.ravel(), total])

    def scores(self, parameters: Floats, validation: Examples) -> dict[str, float]:
        """Return loss and accuracy on cells set apart, weighted as in training, and the plain loss.

        The loss is taken at its best temperature: the scale of the logits is calibrated later, so
        that it may not decide when to stop.
        """
        if not len(validation):
            return {}
        logits = self.logits(parameters, validation.expression)
        logits /= calibrate_temperature(logits, validation.codes)
        log_probabilities = log_softmax(logits, axis=1)
        of_truth = log_probabilities[np.arange(len(validation)), validation.codes]
        right = log_probabilities.argmax(axis=1) == validation.codes
        weights = validation.cell_weights
        return {
            "val_loss": float(-np.average(of_truth, weights=weights)),
            "val_log_loss": float(-of_truth.mean()),
            "val_accuracy": float(np.average(right, weights=weights)),
        }

    def layer_weights(self, parameters: Floats) -> list[npt.NDArray[np.float32]]:
        """Return kernel and bias for expression as it is, centring and scaling folded in."""
        kernel, bias = self.split(parameters)
        kernel = kernel / self.scale
        return [kernel.astype(np.float32), (bias - self.mean @ kernel).astype(np.float32)]


class _Descent:
    """Follows the iterations: scores, the best point so far, when to stop."""

    def __init__(
        self, loss: _SoftmaxLoss, validation: Examples, config: TrainingConfig, watch: Watcher
    ) -> None:
        self.history: list[dict[str, float]] = []
        self.best: Floats | None = None
        self._loss, self._validation, self._config, self._watch = loss, validation, config, watch
        self._best_epoch, self._best_loss = 0, np.inf

    def __call__(self, intermediate_result: OptimizeResult) -> None:
        scores = {"loss": float(intermediate_result.fun)}
        scores |= self._loss.scores(intermediate_result.x, self._validation)
        self.history.append(scores)
        epoch = len(self.history)
        self._watch(epoch, self._config.epochs, scores)
        watched = scores.get("val_loss", -np.inf)
        if watched < self._best_loss or not len(self._validation):
            self._best_epoch, self._best_loss = epoch, watched
            self.best = intermediate_result.x.copy()
        patience = self._config.patience
        if patience is not None and epoch - self._best_epoch >= patience:
            raise StopIteration


def train_by_lbfgs(
    logits: keras.Model,
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
    n_genes, n_types = logits.input_shape[-1], logits.output_shape[-1]
    loss = _SoftmaxLoss.of(training, n_types, config.penalty)
    descent = _Descent(loss, validation, config, watch)
    start = np.zeros((n_genes + 1) * n_types)
    minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        callback=descent,
        options={"maxiter": config.epochs, "maxcor": MEMORY},
    )
    layers[0].set_weights(loss.layer_weights(start if descent.best is None else descent.best))
    return descent.history
