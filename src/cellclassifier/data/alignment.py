"""From raw counts of any genes to the counts of a panel."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.data.counts import RawCounts
from cellclassifier.data.genes import GenePanel
from cellclassifier.data.matching import MIN_GENE_COVERAGE, GeneMatch, match_genes
from cellclassifier.data.selection import select_columns


@dataclass(frozen=True, eq=False)
class AlignedCounts:
    """Counts in the gene order of a panel.

    Parameters
    ----------
    counts
        Shape (n_cells, n_panel), CSR, float32; a gene that was not measured is zero.
    library_size
        Shape (n_cells,): the counts of each cell over all measured genes, in the panel or not.
    gene_coverage
        The share of the panel's genes that were measured, in [0, 1].
    """

    counts: sparse.csr_matrix
    library_size: npt.NDArray[np.float64]
    gene_coverage: float


def align_genes(
    raw: RawCounts, panel: GenePanel, *, min_coverage: float = MIN_GENE_COVERAGE
) -> AlignedCounts:
    """Bring counts into the gene order of `panel`.

    Raises
    ------
    GeneOverlapError
        Less than `min_coverage` of the panel was measured.
    """
    match = match_genes(raw.genes, panel, min_coverage=min_coverage)
    return AlignedCounts(select_genes(raw.counts, match), raw.library_size, match.gene_coverage)


def select_genes(counts: sparse.csr_matrix, match: GeneMatch) -> sparse.csr_matrix:
    """Move the columns of one block of cells to their places in the panel.

    The result has sorted indices, so that the same cells give the same bits however their genes
    were ordered; counts of several columns that go to one place are added.
    """
    n_values = len(counts.data)
    values, places = np.empty(n_values, np.float32), np.empty(n_values, np.int32)
    row_ends = np.empty(counts.shape[0] + 1, np.int64)
    n_selected = select_columns(
        counts.data,
        counts.indices,
        counts.indptr,
        match.target.astype(np.int32),
        (values, places, row_ends),
        match.n_panel,
    )
    aligned = sparse.csr_matrix(
        (values[:n_selected], places[:n_selected], row_ends),
        shape=(counts.shape[0], match.n_panel),
    )
    aligned.has_canonical_format = True
    return aligned
