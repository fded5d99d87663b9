"""What values are that no proof can undo, as far as their sums tell."""

import numpy as np
from scipy import sparse

from cellclassifier.data.counts.cells import FilledCells, Floats
from cellclassifier.data.counts.transforms import TRANSFORMS

N_SAMPLE = 256
# cells add up to one total if nine in ten do within this; sums of counts differ by tens of percent
SAME_TOTAL = 0.01
# counts of a cell reach further than logarithms and roots of them do
MIN_LARGEST = 20.0


def scaled_total(values: sparse.csr_matrix) -> str | None:
    """Say how values were scaled to one total a cell, or None where no transform shows one.

    Values that add up alike and yet are no multiples of one unit are TPM, or were changed after
    scaling: they are nobody's estimates of counts.
    """
    cells = FilledCells.of(values)
    if len(cells) < 2:
        return None
    which = np.unique(np.linspace(0, len(cells) - 1, min(N_SAMPLE, len(cells))).astype(np.intp))
    some = cells.take(which)
    stored = some.values.astype(np.float64)
    for transform in TRANSFORMS:
        if stored.max() > transform.largest:
            continue
        total = some.per_cell(np.add, transform.undone(stored))
        if _are_alike(total):
            undone = f", once {transform.undoing} is undone" if transform.name else ""
            return (
                f"each cell adds up to about {np.median(total):,.0f}{undone}: the values were "
                "scaled, but are not shown to be multiples of one unit, as TPM and values "
                "corrected after scaling are not"
            )
    return None


def _are_alike(total: Floats) -> bool:
    low, middle, high = np.percentile(total, [5, 50, 95])
    return bool(high - low <= SAME_TOTAL * middle)


def looks_estimated(values: sparse.csr_matrix) -> bool:
    """Tell whether values reach as far as counts do, or are whole here and there.

    Where all have one decimal a tenth is whole by chance: those may be logarithms, rounded.
    """
    data = values.data
    is_whole, is_tenth = data == np.rint(data), np.abs(data * 10 - np.rint(data * 10)) < 1e-4
    return bool(data.max() >= MIN_LARGEST or (is_whole.mean() > 0.05 and not is_tenth.all()))
