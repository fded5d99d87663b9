"""Raw counts, as a value."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from cellclassifier.data.genes import GenePanel

BLOCK_CELLS = 4096


@dataclass(frozen=True, eq=False)
class RawCounts:
    """Raw counts of all measured genes.

    Parameters
    ----------
    counts
        Shape (n_cells, n_measured), CSR, float32, non-negative; whole, but where estimates that are
        not whole were allowed.
    library_size
        Shape (n_cells,): counts of each cell over all measured genes.
    genes
        The measured genes, in column order.
    cell_names
        Shape (n_cells,); a name may stand twice, for cells are told apart by their place.
    evidence
        Where the counts were found and what proves them, in words.
    """

    counts: sparse.csr_matrix
    library_size: npt.NDArray[np.float64]
    genes: GenePanel
    cell_names: pd.Index
    evidence: str

    @cached_property
    def whole(self) -> sparse.csr_matrix:
        """The counts, rounded where they are estimates that are not whole: for rankings of genes.

        Shape (n_cells, n_measured), CSR.
        """
        if np.array_equal(self.counts.data, np.rint(self.counts.data)):
            return self.counts
        rounded = self.counts.rint()
        rounded.eliminate_zeros()
        return rounded

    def __len__(self) -> int:
        return len(self.cell_names)

    def __getitem__(self, rows: slice | npt.NDArray[np.integer]) -> "RawCounts":
        """Return the cells of the given rows, in that order; consecutive ones are a view."""
        rows = _as_slice(rows)
        return RawCounts(
            _some_rows(self.counts, rows),
            self.library_size[rows],
            self.genes,
            self.cell_names[rows],
            self.evidence,
        )

    def blocks(self, block_cells: int = BLOCK_CELLS) -> Iterator["RawCounts"]:
        """Yield blocks of consecutive cells; a reader from disk has the same shape."""
        for start in range(0, len(self), block_cells):
            yield self[start : start + block_cells]


def _as_slice(rows: slice | npt.NDArray[np.integer]) -> slice | npt.NDArray[np.integer]:
    """Return rows as a slice where they are consecutive ones."""
    if isinstance(rows, slice) or not len(rows) or rows[0] < 0 or (np.diff(rows) != 1).any():
        return rows
    return slice(int(rows[0]), int(rows[-1]) + 1)


def _some_rows(
    counts: sparse.csr_matrix, rows: slice | npt.NDArray[np.integer]
) -> sparse.csr_matrix:
    """Return rows; where they are consecutive without a copy, which SciPy would make."""
    if not isinstance(rows, slice) or rows.step not in (None, 1):
        return counts[rows]
    start, stop, _ = rows.indices(counts.shape[0])
    ends = counts.indptr[start : max(start, stop) + 1]
    values = slice(ends[0], ends[-1])
    run = sparse.csr_matrix((len(ends) - 1, counts.shape[1]), dtype=counts.dtype)
    # whose constructor copies small parts of large arrays
    run.data, run.indices, run.indptr = counts.data[values], counts.indices[values], ends - ends[0]
    run.has_canonical_format = counts.has_canonical_format
    return run
