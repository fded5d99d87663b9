"""The same cells on several scales."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

# times the expression's 10,000 counts a cell: log1p of counts per 30 and per 300
NEAR_LINEAR = (0.003, 0.03)

Floats = npt.NDArray[np.float32]


def sparse_views(expression: sparse.csr_matrix) -> list[sparse.csr_matrix]:
    """Return expression, (n_cells, n_genes), on three scales: per 30, per 300, and as it is.

    What is log1p of counts per 10,000 becomes log1p of counts per 30 and of counts per 300.

    >>> expression = sparse.csr_matrix(np.log1p(np.float32([[0, 100]])))
    >>> [view.toarray().astype(float).round(3).tolist() for view in sparse_views(expression)]
    [[[0.0, 0.262]], [[0.0, 1.386]], [[0.0, 4.615]]]
    """
    counts = np.expm1(expression.data)
    return [
        *(_with_data(expression, np.log1p(np.float32(share) * counts)) for share in NEAR_LINEAR),
        expression,
    ]


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
    def of(cls, expression: sparse.csr_matrix) -> "ViewMoments":
        """Return the moments of cells, (n_cells, n_genes), CSR.

        >>> moments = ViewMoments.of(sparse.csr_matrix(np.log1p(np.float32([[0, 7], [100, 7]]))))
        >>> moments.mean.astype(float).round(3).tolist()
        [[0.131, 0.021], [0.693, 0.191]]
        >>> moments.slope.astype(float).round(3).tolist()
        [[0.057, 0.0], [0.3, 0.0]]
        """
        *near, _ = sparse_views(expression)
        mean, variance = _mean(expression), _covariance(expression, expression)
        varies = variance > np.finfo(np.float32).eps * mean**2
        slope = [
            np.divide(
                _covariance(view, expression), variance, out=np.zeros_like(variance), where=varies
            )
            for view in near
        ]
        means = np.stack([_mean(view) for view in near])
        return cls(means.astype(np.float32), np.stack(slope).astype(np.float32))

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


def finite_floats(
    arrays: Mapping[str, npt.NDArray[np.generic]], name: str, shape: tuple[int, ...]
) -> Floats:
    """Return an array of a file, or raise ValueError where it is not what it should be."""
    values = np.asarray(arrays[name])
    if values.dtype != np.float32 or values.shape != shape or not np.all(np.isfinite(values)):
        raise ValueError(
            f"'{name}' is {values.dtype} of shape {values.shape}, or not finite; expected float32 "
            f"of shape {shape}"
        )
    return values.astype(np.float32, copy=False)


def _mean(matrix: sparse.csr_matrix) -> npt.NDArray[np.float64]:
    return np.asarray(matrix.mean(axis=0, dtype=np.float64)).ravel()


def _covariance(one: sparse.csr_matrix, other: sparse.csr_matrix) -> npt.NDArray[np.float64]:
    """Return the covariance of each gene in two views of the same entries."""
    n_cells, n_genes = one.shape
    products = one.data.astype(np.float64) * other.data
    joint = np.bincount(one.indices, products, minlength=n_genes) / n_cells
    return joint - _mean(one) * _mean(other)


def _with_data(matrix: sparse.csr_matrix, data: Floats) -> sparse.csr_matrix:
    return sparse.csr_matrix((data, matrix.indices, matrix.indptr), shape=matrix.shape)
