"""Setting cells apart."""

import numpy as np
import numpy.typing as npt

from cellclassifier.errors import InputError

Rows = npt.NDArray[np.intp]


def stratified_split(
    codes: npt.NDArray[np.integer], fraction: float, rng: np.random.Generator
) -> tuple[Rows, Rows]:
    """Split cells so that each type gives its share, rounded, and keeps at least one cell.

    Parameters
    ----------
    codes
        The type of each cell, shape (n_cells,).
    fraction
        The share to set apart, in [0, 1).
    rng
        Chooses the cells.

    Returns
    -------
    kept, apart
        Sorted row numbers.

    Examples
    --------
    >>> kept, apart = stratified_split(np.array([0] * 8 + [1] * 4), 0.25, np.random.default_rng(0))
    >>> np.bincount(np.array([0] * 8 + [1] * 4)[apart]).tolist()
    [2, 1]
    """
    if not 0 <= fraction < 1:
        raise InputError(f"the share of cells to set apart lies in [0, 1), it is not {fraction:g}")
    apart = []
    for code in np.unique(codes):
        rows = np.flatnonzero(codes == code)
        n_apart = min(int(np.floor(fraction * len(rows) + 0.5)), len(rows) - 1)
        apart.append(rng.permutation(rows)[:n_apart])
    chosen = np.sort(np.concatenate(apart))
    return np.setdiff1d(np.arange(len(codes)), chosen), chosen


def stratified_folds(
    codes: npt.NDArray[np.integer], n_folds: int, rng: np.random.Generator
) -> list[tuple[Rows, Rows]]:
    """Deal cells to folds, type by type, so that each fold gets its share of each type.

    Parameters
    ----------
    codes
        The type of each cell, shape (n_cells,).
    n_folds
        Two or more.
    rng
        Chooses the cells.

    Returns
    -------
    list of (kept, apart)
        Sorted row numbers of each fold; each cell is apart in one fold, and every type of two
        cells or more is among those kept in each.

    Examples
    --------
    >>> codes = np.array([0] * 5 + [1] * 4)
    >>> [np.bincount(codes[apart]).tolist() for _, apart in
    ...  stratified_folds(codes, 3, np.random.default_rng(0))]
    [[2, 1], [2, 1], [1, 2]]
    """
    if n_folds < 2:
        raise InputError(f"cells are split into two folds or more, not {n_folds}")
    # dealt round the table without a break between types, so that folds are of one size
    dealt = np.concatenate(
        [rng.permutation(np.flatnonzero(codes == code)) for code in np.unique(codes)]
    )
    fold_of = np.empty(len(codes), dtype=np.intp)
    fold_of[dealt] = np.arange(len(codes)) % n_folds
    return [
        (np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold))
        for fold in range(n_folds)
    ]
