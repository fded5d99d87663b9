"""What several peers do to counts before they learn, and how their settings are chosen."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from exchange import Cells
from scipy import sparse
from scipy.optimize import minimize_scalar
from scipy.special import softmax

COUNTS_PER_CELL = 1e4
# a gene that fewer training cells have tells nothing
MIN_CELLS_PER_GENE = 3
N_INNER_FOLDS = 3
MIN_PROBABILITY = 1e-7

Array = npt.NDArray[Any]


def log_normalise(cells: Cells) -> sparse.csr_matrix:
    """Return log1p of counts per 10,000, by library sizes over all genes where they are known."""
    sizes = cells.library_sizes
    if sizes is None:
        sizes = np.asarray(cells.counts.sum(axis=1), dtype=np.float64).ravel()
    scaled = cells.counts.astype(np.float32).copy()
    scaled.data *= np.repeat(COUNTS_PER_CELL / np.maximum(sizes, 1), np.diff(scaled.indptr))
    np.log1p(scaled.data, out=scaled.data)
    return scaled


def with_genes(cells: Cells, genes: Array) -> Cells:
    """Return the cells with exactly these genes; one that was not measured counts zero."""
    if np.array_equal(cells.genes, genes):
        return cells
    position = {gene: column for column, gene in enumerate(genes)}
    target = np.array([position[gene] for gene in cells.genes])
    by_cell = cells.counts.tocoo()
    shape = (by_cell.shape[0], len(genes))
    counts = sparse.csr_matrix((by_cell.data, (by_cell.row, target[by_cell.col])), shape=shape)
    return Cells(counts, genes, cells.library_sizes, cells.labels)


def seen_genes(counts: sparse.csr_matrix) -> Array:
    """Return the columns that `MIN_CELLS_PER_GENE` cells have."""
    return np.flatnonzero(counts.getnnz(axis=0) >= MIN_CELLS_PER_GENE)


def inner_folds(codes: Array, seed: int) -> Iterator[tuple[Array, Array]]:
    """Yield (kept, apart) of each fold, type by type; a type of one cell is always kept."""
    rng = np.random.default_rng(seed)
    fold_of = np.full(len(codes), -1)
    for code in np.unique(codes):
        rows = rng.permutation(np.flatnonzero(codes == code))
        if len(rows) > 1:
            fold_of[rows] = (np.arange(len(rows)) + rng.integers(N_INNER_FOLDS)) % N_INNER_FOLDS
    for fold in range(N_INNER_FOLDS):
        yield np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)


def out_of_fold(
    scores_of: Callable[[Array, Array], Array], codes: Array, seed: int
) -> tuple[Array, Array]:
    """Return the scores of cells that were apart once, and their codes."""
    parts = [(scores_of(kept, apart), codes[apart]) for kept, apart in inner_folds(codes, seed)]
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def in_columns(scores: Array, classes: Array, n_types: int, fill: float) -> Array:
    """Return scores with one column a type; types that were not seen get `fill`."""
    full = np.full((len(scores), n_types), fill, dtype=np.float64)
    full[:, classes] = scores
    return full


def log_loss(codes: Array, probabilities: Array) -> float:
    """Return the mean of -log(probability of the true type)."""
    of_truth = probabilities[np.arange(len(codes)), codes]
    return float(-np.log(np.clip(of_truth, MIN_PROBABILITY, 1)).mean())


def best_sharpness(margins: Array, codes: Array) -> float:
    """Return the factor on margins at which their softmax has the least log-loss."""
    found = minimize_scalar(
        lambda power: log_loss(codes, softmax(margins * np.exp(power), axis=1)),
        bounds=(-3.0, 4.0),
        method="bounded",
    )
    return float(np.exp(found.x))
