"""How the views of cells go together, gene by gene."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.data.row_sources import RowSource, row_blocks
from cellclassifier.data.views import N_VIEWS, NEAR_LINEAR, finite_floats, sparse_views

Floats = npt.NDArray[np.float32]
Floats64 = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ViewMoments:
    """How the near-linear views go with the expression, gene by gene.

    Where a gene was not measured, its expression has a mean given the measured genes; that of a
    view, which bends upwards from it, is another. It is taken as linear in the former.

    Parameters
    ----------
    mean
        Shape (n_near_linear, n_genes), float32: of each view, over the training cells.
    slope
        Of each view on the expression, the same shape.
    """

    mean: Floats
    slope: Floats

    @classmethod
    def of(cls, expression: RowSource) -> "ViewMoments":
        """Return the moments of cells, (n_cells, n_genes).

        >>> moments = ViewMoments.of(sparse.csr_matrix(np.log1p(np.float32([[0, 7], [100, 7]]))))
        >>> moments.mean.astype(float).round(3).tolist()
        [[0.131, 0.021], [0.693, 0.191]]
        >>> moments.slope.astype(float).round(3).tolist()
        [[0.057, 0.0], [0.3, 0.0]]
        """
        sums, products = _sums(expression)
        n_cells = expression.shape[0]
        means, joint = sums / n_cells, products / n_cells
        covariance = joint - means * means[-1]
        mean, variance = means[-1], covariance[-1]
        varies = variance > np.finfo(np.float32).eps * mean**2
        slope = [
            np.divide(of_view, variance, out=np.zeros_like(variance), where=varies)
            for of_view in covariance[:-1]
        ]
        return cls(means[:-1].astype(np.float32), np.stack(slope).astype(np.float32))

    def to_arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return the fields by name, for the model's file."""
        return {"view_mean": self.mean, "view_slope": self.slope}

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, npt.NDArray[np.generic]], *, n_genes: int
    ) -> "ViewMoments":
        """Read what `to_arrays` returned, trusting nothing in it.

        Raises
        ------
        ValueError
            An array is of another shape or type than it should have, or not finite.
        """
        shape = (len(NEAR_LINEAR), n_genes)
        return cls(
            finite_floats(arrays, "view_mean", shape), finite_floats(arrays, "view_slope", shape)
        )


def _sums(expression: RowSource) -> tuple[Floats64, Floats64]:
    """Return the sums of each view over the cells, (n_views, n_genes), and of it x expression."""
    n_cells, n_genes = expression.shape
    sums, products = np.zeros((N_VIEWS, n_genes)), np.zeros((N_VIEWS, n_genes))
    for block in row_blocks(n_cells):
        rows = sparse.csr_matrix(expression[block])
        for number, view in enumerate(sparse_views(rows)):
            values = view.data.astype(np.float64)
            sums[number] += np.bincount(rows.indices, values, n_genes)
            products[number] += np.bincount(rows.indices, values * rows.data, n_genes)
    return sums, products
