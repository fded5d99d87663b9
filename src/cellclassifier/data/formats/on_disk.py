"""AnnData whose matrices stay in the file until they are asked for."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import anndata as ad
import h5py
import zarr
from anndata.io import read_elem, sparse_dataset
from scipy import sparse

from cellclassifier.errors import FileFormatError

Group: TypeAlias = Any  # of h5py, which has no types, or of zarr
# NumPy's codes of booleans, integers, natural and floating numbers
NUMERIC_KINDS = "biuf"
# of a dense matrix in memory at one time
BLOCK_BYTES = 2**26


def cells_on_disk(*slots: Any, **named_slots: Any) -> ad.AnnData:  # noqa: ANN401
    """Make an ordinary AnnData of slots that lie on disk; a copy of it is in memory.

    The matrices are h5py or zarr arrays, or anndata's `CSRDataset` and `CSCDataset`. As these have
    no ``copy``, AnnData's own one would fail. It is replaced on the object, not in a subclass,
    because anndata looks up by exact type how to write.
    """
    cells = ad.AnnData(*slots, **named_slots)
    cells.copy = partial(_copied, cells)
    return cells


def _copied(cells: ad.AnnData, filename: str | None = None) -> ad.AnnData:
    in_memory = cells.to_memory(copy=True)
    return in_memory if filename is None else in_memory.copy(filename)


def read_slots(root: Group) -> ad.AnnData:
    """Return the cells that anndata wrote to the group `root`.

    Raises
    ------
    FileFormatError
        The parts of a sparse matrix do not fit together.
    """
    return cells_on_disk(
        stored_matrix(root["X"]) if "X" in root else None,
        obs=read_elem(root["obs"]),
        var=read_elem(root["var"]),
        uns=read_elem(root["uns"]) if "uns" in root else {},
        layers=_each(root, "layers", stored_matrix),
        obsm=_each(root, "obsm", stored_matrix),
        varm=_each(root, "varm", read_elem),
        obsp=_each(root, "obsp", stored_matrix),
        varp=_each(root, "varp", stored_matrix),
        raw=_read_raw(root["raw"]) if has_slot(root, "raw") else None,
    )


def lies_in_zarr(cells: ad.AnnData) -> bool:
    """Tell whether a matrix of `cells` is still in a zarr store."""
    mappings = (cells.layers, cells.obsm, cells.varm, cells.obsp, cells.varp)
    matrices = [cells.X, *(matrix for mapping in mappings for matrix in mapping.values())]
    if cells.raw is not None:
        matrices.append(cells.raw.X)
    stored = [getattr(matrix, "group", matrix) for matrix in matrices]
    return any(isinstance(node, zarr.Array | zarr.Group) for node in stored)


def _each(root: Group, slot: str, read: Callable[[Any], Any]) -> dict[str, Any] | None:
    if not has_slot(root, slot):
        return None
    return {key: read(root[slot][key]) for key in root[slot]}


def has_slot(root: Group, slot: str) -> bool:
    """Tell whether a slot of AnnData is there and has something in it."""
    # anndata writes what is not there as an array without values
    return slot in root and root[slot].attrs.get("encoding-type") != "null"


def _read_raw(raw: Group) -> dict[str, Any]:
    return {
        "X": stored_matrix(raw["X"]),
        "var": read_elem(raw["var"]),
        "varm": _each(raw, "varm", read_elem),
    }


def stored_matrix(node: Any) -> Any:  # noqa: ANN401  (as many kinds as h5py, zarr and anndata have)
    """Return a matrix of numbers as it lies on disk; anything else, such as a table, is read.

    Raises
    ------
    FileFormatError
        The parts of a sparse matrix do not fit together.
    """
    if isinstance(node, h5py.Dataset | zarr.Array):
        is_matrix = node.ndim == 2 and node.dtype.kind in NUMERIC_KINDS
        return node if is_matrix else read_elem(node)
    if node.attrs.get("encoding-type") in ("csr_matrix", "csc_matrix"):
        return stored_sparse(node)
    return read_elem(node)


def stored_sparse(node: Group) -> Any:  # noqa: ANN401
    """Return a sparse matrix as it lies on disk, after a look at the lengths of its parts."""
    if missing := [name for name in ("data", "indices", "indptr") if name not in node]:
        raise FileFormatError(f"its sparse matrix '{node.name}' lacks {missing}")
    matrix = sparse_dataset(node)
    n_lines = matrix.shape[0 if matrix.format == "csr" else 1]
    n_values, n_indices = node["data"].shape[0], node["indices"].shape[0]
    n_starts, n_announced = node["indptr"].shape[0], int(node["indptr"][-1])
    if not (n_values == n_indices == n_announced and n_starts == n_lines + 1):
        raise FileFormatError(
            f"its sparse matrix '{node.name}' has {n_values:,} values and {n_indices:,} indices, "
            f"but {n_announced:,} are announced, and {n_starts:,} starts of {n_lines:,} lines"
        )
    return matrix


def read_as_sparse(dataset: h5py.Dataset) -> sparse.csr_matrix:
    """Read a dense matrix block by block, along the axis that its chunks cut finer."""
    chunk = dataset.chunks or (1, dataset.shape[1])
    axis = int(chunk[1] / dataset.shape[1] < chunk[0] / dataset.shape[0])
    line_bytes = dataset.shape[1 - axis] * dataset.dtype.itemsize
    n_lines = chunk[axis] * max(BLOCK_BYTES // (line_bytes * chunk[axis]), 1)
    starts = range(0, dataset.shape[axis], n_lines)
    if axis == 0:
        blocks = [sparse.csr_matrix(dataset[start : start + n_lines]) for start in starts]
        return sparse.csr_matrix(sparse.vstack(blocks, format="csr"))
    blocks = [sparse.csr_matrix(dataset[:, start : start + n_lines]) for start in starts]
    return sparse.csr_matrix(sparse.hstack(blocks, format="csr"))
