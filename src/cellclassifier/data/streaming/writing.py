"""Matrices written block by block, into HDF5 or zarr, as anndata lays them out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.data.formats.on_disk import Group

# values in a chunk of HDF5, and of zarr, which has a file for each
H5_CHUNK, ZARR_CHUNK = 2**17, 2**20

Options = Mapping[str, Any]


def new_array(
    group: Group,
    name: str,
    shape: tuple[int, ...],
    dtype: npt.DTypeLike,
    options: Options,
    chunks: tuple[int, ...] | None = None,
) -> Any:  # noqa: ANN401  (of h5py or zarr)
    """Make an array to be filled, marked as anndata marks arrays.

    Parameters
    ----------
    group
        Of h5py or zarr.
    name, shape, dtype
        Of the array; its first axis may be made longer later where `chunks` are given.
    options
        Of its compression: the keywords of h5py or zarr.
    chunks
        Its chunks; None leaves them to the library.
    """
    if isinstance(group, h5py.Group):
        longer = {} if chunks is None else {"maxshape": (None, *shape[1:]), "chunks": chunks}
        array = group.create_dataset(name, shape=shape, dtype=dtype, **longer, **options)
    else:
        cut = {} if chunks is None else {"chunks": chunks}
        array = group.create_array(name, shape=shape, dtype=np.dtype(dtype), **cut, **options)
    array.attrs["encoding-type"], array.attrs["encoding-version"] = "array", "0.2.0"
    return array


@dataclass(eq=False)
class _Lengthening:
    """A one-dimensional array that grows by whole chunks; what is left waits for more."""

    array: Any
    chunk: int
    waiting: list[npt.NDArray[Any]] = field(default_factory=list)

    def append(self, values: npt.NDArray[Any]) -> None:
        self.waiting.append(values)
        if sum(map(len, self.waiting)) >= self.chunk:
            values = np.concatenate(self.waiting)
            n_whole = len(values) // self.chunk * self.chunk
            self._write(values[:n_whole])
            self.waiting = [values[n_whole:].copy()]

    def finish(self) -> None:
        self._write(np.concatenate([*self.waiting, np.empty(0, self.array.dtype)]))
        self.waiting = []

    def _write(self, values: npt.NDArray[Any]) -> None:
        start = self.array.shape[0]
        self.array.resize((start + len(values),))
        self.array[start:] = values


class SparseWriter:
    """Writes a CSR or CSC matrix, lines after lines, holding one chunk.

    Parameters
    ----------
    group
        Where it goes, of h5py or zarr.
    key
        Its name there.
    n_across
        The length of a line: the genes of a row of CSR.
    dtype
        Of the values; the indices are int32.
    format
        ``"csr"`` or ``"csc"``.
    options
        Of the compression: keywords of h5py or zarr.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryFile() as stream, h5py.File(stream, "w") as file:
    ...     writer = SparseWriter(file, "X", n_across=2, dtype="f4")
    ...     writer.append(sparse.csr_matrix([[1.0, 0.0]]))
    ...     writer.append(sparse.csr_matrix([[0.0, 3.0], [0.0, 0.0]]))
    ...     writer.finish()
    ...     file["X"].attrs["shape"].tolist(), file["X/indptr"][:].tolist()
    ([3, 2], [0, 1, 2, 2])
    """

    def __init__(
        self,
        group: Group,
        key: str,
        *,
        n_across: int,
        dtype: npt.DTypeLike,
        format: str = "csr",  # noqa: A002  (as SciPy calls it)
        options: Options | None = None,
    ) -> None:
        self.group = group.create_group(key)
        self.n_across, self.format, self.options = n_across, format, dict(options or {})
        chunk = H5_CHUNK if isinstance(group, h5py.Group) else ZARR_CHUNK
        self.parts = {
            name: _Lengthening(
                new_array(self.group, name, (0,), kind, self.options, chunks=(chunk,)), chunk
            )
            for name, kind in (("data", dtype), ("indices", np.int32))
        }
        self.n_values: list[npt.NDArray[np.int64]] = []

    def append(self, lines: sparse.csr_matrix | sparse.csc_matrix) -> None:
        """Write more lines."""
        self.parts["data"].append(lines.data)
        self.parts["indices"].append(lines.indices)
        self.n_values.append(np.diff(lines.indptr).astype(np.int64))

    def finish(self) -> None:
        """Write what is left, and what makes a matrix of it."""
        for part in self.parts.values():
            part.finish()
        starts = np.concatenate([[0], *self.n_values]).cumsum()
        array = new_array(self.group, "indptr", starts.shape, np.int64, self.options)
        array[:] = starts
        shape = (len(starts) - 1, self.n_across)
        attributes = self.group.attrs
        attributes["shape"] = list(shape if self.format == "csr" else shape[::-1])
        attributes["encoding-type"] = f"{self.format}_matrix"
        attributes["encoding-version"] = "0.1.0"
