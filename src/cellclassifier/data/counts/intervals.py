"""The proof by intervals: which whole multiple of its cell's unit each value is.

Each stored value stands for an interval, its rounding. The proof asks that every interval of a cell
contains exactly one whole multiple of the cell's unit, narrows the unit by every value that is
already decided, and goes round again until nothing changes. One value without a multiple, or with
two that cannot be told apart, and nothing is proved.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cellclassifier.data.counts.cells import FilledCells, Floats
from cellclassifier.data.counts.transforms import FLOAT32_EPS, FLOAT32_ULPS, Transform

MAX_DECIMALS = 5
MAX_ROUNDS = 8
# a cell without a gene of one count is tried with a smallest count of up to
MAX_SMALLEST_COUNT = 12
# chance that numbers of another kind would pass: one in a million, for the matrix as a whole, and
# for each cell that had several tries
MAX_LOG10_CHANCE = -6.0

Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Intervals:
    """Bounds of the scaled counts of each value."""

    cells: FilledCells
    low: Floats
    high: Floats

    @classmethod
    def of(cls, cells: FilledCells, transform: Transform, decimals: int | None) -> "Intervals":
        """Undo the transform at both ends of what each stored value may stand for."""
        values = cells.values.astype(np.float64)
        slack = slack_of(values, transform, decimals)
        return cls(cells, transform.undone(values - slack), transform.undone(values + slack))

    def smallest(self) -> tuple[Floats, Floats]:
        """Return the bounds of each cell's smallest value."""
        return (
            self.cells.per_cell(np.minimum, self.low),
            self.cells.per_cell(np.minimum, self.high),
        )

    def take(self, cells: npt.NDArray[np.integer]) -> "Intervals":
        """Return the intervals of some cells."""
        positions = self.cells.positions(cells)
        return Intervals(self.cells.take(cells), self.low[positions], self.high[positions])


def slack_of(values: Floats, transform: Transform, decimals: int | None) -> Floats:
    """Return how far each value may be off."""
    return transform.slack(values) + (0.0 if decimals is None else 0.5 * 10.0**-decimals)


@dataclass(frozen=True, eq=False)
class Proof:
    """What is proved of some cells.

    Parameters
    ----------
    counts
        Shape (n_values,), whole.
    unit_low, unit_high
        Shape (n_cells,): bounds of what one count is scaled to.
    log10_chance
        Shape (n_cells,): the chance that numbers of another kind would have passed.
    n_tested
        How many values are above their cell's unit: the others prove nothing.
    broken, undecided
        Shape (n_cells,): cells with a value that is no multiple, or that may be one of several.
    example
        A multiple that is not whole, or the several that a value may be.
    """

    counts: Floats
    unit_low: Floats
    unit_high: Floats
    log10_chance: Floats
    n_tested: int
    broken: Booleans
    undecided: Booleans
    example: list[float]


def rounded_to(values: npt.NDArray[np.floating]) -> int | None:
    """Return the decimals all values are rounded to, or None where they are not rounded."""
    first = values[: 2**12]
    for decimals in range(1, MAX_DECIMALS + 1):
        if is_rounded_to(first, decimals) and is_rounded_to(values, decimals):
            return decimals
    return None


def is_rounded_to(values: npt.NDArray[np.floating], decimals: int) -> bool:
    """Tell whether all values are rounded to so many decimals."""
    scaled = values.astype(np.float64) * 10**decimals
    # storing a rounded number costs no more than half a unit in the last place
    slack = np.maximum(scaled, 1.0) * FLOAT32_EPS
    tells = slack < 0.1  # a large float32 has no decimals left to look at
    return bool(tells.any() and np.all((np.abs(scaled - np.rint(scaled)) <= slack)[tells]))


