"""Raw counts out of transformed values, by proof.

If values are f(counts x unit), the unit the same for all values of a cell, then all of them are
whole multiples of one number once f is undone: `intervals.prove` shows that. What the unit is then
follows from one of these:

- it is one: the counts were transformed as they were;
- it is K / library size, the library sizes given and K the same for all cells;
- it is K / the sum of the cell's counts, K the same for all cells: no gene is missing;
- it is any number, and we are told that no gene is missing: each cell had a factor of its own.

A cell whose counts all have a common divisor comes back divided by it where library sizes are not
given: half the counts at half the library size have the same values. No other cell can tell, as a
cell's scaled counts add up to K for either.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from cellclassifier.data.counts.cells import FilledCells, Floats
from cellclassifier.data.counts.intervals import MAX_LOG10_CHANCE, rounded_to
from cellclassifier.data.counts.libraries import (
    GENES_PRESENT,
    LibrarySizes,
    LibrarySizeUnknownError,
)
from cellclassifier.data.counts.questions import (
    NO_MULTIPLES,
    TOO_FEW,
    Answer,
    Counts,
    Disproved,
    Question,
    common_constant,
    scaled_by_one,
    scaled_to_constant,
)
from cellclassifier.data.counts.transforms import TRANSFORMS, Transform

# the cells that say what to look for in all others
N_SAMPLE = 32
# the most significant digits of a constant that somebody chose
ROUND_DIGITS = 2


@dataclass(frozen=True, eq=False)
class Inversion:
    """Counts recovered from transformed values.

    Parameters
    ----------
    counts
        CSR, float32, whole numbers.
    measured
        Shape (n_cells,): the sums of the counts.
    library_size
        Shape (n_cells,): as given, or the same.
    transform
        What was undone.
    counts_per_cell
        The constant K of counts per K; None where counts were not scaled, or by a factor of each
        cell's own.
    own_factors
        Each cell was scaled by a factor of its own.
    decimals
        The decimals the values were rounded to, or None.
    """

    counts: sparse.csr_matrix
    measured: Floats
    library_size: Floats
    transform: Transform
    counts_per_cell: float | None
    own_factors: bool
    decimals: int | None

    def __str__(self) -> str:
        counts = "counts"
        if self.counts_per_cell is not None:
            counts = f"counts per {self.counts_per_cell:,.10g}"
        elif self.own_factors:
            counts = "counts scaled by a factor of each cell's own"
        rounded = f" rounded to {self.decimals} decimals" if self.decimals else ""
        return f"{self.transform.name}{counts}{rounded}"


def invert(values: sparse.csr_matrix, library_sizes: LibrarySizes | None = None) -> Inversion:
    """Recover counts from a transform of counts, of counts per K, or per factor of each cell.

    Parameters
    ----------
    values
        Shape (n_cells, n_genes), finite and non-negative, some of them not zero. Its arrays are
        shared by the result.
    library_sizes
        Where genes were removed after normalising, the counts over all genes are needed; without
        them, the genes present have to add up to the same K in each cell.

    Raises
    ------
    CountsError
        The values are not that, or it cannot be proved; the message says which value fails.
    """
    known = library_sizes or LibrarySizes()
    cells, filled = FilledCells.of(values), np.diff(values.indptr) > 0
    given = None if known.given is None else known.given[filled]
    decimals = rounded_to(cells.values)
    counts = np.empty(len(cells.values), dtype=np.float32)
    failures: list[Disproved] = []
    for transform in TRANSFORMS:
        for asked in (scaled_by_one, scaled_to_constant):
            try:
                question = asked(cells, transform, decimals, given)
                total, constant = _counted(question, counts, known)
            except Disproved as failure:
                if asked is scaled_to_constant:
                    failures.append(failure)
                continue
            measured = np.zeros(values.shape[0])
            measured[filled] = total
            return Inversion(
                sparse.csr_matrix((counts, values.indices, values.indptr), shape=values.shape),
                measured,
                measured if known.given is None else known.given,
                transform,
                constant if asked is scaled_to_constant else None,
                constant is None,
                decimals,
            )
    raise max(failures, key=lambda failure: failure.progress)  # log1p's, of those that came as far


def _counted(
    question: Question, counts: Counts, known: LibrarySizes
) -> tuple[Floats, float | None]:
    """Write the counts of all values; return the cells' sums, and the constant if there is one."""
    n_cells = len(question.cells)
    sample = np.unique(np.linspace(0, n_cells - 1, min(N_SAMPLE, n_cells)).astype(np.intp))
    seen = question.answer_some(sample)
    if question.decimals is None and seen.log10_chance <= MAX_LOG10_CHANCE:
        constant = _agreed(question, seen, known)
        # the constant reported is the shortest that will do, which may be at an end of the range
        middle = (
            None if constant is None else float(np.clip(constant, seen.low.max(), seen.high.min()))
        )
        answer = question.answer_all(counts, quick=True, constant=middle)
        if constant is None or common_constant(answer) is not None:
            return answer.total, constant
    answer = question.answer_all(counts, quick=False)
    if answer.log10_chance > MAX_LOG10_CHANCE:
        raise Disproved(
            f"only {answer.n_tested:,} values are above a cell's smallest: too few to prove that "
            "they are counts",
            TOO_FEW,
        )
    return answer.total, _agreed(question, answer, known)


def _agreed(question: Question, answer: Answer, known: LibrarySizes) -> float | None:
    """Return the constant that all cells agree on, or None where each may have its own factor."""
    constant = common_constant(answer)
    if question.library_size is not None:
        if constant is None:
            raise Disproved(
                f"the cells do not agree on what their counts were scaled to: {_range(answer)}",
                NO_MULTIPLES,
            )
        return constant
    # one cell agrees with itself: only a constant that somebody chose says that no gene is missing
    proves_nothing = len(question.cells) == 1 and not _is_round(constant)
    if (constant is None or proves_nothing) and not known.genes_present:
        raise LibrarySizeUnknownError(
            f"the values are {question.transform.name}counts scaled to a total that differs "
            f"between cells, {_range(answer)}, over the genes present: genes were removed after "
            "normalising. Name the column of .obs with each cell's counts over all genes: "
            f'library_size_key="{known.likely_key}" (--library-size-key on the command line); or, '
            "if no gene was removed and each cell was divided by a size factor of its own, say so: "
            f'library_size_key="{GENES_PRESENT}"',
            is_scaled_only=not question.transform.name,
        )
    return constant


def _is_round(constant: float | None) -> bool:
    return constant is not None and constant == float(f"{constant:.{ROUND_DIGITS}g}")


def _range(answer: Answer) -> str:
    return f"from {answer.low.min():.6g} to {answer.high.max():.6g}"
