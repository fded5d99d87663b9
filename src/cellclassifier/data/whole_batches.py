"""Setting whole batches apart: donors, studies, lanes.

Cells of a batch are alike beyond their type. What is to speak of a new batch is told by cells of
batches that nothing was learned from; and all types have to be learned nevertheless.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

# added to shares whose ratio is taken: a type without a cell is as far from a tenth as one of all
NO_SHARE = 0.01

Rows = npt.NDArray[np.intp]
Codes = npt.NDArray[np.integer]


@dataclass(frozen=True, eq=False)
class BatchTable:
    """How many cells of each type each batch has.

    Parameters
    ----------
    n_cells
        Shape (n_batches, n_types).

    Examples
    --------
    >>> table = BatchTable.of(np.array([0, 0, 1, 1, 1]), np.array([0, 1, 0, 0, 0]))
    >>> table.n_cells.tolist(), table.is_shared.tolist()
    ([[1, 3], [1, 0]], [True, False])
    """

    n_cells: npt.NDArray[np.intp]

    @classmethod
    def of(cls, codes: Codes, batch_codes: Codes) -> "BatchTable":
        """Count cells by the codes of their types and of their batches, each (n_cells,)."""
        n_types, n_batches = int(codes.max(initial=-1)) + 1, int(batch_codes.max(initial=-1)) + 1
        cells = batch_codes.astype(np.intp) * n_types + codes
        return cls(np.bincount(cells, minlength=n_batches * n_types).reshape(n_batches, n_types))

    @cached_property
    def is_shared(self) -> npt.NDArray[np.bool_]:
        """Whether each type has cells in two batches or more, (n_types,)."""
        is_shared: npt.NDArray[np.bool_] = (self.n_cells > 0).sum(axis=0) > 1
        return is_shared

    def deal(self, n_folds: int) -> Rows:
        """Return the fold of each batch, (n_batches,): as many as asked, or as there are batches.

        The largest batch first, each goes to the fold that has least of the types that it has; what
        batches have alone plays no part, and neither does chance. The first fold is the one nearest
        to its share of the cells: a single answer is taken from it.
        """
        shared = self.n_cells[:, self.is_shared]
        sizes = shared.sum(axis=1)
        n_folds = min(n_folds, int(np.count_nonzero(sizes)))
        # each type counts the same: a rare one of two batches has to come apart, too
        shares = shared / shared.sum(axis=0)
        held, filled = np.zeros((n_folds, shares.shape[1])), np.zeros(n_folds)
        fold_of = np.zeros(len(sizes), dtype=np.intp)
        for batch in np.lexsort((-sizes, -shares.sum(axis=1).round(9))):
            crowded = (held @ shares[batch]).round(9)
            fold = np.lexsort((filled, crowded))[0]
            fold_of[batch] = fold
            held[fold] += shares[batch]
            filled[fold] += sizes[batch]
        from_fair = np.abs(filled - sizes.sum() / n_folds).round(6)
        return np.argsort(np.lexsort((filled, from_fair)))[fold_of]


def folds_of_batches(codes: Codes, batch_codes: Codes, n_folds: int) -> Rows:
    """Return the fold of each cell, (n_cells,), so that whole batches are apart; -1 for others.

    Where all batches of a type fell into one fold, all but the largest go on to the next folds, so
    that each leaves some of them. Types that one batch alone has cannot be set apart so: -1.

    Examples
    --------
    The first type is in all of three batches, the second in one.

    >>> codes, batch_codes = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 1, 2, 2, 2])
    >>> folds_of_batches(codes, batch_codes, 3).tolist()
    [2, 2, 0, 1, -1, -1]
    """
    table = BatchTable.of(codes, batch_codes)
    fold_of = np.full(len(codes), -1, dtype=np.intp)
    if not table.is_shared.any():
        return fold_of
    fold_of_batch = table.deal(n_folds)
    n_folds = int(fold_of_batch.max()) + 1
    rows = np.flatnonzero(table.is_shared[codes])
    fold_of[rows] = fold_of_batch[batch_codes[rows]]
    for code in np.flatnonzero(table.is_shared):
        of_type = table.n_cells[:, code]
        there = np.flatnonzero(of_type)
        if len(np.unique(fold_of_batch[there])) > 1:
            continue
        anew = fold_of_batch.copy()
        anew[there[np.argsort(-of_type[there], kind="stable")]] += np.arange(len(there))
        anew %= n_folds
        rows = np.flatnonzero(codes == code)
        fold_of[rows] = anew[batch_codes[rows]]
    return fold_of


def validation_batches(codes: Codes, batch_codes: Codes, fraction: float) -> Rows:
    """Return the rows of whole batches to set apart, of types that several batches have.

    Of as many folds as make the share wanted, the one that comes nearest to it in each type, by
    ratio: a batch that lacks types tells less than one that is too large.

    Parameters
    ----------
    codes, batch_codes
        Of the types and batches, (n_cells,) each.
    fraction
        The share to set apart, in (0, 1): where there are few batches, it becomes more.
    """
    fold_of = folds_of_batches(codes, batch_codes, max(round(1 / fraction), 2))
    told = np.flatnonzero(fold_of >= 0)
    if not len(told):
        return told
    sizes = BatchTable.of(codes[told], fold_of[told]).n_cells
    shares = sizes / np.maximum(sizes.sum(axis=0), 1)
    from_wanted = np.abs(np.log((shares + NO_SHARE) / (fraction + NO_SHARE)))
    best = int(np.argmin(from_wanted[:, sizes.any(axis=0)].sum(axis=1).round(9)))
    return np.flatnonzero(fold_of == best)
