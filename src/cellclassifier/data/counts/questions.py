"""What values are tried as: whole counts times a unit of each cell, under one transform."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cellclassifier.data.counts.cells import BLOCK_VALUES, FilledCells, Floats
from cellclassifier.data.counts.intervals import (
    Intervals,
    Proof,
    prove,
    prove_by_smallest,
    slack_of,
)
from cellclassifier.data.counts.transforms import FLOAT32_ULPS, Transform
from cellclassifier.data.counts.witness import Witness, choose_witness
from cellclassifier.errors import CountsError

# cells whose smallest value is one count agree on K within this; others have no vote
CONSTANT_SPREAD = 0.01

Counts = npt.NDArray[np.float32]
Positions = npt.NDArray[np.integer]


class Disproved(CountsError):  # noqa: N818  (it is the answer no, which another try may follow)
    """The values are not what they were tried as; `progress` tells how far the proof came."""

    def __init__(self, message: str, progress: int) -> None:
        super().__init__(message)
        self.progress = progress


# a sample of which more has no gene of one count is no sample of counts
MAX_BROKEN = 0.5
# one count is one
PLAIN = (1.0, 1.0)
# how far a proof came
OUT_OF_RANGE, NO_MULTIPLES, TOO_COARSE, TOO_FEW = range(4)


@dataclass(frozen=True, eq=False)
class Answer:
    """What is proved of some cells.

    Parameters
    ----------
    total
        Shape (n_cells,): sums of the counts.
    low, high
        Shape (n_cells,): bounds of the constant, unit x library size.
    log10_chance
        The chance that numbers of another kind would have passed.
    n_tested
        How many values are above their cell's unit.
    """

    total: Floats
    low: Floats
    high: Floats
    log10_chance: float
    n_tested: int

    @classmethod
    def of_blocks(cls, blocks: "list[Answer]") -> "Answer":
        """Put blocks of consecutive cells together."""
        return cls(
            np.concatenate([block.total for block in blocks]),
            np.concatenate([block.low for block in blocks]),
            np.concatenate([block.high for block in blocks]),
            sum(block.log10_chance for block in blocks),
            sum(block.n_tested for block in blocks),
        )


@dataclass(frozen=True, eq=False)
class Question:
    """Whether the values are f(counts x constant / library size).

    Parameters
    ----------
    cells
        The values.
    transform
        The f.
    decimals
        What the values are rounded to.
    library_size
        Shape (n_cells,), or None for the sum of a cell's counts.
    bounds
        Of the constant, where library sizes are known.
    """

    cells: FilledCells
    transform: Transform
    decimals: int | None
    library_size: Floats | None = None
    bounds: tuple[float, float] | None = None

    @property
    def is_plain(self) -> bool:
        """Whether counts are taken to be transformed as they were."""
        return self.bounds == PLAIN

    def proof(self, cells: FilledCells, which: Positions, max_broken: float = 1.0) -> Proof:
        """Prove `cells`, which are those of the numbers `which`, by intervals.

        Raises
        ------
        Disproved
            A value is no whole multiple, or may be one of several.
        """
        intervals = Intervals.of(cells, self.transform, self.decimals)
        if self.library_size is None or self.bounds is None:
            proof = prove_by_smallest(intervals, max_broken)
        else:
            low, high = (bound / self.library_size[which] for bound in self.bounds)
            proof = prove(intervals, low, high)
        if proof.broken.any():
            raise Disproved(self._fractions(proof.example), NO_MULTIPLES)
        if proof.undecided.any():
            raise Disproved(
                f"{int(proof.undecided.sum()):,} cells have values rounded too coarsely to tell "
                f"their counts (one may be {' or '.join(f'{x:.0f}' for x in proof.example)})",
                TOO_COARSE,
            )
        return proof

    def _fractions(self, example: list[float]) -> str:
        given = "" if self.bounds else "with each cell's smallest value as one count, "
        return (
            f"undoing {self.transform.undoing} does not give whole numbers: {given}values become "
            f"fractions such as {example}"
        )

    def answer_some(self, which: Positions) -> Answer:
        """Prove a sample, the cells of the numbers `which`, by intervals."""
        cells = self.cells.take(which)
        proof = self.proof(cells, which, MAX_BROKEN)
        if self.is_plain:
            _refuse_divisors(cells, proof)
        total = cells.per_cell(np.add, proof.counts)
        return self._answer(total, proof.unit_low, proof.unit_high, which, proof)

    def answer_all(self, counts: Counts, *, quick: bool, constant: float | None = None) -> Answer:
        """Prove all cells, and write their counts.

        Parameters
        ----------
        counts
            Shape (n_values,), where they are written.
        quick
            Show one unit a cell where that will do, and go by intervals where it will not; the
            chance to pass by luck is then not the whole matrix's.
        constant
            What all cells are expected to be scaled to; None where each has its own.
        """
        witness, n_values = None, BLOCK_VALUES
        if quick:
            witness, n_values = choose_witness(self.cells, self.transform, constant)
        return Answer.of_blocks(
            self.cells.map_blocks(
                lambda first, last: self._answer_block(first, last, counts, witness, constant),
                n_values,
            )
        )

    def _answer_block(
        self,
        first: int,
        last: int,
        counts: Counts,
        witness: Witness | None,
        constant: float | None,
    ) -> Answer:
        cells = self.cells.between(first, last)
        counts = counts[self.cells.bounds[first] : self.cells.bounds[last]]
        left, total = np.arange(last - first), np.empty(last - first)
        unit_low = np.empty(last - first)
        if witness is not None:
            known = None
            if self.library_size is not None and constant is not None:
                known = constant / self.library_size[first:last]
            proved, unit_low, total = witness(cells, self.transform, known, constant, counts)
            left = np.flatnonzero(~proved)
        unit_high, proof = unit_low.copy(), None
        if len(left):
            part = cells.take(left)
            proof = self.proof(part, left + first)
            counts[cells.positions(left)] = proof.counts
            unit_low[left], unit_high[left] = proof.unit_low, proof.unit_high
            total[left] = part.per_cell(np.add, proof.counts)
        return self._answer(total, unit_low, unit_high, slice(first, last), proof)

    def _answer(
        self,
        total: Floats,
        unit_low: Floats,
        unit_high: Floats,
        which: Positions | slice,
        proof: Proof | None,
    ) -> Answer:
        scale = total if self.library_size is None else self.library_size[which]
        chance = 0.0 if proof is None else float(proof.log10_chance.sum())
        n_tested = 0 if proof is None else proof.n_tested
        return Answer(total, unit_low * scale, unit_high * scale, chance, n_tested)


def scaled_by_one(
    cells: FilledCells, transform: Transform, decimals: int | None, library_size: Floats | None
) -> Question:
    """Ask whether counts were transformed as they were; library sizes play no part in that."""
    del library_size
    _check_range(cells, transform, decimals)
    return Question(cells, transform, decimals, np.ones(len(cells)), PLAIN)


def scaled_to_constant(
    cells: FilledCells, transform: Transform, decimals: int | None, library_size: Floats | None
) -> Question:
    """Ask whether they are counts per K, of the library sizes given or of the sums of counts.

    Raises
    ------
    Disproved
        The values are out of range, or the library sizes are not those of these cells.
    """
    _check_range(cells, transform, decimals)
    if library_size is None:
        return Question(cells, transform, decimals)
    smallest = FilledCells(
        np.minimum.reduceat(cells.values, cells.starts), np.arange(len(cells) + 1, dtype=np.intp)
    )
    intervals = Intervals.of(smallest, transform, decimals)
    low, high = intervals.low * library_size, intervals.high * library_size
    middle = float(np.median((low + high) / 2))
    voting = np.abs((low + high) / 2 - middle) <= CONSTANT_SPREAD * middle
    if voting.mean() < 0.5:
        raise Disproved(
            "the library sizes given do not fit the values: one count per library size would be "
            f"scaled to {low.min():.4g} in one cell and to {high.max():.4g} in another",
            NO_MULTIPLES,
        )
    bounds = float(low[voting].max()), float(high[voting].min())
    return Question(cells, transform, decimals, library_size, bounds)


def _check_range(cells: FilledCells, transform: Transform, decimals: int | None) -> None:
    ends = cells.ends
    if ends[1] > transform.largest or ends[0] <= slack_of(ends, transform, decimals)[0]:
        raise Disproved(
            f"values from {ends[0]:.4g} to {ends[1]:.4g} are not {transform.name}counts",
            OUT_OF_RANGE,
        )


def _refuse_divisors(cells: FilledCells, proof: Proof) -> None:
    """Refuse counts that have a common divisor in most cells: they were scaled by it."""
    divisors = np.gcd.reduceat(proof.counts.astype(np.int64), cells.starts)
    if np.mean(divisors > 1) > 0.5:
        raise Disproved("the counts of most cells have a common divisor", NO_MULTIPLES)


def common_constant(answer: Answer) -> float | None:
    """Return the K that all cells agree on, or None."""
    # summing many float32 numbers costs a few more units in the last place
    slack = 1 + 4 * FLOAT32_ULPS
    lowest, highest = float(answer.low.max()) / slack, float(answer.high.min()) * slack
    return _shortest_between(lowest, highest) if lowest <= highest else None


def _shortest_between(low: float, high: float) -> float:
    """Return the number of fewest digits in [low, high]."""
    for digits in range(1, 17):
        rounded = float(f"{(low + high) / 2:.{digits}g}")
        if low <= rounded <= high:
            return rounded
    return (low + high) / 2
