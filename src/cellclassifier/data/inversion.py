"""Raw counts out of log1p values, by proof.

If values are log(1 + counts / library size x K), then all values of a cell are whole multiples of
one unit u = K / library size once the logarithm is undone. Each stored value stands for an interval
(its rounding); the proof asks that every interval of every cell contains exactly one whole multiple
of the cell's unit, narrows the unit by every value that is already decided, and goes round again
until nothing changes. One value without a multiple, or with two that cannot be told apart, and
nothing is proved.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.errors import CountsError

# a value computed in float32 is off by a few units in the last place
FLOAT32_EPS = float(np.finfo(np.float32).eps)
FLOAT32_ULPS = 4 * FLOAT32_EPS
MAX_DECIMALS = 5
# exp of this is more than any cell's counts at any scale; exp overflows from 710 on
MAX_LOG1P = 50.0
MAX_ROUNDS = 8
# chance that numbers of another kind would pass: one in a million, for the matrix as a whole
MAX_LOG10_CHANCE = -6.0
# cells whose smallest value is one count agree on K within this; others have no vote
CONSTANT_SPREAD = 0.01

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Inversion:
    """Counts recovered from log1p values.

    Parameters
    ----------
    counts
        CSR, float32, whole numbers.
    library_size
        Shape (n_cells,), over the genes present or as given.
    counts_per_cell
        The constant K of log1p(counts per K).
    decimals
        The decimals the values were rounded to, or None.
    """

    counts: sparse.csr_matrix
    library_size: Floats
    counts_per_cell: float
    decimals: int | None


@dataclass(frozen=True, eq=False)
class _Intervals:
    """Bounds of the unlogged values, grouped by cell."""

    low: Floats
    high: Floats
    rows: npt.NDArray[np.intp]  # position among the cells with values
    starts: npt.NDArray[np.intp]  # of each such cell

    def per_cell(self, function: np.ufunc, values: Floats) -> Floats:
        return np.asarray(function.reduceat(values, self.starts), dtype=np.float64)


def invert_log1p(values: sparse.csr_matrix, library_size: Floats | None = None) -> Inversion:
    """Recover counts from log1p(counts per K), K unknown but the same in all cells.

    Parameters
    ----------
    values
        Shape (n_cells, n_genes), finite and non-negative.
    library_size
        Shape (n_cells,): the counts of each cell over all genes, where genes were removed after
        normalising; without it, the genes present have to add up to the same K in each cell.

    Raises
    ------
    CountsError
        The values are not that, or it cannot be proved; the message says which value fails.
    """
    decimals = _decimals(values.data)
    intervals, filled = _intervals(values, decimals)
    if library_size is None:
        unit_low, unit_high = _unit_of_smallest(intervals)
        counts, unit_low, unit_high = _whole_multiples(intervals, unit_low, unit_high)
        total = intervals.per_cell(np.add, counts)
        constant = _common_constant(unit_low * total, unit_high * total)
        all_totals = np.zeros(values.shape[0])
        all_totals[filled] = total
    else:
        constant_low, constant_high = _constant_of_libraries(intervals, library_size[filled])
        unit_low, unit_high = (
            constant_low / library_size[filled],
            constant_high / library_size[filled],
        )
        counts, unit_low, unit_high = _whole_multiples(intervals, unit_low, unit_high)
        constant = _common_constant(
            unit_low * library_size[filled], unit_high * library_size[filled]
        )
        all_totals = library_size
    recovered = sparse.csr_matrix(
        (counts.astype(np.float32), values.indices.copy(), values.indptr.copy()),
        shape=values.shape,
    )
    return Inversion(recovered, all_totals, constant, decimals)


def _decimals(data: npt.NDArray[np.floating]) -> int | None:
    """Return the decimals all values are rounded to, or None where they are not rounded."""
    for decimals in range(1, MAX_DECIMALS + 1):
        scaled = data.astype(np.float64) * 10**decimals
        # storing a rounded number costs no more than half a unit in the last place
        if np.all(np.abs(scaled - np.rint(scaled)) <= np.maximum(scaled, 1.0) * FLOAT32_EPS):
            return decimals
    return None


def _intervals(
    values: sparse.csr_matrix, decimals: int | None
) -> tuple[_Intervals, npt.NDArray[np.intp]]:
    data = values.data.astype(np.float64)
    slack = FLOAT32_ULPS * np.maximum(data, 1.0)
    if decimals is not None:
        slack += 0.5 * 10.0**-decimals
    per_row = np.diff(values.indptr)
    filled = np.flatnonzero(per_row)
    if np.any(data > MAX_LOG1P) or np.any(data <= slack):
        raise CountsError(
            f"values from {data.min():.4g} to {data.max():.4g} are not logarithms of counts"
        )
    low = np.expm1(data - slack)
    rows = np.repeat(np.arange(len(filled)), per_row[filled])
    starts = values.indptr[:-1][filled].astype(np.intp)
    return _Intervals(low, np.expm1(data + slack), rows, starts), filled


def _unit_of_smallest(intervals: _Intervals) -> tuple[Floats, Floats]:
    """Take each cell's smallest value for one count."""
    low = intervals.per_cell(np.minimum, intervals.low)
    return low, intervals.per_cell(np.minimum, intervals.high)


