"""Published sets of cells: addresses to one checked file with labels."""

from cellclassifier.fetching.assembly import FetchedCells, fetch_cells
from cellclassifier.fetching.cache import Downloads
from cellclassifier.fetching.catalogue import CellSet, SourceFile, read_catalogue
from cellclassifier.fetching.listing import describe_sets
from cellclassifier.fetching.progress import Watcher, download_bars

__all__ = [
    "CellSet",
    "Downloads",
    "FetchedCells",
    "SourceFile",
    "Watcher",
    "describe_sets",
    "download_bars",
    "fetch_cells",
    "read_catalogue",
]
