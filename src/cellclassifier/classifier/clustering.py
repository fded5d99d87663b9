"""Clusters of like cells, for a vote on their type."""

import warnings

import anndata as ad
import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.errors import InputError

# of more, the neighbours and the expression of all would not fit in the memory of a laptop
MAX_CELLS = 200_000
N_COMPONENTS, N_NEIGHBOURS = 50, 15
# measured, where nine tenths of a cluster have to agree: docs/decisions/0028-votes.md
RESOLUTION = 1.0
# fewer cells have no neighbourhoods
MIN_CELLS = 50


def find_clusters(
    expression: sparse.csr_matrix, *, resolution: float = RESOLUTION, seed: int = 0
) -> npt.NDArray[np.intp]:
    """Return the cluster of each cell, (n_cells,), the largest first.

    Leiden communities (Traag et al. 2019) of the graph of 15 nearest neighbours on 50 principal
    components, as scanpy makes them; the same seed gives the same clusters on the same machine.

    Parameters
    ----------
    expression
        Shape (n_cells, n_genes), CSR, of all cells.
    resolution
        The higher, the more and the smaller the clusters.
    seed
        Of all three steps.

    Raises
    ------
    InputError
        There are fewer than 50 cells, or more than 200,000.

    Examples
    --------
    >>> find_clusters(sparse.csr_matrix(np.ones((10, 3), np.float32)))
    Traceback (most recent call last):
    ...
    cellclassifier.errors.InputError: 10 cells have no clusters, 50 and more have; ...
    """
    n_cells, n_genes = expression.shape
    check_size(n_cells)
    # here, since it takes seconds
    import scanpy

    cells = ad.AnnData(obs={"cell": np.arange(n_cells).astype(str)})
    components = min(N_COMPONENTS, n_cells - 1, n_genes - 1)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning)
        cells.obsm["X_pca"] = scanpy.pp.pca(
            expression, n_comps=components, svd_solver="arpack", random_state=seed
        )
        join_neighbours(cells, N_NEIGHBOURS, seed)
        scanpy.tl.leiden(
            cells, resolution, flavor="igraph", n_iterations=2, directed=False, random_state=seed
        )
    return np.asarray(cells.obs["leiden"].astype(int), dtype=np.intp)


def join_neighbours(cells: ad.AnnData, n_neighbours: int, seed: int) -> None:
    """Give cells the graph of their nearest neighbours by ``obsm["X_pca"]``, for scanpy to use.

    Neighbours are exact: scanpy 1.11 cannot read what pynndescent 0.7 finds in large sets.
    """
    import scanpy

    scanpy.pp.neighbors(
        cells, n_neighbours, use_rep="X_pca", transformer="sklearn", random_state=seed
    )


def check_size(n_cells: int) -> None:
    """Refuse sets of cells that cannot be clustered."""
    if n_cells < MIN_CELLS:
        raise InputError(
            f"{n_cells:,} cells have no clusters, {MIN_CELLS} and more have; leave the vote out"
        )
    if n_cells > MAX_CELLS:
        raise InputError(
            f"{n_cells:,} cells are too many to cluster here, {MAX_CELLS:,} are not: cluster them "
            "beforehand, with scanpy or rapids-singlecell, and name the column: --vote-key leiden "
            "(VoteSettings(key='leiden'))"
        )
