"""A file of cells, of which no more is read than is asked for."""

import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anndata as ad
import pandas as pd
from anndata.io import read_elem
from scipy import sparse

from cellclassifier.data.counts.places import COUNTS_LAYER, RAW, no_such_layer
from cellclassifier.data.formats.failures import cannot_read
from cellclassifier.data.formats.h5ad import is_current, open_h5ad
from cellclassifier.data.formats.on_disk import Group, has_slot, stored_matrix
from cellclassifier.data.formats.orientation import GenesIn
from cellclassifier.data.formats.zarr_store import STORE_ERRORS, open_store
from cellclassifier.data.reading import TWICE, read_cells
from cellclassifier.data.streaming.buffers import Buffers
from cellclassifier.data.streaming.cell_table import (
    CellTable,
    TableInFile,
    TableInMemory,
    rows_of,
)
from cellclassifier.data.streaming.failures import broken_rows
from cellclassifier.data.streaming.finishing import finish_cut_off
from cellclassifier.data.streaming.plain_matrix import PlainMatrix
from cellclassifier.data.streaming.rows import read_rows, read_runs
from cellclassifier.data.streaming.zarr_chunks import BorderChunks
from cellclassifier.errors import FileFormatError

X = "X"


@dataclass(frozen=True, eq=False)
class StoredCells:
    """Cells whose matrices, and table where it is large, stay in their file.

    Parameters
    ----------
    path
        Of the file.
    matrices
        By the names of `find_counts`: ``X``, ``layers['…']``, ``raw.X``; (n_cells, n_genes).
    table
        What there is in ``obs``.
    var, raw_var
        The genes of the matrices, and those of ``raw.X`` where there is one.
    root
        The group of h5py or zarr that holds all that AnnData writes; None where the file is of
        another kind, and was read as `cells`.
    cells
        The AnnData, None where there is a `root`.
    """

    path: Path
    matrices: Mapping[str, Any]
    table: CellTable
    var: pd.DataFrame
    raw_var: pd.DataFrame | None = None
    root: Group | None = None
    cells: ad.AnnData | None = None
    _reading: threading.Lock = field(default_factory=threading.Lock)
    _buffers: Buffers = field(default_factory=Buffers)
    _borders: BorderChunks = field(default_factory=BorderChunks)
    _plain: dict[str, PlainMatrix | None] = field(default_factory=dict)

    @property
    def n_cells(self) -> int:
        """How many there are."""
        return len(self.table)

    def rows(self, place: str, start: int, stop: int) -> sparse.csr_matrix:
        """Return consecutive rows of a matrix.

        One thread asks HDF5 or zarr at a time; several unpack, or read what nothing was done to.
        They may lie in memory that the next call in the same thread overwrites.

        Raises
        ------
        FileFormatError
            The file is broken there.
        """
        matrix = self.matrices[place]
        try:
            plain = self._plain_matrix(place)
            if plain is not None:
                return plain.rows([slice(start, stop)], self._buffers)
            return read_rows(matrix, start, stop, self._buffers, self._reading, self._borders)
        except STORE_ERRORS as error:
            with self._reading:
                raise broken_rows(self.path, matrix, start, stop, error) from error

    def names(self, start: int, stop: int) -> pd.Index:
        """Return the names of consecutive cells, while other threads read."""
        with self._reading:
            return self.table.names(start, stop)

    def encoded_names(self, start: int, stop: int) -> list[bytes]:
        """Return them in UTF-8."""
        with self._reading:
            return self.table.encoded_names(start, stop)

    def some(self, runs: Sequence[slice], layer: str | None, columns: Sequence[str]) -> ad.AnnData:
        """Return runs of cells in memory: what `find_counts` looks at, and no more.

        Parameters
        ----------
        runs
            Of consecutive cells.
        layer
            The one layer to take, or None for the places that are looked through.
        columns
            Of the table of cells.

        Raises
        ------
        InputError
            There is no such layer.
        FileFormatError
            The file is broken there.
        """
        read = {name: self._runs(name, runs) for name in self.looked_through(layer)}
        layers = {key: read[name] for key in self.layers if (name := layer_name(key)) in read}
        raw = {"X": read[RAW], "var": self.raw_var} if RAW in read else None
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", TWICE, UserWarning)
            return ad.AnnData(
                read.get(X),
                obs=rows_of(self.table, runs, columns),
                var=self.var,
                layers=layers,
                raw=raw,
            )

    def looked_through(self, layer: str | None) -> list[str]:
        """Return the names of the matrices that `find_counts` looks at.

        Raises
        ------
        InputError
            There is no such layer.
        """
        if layer is not None and layer not in self.layers:
            raise no_such_layer(layer, self.layers)
        names = (layer_name(COUNTS_LAYER), X, RAW) if layer is None else (layer_name(layer),)
        return [name for name in names if name in self.matrices]

    @property
    def layers(self) -> list[str]:
        """Their names."""
        return [
            name.removeprefix("layers['").removesuffix("']")
            for name in self.matrices
            if name.startswith("layers[")
        ]

    def _runs(self, place: str, runs: Sequence[slice]) -> Any:  # noqa: ANN401
        matrix = self.matrices[place]
        try:
            plain = self._plain_matrix(place)
            return read_runs(matrix, runs) if plain is None else plain.rows(runs, Buffers())
        except STORE_ERRORS as error:
            raise broken_rows(self.path, matrix, runs[0].start, runs[-1].stop, error) from error

    def _plain_matrix(self, place: str) -> PlainMatrix | None:
        with self._reading:
            if place not in self._plain:
                self._plain[place] = PlainMatrix.of(self.matrices[place])
            return self._plain[place]


