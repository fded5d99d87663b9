"""Cells laid out in a plane, for the eye."""

import warnings

import anndata as ad
import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.classifier.clustering import join_neighbours

SEED = 0
N_COMPONENTS = 30
N_NEIGHBOURS = 15
# with fewer cells there are no neighbourhoods to show
MIN_UMAP_CELLS = 50
# UMAP lays out so many cells; further ones are put among the nearest of these
MAX_UMAP_CELLS = 10_000
# UMAP's own 500 epochs go on long after groups of so many cells have found their places
MANY_CELLS, FEWER_EPOCHS = 4_000, 200
N_NEAREST = 5
# cells placed at a time: distances to all laid-out cells are held, (n_block, MAX_UMAP_CELLS)
BLOCK_CELLS = 2_000

Floats = npt.NDArray[np.float32]


def embed_cells(expression: sparse.csr_matrix, *, seed: int = SEED) -> tuple[Floats, str]:
    """Lay cells out in a plane: principal components, then UMAP by scanpy (McInnes et al. 2018).

    Of more than 10,000 cells, as many are laid out, drawn with the seed, and each of the others is
    put at the mean of its five nearest ones among them, by the principal components, nearer ones
    counting for more.

    Parameters
    ----------
    expression
        Log-expression, (n_cells, n_genes), CSR; one cell or more.
    seed
        Of all that is drawn: the same seed gives the same positions on the same machine.

    Returns
    -------
    position, method
        Shape (n_cells, 2), float32, and how it was made, in words.

    Examples
    --------
    >>> cells = sparse.csr_matrix(np.random.default_rng(0).poisson(1.0, (20, 8)).astype("float32"))
    >>> position, method = embed_cells(cells)
    >>> position.shape, method
    ((20, 2), '2 principal components of 8 genes')
    """
    n_cells, n_genes = expression.shape
    few = n_cells < MIN_UMAP_CELLS
    rows = np.sort(np.random.default_rng(seed).permutation(n_cells)[:MAX_UMAP_CELLS])
    components = _components(expression, rows, 2 if few else N_COMPONENTS, seed)
    if few:
        return _padded(components), f"2 principal components of {n_genes:,} genes"
    n_used = components.shape[1]
    laid_out = _laid_out(components[rows], seed)
    method = f"UMAP of {n_used} principal components of {n_genes:,} genes, seed {seed}"
    if len(rows) == n_cells:
        return laid_out, method
    position = _placed(components, components[rows], laid_out)
    position[rows] = laid_out
    return position, f"{method}; laid out for {len(rows):,} cells, the others placed among these"


def _components(
    expression: sparse.csr_matrix, rows: npt.NDArray[np.intp], n_components: int, seed: int
) -> Floats:
    """Return principal components of some cells, for all: (n_cells, at most n_components)."""
    import scanpy as sc

    some = expression[rows]
    n_components = min(n_components, min(some.shape) - 1)
    if n_components < 1:
        return np.zeros((expression.shape[0], 0), np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, axes, *_ = sc.pp.pca(
            some, n_comps=n_components, random_state=seed, svd_solver="arpack", return_info=True
        )
    centre = np.asarray(some.mean(axis=0)).ravel() @ axes.T
    return np.asarray(expression @ axes.T - centre, dtype=np.float32)


def _padded(components: Floats) -> Floats:
    """Return two columns, of zeros where there are fewer."""
    position = np.zeros((len(components), 2), np.float32)
    position[:, : components.shape[1]] = components[:, :2]
    return position


def _laid_out(components: Floats, seed: int) -> Floats:
    import scanpy as sc

    cells = ad.AnnData(obsm={"X_pca": components}, shape=(len(components), 0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numba and of UMAP, on threads and on seeds
        join_neighbours(cells, N_NEIGHBOURS, seed)
        n_epochs = FEWER_EPOCHS if len(components) > MANY_CELLS else None
        sc.tl.umap(cells, maxiter=n_epochs, random_state=seed)
    return np.asarray(cells.obsm["X_umap"], dtype=np.float32)


def _placed(components: Floats, known: Floats, laid_out: Floats) -> Floats:
    """Return the weighted mean of the nearest known cells' positions, (n_cells, 2)."""
    from sklearn.neighbors import KNeighborsRegressor

    nearest = KNeighborsRegressor(N_NEAREST, weights="distance", algorithm="brute")
    nearest.fit(known, laid_out)
    position = np.empty((len(components), 2), np.float32)
    for start in range(0, len(components), BLOCK_CELLS):
        block = slice(start, start + BLOCK_CELLS)
        position[block] = nearest.predict(components[block])
    return position
