"""Columns of one gene become one column."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
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
    return add_columns(counts, numbers, n_genes), first_of_each(genes, numbers)


def add_columns(
    counts: sparse.csr_matrix, numbers: npt.NDArray[np.intp], n_genes: int
) -> sparse.csr_matrix:
    """Add the counts of the columns of one number; `numbers` has the shape (n_columns,)."""
    merged = sparse.csr_matrix(
        (counts.data.copy(), numbers[counts.indices].astype(np.int32), counts.indptr.copy()),
        shape=(counts.shape[0], n_genes),
    )
    merged.sum_duplicates()
    return merged


def first_of_each(genes: GenePanel, numbers: npt.NDArray[np.intp]) -> GenePanel:
    """Return the first gene of each number, from 0."""
    _, first = np.unique(numbers, return_index=True)
    return replace(genes[first], resolution=genes.resolution)
