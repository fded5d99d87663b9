"""One number that makes probabilities mean what they say."""

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

# A normal prior on log(temperature): a few dozen cells, all of them right, would otherwise ask for
# a temperature of zero.
PRIOR_SPREAD = 0.5
BOUNDS = (np.log(0.1), np.log(10.0))


def calibrate_temperature(
    logits: npt.NDArray[np.floating], codes: npt.NDArray[np.integer]
) -> float:
    """Return the temperature by which to divide logits for the best log-loss.

    Guo et al. 2017 (arXiv:1706.04599), with a normal prior on its logarithm. The order of the
    types never changes.

    Parameters
    ----------
    logits
        Shape (n_cells, n_types), of cells the network was not trained on.
    codes
        Their true types, shape (n_cells,).

    Returns
    -------
    float
        Above 1 for a network too sure of itself; 1 where there are no cells.

    Examples
    --------
    >>> logits = np.array([[4.0, 0.0]] * 10)
    >>> calibrate_temperature(logits, np.array([0] * 7 + [1] * 3)) > 1.5
    True
    """
    if not len(codes):
        return 1.0
    wide = logits.astype(np.float64)

    def penalised_loss(log_temperature: float) -> float:
        log_probabilities = log_softmax(wide / np.exp(log_temperature), axis=1)
        of_truth = log_probabilities[np.arange(len(codes)), codes]
        return float(-of_truth.sum() + 0.5 * (log_temperature / PRIOR_SPREAD) ** 2)

    best = minimize_scalar(penalised_loss, bounds=BOUNDS, method="bounded")
    return float(np.exp(best.x))
