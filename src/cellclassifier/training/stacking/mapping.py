"""A linear map of the ensemble's logits, learned on cells that its members have not seen."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from cellclassifier.training.softmax_loss import DenseWeights

# on the squared distance from the identity, in the loss summed over cells: a type of a few cells
# hardly moves the map, one of hundreds says what it is mistaken for
PENALTY = 20.0
# the best map is near the identity, and what later iterations add is noise
MAX_ITERATIONS = 60
# cells times types: with hundreds of types, the cells that the fit looks at are fewer
MAX_LOGITS = 2_000_000

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LogitMap:
    """New logits as weighted sums of all the old ones.

    A weight from one type to another says how evidence for the one speaks for the other: matrix
    scaling (Guo et al. 2017, arXiv:1706.04599), which scales and shifts as temperature and vector
    scaling do, and beyond these tells types apart by what else a cell looks like.

    Parameters
    ----------
    weights
        Of the old logits, less their mean over the types, in the new ones, (n_types, n_types): a
        row for each new one.
    terms
        Added to them, (n_types,).
    """

    weights: Floats
    terms: Floats

    def __call__(self, logits: npt.NDArray[np.floating]) -> Floats:
        """Return the new logits of cells, (n_cells, n_types)."""
        mapped: Floats = centred(logits) @ self.weights.T + self.terms
        return mapped

    def lifted(self, lifts: Floats) -> "LogitMap":
        """Return the map that adds this to its logits, (n_types,)."""
        return LogitMap(self.weights, self.terms + lifts)

    def after(self, layer: DenseWeights) -> DenseWeights:
        """Return a layer that gives the new logits where `layer` gives the old."""
        kernel, bias = centred(layer.kernel), centred(layer.bias)
        return DenseWeights(
            (kernel @ self.weights.T).astype(np.float32),
            (bias @ self.weights.T + self.terms).astype(np.float32),
        )


def centred(logits: npt.NDArray[np.floating]) -> Floats:
    """Return logits less their mean over the types, the last axis; in float64."""
    wide = logits.astype(np.float64)
    wide -= wide.mean(axis=-1, keepdims=True)
    return wide


def fit_map(logits: npt.NDArray[np.floating], codes: npt.NDArray[np.integer]) -> LogitMap:
    """Return the map with the best log-loss, drawn to the identity.

    The problem is convex. A type without a cell keeps its logit. Call it within `one_blas_thread`,
    for the same bits whatever the number of cores.

    Parameters
    ----------
    logits
        For cells that the members were not trained on, (n_cells, n_types); without cells the map is
        the identity.
    codes
        The types of these cells, (n_cells,).

    Examples
    --------
    The third type is never sure of itself, but the second hardly ever speaks against it.

    >>> logits = np.repeat(np.float32([[3, 0, 0], [0, 3, 0], [1, -3, 1]]), 50, axis=0)
    >>> codes = np.repeat([0, 1, 2], 50)
    >>> fit_map(logits, codes)(logits).argmax(axis=1)[[0, 50, 100]].tolist()
    [0, 1, 2]
    """
    n_types = logits.shape[1]
    identity = np.eye(n_types, n_types + 1)
    if not len(codes):
        return LogitMap(identity[:, :-1], identity[:, -1])
    found = minimize(
        _MapLoss.of(logits, codes),
        np.zeros(identity.size),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": MAX_ITERATIONS},
    )
    best = identity + found.x.reshape(identity.shape)
    return LogitMap(best[:, :-1], best[:, -1])


@dataclass(frozen=True, eq=False)
class _MapLoss:
    """Mean log-loss plus penalty, and its gradient, of steps away from the identity.

    Parameters
    ----------
    old
        Logits less their mean, and a column of ones, (n_cells, n_types + 1).
    codes
        The types, (n_cells,).
    occurs
        Whether each type has a cell, (n_types,).
    """

    old: Floats
    codes: npt.NDArray[np.integer]
    occurs: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, logits: npt.NDArray[np.floating], codes: npt.NDArray[np.integer]) -> "_MapLoss":
        """Centre logits."""
        n_cells, n_types = logits.shape
        old = np.column_stack([centred(logits), np.ones(n_cells)])
        return cls(old, codes, np.bincount(codes, minlength=n_types) > 0)

    def __call__(self, steps: Floats) -> tuple[float, Floats]:
        """Return loss and gradient at steps, (n_types * (n_types + 1),)."""
        n_cells, n_types = len(self.old), self.old.shape[1] - 1
        wide = steps.reshape(n_types, n_types + 1)
        values = self.old @ wide.T  # (n_cells, n_types)
        values += self.old[:, :-1]
        values -= values.max(axis=1, keepdims=True)
        cells = np.arange(n_cells)
        of_truth = values[cells, self.codes]
        np.exp(values, out=values)
        total = values.sum(axis=1)
        loss = np.mean(np.log(total) - of_truth) + PENALTY / n_cells * np.sum(wide**2)
        values /= total[:, None]
        values[cells, self.codes] -= 1
        slope = (values.T @ self.old + 2 * PENALTY * wide) / n_cells
        return float(loss), (slope * self.occurs[:, None]).ravel()
