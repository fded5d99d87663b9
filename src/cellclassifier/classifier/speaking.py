"""The genes that speak for each type, and how they are expressed among cells that were named."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.evaluation.survey import GeneDots

GENES_PER_TYPE = 5
# of many types, fewer genes each: a plot of hundreds of columns is not read
MAX_GENES = 100


def gene_dots(
    expression: sparse.csr_matrix,
    codes: npt.NDArray[np.integer],
    labels: Sequence[str],
    gene_names: npt.NDArray[np.object_],
    chosen: Mapping[str, Sequence[str]],
) -> GeneDots:
    """Summarise the expression of the genes that speak for each type.

    Parameters
    ----------
    expression
        Log-expression, (n_cells, n_genes), CSR.
    codes
        The type that each cell was given, (n_cells,), by its place in `labels`.
    labels
        The types.
    gene_names
        Shape (n_genes,).
    chosen
        The genes of each type, the best first. A gene of several types is shown with the first.

    Examples
    --------
    >>> cells = sparse.csr_matrix(np.float32([[2, 0, 1], [2, 0, 1], [0, 3, 1], [0, 3, 1]]))
    >>> genes = np.array(["MS4A1", "CD3D", "ACTB"], dtype=object)
    >>> chosen = {"B": ["MS4A1"], "T": ["CD3D"]}
    >>> dots = gene_dots(cells, np.array([0, 0, 1, 1]), ["B", "T"], genes, chosen)
    >>> dots.genes, dots.mean.tolist(), dots.share.tolist()
    (('MS4A1', 'CD3D'), [[2.0, 0.0], [0.0, 3.0]], [[1.0, 0.0], [0.0, 1.0]])
    """
    found, inverse, sizes = np.unique(codes, return_inverse=True, return_counts=True)
    member = sparse.csr_matrix(
        (1.0 / sizes[inverse], (inverse, np.arange(len(codes)))), shape=(len(found), len(codes))
    )
    names = [labels[code] for code in found]
    columns, speaks_for = _columns(chosen, names, gene_names)
    shown = sparse.csr_matrix(expression[:, columns])
    detected = shown.sign()
    return GeneDots(
        tuple(str(name) for name in gene_names[columns]),
        tuple(speaks_for),
        tuple(names),
        np.asarray((member @ shown).toarray(), dtype=np.float32),
        np.asarray((member @ detected).toarray(), dtype=np.float32),
    )


def _columns(
    chosen: Mapping[str, Sequence[str]], names: Sequence[str], gene_names: npt.NDArray[np.object_]
) -> tuple[npt.NDArray[np.intp], list[str]]:
    """Return the columns to show, type by type, each once, and the type of each."""
    place = {name: column for column, name in reversed(list(enumerate(gene_names.tolist())))}
    each = max(min(GENES_PER_TYPE, MAX_GENES // max(len(names), 1)), 1)
    columns: dict[int, str] = {}
    for name in names:
        own = [place[gene] for gene in chosen.get(name, ()) if gene in place]
        for column in [column for column in own if column not in columns][:each]:
            columns[column] = name
    return np.array(list(columns), dtype=np.intp), list(columns.values())
