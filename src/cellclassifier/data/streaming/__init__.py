"""Files of cells gone through block by block, in memory that does not grow with them.

In order of use: `stored` opens a file and reads rows of it, `settling` says on a sample where the
counts are and holds each block to it, `ahead` works on several blocks at once, `kept` keeps what is
done, `output` writes it.
"""

from cellclassifier.data.streaming.ahead import map_ahead
from cellclassifier.data.streaming.annotation import FileAnnotation
from cellclassifier.data.streaming.claim import claimed
from cellclassifier.data.streaming.collecting import old_objects_set_aside
from cellclassifier.data.streaming.columns import to_arrays
from cellclassifier.data.streaming.filling import Results, provenance_of
from cellclassifier.data.streaming.finishing import finish_changes
from cellclassifier.data.streaming.gathering import GatheredCells
from cellclassifier.data.streaming.identity import Looks, check_unchanged, identity_of, may_be_same
from cellclassifier.data.streaming.kept import Arrays, KeptBlocks
from cellclassifier.data.streaming.output import Output, check_output, choose_output
from cellclassifier.data.streaming.repairs import RowSums, sum_of, sum_of_sample
from cellclassifier.data.streaming.settling import SettledCounts
from cellclassifier.data.streaming.stored import StoredCells, open_cells
from cellclassifier.data.streaming.turning import by_rows

__all__ = [
    "Arrays",
    "FileAnnotation",
    "GatheredCells",
    "KeptBlocks",
    "Looks",
    "Output",
    "Results",
    "RowSums",
    "SettledCounts",
    "StoredCells",
    "by_rows",
    "check_output",
    "check_unchanged",
    "choose_output",
    "claimed",
    "finish_changes",
    "identity_of",
    "map_ahead",
    "may_be_same",
    "old_objects_set_aside",
    "open_cells",
    "provenance_of",
    "sum_of",
    "sum_of_sample",
    "to_arrays",
]
