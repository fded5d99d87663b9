"""How exactly numbers are kept."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse


def narrowed(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return float32 where that loses nothing, as it does for counts.

    Examples
    --------
    >>> narrowed(np.array([1.0, 3.0])).dtype, narrowed(np.array([0.1])).dtype
    (dtype('float32'), dtype('float64'))
    """
    narrow = values.astype(np.float32)
    return narrow if np.array_equal(narrow, values) else values


def narrowed_sparse(values: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return the same in float32 where that loses nothing."""
    return sparse.csr_matrix(
        (narrowed(values.data), values.indices, values.indptr), shape=values.shape
    )
