"""The stores that anndata writes with zarr, formats 2 and 3."""

import gc
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import anndata as ad
import zarr

from cellclassifier.data.formats.failures import READ_ERRORS, cannot_read
from cellclassifier.data.formats.on_disk import read_slots
from cellclassifier.errors import FileFormatError, OutputError

# what marks the folder of a store
MARKS = ("zarr.json", ".zgroup", ".zmetadata")
# arrays of a sparse matrix of which no stretch is all zeros, which zarr would not store
PARTS_WITHOUT_ZEROS = ("data", "indices")
STORE_ERRORS = (*READ_ERRORS, zipfile.BadZipFile)
# cells whose matrices lie in a store: a file that is replaced lives on, but a store does not
_IN_USE: WeakValueDictionary[tuple[Path, int], ad.AnnData] = WeakValueDictionary()


def read_zarr(path: Path) -> ad.AnnData:
    """Open a ``.zarr`` store: tables are read, matrices stay in the store.

    Raises
    ------
    FileFormatError
        It is no store of AnnData, it is broken, or an array in it would have to be unpickled.
    """
    store = open_store(path)
    try:
        cells = read_slots(store)
    except STORE_ERRORS as error:
        raise cannot_read(path, "AnnData", error) from error
    _IN_USE[path.resolve(), id(cells)] = cells
    return cells


def open_store(path: Path) -> zarr.Group:
    """Open a store of AnnData, and read nothing.

    Raises
    ------
    FileFormatError
        It is no store of AnnData, a part of it is missing, or would have to be unpickled.
    """
    try:
        store = zarr.open_group(path, mode="r")
        if missing := [key for key in ("obs", "var") if key not in store]:
            raise FileFormatError(f"it lacks {missing} and has {sorted(store)}")
        arrays = list(_arrays(store))
        _refuse_pickles(arrays)
        _refuse_holes(store, arrays)
    except STORE_ERRORS as error:
        raise cannot_read(path, "AnnData", error) from error
    return store


def check_not_in_use(path: Path) -> None:
    """Refuse to write over a store from which cells still read their matrices.

    Raises
    ------
    OutputError
        There are such cells.
    """
    if not path.is_dir():
        return
    gc.collect()  # AnnData and its slots hold each other
    if any(store == path.resolve() for store, _ in list(_IN_USE)):
        raise OutputError(
            f"cannot write '{path}': cells read from it still have their matrices there; give "
            "another name, or keep nothing but cells.to_memory() of them"
        )


def _refuse_pickles(arrays: list[Any]) -> None:
    """Refuse arrays that only Python's pickle can read, which may run code."""
    for array in arrays:
        # formats 2 and 3, and the versions of zarr, name these in different places
        steps = [*(array.filters or ()), *(getattr(array, "compressors", None) or ())]
        if any("pickle" in repr(step).lower() for step in steps):
            raise FileFormatError(
                f"its array '{array.name}' is pickled, and nothing is unpickled here; "
                "write the store again with anndata"
            )


def _refuse_holes(store: zarr.Group, arrays: list[Any]) -> None:
    """Refuse sparse matrices of which a part is missing: zarr would read zeros there."""
    for array in arrays:
        folder, _, name = array.path.rpartition("/")
        matrix = store[folder].attrs if name in PARTS_WITHOUT_ZEROS else {}
        if matrix.get("encoding-type") not in ("csr_matrix", "csc_matrix"):
            continue
        if name == "indices" and 1 in store[folder].attrs.get("shape", ()):  # type: ignore[operator]
            continue  # all of them may be zero
        if array.nchunks_initialized < array.nchunks:
            raise FileFormatError(
                f"its array '{array.name}' is not whole, {array.nchunks_initialized:,} of its "
                f"{array.nchunks:,} parts are there; copy it again"
            )


def _arrays(group: zarr.Group) -> Iterator[Any]:
    for name in group:
        node = group[name]
        if isinstance(node, zarr.Array):
            yield node
        else:
            yield from _arrays(node)
