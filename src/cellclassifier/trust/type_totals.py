"""What the counts of each type's cells add up to."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TypeTotals:
    """Sums over the training cells of each type, added up block by block.

    Sums of whole counts are exact, so that the blocks do not matter.

    Parameters
    ----------
    counts
        Shape (n_types, n_panel): of each gene.
    products
        Shape (n_types, n_panel): of count times library size.
    values, squares
        Shape (n_panel,): of counts and of their squares, over all types.
    library, library_squares
        Shape (n_types,): of library sizes and of their squares.
    n_cells
        Shape (n_types,).
    """

    counts: Floats
    products: Floats
    values: Floats
    squares: Floats
    library: Floats
    library_squares: Floats
    n_cells: Floats

    @classmethod
    def empty(cls, n_types: int, n_panel: int) -> "TypeTotals":
        """Return those of no cells."""
        by_gene, by_type = (n_types, n_panel), (n_types,)
        shapes = (by_gene, by_gene, (n_panel,), (n_panel,), by_type, by_type, by_type)
        return cls(*map(np.zeros, shapes))

    def add(
        self,
        counts: sparse.csr_matrix,
        library_size: npt.NDArray[np.floating],
        codes: npt.NDArray[np.integer],
    ) -> None:
        """Add cells.

        Parameters
        ----------
        counts
            Raw counts of the panel's genes, (n_cells, n_panel), CSR.
        library_size, codes
            Of these cells, (n_cells,).

        Examples
        --------
        >>> totals = TypeTotals.empty(n_types=2, n_panel=2)
        >>> counts = sparse.csr_matrix([[1, 0], [2, 3]])
        >>> totals.add(counts, np.array([10.0, 20.0]), np.array([1, 1]))
        >>> totals.counts.tolist(), totals.products[1].tolist()
        ([[0.0, 0.0], [3.0, 3.0]], [50.0, 60.0])
        """
        n_types, n_panel = self.counts.shape
        wide = counts.astype(np.float64)
        columns = np.arange(len(codes))
        ones, sizes = np.ones(len(codes)), library_size.astype(np.float64)
        for total, weights in ((self.counts, ones), (self.products, sizes)):
            members = sparse.csr_matrix((weights, (codes, columns)), (n_types, len(codes)))
            total[:] += (members @ wide).toarray()
        self.values[:] += np.bincount(wide.indices, wide.data, n_panel)
        self.squares[:] += np.bincount(wide.indices, wide.data**2, n_panel)
        self.library[:] += np.bincount(codes, sizes, n_types)
        self.library_squares[:] += np.bincount(codes, sizes**2, n_types)
        self.n_cells[:] += np.bincount(codes, minlength=n_types)
