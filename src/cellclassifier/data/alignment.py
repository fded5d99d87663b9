"""From raw counts of any genes to the counts of a panel."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.data.counts import RawCounts
from cellclassifier.data.genes import GenePanel
from cellclassifier.data.matching import MIN_GENE_COVERAGE, GeneMatch, match_genes
from cellclassifier.data.selection import gather_columns


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
    """Move the columns of one block of cells to their places in the panel; see `gather_columns`."""
    return gather_columns(counts, match.target, match.n_panel)
