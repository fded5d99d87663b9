"""The annotations alone, as a table."""

import gzip
import importlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cellclassifier.data.annotations import LABEL_KEY
from cellclassifier.data.streaming.columns import COLUMNS, Column
from cellclassifier.data.streaming.delimited import rows_of_texts, texts_of, texts_of_names
from cellclassifier.data.streaming.filling import Results
from cellclassifier.errors import MissingExtraError

CSV, CSV_GZ, PARQUET = ".csv", ".csv.gz", ".parquet"
NAME_COLUMN = "cell"


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


def write_list(path: Path, results: Results) -> None:
    """Write one row a cell: its name, and the columns of `COLUMNS`."""
    if path.suffix.lower() == PARQUET:
        _write_parquet(path, results)
    elif path.suffix.lower() == ".gz":
        with gzip.open(path, "wb", compresslevel=6) as packed:
            _write_csv(packed, results)
    else:
        with path.open("wb") as stream:
            _write_csv(stream, results)


def _write_csv(stream: IO[bytes] | gzip.GzipFile, results: Results) -> None:
    names = [NAME_COLUMN, *(column.name for column in _told(results))]
    names += map(_short, results.further)
    stream.write(rows_of_texts([texts_of([name]) for name in names]).data)
    for (start, stop), block in zip(results.kept.bounds, _blocks(results), strict=True):
        cells = texts_of_names(results.table.encoded_names(start, stop))
        stream.write(rows_of_texts([cells, *map(texts_of, block.values())]).data)


def _plain(values: Any) -> npt.NDArray[Any]:  # noqa: ANN401
    """Return values as an array, those that are missing as empty texts."""
    if not isinstance(values, pd.Categorical):
        return np.asarray(values)
    texts: npt.NDArray[Any] = np.array([*values.categories, ""], dtype=object)[values.codes]
    return texts


def _write_parquet(path: Path, results: Results) -> None:
    arrow, parquet = (importlib.import_module(name) for name in ("pyarrow", "pyarrow.parquet"))
    writer: Any = None
    try:
        for (start, stop), block in zip(results.kept.bounds, _blocks(results), strict=True):
            cells = {NAME_COLUMN: np.asarray(results.table.names(start, stop))}
            columns = {name: _plain(values) for name, values in block.items()}
            table = arrow.table(cells | columns)
            writer = writer or parquet.ParquetWriter(path, table.schema)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


def _told(results: Results) -> list[Column]:
    """Return the columns that the model tells."""
    keys = results.kept.keys()
    return [column for column in COLUMNS if column.key in keys]


def _blocks(results: Results) -> Iterator[dict[str, Any]]:
    """Yield the columns of blocks of cells, by their names, without those of the cells."""
    kept, columns = results.kept, _told(results)
    each = kept.rows([column.key for column in columns])
    for (start, stop), arrays in zip(kept.bounds, each, strict=True):
        block = {
            column.name: column.of(values, results.label_space)
            for column, values in zip(columns, arrays, strict=True)
        }
        further = {_short(key): values[start:stop] for key, values in results.further.items()}
        yield block | further


def _short(key: str) -> str:
    """Return the name of a further column in a table of annotations alone."""
    return key.removeprefix(f"{LABEL_KEY}_")
