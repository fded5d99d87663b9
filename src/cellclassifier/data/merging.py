"""Columns of one gene become one column."""

from dataclasses import replace

import numpy as np
from scipy import sparse

from cellclassifier.data.genes import GenePanel
from cellclassifier.data.resolution import number_genes


def merge_duplicates(
    counts: sparse.csr_matrix, genes: GenePanel
) -> tuple[sparse.csr_matrix, GenePanel]:
    """Add the counts of the columns of one gene, at the place of the first of them.

    Parameters
    ----------
    counts
        Shape (n_cells, n_columns), CSR; returned as it is where no gene has two columns.
    genes
        The genes of the columns.

    Examples
    --------
    >>> counts, genes = merge_duplicates(
    ...     sparse.csr_matrix(np.array([[1, 2, 4]])), GenePanel.of_names(["CD3D", "LYZ", "CD3D"])
    ... )
    >>> counts.toarray().tolist(), genes.symbols.tolist()
    ([[5, 2]], ['CD3D', 'LYZ'])
    """
    numbers = number_genes(genes.ensembl_ids, genes.symbols)
    n_genes = int(numbers.max(initial=-1)) + 1
    if n_genes == len(genes):
        return counts, genes
    merged = sparse.csr_matrix(
        (counts.data.copy(), numbers[counts.indices].astype(np.int32), counts.indptr.copy()),
        shape=(counts.shape[0], n_genes),
    )
    merged.sum_duplicates()
    _, first = np.unique(numbers, return_index=True)
    return merged, replace(genes[first], resolution=genes.resolution)
