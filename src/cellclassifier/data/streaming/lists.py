"""The annotations alone, as a table, written block by block while further cells are named."""

import gzip
import importlib
import importlib.util
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cellclassifier.data.annotations import LABEL_KEY
from cellclassifier.data.streaming.columns import COLUMNS
from cellclassifier.data.streaming.delimited import rows_of_texts, texts_of, texts_of_names
from cellclassifier.data.streaming.filling import Results
from cellclassifier.data.streaming.kept import Arrays
from cellclassifier.data.streaming.stored import StoredCells
from cellclassifier.errors import MissingExtraError

CSV, CSV_GZ, PARQUET = ".csv", ".csv.gz", ".parquet"
NAME_COLUMN = "cell"

# the columns of a block of cells, by their names, without those of the cells
Columns = dict[str, Any]


def is_list(path: Path) -> bool:
    """Tell whether a table is meant, by the name."""
    return path.name.lower().endswith((CSV, CSV_GZ, PARQUET))


def check_list(path: Path) -> None:
    """Refuse a kind of table that needs a package which is not there.

    Raises
    ------
    MissingExtraError
        Parquet needs pyarrow.
    """
    if path.suffix.lower() == PARQUET and importlib.util.find_spec("pyarrow") is None:
        raise MissingExtraError(
            f"writing '{path.name}' needs the package pyarrow: "
            "pip install 'cellclassifier[parquet]'; or write a .csv or .csv.gz"
        )


class _Table(ABC):
    """A table that grows by blocks of rows."""

    @abstractmethod
    def encoded(self, cells: StoredCells, bounds: tuple[int, int], columns: Columns) -> Any:  # noqa: ANN401
        """Return some rows as they are written; several threads may ask at once."""

    @abstractmethod
    def append(self, columns: list[str], rows: Any) -> None:  # noqa: ANN401  (what `encoded` gave)
        """Write the next rows; the first ones say what columns there are."""

    @abstractmethod
    def close(self) -> None:
        """Write what is left; a second time does nothing."""


class _Csv(_Table):
    def __init__(self, path: Path) -> None:
        is_packed = path.suffix.lower() == ".gz"
        self.stream = gzip.open(path, "wb", compresslevel=6) if is_packed else path.open("wb")  # noqa: SIM115  (it is closed by `close`)
        self.is_begun = False

    def encoded(self, cells: StoredCells, bounds: tuple[int, int], columns: Columns) -> Any:  # noqa: ANN401
        names = texts_of_names(cells.encoded_names(*bounds))
        return rows_of_texts([names, *map(texts_of, columns.values())]).data

    def append(self, columns: list[str], rows: Any) -> None:  # noqa: ANN401
        if not self.is_begun:
            header = [NAME_COLUMN, *columns]
            self.stream.write(rows_of_texts([texts_of([name]) for name in header]).data)
            self.is_begun = True
        self.stream.write(rows)

    def close(self) -> None:
        self.stream.close()


class _Parquet(_Table):
    def __init__(self, path: Path) -> None:
        self.path = path
        self.arrow, self.parquet = map(importlib.import_module, ("pyarrow", "pyarrow.parquet"))
        self.writer: Any = None

    def encoded(self, cells: StoredCells, bounds: tuple[int, int], columns: Columns) -> Any:  # noqa: ANN401
        names = {NAME_COLUMN: np.asarray(cells.names(*bounds))}
        return self.arrow.table(names | {name: _plain(told) for name, told in columns.items()})

    def append(self, columns: list[str], rows: Any) -> None:  # noqa: ANN401
        del columns  # the rows know
        self.writer = self.writer or self.parquet.ParquetWriter(self.path, rows.schema)
        self.writer.write_table(rows)

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()


@dataclass(eq=False)
class ListWriter:
    """One row a cell: its name, and the columns of `COLUMNS`.

    Whoever names a block makes text of it at once, and whoever has the next one writes it: nothing
    is left for the end.

    Parameters
    ----------
    table
        Where rows go, in the order of the cells.
    cells
        Their names.
    results
        What is kept of them.
    before
        The numbers of the blocks that an earlier call kept.
    """

    table: _Table
    cells: StoredCells
    results: Results
    before: frozenset[int] = frozenset()
    _ready: dict[int, tuple[list[str], Any]] = field(default_factory=dict)
    _next: int = 0
    _turn: Lock = field(default_factory=Lock)

    @classmethod
    def begin(cls, path: Path, cells: StoredCells, results: Results) -> "ListWriter":
        """Begin a table, of the kind that the name says."""
        table = _Parquet(path) if path.suffix.lower() == PARQUET else _Csv(path)
        kept = results.kept
        return cls(table, cells, results, frozenset(range(len(kept.bounds))) - {*kept.missing()})

    def add(self, number: int, arrays: Arrays) -> None:
        """Take a block that was kept just now, and write all whose turn it is.

        Several threads may ask at once.
        """
        encoded = self._encoded(number, arrays)
        with self._turn:
            self._ready[number] = encoded
            while self._next in self._ready or self._next in self.before:
                self._write_next()

    def finish(self) -> None:
        """Write the blocks that nobody added, and close the table."""
        with self._turn:
            while self._next < len(self.results.kept.bounds):
                self._write_next()
        self.table.close()

    def _write_next(self) -> None:
        number = self._next
        encoded = self._ready.pop(number, None)
        if encoded is None:
            encoded = self._encoded(number, self.results.kept.block(number))
        self.table.append(*encoded)
        self._next += 1

    def _encoded(self, number: int, arrays: Arrays) -> tuple[list[str], Any]:
        """Return the names of the columns, and the rows of a block."""
        results, bounds = self.results, self.results.kept.bounds[number]
        columns: Columns = {
            column.name: column.of(arrays[column.key], results.label_space)
            for column in COLUMNS
            if column.key in arrays
        }
        columns |= {_short(key): told[slice(*bounds)] for key, told in results.further.items()}
        return list(columns), self.table.encoded(self.cells, bounds, columns)


def _plain(values: Any) -> npt.NDArray[Any]:  # noqa: ANN401
    """Return values as an array, those that are missing as empty texts."""
    if not isinstance(values, pd.Categorical):
        return np.asarray(values)
    texts: npt.NDArray[Any] = np.array([*values.categories, ""], dtype=object)[values.codes]
    return texts


def _short(key: str) -> str:
    """Return the name of a further column in a table of annotations alone."""
    return key.removeprefix(f"{LABEL_KEY}_")
