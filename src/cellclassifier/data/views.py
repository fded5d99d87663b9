"""The same cells on several scales."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from scipy import sparse

# times the expression's 10,000 counts a cell: log1p of counts per 30 and per 300
NEAR_LINEAR = (0.003, 0.03)
N_VIEWS = len(NEAR_LINEAR) + 1

Floats = npt.NDArray[np.float32]


def sparse_views(expression: sparse.csr_matrix) -> list[sparse.csr_matrix]:
    """Return expression, (n_cells, n_genes), on three scales: per 30, per 300, and as it is.

    What is log1p of counts per 10,000 becomes log1p of counts per 30 and of counts per 300.

    >>> expression = sparse.csr_matrix(np.log1p(np.float32([[0, 100]])))
    >>> [view.toarray().astype(float).round(3).tolist() for view in sparse_views(expression)]
    [[[0.0, 0.262]], [[0.0, 1.386]], [[0.0, 4.615]]]
    """
    return [view_of(expression, number) for number in range(N_VIEWS)]


def view_of(expression: sparse.csr_matrix, number: int) -> sparse.csr_matrix:
    """Return one of `sparse_views`."""
    if number == len(NEAR_LINEAR):
        return expression
    counts = np.expm1(expression.data)
    return _with_data(expression, np.log1p(np.float32(NEAR_LINEAR[number]) * counts))


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


def _with_data(matrix: sparse.csr_matrix, data: Floats) -> sparse.csr_matrix:
    return sparse.csr_matrix((data, matrix.indices, matrix.indptr), shape=matrix.shape)
