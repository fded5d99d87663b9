"""What the counts of each type's cells add up to, compiled."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.data.compiling import compiled

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TypeTotals:
    """Sums over the cells of each type, added up block by block.

    Sums of whole counts are exact, so that the blocks do not matter.

    Parameters
    ----------
    counts, squares
        Shape (n_types, n_panel): of each gene's counts and of their squares.
    products
        Shape (n_types, n_panel): of count times library size.
    library, library_squares
        Shape (n_types,): of library sizes and of their squares.
    n_cells
        Shape (n_types,).
    """

    counts: Floats
    squares: Floats
    products: Floats
    library: Floats
    library_squares: Floats
    n_cells: Floats

    @classmethod
    def empty(cls, n_types: int, n_panel: int) -> "TypeTotals":
        """Return those of no cells."""
        by_gene, by_type = (n_types, n_panel), (n_types,)
        shapes = (by_gene, by_gene, by_gene, by_type, by_type, by_type)
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
        sizes = library_size.astype(np.float64)
        _add(
            (counts.data, counts.indices, counts.indptr), codes.astype(np.int64), sizes,
            (self.counts, self.squares, self.products),
        )  # fmt: skip
        n_types = len(self.library)
        self.library[:] += np.bincount(codes, sizes, n_types)
        self.library_squares[:] += np.bincount(codes, sizes**2, n_types)
        self.n_cells[:] += np.bincount(codes, minlength=n_types)


@compiled()
def _add(
    matrix: tuple[npt.NDArray[np.number], npt.NDArray[np.integer], npt.NDArray[np.integer]],
    codes: npt.NDArray[np.int64],
    library_size: Floats,
    totals: tuple[Floats, Floats, Floats],
) -> None:
    data, indices, ends = matrix
    counts, squares, products = totals
    for row in range(len(codes)):
        code, size = codes[row], library_size[row]
        counts_of_type, squares_of_type = counts[code], squares[code]
        products_of_type = products[code]
        for entry in range(ends[row], ends[row + 1]):
            gene, count = indices[entry], np.float64(data[entry])
            counts_of_type[gene] += count
            squares_of_type[gene] += count * count
            products_of_type[gene] += count * size
