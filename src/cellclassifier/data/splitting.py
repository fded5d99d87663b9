"""Setting cells apart."""

import numpy as np
import numpy.typing as npt

from cellclassifier.data.whole_batches import BatchTable, folds_of_batches, validation_batches
from cellclassifier.errors import InputError

Rows = npt.NDArray[np.intp]


def stratified_split(
    codes: npt.NDArray[np.integer],
    fraction: float,
    rng: np.random.Generator,
    batch_codes: npt.NDArray[np.integer] | None = None,
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
    batch_codes
        The batch of each cell, (n_cells,): whole batches are set apart then, more than the share
        where they are few; of types that one batch alone has, cells as without it.

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
    apart, dealt = [], np.arange(len(codes))
    if batch_codes is not None and fraction:
        apart = [validation_batches(codes, batch_codes, fraction)]
        dealt = np.flatnonzero(~BatchTable.of(codes, batch_codes).is_shared[codes])
    for code in np.unique(codes[dealt]):
        rows = np.flatnonzero(codes == code)
        n_apart = min(int(np.floor(fraction * len(rows) + 0.5)), len(rows) - 1)
        apart.append(rng.permutation(rows)[:n_apart])
    chosen = np.sort(np.concatenate(apart))
    return np.setdiff1d(np.arange(len(codes)), chosen), chosen


def stratified_folds(
    codes: npt.NDArray[np.integer],
    n_folds: int,
    rng: np.random.Generator,
    batch_codes: npt.NDArray[np.integer] | None = None,
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
    batch_codes
        The batch of each cell, (n_cells,): each fold sets whole batches apart then; of types that
        one batch alone has, cells as without it.

    Returns
    -------
    list of (kept, apart)
        Sorted row numbers of each fold, of which there are no more than batches; each cell is apart
        in one fold, and every type of two cells or more is among those kept in each.

    Examples
    --------
    >>> codes = np.array([0] * 5 + [1] * 4)
    >>> [np.bincount(codes[apart]).tolist() for _, apart in
    ...  stratified_folds(codes, 3, np.random.default_rng(0))]
    [[2, 1], [2, 1], [1, 2]]
    """
    if n_folds < 2:
        raise InputError(f"cells are split into two folds or more, not {n_folds}")
    fold_of = np.full(len(codes), -1, dtype=np.intp)
    if batch_codes is not None:
        fold_of = folds_of_batches(codes, batch_codes, n_folds)
        n_folds = int(fold_of.max(initial=-1)) + 1 or n_folds
    by_cell = fold_of < 0
    # dealt round the table without a break between types, so that folds are of one size
    dealt = [
        rng.permutation(np.flatnonzero((codes == code) & by_cell))
        for code in np.unique(codes[by_cell])
    ]
    fold_of[np.concatenate([fold_of[:0], *dealt])] = np.arange(by_cell.sum()) % n_folds
    return [
        (np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold))
        for fold in range(n_folds)
    ]
