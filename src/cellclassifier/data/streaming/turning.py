"""Matrices that are stored by columns, for those who want rows."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
from anndata.abc import CSCDataset
from anndata.io import sparse_dataset
from scipy import sparse

from cellclassifier.data.formats.zarr_store import STORE_ERRORS
from cellclassifier.data.streaming.failures import broken_rows
from cellclassifier.data.streaming.stored import StoredCells
from cellclassifier.data.streaming.writing import SparseWriter
from cellclassifier.errors import OutputError

# values that are turned in memory at one time
PIECE_VALUES = 2**23


@dataclass(frozen=True, eq=False)
class TurnedMatrix:
    """A matrix in pieces of some columns, each stored by rows.

    Parameters
    ----------
    pieces
        From the first columns to the last, anndata's `CSRDataset`; (n_cells, n_some_genes).
    """

    pieces: list[Any]
    format: str = "csr"

    @property
    def shape(self) -> tuple[int, int]:
        """Cells and genes."""
        return self.pieces[0].shape[0], sum(piece.shape[1] for piece in self.pieces)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the values."""
        dtype: np.dtype[Any] = self.pieces[0].dtype
        return dtype

    def __getitem__(self, rows: slice) -> sparse.csr_matrix:
        """Return consecutive rows."""
        parts = [piece[rows] for piece in self.pieces]
        return sparse.csr_matrix(sparse.hstack(parts, format="csr"))


@contextmanager
def by_rows(cells: StoredCells, layer: str | None, folder: Path) -> Iterator[StoredCells]:
    """Yield the same cells, the matrices that may hold counts by rows.

    What is small is turned in memory; what is large, piece by piece, in a file that lasts as long
    as the context.

    Parameters
    ----------
    cells
        In a file.
    layer
        The only one to look at, or None.
    folder
        Where there is room for as much as the matrices take uncompressed.

    Raises
    ------
    InputError
        There is no such layer.
    OutputError
        There is no room.
    FileFormatError
        The file is broken.
    """
    turned = {}
    with ExitStack() as stack:
        for name in cells.looked_through(layer):
            matrix = cells.matrices[name]
            if isinstance(matrix, CSCDataset):
                try:
                    turned[name] = stack.enter_context(_turned(matrix, folder))
                except STORE_ERRORS as error:
                    if isinstance(error, OutputError):
                        raise
                    raise broken_rows(cells.path, matrix, 0, cells.n_cells, error) from error
            elif getattr(matrix, "format", "") == "csc":
                turned[name] = sparse.csr_matrix(matrix)
        yield replace(cells, matrices={**cells.matrices, **turned}) if turned else cells


@contextmanager
def _turned(matrix: Any, folder: Path) -> Iterator[Any]:  # noqa: ANN401
    starts = matrix.group["indptr"][:]
    if starts[-1] <= PIECE_VALUES:
        yield sparse.csr_matrix(matrix.to_memory())
        return
    with (
        tempfile.TemporaryDirectory(prefix=".by-rows-", dir=folder) as temporary,
        h5py.File(Path(temporary, "pieces.h5"), "w") as file,
    ):
        pieces = list(_pieces(matrix, starts, file))
        yield TurnedMatrix(pieces)


def _pieces(
    matrix: Any,  # noqa: ANN401
    starts: npt.NDArray[np.integer],
    file: h5py.File,
) -> Iterator[Any]:
    """Turn some columns at a time."""
    wanted = np.arange(0, starts[-1], PIECE_VALUES)
    bounds = np.unique([*np.searchsorted(starts, wanted, side="right") - 1, matrix.shape[1]])
    for number, (first, last) in enumerate(pairwise(bounds.tolist())):
        columns = sparse.csr_matrix(matrix[:, first:last])
        columns.sort_indices()
        try:
            writer = SparseWriter(file, str(number), n_across=last - first, dtype=matrix.dtype)
            writer.append(columns)
            writer.finish()
        except OSError as error:
            raise OutputError(
                f"no room in '{Path(file.filename).parent.parent}' to turn a matrix that is stored "
                f"by columns ({error}): about {8 * int(starts[-1]) / 1e9:.1f} GB are needed there"
            ) from error
        yield sparse_dataset(file[str(number)])
