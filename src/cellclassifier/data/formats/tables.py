"""Tables of counts as text, cells x genes or genes x cells."""

import csv
import gzip
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from cellclassifier.data.formats.failures import READ_ERRORS, cannot_read
from cellclassifier.data.formats.orientation import GenesIn, genes_are_in
from cellclassifier.data.formats.precision import narrowed
from cellclassifier.data.formats.record import record
from cellclassifier.errors import FileFormatError

SEPARATORS = {"comma": ",", "tab": "\t", "semicolon": ";", "space": " "}
# numbers in memory at one time before zeros are dropped
BLOCK_VALUES = 2**23
ENCODING = "utf-8-sig"


@dataclass(frozen=True)
class _Layout:
    """How the text is laid out.

    Parameters
    ----------
    separator
        Between fields.
    columns
        The names of the columns, without that of the row names.
    """

    separator: str
    columns: tuple[str, ...]


def read_table(path: Path, genes_in: GenesIn | None = None) -> ad.AnnData:
    """Read a table whose first line and first column are names.

    Fields are separated by commas, tabs, semicolons or spaces, and may be quoted; the first line
    may name the column of names, leave its field empty, or leave it out, as R's ``write.table``
    does. The table is read in blocks of rows, so that zeros take no memory.

    Parameters
    ----------
    path
        Plain or ``.gz``.
    genes_in
        Where the genes are; None where the names of genes prove it.

    Returns
    -------
    cells
        Counts as CSR, shape (n_cells, n_genes): float32, or float64 where values need it.

    Raises
    ------
    FileFormatError
        It is not such a table, or nothing proves where its genes are.
    """
    try:
        layout = _layout_of(path)
        values, rows = _read_values(path, layout)
        where = genes_are_in(rows, layout.columns, genes_in)
    except READ_ERRORS as error:
        raise cannot_read(path, "a table of counts", error) from error
    if where == "rows":
        values, cells, genes = sparse.csr_matrix(values.T), list(layout.columns), rows
    else:
        cells, genes = rows, list(layout.columns)
    return record(
        ad.AnnData(
            values,
            obs=pd.DataFrame(index=pd.Index(cells, dtype=object)),
            var=pd.DataFrame(index=pd.Index(genes, dtype=object)),
        ),
        "table",
        genes_in=where,
        proof="told" if genes_in else "names of genes",
    )


def _open(path: Path) -> TextIO:
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", encoding=ENCODING, newline="")
    return path.open(encoding=ENCODING, newline="")


def _layout_of(path: Path) -> _Layout:
    with _open(path) as file:
        lines = [line for line in islice(file, 2) if line.strip()]
    if len(lines) < 2:
        raise FileFormatError(f"it has {len(lines)} lines, but names and numbers are expected")
    first_choice = "comma" if ".csv" in path.suffixes[-2:] else "tab"
    lengths = {}
    for name in sorted(SEPARATORS, key=lambda name: name != first_choice):
        header, row = csv.reader(lines, delimiter=SEPARATORS[name])
        if len(row) >= 2 and len(row) - len(header) in (0, 1):
            return _Layout(SEPARATORS[name], _column_names(header, row))
        lengths[name] = (len(header), len(row))
    raise FileFormatError(
        "its first two lines do not fit together: their numbers of fields are "
        f"{', '.join(f'{a} and {b} by {name}' for name, (a, b) in lengths.items())}"
    )


def _column_names(header: list[str], row: list[str]) -> tuple[str, ...]:
    if len(header) == len(row) and header[0] and _is_number(row[0]):
        raise FileFormatError(
            f"its first column, '{header[0]}', holds the number {row[0]}, where the name of the "
            "row is expected; where these are names, leave the first field of the first line empty"
        )
    names = header[len(header) - len(row) + 1 :]
    if "" in names:
        raise FileFormatError(f"column {names.index('') + 2} of its first line has no name")
    return tuple(names)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _read_values(path: Path, layout: _Layout) -> tuple[sparse.csr_matrix, list[str]]:
    blocks: list[sparse.csr_matrix] = []
    rows: list[str] = []
    for table in _blocks(path, layout):
        values = table.iloc[:, 1:].to_numpy(dtype=np.float64)
        rows += table.iloc[:, 0].astype(str).tolist()
        if not np.isfinite(values).all():
            row, column = np.argwhere(~np.isfinite(values))[0]
            raise FileFormatError(
                f"row '{table.iloc[row, 0]}' has {values[row, column]} for "
                f"'{layout.columns[column]}', not a number"
            )
        blocks.append(sparse.csr_matrix(narrowed(values)))
    return sparse.csr_matrix(sparse.vstack(blocks, format="csr")), rows


def _blocks(path: Path, layout: _Layout) -> Iterator[pd.DataFrame]:
    n_columns = len(layout.columns) + 1
    n_rows = max(BLOCK_VALUES // n_columns, 1)
    kinds: dict[int, Any] = {0: str} | dict.fromkeys(range(1, n_columns), np.float64)
    n_read = 0
    try:
        with _reader(path, layout, kinds, n_rows) as reader:
            for block in reader:
                yield block
                n_read += len(block)
    except ValueError as error:
        if isinstance(error, pd.errors.ParserError | UnicodeDecodeError | FileFormatError):
            raise
        raise _first_text(path, layout, n_rows, skip=n_read) or error from error


def _reader(path: Path, layout: _Layout, kinds: Any, n_rows: int) -> Any:  # noqa: ANN401
    return pd.read_csv(
        path,
        sep=layout.separator,
        header=None,
        skiprows=1,
        names=range(len(layout.columns) + 1),
        index_col=False,
        dtype=kinds,
        na_filter=False,
        chunksize=n_rows,
        encoding=ENCODING,
    )


def _first_text(path: Path, layout: _Layout, n_rows: int, *, skip: int) -> FileFormatError | None:
    """Find the first field after `skip` rows that is no number."""
    n_seen = 0
    with _reader(path, layout, str, n_rows) as reader:
        for block in reader:
            n_seen += len(block)
            if n_seen <= skip:
                continue
            for row in block.itertuples(index=False):
                for name, text in zip(layout.columns, row[1:], strict=True):
                    if not _is_number(str(text)):
                        held = f"'{text}'" if isinstance(text, str) and text else "nothing"
                        return FileFormatError(
                            f"row '{row[0]}' has {held} for '{name}', where a number is expected; "
                            "keep names of cells and genes, and counts alone"
                        )
    return None
