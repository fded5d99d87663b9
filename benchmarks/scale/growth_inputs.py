"""Files of cells and models of many sizes, for growth.py.

All files hold rows of one store of 100,000 cells like real ones (see make_cells.py), from the start
again where it ends, so that files differ in nothing but their number of cells. Types are parts of
the real ones, or several of them put together: what is measured is what they cost.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from anndata.io import write_elem
from make_cells import SOURCE, RealCells, blocks
from record import shared_data
from scipy import sparse

from cellclassifier import CellTypeClassifier
from cellclassifier.classifier.recipes import RECIPES
from cellclassifier.data.streaming import open_cells
from cellclassifier.data.streaming.stored import StoredCells
from cellclassifier.data.streaming.writing import SparseWriter
from cellclassifier.files import replacing

N_MEASURED, GENES_PER_CELL, SEED = 20_000, 1400.0, 0
STORE_CELLS, BLOCK_CELLS = 100_000, 2048
# that models are trained on, of the first ones of the store
MODEL_CELLS, FIRST_CELLS = 1000, 20_000
TYPES = (10, 100, 500)
# what is left free of the disk
SPARE_BYTES = 2 * 10**9
# for weights of the usual kind; how good they are costs nothing
TRAINING = replace(RECIPES["wide-deep"].training, epochs=1, penalty=1e-3)


@dataclass(frozen=True)
class Inputs:
    """What is measured on, in a folder; made where it is not there.

    Parameters
    ----------
    folder
        Where files of cells and models are.
    """

    folder: Path

    def cells(self, n_cells: int) -> Path:
        """Return a file of so many cells."""
        path = self.folder / f"cells_{n_cells}.h5ad"
        if not path.exists():
            store = self._store()
            self._check_room(store, n_cells)
            with replacing(path) as temporary:
                write_cells(temporary, store, n_cells)
        return path

    def model(self, n_genes: int | str, n_types: int) -> Path:
        """Return a model of so many genes, or ``"all"``, and so many types."""
        path = self.folder / f"model_{n_genes}_{n_types}.keras"
        if not path.exists():
            labels_key = labels_key_of(n_types)
            cells = some_of_each_type(self._store(), labels_key, MODEL_CELLS // n_types)
            genes = n_genes if isinstance(n_genes, int) else "all"
            classifier = CellTypeClassifier(genes=genes, training=TRAINING)
            classifier.fit(cells, labels_key=labels_key).save(path)
        return path

    def remove(self, n_cells: int) -> None:
        """Delete a file of cells; the store stays, for it is what others are made from."""
        if n_cells != STORE_CELLS:
            self.cells_path(n_cells).unlink(missing_ok=True)

    def cells_path(self, n_cells: int) -> Path:
        """Return where a file of so many cells is, or would be."""
        return self.folder / f"cells_{n_cells}.h5ad"

    def _store(self) -> StoredCells:
        path = self.cells_path(STORE_CELLS)
        if not path.exists():
            with replacing(path) as temporary:
                write_store(temporary, STORE_CELLS)
        return open_cells(path)

    def _check_room(self, store: StoredCells, n_cells: int) -> None:
        wanted = store.path.stat().st_size * n_cells // store.n_cells + SPARE_BYTES
        free = shutil.disk_usage(self.folder).free
        if wanted > free:
            raise SystemExit(
                f"{n_cells:,} cells need {wanted / 1e9:.0f} GB in '{self.folder}', where "
                f"{free / 1e9:.0f} are free: name a --folder on a larger disk, or measure fewer "
                "--cells"
            )


def labels_key_of(n_types: int) -> str:
    """Return the column of so many types.

    >>> labels_key_of(10)
    'types_10'
    """
    return f"types_{n_types}"


def some_of_each_type(store: StoredCells, labels_key: str, n_each: int) -> ad.AnnData:
    """Return so many cells of each type, from the first cells of the store."""
    types = store.table.column(labels_key)[:FIRST_CELLS]
    places = np.flatnonzero(types.groupby(types, observed=True).cumcount() < n_each)
    return ad.AnnData(
        store.rows("X", 0, FIRST_CELLS)[places],
        obs=pd.DataFrame(
            {labels_key: types.array[places]}, index=store.table.names(0, FIRST_CELLS)[places]
        ),
        var=store.var,
    )


def parts_of(n_real: int, n_types: int) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Return the type of each of some cells that are in the order of their real types.

    >>> parts_of(6, 3).tolist()
    [0, 0, 1, 1, 2, 2]
    """
    parts: np.ndarray[tuple[int], np.dtype[np.intp]] = np.arange(n_real) * n_types // n_real
    return parts


def write_store(path: Path, n_cells: int) -> None:
    """Draw cells and write them, with their types at each number of them."""
    real = RealCells.read(shared_data(SOURCE), N_MEASURED)
    most = max(TYPES)
    codes = parts_of(len(real.codes), most)
    real = replace(real, codes=codes, types=pd.Index(range(most)))
    drawn: list[np.ndarray[tuple[int], np.dtype[np.intp]]] = []

    def rows() -> Iterator[sparse.csr_matrix]:
        for block, of_block in blocks(real, n_cells, GENES_PER_CELL, SEED):
            drawn.append(of_block)
            yield block.astype(np.float32)

    with h5py.File(path, "w") as file:
        _write_matrix(file, rows(), N_MEASURED)
        finest = np.concatenate(drawn)
        types = {n_types: finest * n_types // most for n_types in TYPES}
        _write_tables(file, types, real.var)


def write_cells(path: Path, store: StoredCells, n_cells: int) -> None:
    """Write so many rows of a store, from its start again where it ends."""
    runs = list(_runs(store.n_cells, n_cells))
    numbers = np.concatenate([np.arange(*run) for run in runs])
    with h5py.File(path, "w") as file:
        _write_matrix(file, (store.rows("X", *run).copy() for run in runs), len(store.var))
        types = {
            n_types: store.table.column(labels_key_of(n_types)).cat.codes.to_numpy()[numbers]
            for n_types in TYPES
        }
        _write_tables(file, types, store.var)


def _runs(n_stored: int, n_cells: int) -> Iterator[tuple[int, int]]:
    """Yield the first and last row, not included, of blocks of a store that make so many cells.

    >>> list(_runs(3000, 5000))
    [(0, 2048), (2048, 3000), (0, 2000)]
    """
    n_done = 0
    while n_done < n_cells:
        first = n_done % n_stored
        last = min(first + BLOCK_CELLS, n_stored, first + n_cells - n_done)
        yield first, last
        n_done += last - first


def _write_matrix(file: h5py.File, rows: Iterator[sparse.csr_matrix], n_genes: int) -> None:
    file.attrs["encoding-type"], file.attrs["encoding-version"] = "anndata", "0.1.0"
    writer = SparseWriter(file, "X", n_across=n_genes, dtype="f4")
    for block in rows:
        writer.append(block)
    writer.finish()


def _write_tables(
    file: h5py.File,
    types: dict[int, np.ndarray[tuple[int], np.dtype[np.intp]]],
    var: pd.DataFrame,
) -> None:
    columns = {
        labels_key_of(n_types): pd.Categorical.from_codes(
            codes, pd.Index([f"type {number}" for number in range(n_types)])
        )
        for n_types, codes in types.items()
    }
    n_cells = len(next(iter(types.values())))
    names = [f"CELL{number:09d}-1" for number in range(n_cells)]
    write_elem(file, "obs", pd.DataFrame(columns, index=names))
    write_elem(file, "var", var)
    for slot in ("uns", "obsm", "varm", "layers", "obsp", "varp"):
        write_elem(file, slot, {})
