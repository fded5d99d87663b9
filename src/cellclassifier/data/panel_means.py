"""What stands in for genes that were not measured."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.data.alignment import AlignedCounts

# no library is taken for more than ten times as large as what was measured of it
MAX_MISSING_SHARE = 0.9


@dataclass(frozen=True, eq=False)
class PanelMeans:
    """Means of the training cells, gene by gene of a panel.

    A gene that was not measured is not a gene with no counts: a network that was trained with it
    takes the zero for evidence. The mean of the training cells is evidence for nothing.

    Parameters
    ----------
    expression
        Shape (n_panel,), float32: the mean of the normalised values.
    share
        Shape (n_panel,), float32: the mean share of a cell's counts, in [0, 1].

    Examples
    --------
    >>> means = PanelMeans(np.float32([0.5, 2.0]), np.float32([0.1, 0.25]))
    >>> means.stand_in(np.array([True, False])).tolist()
    [0.0, 2.0]
    >>> means.library_factor(np.array([True, False]))
    1.333...
    """

    expression: npt.NDArray[np.float32]
    share: npt.NDArray[np.float32]

    @classmethod
    def of(cls, aligned: AlignedCounts, expression: sparse.csr_matrix) -> "PanelMeans":
        """Return the means of cells from their counts, (n_cells, n_panel), and expression."""
        per_cell = sparse.diags_array(1 / np.maximum(aligned.library_size, 1.0))
        share = (per_cell @ aligned.counts).mean(axis=0)
        return cls(
            np.asarray(expression.mean(axis=0), dtype=np.float32).ravel(),
            np.asarray(share, dtype=np.float32).ravel(),
        )

    def stand_in(self, measured: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
        """Return what to add to each cell's expression: zero where a gene was measured."""
        return np.where(measured, np.float32(0), self.expression)

    def library_factor(self, measured: npt.NDArray[np.bool_]) -> float:
        """Return by how much a library is larger than the sum of its measured genes."""
        missing = float(self.share[~measured].sum(dtype=np.float64))
        return 1 / (1 - min(missing, MAX_MISSING_SHARE))
