"""Cells of a file in a plane, for ``plot embedding``."""

import anndata as ad
import numpy as np
from matplotlib.axes import Axes
from scipy import sparse

from cellclassifier.classifier.embedding import embed_cells
from cellclassifier.data import AlignedCounts, CountsArguments, Normalisation, find_counts
from cellclassifier.errors import InputError
from cellclassifier.labels import shown
from cellclassifier.reporting import plots

MADE = "X_umap"
MAX_CELLS, N_GENES = 50_000, 2_000
USUAL = Normalisation(counts_per_cell=1e4)


def draw_embedding(
    cells: ad.AnnData, colour: str, basis: str, seed: int, counts: CountsArguments
) -> Axes:
    """Draw cells by a column of ``obs``, where they are in ``obsm`` or where UMAP puts them.

    Raises
    ------
    InputError
        There is no such column, or no such entry of ``obsm``.
    """
    if colour not in cells.obs:
        raise InputError(
            f"there is no column '{colour}' in .obs; it has {shown(cells.obs.columns)}"
        )
    if basis in cells.obsm:
        place = np.asarray(cells.obsm[basis])[:, :2]
        return plots.embedding(place, cells.obs[colour], title=colour, seed=seed)
    if basis != MADE:
        raise InputError(f"there is no '{basis}' in .obsm; it has {shown(cells.obsm)}")
    rows = np.sort(np.random.default_rng(seed).permutation(cells.n_obs)[:MAX_CELLS])
    some = cells if len(rows) == cells.n_obs else cells[rows]
    raw = find_counts(some, **counts)
    expression = USUAL.apply(AlignedCounts(raw.counts, raw.library_size, 1.0))
    place, _ = embed_cells(_most_variable(expression), seed=seed)
    return plots.embedding(place, some.obs[colour], title=colour, seed=seed)


def _most_variable(expression: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return the genes of highest variance, in order."""
    mean = np.asarray(expression.mean(axis=0)).ravel()
    variance = np.asarray(expression.multiply(expression).mean(axis=0)).ravel() - mean**2
    best = np.sort(np.argsort(-variance, kind="stable")[:N_GENES])
    return sparse.csr_matrix(expression[:, best])