def layer_name(layer: str) -> str:
    """Return what `find_counts` calls a layer."""
    return f"layers['{layer}']"


def open_cells(path: str | Path, *, genes_in: GenesIn | None = None) -> StoredCells:
    """Open a file of cells: ``.h5ad``, ``.zarr`` and 10x ``.h5`` stay on disk, others are read.

    Parameters and errors are those of `read_cells`, and what was left of writing into it is
    finished, too.

    Examples
    --------
    >>> open_cells("cells.h5ad")
    Traceback (most recent call last):
    ...
    cellclassifier.errors.FileFormatError: there is no file 'cells.h5ad'; ...
    """
    path = Path(path)
    name = path.name.lower()
    if genes_in is None and path.exists():
        finish_cut_off(path)
        if name.endswith(".h5ad"):
            file = open_h5ad(path)
            if is_current(file):
                return _in_file(path, file)
        elif name.endswith(".zarr"):
            return _in_file(path, open_store(path))
    cells = read_cells(path, genes_in=genes_in)
    matrices = {X: cells.X} if cells.X is not None else {}
    matrices |= {layer_name(key): cells.layers[key] for key in cells.layers if key is not None}
    if cells.raw is not None:
        matrices[RAW] = cells.raw.X
    raw = None if cells.raw is None else cells.raw.var
    return StoredCells(
        path, matrices, TableInMemory(cells.obs), cells.var, raw_var=raw, cells=cells
    )


def _in_file(path: Path, root: Group) -> StoredCells:
    try:
        table, var = TableInFile(root["obs"]), read_elem(root["var"])
        matrices = {X: stored_matrix(root[X])} if has_slot(root, X) else {}
        if has_slot(root, "layers"):
            layers = root["layers"]
            matrices |= {layer_name(key): stored_matrix(layers[key]) for key in layers}
        raw_genes = None
        if has_slot(root, "raw"):
            matrices[RAW] = stored_matrix(root["raw"]["X"])
            raw_genes = read_elem(root["raw"]["var"])
        for name, matrix in matrices.items():
            genes = raw_genes if name == RAW and raw_genes is not None else var
            _check_shape(name, matrix, len(table), len(genes))
    except STORE_ERRORS as error:
        raise cannot_read(path, "AnnData", error) from error
    return StoredCells(path, matrices, table, var, raw_var=raw_genes, root=root)


def _check_shape(name: str, matrix: Any, n_cells: int, n_genes: int) -> None:  # noqa: ANN401
    if tuple(matrix.shape) != (n_cells, n_genes):
        raise FileFormatError(
            f"{name} is of {matrix.shape[0]:,} cells and {matrix.shape[1]:,} genes, but its tables "
            f"name {n_cells:,} cells and {n_genes:,} genes"
        )