def prove(intervals: Intervals, unit_low: Floats, unit_high: Floats) -> Proof:
    """Decide each value's count, narrowing each cell's unit by what is decided."""
    cells, low, high = intervals.cells, intervals.low, intervals.high
    n_open = -1
    for _ in range(MAX_ROUNDS):
        smallest, largest = low / cells.spread(unit_high), high / cells.spread(unit_low)
        first = np.maximum(np.ceil(smallest - FLOAT32_ULPS * smallest), 1.0)
        last = np.floor(largest + FLOAT32_ULPS * largest)
        crossed = unit_low > unit_high * (1 + FLOAT32_ULPS)
        no_multiple = first > last
        broken = crossed | (cells.per_cell(np.maximum, no_multiple) > 0)
        decided = first == last
        undecided = cells.per_cell(np.minimum, decided | no_multiple) == 0
        if n_open in (0, n_open_now := int((first < last).sum())) or broken.all():
            break
        n_open = n_open_now
        unit_low = np.maximum(
            unit_low, cells.per_cell(np.maximum, np.where(decided, low / first, -np.inf))
        )
        unit_high = np.minimum(
            unit_high, cells.per_cell(np.minimum, np.where(decided, high / first, np.inf))
        )
    tested = first >= 2
    chance = np.where(tested, np.log10(np.clip(largest - smallest, 1e-12, 1.0)), 0.0)
    return Proof(
        counts=first,
        unit_low=unit_low,
        unit_high=unit_high,
        log10_chance=cells.per_cell(np.add, chance),
        n_tested=int(tested.sum()),
        broken=broken,
        undecided=undecided,
        example=_example(first, last, (smallest + largest) / 2),
    )


def _example(first: Floats, last: Floats, middle: Floats) -> list[float]:
    no_multiple = np.flatnonzero(first > last)[:3]
    if len(no_multiple):
        return [float(f"{value:.4g}") for value in middle[no_multiple]]
    several = np.flatnonzero(first < last)[:1]
    return [float(bound[several[0]]) for bound in (first, last)] if len(several) else []


def prove_by_smallest(intervals: Intervals, max_broken: float = 1.0) -> Proof:
    """Take each cell's smallest value for one count, or for as few as make all others whole.

    A cell whose smallest count is two and whose next is three has no unit but half its smallest
    value. Because each further try is a further chance to pass by luck, such a cell has to prove
    itself alone. If more than the share `max_broken` of cells are such, none is tried further.
    """
    low, high = intervals.smallest()
    proof = prove(intervals, low, high)
    if not proof.broken.any() or proof.broken.mean() > max_broken:
        return proof
    return _with_more_tries(intervals, proof, low, high)


def _with_more_tries(intervals: Intervals, proof: Proof, low: Floats, high: Floats) -> Proof:
    """Prove broken cells with their smallest value as two counts, as three, and so on."""
    counts, log10_chance = proof.counts.copy(), proof.log10_chance.copy()
    unit_low, unit_high = proof.unit_low.copy(), proof.unit_high.copy()
    broken, undecided = proof.broken.copy(), proof.undecided.copy()
    most = MAX_LOG10_CHANCE - np.log10(MAX_SMALLEST_COUNT)
    for smallest_count in range(2, MAX_SMALLEST_COUNT + 1):
        tried = np.flatnonzero(broken)
        if not len(tried):
            break
        part = intervals.take(tried)
        again = prove(part, low[tried] / smallest_count, high[tried] / smallest_count)
        passed = np.flatnonzero(~again.broken & ~again.undecided & (again.log10_chance <= most))
        cells = tried[passed]
        broken[cells] = undecided[cells] = False
        counts[intervals.cells.positions(cells)] = again.counts[part.cells.positions(passed)]
        unit_low[cells], unit_high[cells] = again.unit_low[passed], again.unit_high[passed]
        log10_chance[cells] = again.log10_chance[passed]
    n_tested = int((counts >= 2).sum())
    return Proof(
        counts, unit_low, unit_high, log10_chance, n_tested, broken, undecided, proof.example
    )
