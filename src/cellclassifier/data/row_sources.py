"""Sparse cells row by row, in memory or not: what training draws its minibatches from."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.data.alignment import AlignedCounts
from cellclassifier.data.normalisation import Normalisation
from cellclassifier.data.splitting import Rows
from cellclassifier.data.views import N_VIEWS, sparse_views, view_of

# summed up, or worked on, at a time, in memory as from disk: sums depend on it in their last digits
BLOCK_CELLS = 8192


class RowSource(Protocol):
    """What gives rows of a matrix: a CSR matrix itself, or a file."""

    @property
    def shape(self) -> tuple[int, int]:
        """Cells and genes."""
        ...

    def __getitem__(self, rows: Rows | slice, /) -> sparse.csr_matrix:
        """Return some rows, in that order."""
        ...


@dataclass(frozen=True, eq=False)
class NormalisedRows:
    """Expression of cells whose counts lie elsewhere, normalised when it is asked for.

    Parameters
    ----------
    counts
        Of a panel's genes.
    library_size
        Shape (n_cells,), over all genes.
    normalisation
        From counts to expression.
    view
        Which one of `sparse_views`; None for expression as it is.

    Examples
    --------
    >>> counts = sparse.csr_matrix(np.float32([[3, 0], [0, 1]]))
    >>> rows = NormalisedRows(counts, np.array([6.0, 1.0]), Normalisation(counts_per_cell=2))
    >>> rows[np.array([0])].toarray().round(4).tolist()
    [[0.693..., 0.0]]
    """

    counts: RowSource
    library_size: npt.NDArray[np.float64]
    normalisation: Normalisation
    view: int | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Cells and genes."""
        return self.counts.shape

    def __getitem__(self, rows: Rows | slice, /) -> sparse.csr_matrix:
        """Return the expression of some cells, CSR, float32."""
        counts, library_size = self.counts[rows], self.library_size[rows]
        values = np.empty_like(counts.data, dtype=np.float32)
        # on the way numbers are float64: those of some cells at a time
        for block in row_blocks(counts.shape[0]):
            own = slice(counts.indptr[block.start], counts.indptr[block.stop])
            values[own] = self._values(AlignedCounts(counts[block], library_size[block], 1.0))
        expression = sparse.csr_matrix((values, counts.indices, counts.indptr), counts.shape)
        expression.has_canonical_format = counts.has_canonical_format
        return expression

    def _values(self, aligned: AlignedCounts) -> npt.NDArray[np.float32]:
        expression = self.normalisation.apply(aligned)
        viewed = expression if self.view is None else view_of(expression, self.view)
        return np.asarray(viewed.data, dtype=np.float32)


# what a network is trained on
Expression = sparse.csr_matrix | NormalisedRows


def views_of_source(expression: Expression) -> list[Expression]:
    """Return the `sparse_views` of cells: in memory at once, from disk when they are asked for."""
    if isinstance(expression, NormalisedRows):
        return [replace(expression, view=number) for number in range(N_VIEWS)]
    return list(sparse_views(expression))


def row_blocks(n_cells: int) -> Iterator[slice]:
    """Yield slices of some thousand cells.

    >>> [block.stop for block in row_blocks(9000)]
    [8192, 9000]
    """
    for start in range(0, n_cells, BLOCK_CELLS):
        yield slice(start, min(start + BLOCK_CELLS, n_cells))


def rows_in_blocks(rows: Rows) -> Iterator[Rows]:
    """Yield row numbers, some thousand at a time."""
    for block in row_blocks(len(rows)):
        yield rows[block]


def gene_means(
    matrix: RowSource, weights: npt.NDArray[np.float64] | None = None
) -> npt.NDArray[np.float64]:
    """Return the mean of each gene over cells, (n_genes,), each cell's values times its weight.

    >>> gene_means(sparse.csr_matrix(np.float32([[3, 0], [1, 4]])), np.array([2.0, 1.0])).tolist()
    [3.5, 2.0]
    """
    n_cells, n_genes = matrix.shape
    total = np.zeros(n_genes)
    for block in row_blocks(n_cells):
        rows = matrix[block]
        values = rows.data.astype(np.float64)
        if weights is not None:
            values *= np.repeat(weights[block], np.diff(rows.indptr))
        total += np.bincount(rows.indices, values, n_genes)
    mean: npt.NDArray[np.float64] = total / n_cells
    return mean
