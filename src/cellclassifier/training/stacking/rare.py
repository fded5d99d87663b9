"""Types of a few cells, which a network fitted to all cells would hardly ever name."""

import numpy as np
import numpy.typing as npt

# A type with fewer cells hardly moves the map of logits, which else would mend its bias.
FEW_CELLS = 10

Bools = npt.NDArray[np.bool_]


def lifts_of_rare_types(
    logits: npt.NDArray[np.floating],
    codes: npt.NDArray[np.integer],
    n_cells: npt.NDArray[np.integer],
    seen: Bools,
) -> npt.NDArray[np.float64]:
    """Return what to add to the logits of types of a few cells, so that they are named at all.

    The loss is a sum over cells: it is least where a type of one cell has a bias so low that none
    is ever named so, though no other cells come nearer to it than those of this type (King & Zeng
    2001, doi:10.1093/oxfordjournals.pan.a004868). Held-out cells of other types show how far up
    its bias may go: until the first of them would be lost to it. And it need not go further than
    where the last of its own would be named, where there are any.

    Parameters
    ----------
    logits
        For cells that the members were not trained on, (n_cells, n_types).
    codes
        The types of these cells, (n_cells,).
    n_cells
        How many cells of each type there are to train on, (n_types,).
    seen
        Whether the members that speak of a cell were trained on each type, (n_cells, n_types).

    Returns
    -------
    numpy.ndarray
        Shape (n_types,); 0 or more, and 0 for a type of ten cells or more.

    Examples
    --------
    The last type has one cell, which nothing can be said of; another is at best four below.

    >>> logits = np.array([[3, 0, -1.0], [0, 3, -3], [2, 1, -5]])
    >>> seen = np.ones((3, 3), dtype=bool)
    >>> lifts_of_rare_types(logits, np.array([0, 1, 0]), np.array([20, 10, 1]), seen).tolist()
    [0.0, 0.0, 4.0]
    """
    lifts = np.zeros(logits.shape[1])
    if logits.shape[1] < 2 or not len(logits):
        return lifts
    second, best = np.partition(logits, -2, axis=1)[:, -2:].T
    for rare in np.flatnonzero((n_cells > 0) & (n_cells < FEW_CELLS)):
        mine = logits[:, rare]
        margins = mine - np.where(mine == best, second, best)
        own = codes == rare
        others = margins[~own & seen[:, rare]]
        if len(others):
            of_own = margins[own].min() if own.any() else -np.inf
            lifts[rare] = max(0.0, -max(others.max(), of_own))
    return lifts
