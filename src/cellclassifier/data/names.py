"""Lists of names: genes or cell types, one a line."""

import csv
from pathlib import Path

from cellclassifier.errors import FileFormatError
from cellclassifier.labels import shown


def read_names(path: str | Path, what: str) -> list[str]:
    """Read names from a text file or a CSV, one name a line, in their order.

    Parameters
    ----------
    path
        A ``.csv`` is read as such, so that a quoted name may hold a comma; in any other file the
        whole line is the name. There is no heading.
    what
        What an error calls the file, such as ``"list of genes"``.

    Raises
    ------
    FileFormatError
        There is no such file, it is no text, it is empty, or a line is empty or has several names.

    Examples
    --------
    >>> read_names("genes.txt", "list of genes")
    Traceback (most recent call last):
    ...
    cellclassifier.errors.FileFormatError: there is no list of genes 'genes.txt'; ...
    """
    path = Path(path)
    if not path.is_file():
        raise FileFormatError(
            f"there is no {what} '{path}'; the folder seen from is '{Path.cwd()}'"
        )
    separator = "," if path.suffix == ".csv" else "\t"
    try:
        text = path.read_text(encoding="utf-8-sig").rstrip()
        rows = list(csv.reader(text.splitlines(), delimiter=separator))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FileFormatError(f"the {what} '{path}' is not a text: {error}") from error
    names = [row[0].strip() if len(row) == 1 else "" for row in rows]
    if not all(names) or not names:
        number = names.index("") if names else 0
        raise FileFormatError(
            f"the {what} '{path}' has to have one name a line; "
            f"line {number + 1} has {shown(rows[number]) if rows else 'nothing'}"
        )
    return names
