"""Whole numbers that are no counts: ranks, bins, rounded values, yes or no.

Each sign is one that counts do not show. Over eight public sets of cells, as they are, thinned to a
tenth, and down to 300 counts a cell, 256 cells of each: none has a comb; at most six in ten have no
gap below their largest count, which then is 14 or less; and largest counts differ several times.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.data.counts.cells import FilledCells

# cells looked at, and the fewest values of a cell that tell something
N_SAMPLE = 256
MIN_VALUES = 20
# values of which one is nearly always above one, where any is
FIRST_VALUES = 10_000
# cells without a gap below their largest value, of this many or more, all of them: ranks
MIN_RANKS = 10
MIN_CELLS = 3
# cells of one largest value, this or more, each value held by several genes, and no more ones than
# this times an equal share: bins
MIN_BINNED_CELLS = 20
MIN_BINS = 5
MIN_TIMES = 3
MAX_BIN_FILL = 2.5
# cells with many values at their smallest one, three or more, and none until its double: rounded
MIN_COMB = 3
MIN_AT_SMALLEST = 5
COMB_SHARE = 0.01
# counts expected above one where there are none; their chance is exp(-this)
MIN_EXPECTED_TWOS = 25.0


@dataclass(frozen=True)
class _Cell:
    """The distinct values of a cell, and how often each stands."""

    distinct: npt.NDArray[np.float64]
    times: npt.NDArray[np.intp]

    @property
    def is_ranked_once(self) -> bool:
        """Values from 1 to n, each once."""
        return self.has_no_gap and len(self.distinct) == int(self.times.sum())

    @property
    def has_no_gap(self) -> bool:
        """All values from 1 to the largest."""
        return bool(self.distinct[-1] == len(self.distinct))

    @property
    def is_comb(self) -> bool:
        """Many values at the smallest, and none from there to its double: one count, scaled."""
        smallest = self.distinct[0]
        between = (self.distinct > smallest) & (self.distinct <= 2 * smallest - 2)
        return bool(smallest >= MIN_COMB and self.times[0] >= MIN_AT_SMALLEST and not between.any())


def seen_instead_of_counts(values: sparse.csr_matrix) -> str | None:
    """Say what whole positive numbers are that cannot be counts, or None where they can be."""
    cells = FilledCells.of(values)
    if not len(cells):
        return None
    if values.data[:FIRST_VALUES].max() == 1 and values.data.max() == 1:
        return _seen_once(values)
    which = np.unique(np.linspace(0, len(cells) - 1, min(N_SAMPLE, len(cells))).astype(np.intp))
    some = [
        _Cell(*np.unique(cells.between(cell, cell + 1).values, return_counts=True))
        for cell in which.tolist()
    ]
    some = [cell for cell in some if cell.times.sum() >= MIN_VALUES]
    if len(some) < MIN_CELLS:
        return None
    return _seen_bins(some) or _seen_ranks(some) or _seen_comb(some)


def _seen_once(values: sparse.csr_matrix) -> str | None:
    """Tell ones from detections alone: counts that find as many genes as often find some twice.

    If cells differ in depth or in state, counts of two are more than where all are the same.
    """
    n_cells = values.shape[0]
    detected = values.getnnz(axis=0) / n_cells
    missed = np.clip(1 - detected, 1e-12, 1.0)
    expected = n_cells * float(np.sum(detected + missed * np.log(missed)))
    if expected < MIN_EXPECTED_TWOS:
        return None
    return (
        f"has no number but 0 and 1, where counts would hold about {expected:,.0f} larger ones: "
        "it tells which genes were detected, not how often"
    )


def _seen_ranks(cells: list[_Cell]) -> str | None:
    once = all(cell.is_ranked_once for cell in cells)
    largest = float(np.median([cell.distinct[-1] for cell in cells]))
    if once or (largest >= MIN_RANKS and all(cell.has_no_gap for cell in cells)):
        return (
            f"has whole numbers that are ranks: each of {len(cells)} cells looked at has all of "
            f"them from 1 to its largest, {largest:,.0f} in the median cell"
            f"{', each once' if once else ''}"
        )
    return None


def _seen_bins(cells: list[_Cell]) -> str | None:
    """Tell quantiles of each cell: as many values at each of the same few numbers in all cells."""
    largest = np.array([cell.distinct[-1] for cell in cells])
    low, middle, high = np.percentile(largest, [5, 50, 95])
    if len(cells) < MIN_BINNED_CELLS or middle < MIN_BINS or high - low > max(1, 0.05 * middle):
        return None
    if np.median([cell.times.sum() for cell in cells]) < MIN_TIMES * middle:
        return None
    ones = np.median([cell.times[cell.distinct == 1].sum() / cell.times.sum() for cell in cells])
    means = [cell.distinct @ cell.times / cell.times.sum() for cell in cells]
    if ones > MAX_BIN_FILL / middle or abs(np.median(means) / middle - 0.5) > 0.15:
        return None
    return (
        f"has whole numbers that are bins: in {len(cells)} cells looked at they go from 1 to "
        f"{middle:g}, each about as often as the others"
    )


def _seen_comb(cells: list[_Cell]) -> str | None:
    combs = [cell for cell in cells if cell.is_comb]
    if len(combs) < max(MIN_CELLS, COMB_SHARE * len(cells)):
        return None
    first = combs[0].distinct[:3].astype(int).tolist()
    return (
        f"has whole numbers that were scaled and then rounded: {len(combs)} of {len(cells)} cells "
        f"looked at have no smaller values than such as {first}"
        ", which are about multiples of the first"
    )
