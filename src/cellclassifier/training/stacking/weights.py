"""How much each member of an ensemble counts."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import log_softmax

from cellclassifier.trust import calibrate_temperature

# on the squared distance from equal weights
PENALTY = 1e-2

Floats = npt.NDArray[np.float64]


def stacking_weights(
    members: Sequence[npt.NDArray[np.float32]], codes: npt.NDArray[np.integer]
) -> Floats:
    """Return the weights whose weighted sum of logits gives the best log-loss; none is negative.

    Stacked generalisation (Wolpert 1992) with weights as in Breiman (1996), on logits instead of
    predictions, so that a temperature is part of the weights. Members are first brought to their
    own best temperature, and their weights drawn a little to each other. The problem is convex.

    Parameters
    ----------
    members
        Logits of each member for cells that it was not trained on, (n_cells, n_types).
    codes
        The types of these cells, (n_cells,); without cells, members count the same.

    Returns
    -------
    numpy.ndarray
        Shape (n_members,).

    Examples
    --------
    >>> knows, guesses = np.float32([[2, 0], [0, 2], [0, 1]]), np.float32([[0, 1], [1, 0], [1, 0]])
    >>> knows_counts, guess_counts = stacking_weights([knows, guesses], np.array([0, 1, 1]))
    >>> bool(knows_counts > guess_counts)
    True
    """
    temperatures = np.array([calibrate_temperature(member, codes) for member in members])
    tempered = np.stack(
        [
            log_softmax(member.astype(np.float64) / temperature, axis=1)
            for member, temperature in zip(members, temperatures, strict=True)
        ]
    )
    cells, n_members = np.arange(len(codes)), len(members)
    equal = np.full(n_members, 1 / n_members)
    if not len(codes):
        return equal
    of_truth = tempered[:, cells, codes].mean(axis=1)

    def loss(weights: Floats) -> tuple[float, Floats]:
        log_probabilities = log_softmax(np.tensordot(weights, tempered, 1), axis=1)
        expected = np.einsum("mck,ck->m", tempered, np.exp(log_probabilities)) / len(codes)
        value = -log_probabilities[cells, codes].mean() + PENALTY * np.sum((weights - equal) ** 2)
        return float(value), expected - of_truth + 2 * PENALTY * (weights - equal)

    bounds = [(0, None)] * n_members
    found = minimize(loss, equal, jac=True, method="L-BFGS-B", bounds=bounds)
    weights: Floats = found.x / temperatures
    return weights
