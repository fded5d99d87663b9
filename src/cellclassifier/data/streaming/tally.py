"""How often each count of each gene occurs in each type, added up block by block."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.data.compiling import compiled
from cellclassifier.data.ranking import POOLED_FROM


@dataclass(frozen=True, eq=False)
class CountTally:
    """Histograms of the counts of each gene, cell type by cell type; their size is fixed.

    Parameters
    ----------
    n_cells
        Shape (n_genes, POOLED_FROM, n_types), uint32: cells with a count of 1, 2, …; the last holds
        those of `POOLED_FROM` and more.
    largest
        Shape (n_genes,): the largest count of each gene.

    Examples
    --------
    >>> tally = CountTally.empty(n_genes=2, n_types=2)
    >>> tally.add(sparse.csr_matrix(np.float32([[1, 0], [30, 2]])), np.array([0, 1]))
    >>> tally.n_cells[0, [0, -1]].tolist(), tally.n_detected.tolist(), tally.largest.tolist()
    ([[1, 0], [0, 1]], [2, 1], [30.0, 2.0])
    """

    n_cells: npt.NDArray[np.uint32]
    largest: npt.NDArray[np.float32]

    @classmethod
    def empty(cls, n_genes: int, n_types: int) -> "CountTally":
        """Return one without cells."""
        return cls(
            np.zeros((n_genes, POOLED_FROM, n_types), np.uint32), np.zeros(n_genes, np.float32)
        )

    def add(self, counts: sparse.csr_matrix, codes: npt.NDArray[np.integer]) -> None:
        """Add cells; one thread at a time.

        Parameters
        ----------
        counts
            Raw counts, each entry once, (n_cells, n_genes), CSR. Estimates that are not whole are
            rounded for the histograms.
        codes
            The types, (n_cells,), from 0.
        """
        matrix = counts.data, counts.indices, counts.indptr
        _add(matrix, codes.astype(np.int64, copy=False), self.n_cells, self.largest)

    @property
    def n_detected(self) -> npt.NDArray[np.int64]:
        """Shape (n_genes,): in how many cells each gene has a count."""
        return np.asarray(self.n_cells.sum(axis=(1, 2), dtype=np.int64))


@compiled()
def _add(
    matrix: tuple[npt.NDArray[Any], npt.NDArray[np.integer], npt.NDArray[np.integer]],
    codes: npt.NDArray[np.int64],
    n_cells: npt.NDArray[np.uint32],
    largest: npt.NDArray[np.float32],
) -> None:
    data, indices, ends = matrix
    n_bins = n_cells.shape[1]
    for cell in range(len(codes)):
        code = codes[cell]
        for entry in range(ends[cell], ends[cell + 1]):
            count, gene = data[entry], indices[entry]
            rounded = np.int64(np.rint(count))
            if rounded >= 1:
                n_cells[gene, min(rounded, n_bins) - 1, code] += np.uint32(1)
            largest[gene] = max(largest[gene], np.float32(count))
