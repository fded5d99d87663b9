"""Any matrix of an AnnData as CSR: dense, sparse, or still in its file."""

from typing import Any

import numpy as np
from scipy import sparse

from cellclassifier.errors import CountsError, FileFormatError

# values of a dense matrix that are read at a time
DENSE_VALUES = 2**22
# what sparse matrices hold no values of
WIDENED = {"float16": np.float32, "longdouble": np.float64, "float128": np.float64}


def to_csr(matrix: Any) -> sparse.csr_matrix:  # noqa: ANN401  (dense, sparse, or a view of a file)
    """Return a matrix as CSR of sorted indices, each once: both of the next in one."""
    return in_order(to_rows(matrix))


def in_order(values: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return a matrix with sorted indices, each once; the same where it is one already."""
    if not values.has_canonical_format:
        values = values.copy()  # it may share its arrays with the user's matrix
        values.sum_duplicates()
    return values


def to_rows(matrix: Any) -> sparse.csr_matrix:  # noqa: ANN401  (dense, sparse, or a view of a file)
    """Return a matrix as CSR, in whatever order; dense ones a few rows at a time.

    Raises
    ------
    CountsError
        It does not hold numbers.
    FileFormatError
        The file that it is in is broken there.
    """
    try:
        return _read(matrix)
    except (OSError, RuntimeError) as error:
        raise FileFormatError(
            f"the matrix cannot be read, its file seems to be broken: {error}"
        ) from error


def _read(matrix: Any) -> sparse.csr_matrix:  # noqa: ANN401
    if hasattr(matrix, "to_memory"):
        matrix = matrix.to_memory()
    dtype = np.dtype(matrix.dtype)
    if dtype.kind == "b":
        raise CountsError(
            "the matrix holds bool, not numbers: that a gene was detected is not how often"
        )
    if not np.issubdtype(dtype, np.integer) and not np.issubdtype(dtype, np.floating):
        raise CountsError(
            f"the matrix holds {dtype}, not numbers: make them numbers first, as in "
            'adata.X = adata.X.astype("float32")'
        )
    is_sparse = sparse.issparse(matrix)
    values: sparse.csr_matrix = sparse.csr_matrix(matrix) if is_sparse else _sparse_rows(matrix)
    return values


def _sparse_rows(matrix: Any) -> sparse.csr_matrix:  # noqa: ANN401  (an array, or one in a file)
    n_cells, n_genes = matrix.shape
    chunk = (getattr(matrix, "chunks", None) or (1,))[0]
    n_rows = max(DENSE_VALUES // max(n_genes, 1) // chunk, 1) * chunk
    blocks = []
    for start in range(0, n_cells, n_rows):
        rows = np.asarray(matrix[start : start + n_rows])
        rows = rows.astype(WIDENED.get(rows.dtype.name, rows.dtype), copy=False)
        blocks.append(sparse.csr_matrix(rows))
    stacked: sparse.csr_matrix = sparse.vstack(blocks, format="csr")
    return stacked


def without_zeros(values: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return a copy without stored zeros."""
    values = values.copy()
    values.eliminate_zeros()
    return values
