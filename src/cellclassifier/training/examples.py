"""Cells to learn from."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse


@dataclass(frozen=True, eq=False)
class Examples:
    """Expression, type and weight of cells.

    Parameters
    ----------
    expression
        Shape (n_cells, n_genes), CSR, float32.
    codes
        Shape (n_cells,), int32.
    cell_weights
        Shape (n_cells,), float32: what each cell counts in the loss.
    """

    expression: sparse.csr_matrix
    codes: npt.NDArray[np.int32]
    cell_weights: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: npt.NDArray[np.intp]) -> "Examples":
        return Examples(self.expression[rows], self.codes[rows], self.cell_weights[rows])
