"""The annotations alone, as a table."""

import csv
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
from cellclassifier.data.streaming.filling import Results
from cellclassifier.errors import MissingExtraError

CSV, CSV_GZ, PARQUET = ".csv", ".csv.gz", ".parquet"
NAME_COLUMN = "cell"
# so many tell every float32 number from the next
FLOAT32_DIGITS = 9


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
        with gzip.open(path, "wt", encoding="utf-8", newline="", compresslevel=6) as stream:
            _write_csv(stream, results)
    else:
        with path.open("w", encoding="utf-8", newline="") as stream:
            _write_csv(stream, results)


def _write_csv(stream: IO[str], results: Results) -> None:
    writer = csv.writer(stream, lineterminator="\n")
    names = [column.name for column in _told(results)]
    writer.writerow([NAME_COLUMN, *names, *map(_short, results.further)])
    for block in _blocks(results):
        writer.writerows(zip(*(_texts(values) for values in block.values()), strict=True))


def _texts(values: Any) -> list[Any]:  # noqa: ANN401  (as pandas holds columns)
    """Return values as csv writes them best."""
    values = _plain(values)
    if values.dtype == np.float32:
        return [f"{value:.{FLOAT32_DIGITS}g}" for value in values.tolist()]
    return list(values)


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
        for block in _blocks(results):
            table = arrow.table({name: _plain(values) for name, values in block.items()})
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
    """Yield the columns of blocks of cells, by their names."""
    kept, columns = results.kept, _told(results)
    each = kept.rows([column.key for column in columns])
    for (start, stop), arrays in zip(kept.bounds, each, strict=True):
        block: dict[str, Any] = {NAME_COLUMN: np.asarray(results.table.names(start, stop))}
        for column, values in zip(columns, arrays, strict=True):
            block[column.name] = column.of(values, results.label_space)
        further = {_short(key): values[start:stop] for key, values in results.further.items()}
        yield block | further


def _short(key: str) -> str:
    """Return the name of a further column in a table of annotations alone."""
    return key.removeprefix(f"{LABEL_KEY}_")