def _constant_of_libraries(intervals: _Intervals, library_size: Floats) -> tuple[float, float]:
    """Bound K = unit x library size by the cells whose smallest value is one count."""
    low, high = (unit * library_size for unit in _unit_of_smallest(intervals))
    middle = float(np.median((low + high) / 2))
    voting = np.abs((low + high) / 2 - middle) <= CONSTANT_SPREAD * middle
    if voting.mean() < 0.5:
        raise CountsError(
            "the library sizes given do not fit the values: one count per library size would be "
            f"scaled to {low.min():.4g} in one cell and to {high.max():.4g} in another"
        )
    return float(low[voting].max()), float(high[voting].min())


def _whole_multiples(
    intervals: _Intervals, unit_low: Floats, unit_high: Floats
) -> tuple[Floats, Floats, Floats]:
    """Decide each value's count, narrowing each cell's unit by what is decided."""
    rows, low, high = intervals.rows, intervals.low, intervals.high
    undecided = len(low)
    for _ in range(MAX_ROUNDS):
        if np.any(unit_low > unit_high * (1 + FLOAT32_ULPS)):
            raise CountsError("the values of a cell are not whole multiples of one unit")
        smallest, largest = low / unit_high[rows], high / unit_low[rows]
        first = np.maximum(np.ceil(smallest - FLOAT32_ULPS * smallest), 1.0)
        last = np.floor(largest + FLOAT32_ULPS * largest)
        _refuse_fractions(first, last, smallest, largest)
        decided = first == last
        n_undecided = int((~decided).sum())
        unit_low = np.maximum(
            unit_low, intervals.per_cell(np.maximum, np.where(decided, low / first, -np.inf))
        )
        unit_high = np.minimum(
            unit_high, intervals.per_cell(np.minimum, np.where(decided, high / first, np.inf))
        )
        if n_undecided in (0, undecided):
            break
        undecided = n_undecided
    if n_undecided:
        raise CountsError(
            f"{n_undecided:,} values are rounded too coarsely to tell their counts "
            f"(one may be {first[~decided][0]:.0f} or {last[~decided][0]:.0f})"
        )
    _refuse_chance(first, largest - smallest)
    return first, unit_low, unit_high


def _refuse_fractions(first: Floats, last: Floats, smallest: Floats, largest: Floats) -> None:
    broken = np.flatnonzero(first > last)
    if len(broken):
        middle = (smallest[broken[:3]] + largest[broken[:3]]) / 2
        raise CountsError(
            "undoing log1p does not give whole numbers: with each cell's smallest value as one "
            f"count, {len(broken):,} of {len(first):,} values become fractions such as "
            f"{[float(f'{value:.4g}') for value in middle]}"
        )


def _refuse_chance(counts: Floats, widths: Floats) -> None:
    """Refuse where numbers of any kind would have passed.

    A number that has nothing to do with counts falls within `width` of a whole one with that
    probability; a value taken for one count by definition proves nothing.
    """
    tested = counts >= 2
    log10_chance = float(np.log10(np.clip(widths[tested], 1e-12, 1.0)).sum())
    if log10_chance > MAX_LOG10_CHANCE:
        raise CountsError(
            f"only {int(tested.sum()):,} values are above a cell's smallest: too few to prove that "
            "they are counts"
        )


def _common_constant(low: Floats, high: Floats) -> float:
    """Return the K that all cells agree on."""
    # summing many float32 numbers costs a few more units in the last place
    slack = 1 + 4 * FLOAT32_ULPS
    lowest, highest = float(low.max()) / slack, float(high.min()) * slack
    if lowest > highest:
        raise CountsError(
            "the values are log1p of counts scaled to a total that differs between cells, from "
            f"{low.min():.6g} to {high.max():.6g}, over the genes present: genes were removed "
            "after normalising. Name the column of .obs with each cell's counts over all genes: "
            'library_size_key="n_counts" (--library-size-key on the command line)'
        )
    return _shortest_between(lowest, highest)


def _shortest_between(low: float, high: float) -> float:
    """Return the number of fewest digits in [low, high]."""
    for digits in range(1, 17):
        rounded = float(f"{(low + high) / 2:.{digits}g}")
        if low <= rounded <= high:
            return rounded
    return (low + high) / 2
