"""Which axis of a bare matrix the genes are on."""

from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

from cellclassifier.data.gene_table import known_share
from cellclassifier.errors import FileFormatError
from cellclassifier.labels import shown

GenesIn: TypeAlias = Literal["rows", "columns"]

# of the names of an axis that are genes of human or mouse: what proves genes, what proves cells
MIN_SHARE_OF_GENES = 0.5
MAX_SHARE_OF_CELLS = 0.05


def genes_are_in(
    row_names: Sequence[str], column_names: Sequence[str], told: GenesIn | None
) -> GenesIn:
    """Return what the user told, or else what the names prove.

    Raises
    ------
    FileFormatError
        Nothing was told, and the names prove nothing; or a name is there twice.

    Examples
    --------
    >>> genes_are_in(["CD3D", "MS4A1"], ["AAACATACAACCAC-1", "AAACATTGAGCTAC-1"], None)
    'rows'
    """
    for names, axis in ((row_names, "rows"), (column_names, "columns")):
        if repeated := _first_repeated(names):
            raise FileFormatError(f"two of its {axis} are named '{repeated}'; names have to differ")
    if told is not None:
        return told
    shares = known_share(row_names), known_share(column_names)
    if shares[0] >= MIN_SHARE_OF_GENES and shares[1] <= MAX_SHARE_OF_CELLS:
        return "rows"
    if shares[1] >= MIN_SHARE_OF_GENES and shares[0] <= MAX_SHARE_OF_CELLS:
        return "columns"
    raise FileFormatError(
        f"nothing proves where its genes are: {shares[0]:.0%} of its rows ({shown(row_names)}) and "
        f"{shares[1]:.0%} of its columns ({shown(column_names)}) are known genes of human or "
        'mouse; say it: genes_in="rows" or "columns" (--genes-in on the command line)'
    )


def _first_repeated(names: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
