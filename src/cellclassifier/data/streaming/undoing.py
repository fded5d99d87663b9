"""A transform of counts, settled on some cells, undone for blocks of others."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.data.counts.cells import FilledCells, Floats
from cellclassifier.data.counts.intervals import is_rounded_to
from cellclassifier.data.counts.inversion import Inversion
from cellclassifier.data.counts.questions import (
    NO_MULTIPLES,
    Answer,
    Disproved,
    Question,
    common_constant,
    scaled_by_one,
    scaled_to_constant,
)
from cellclassifier.data.counts.transforms import FLOAT32_ULPS

# what `common_constant` allows for
SLACK = 1 + 4 * FLOAT32_ULPS


@dataclass(frozen=True, eq=False)
class Undoing:
    """What is undone, as settled on a sample of cells.

    Parameters
    ----------
    inversion
        What was proved of the sample.
    bounds
        Between which the constant is that all counts were scaled to; None where each cell has a
        factor of its own.
    """

    inversion: Inversion
    bounds: tuple[float, float] | None

    @classmethod
    def of(cls, values: sparse.csr_matrix, inversion: Inversion, given: Floats | None) -> "Undoing":
        """Settle it on the cells that were proved, (n_cells, n_genes), without stored zeros.

        `given` are their library sizes, (n_cells,), where these are not the sums of counts.
        """
        undoing = cls(inversion, None)
        if inversion.own_factors:
            return undoing
        question, counts = undoing._asked(values, given), np.empty(values.nnz, np.float32)
        answer = question.answer_all(counts, quick=False)
        bounds = float(answer.low.max()), float(answer.high.min())
        return cls(inversion, (min(bounds), max(bounds)))

    def counts(
        self, values: sparse.csr_matrix, given: Floats | None
    ) -> tuple[sparse.csr_matrix, Floats]:
        """Return the counts of a block of cells and their sums, (n_cells,).

        Raises
        ------
        Disproved
            They are not what the sample was, or it cannot be proved.
        """
        if not values.nnz:
            return values, np.zeros(values.shape[0])
        self._check_decimals(values.data)
        question, counts = self._asked(values, given), np.empty(values.nnz, np.float32)
        answer = self._answer(question, counts)
        measured = np.zeros(values.shape[0])
        measured[np.diff(values.indptr) > 0] = answer.total
        return (
            sparse.csr_matrix((counts, values.indices, values.indptr), shape=values.shape),
            measured,
        )

    def _asked(self, values: sparse.csr_matrix, given: Floats | None) -> Question:
        """Return the one question that the sample answered."""
        is_plain = self.inversion.counts_per_cell is None and not self.inversion.own_factors
        cells, filled = FilledCells.of(values), np.diff(values.indptr) > 0
        asked = scaled_by_one if is_plain else scaled_to_constant
        sizes = None if given is None else given[filled]
        question = asked(cells, self.inversion.transform, self.inversion.decimals, sizes)
        if is_plain or given is None or self.bounds is None:
            return question
        return Question(
            cells, question.transform, question.decimals, question.library_size, self.bounds
        )

    def _answer(self, question: Question, counts: npt.NDArray[np.float32]) -> Answer:
        if self.inversion.decimals is None:
            constant = None if self.bounds is None else sum(self.bounds) / 2
            answer = question.answer_all(counts, quick=True, constant=constant)
            if self._agrees(answer):
                return answer
        answer = question.answer_all(counts, quick=False)
        if not self._agrees(answer):
            raise Disproved(
                f"the counts are scaled to {common_constant(answer) or 'no common total'}, "
                f"where others are to {self.bounds}",
                NO_MULTIPLES,
            )
        return answer

    def _agrees(self, answer: Answer) -> bool:
        if self.bounds is None:
            return True
        low, high = float(answer.low.max()), float(answer.high.min())
        return low <= self.bounds[1] * SLACK and high * SLACK >= self.bounds[0]

    def _check_decimals(self, values: npt.NDArray[np.floating]) -> None:
        decimals = self.inversion.decimals
        if decimals is not None and not is_rounded_to(values, decimals):
            raise Disproved(f"not all values are rounded to {decimals} decimals", NO_MULTIPLES)
