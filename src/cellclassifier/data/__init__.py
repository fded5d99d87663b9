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
from cellclassifier.data.gene_lists import read_gene_list
from cellclassifier.data.gene_order import GeneOrder, order_genes
from cellclassifier.data.genes import GeneMatch, GenePanel, match_genes
from cellclassifier.data.names import read_names
from cellclassifier.data.normalisation import Normalisation
from cellclassifier.data.ranking import GeneRanking, rank_genes
from cellclassifier.data.reading import read_cells
from cellclassifier.data.redundancy import GeneChoice, choose_genes
from cellclassifier.data.splitting import stratified_folds, stratified_split
from cellclassifier.data.tenx import TENX_FILES, read_tenx_folder

__all__ = [
    "TENX_FILES",
    "AlignedCounts",
    "GeneChoice",
    "GeneMatch",
    "GeneOrder",
    "GenePanel",
    "GeneRanking",
    "Normalisation",
    "RawCounts",
    "align_genes",
    "check_cells_path",
    "choose_genes",
    "find_counts",
    "match_genes",
    "order_genes",
    "rank_genes",
    "read_cells",
    "read_gene_list",
    "read_labels",
    "read_names",
    "read_predictions",
    "read_tenx_folder",
    "read_training_labels",
    "select_genes",
    "stratified_folds",
    "stratified_split",
    "write_cells",
    "write_predictions",
]
