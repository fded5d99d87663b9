"""Files to aligned sparse counts and back: the only place that knows AnnData's slots."""

from cellclassifier.data.alignment import AlignedCounts, align_genes, select_genes
from cellclassifier.data.annotations import (
    check_cells_path,
    read_labels,
    read_predictions,
    read_training_labels,
    write_cells,
    write_predictions,
)
from cellclassifier.data.counts import RawCounts, find_counts
from cellclassifier.data.genes import GeneMatch, GenePanel, match_genes
from cellclassifier.data.normalisation import Normalisation
from cellclassifier.data.ranking import GeneRanking, rank_genes
from cellclassifier.data.reading import read_cells
from cellclassifier.data.splitting import stratified_split

__all__ = [
    "AlignedCounts",
    "GeneMatch",
    "GenePanel",
    "GeneRanking",
    "Normalisation",
    "RawCounts",
    "align_genes",
    "check_cells_path",
    "find_counts",
    "match_genes",
    "rank_genes",
    "read_cells",
    "read_labels",
    "read_predictions",
    "read_training_labels",
    "select_genes",
    "stratified_split",
    "write_cells",
    "write_predictions",
]
