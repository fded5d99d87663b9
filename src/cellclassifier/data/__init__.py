"""Files to aligned sparse counts and back: the only place that knows AnnData's slots."""

from cellclassifier.data.alignment import AlignedCounts, align_genes, select_genes
from cellclassifier.data.annotations import (
    check_cells_path,
    read_labels,
    read_predictions,
    write_cells,
    write_predictions,
)
from cellclassifier.data.counts import RawCounts, find_counts, total_counts
from cellclassifier.data.formats.record import READING_KEY
from cellclassifier.data.formats.tenx_folder import TENX_FILES, read_tenx_folder
from cellclassifier.data.formats.zarr_store import check_not_in_use
from cellclassifier.data.gene_factors import GeneFactors, StandIn, principal_axes
from cellclassifier.data.gene_lists import read_gene_list
from cellclassifier.data.gene_order import GeneOrder, order_genes
from cellclassifier.data.genes import GenePanel
from cellclassifier.data.matching import GeneMatch, match_genes
from cellclassifier.data.names import read_names
from cellclassifier.data.normalisation import Normalisation
from cellclassifier.data.ranking import GeneRanking, rank_genes
from cellclassifier.data.reading import read_cells
from cellclassifier.data.redundancy import GeneChoice, choose_genes
from cellclassifier.data.reference import CountsArguments, LabelledCounts
from cellclassifier.data.splitting import stratified_folds, stratified_split
from cellclassifier.data.view_moments import ViewMoments
from cellclassifier.data.views import sparse_views

__all__ = [
    "READING_KEY",
    "TENX_FILES",
    "AlignedCounts",
    "CountsArguments",
    "GeneChoice",
    "GeneFactors",
    "GeneMatch",
    "GeneOrder",
    "GenePanel",
    "GeneRanking",
    "LabelledCounts",
    "Normalisation",
    "RawCounts",
    "StandIn",
    "ViewMoments",
    "align_genes",
    "check_cells_path",
    "check_not_in_use",
    "choose_genes",
    "find_counts",
    "match_genes",
    "order_genes",
    "principal_axes",
    "rank_genes",
    "read_cells",
    "read_gene_list",
    "read_labels",
    "read_names",
    "read_predictions",
    "read_tenx_folder",
    "select_genes",
    "sparse_views",
    "stratified_folds",
    "stratified_split",
    "total_counts",
    "write_cells",
    "write_predictions",
]
