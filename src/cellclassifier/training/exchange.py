"""Cells that processes read apart, and all of them need: sparse rows from each to all others."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.training.ranks import Ranks

# messages are filled up to so many bytes: JAX compiles the exchange of each length anew
BYTES = 2**20


def exchanged(mine: sparse.csr_matrix, ranks: Ranks) -> sparse.csr_matrix:
    """Return the rows of all processes, one process's after the other's; all have to call.

    Parameters
    ----------
    mine
        Shape (n_own, n_genes), CSR, float32.
    ranks
        Which process this is.
    """
    from jax.experimental.multihost_utils import process_allgather

    parts: list[npt.NDArray[Any]] = [
        np.array(mine.shape[0], dtype=np.int64),
        np.diff(mine.indptr).astype(np.int64),
        mine.indices.astype(np.int32),
        mine.data.astype(np.float32, copy=False),
    ]
    message = np.concatenate([part.reshape(-1).view(np.uint8) for part in parts])
    with ranks.in_touch():
        n_bytes = int(np.max(process_allgather(np.array(len(message)))))
        filled_up = np.zeros(-(-n_bytes // BYTES) * BYTES, dtype=np.uint8)
        filled_up[: len(message)] = message
        messages = np.asarray(process_allgather(filled_up))
    rows = [_unpacked(one, mine.shape[1]) for one in messages]
    return sparse.csr_matrix(sparse.vstack(rows, format="csr"))


def _unpacked(message: npt.NDArray[np.uint8], n_genes: int) -> sparse.csr_matrix:
    n_rows = int(message[:8].view(np.int64)[0])
    indptr = np.concatenate([[0], np.cumsum(message[8 : 8 * (n_rows + 1)].view(np.int64))])
    first, n_bytes = 8 * (n_rows + 1), 4 * int(indptr[-1])
    indices = message[first : first + n_bytes].view(np.int32)
    data = message[first + n_bytes : first + 2 * n_bytes].view(np.float32)
    return sparse.csr_matrix((data, indices, indptr), shape=(n_rows, n_genes))
