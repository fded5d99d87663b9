"""The genes of a panel, from a file."""

import csv
from pathlib import Path

from cellclassifier.data.names import read_names
from cellclassifier.errors import FileFormatError

WHAT = "gene list"
# the columns of the tables that the commands panel and genes write; the first that is filled counts
NAME_COLUMNS = ("ensembl_id", "gene_symbol")


def read_gene_list(path: str | Path) -> list[str]:
    r"""Read the names of genes, in their order.

    Parameters
    ----------
    path
        A CSV with the column ``ensembl_id`` or ``gene_symbol``, or both, such as
        ``cellclassifier panel`` writes; or one name a line.

    Raises
    ------
    FileFormatError
        There is no such file, it is no text, or a line has no name.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
    ...     _ = file.write("rank,ensembl_id,gene_symbol\n1,,MS4A1\n2,ENSG00000167286,CD3D\n")
    ...     file.flush()
    ...     read_gene_list(file.name)
    ['MS4A1', 'ENSG00000167286']
    """
    path = Path(path)
    if not path.is_file():
        raise FileFormatError(
            f"there is no {WHAT} '{path}'; genes are a number, 'all', or a file with their names"
        )
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            if not set(NAME_COLUMNS) & set(table.fieldnames or ()):
                return read_names(path, WHAT)
            return [_name(row, path) for row in table]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FileFormatError(f"the {WHAT} '{path}' is not a text: {error}") from error


def _name(row: dict[str, str | None], path: Path) -> str:
    for column in NAME_COLUMNS:
        name = (row.get(column) or "").strip()
        if name:
            return name
    raise FileFormatError(f"the {WHAT} '{path}' has a line without a gene's name: {row}")
