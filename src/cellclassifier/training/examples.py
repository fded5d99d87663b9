"""Cells to learn from."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.data.row_sources import Expression, rows_in_blocks
from cellclassifier.data.splitting import Rows

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, eq=False)
class Examples:
    """Expression, type and weight of cells, in memory or on disk.

    Some of them, ``examples[rows]``, cost nothing until their expression is asked for.

    Parameters
    ----------
    stored
        Shape (n_stored, n_genes), float32.
    codes
        Shape (n_cells,), int32.
    cell_weights
        Shape (n_cells,), float32: what each cell counts in the loss.
    rows
        Which of those stored are meant, (n_cells,); None for all.
    batch_codes
        Shape (n_cells,), int32: the donor, study or lane of each cell; None where all are one.

    Examples
    --------
    >>> cells = Examples(sparse.csr_matrix([[1.0], [2.0]]), np.int32([0, 1]), np.float32([1, 1]))
    >>> cells[np.array([1])].expression.toarray().tolist()
    [[2.0]]
    """

    stored: Expression
    codes: npt.NDArray[np.int32]
    cell_weights: npt.NDArray[np.float32]
    rows: Rows | None = None
    batch_codes: npt.NDArray[np.int32] | None = None

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: Rows) -> "Examples":
        stored_rows = rows if self.rows is None else self.rows[rows]
        batch_codes = None if self.batch_codes is None else self.batch_codes[rows]
        return Examples(
            self.stored, self.codes[rows], self.cell_weights[rows], stored_rows, batch_codes
        )

    @property
    def n_genes(self) -> int:
        """The columns of the expression."""
        return self.stored.shape[1]

    @cached_property
    def expression(self) -> sparse.csr_matrix:
        """The cells in memory, (n_cells, n_genes), CSR, float32."""
        if self.rows is not None:
            return self.stored[self.rows]
        return self.stored if isinstance(self.stored, sparse.csr_matrix) else self.stored[:]

    def blocks(self) -> "Iterator[Examples]":
        """Yield the same cells, some thousand at a time, for what does not fit in memory."""
        for rows in rows_in_blocks(np.arange(len(self))):
            yield self[rows]
