"""Orders of the genes of a convolutional network, each computed on training cells."""

from typing import Any

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage
from sklearn.utils.extmath import randomized_svd

from cellclassifier.data import Normalisation, RawCounts, align_genes, order_genes, rank_genes

N_COMPONENTS = 50
SEED = 0


def by_order(name: str, raw: RawCounts, codes: Any) -> Any:  # noqa: ANN401  (integer arrays)
    """Return the columns in the order of that name.

    correlation is a walk that starts at the most divergent gene and always goes on to the gene,
    of those left, that correlates best with the last one; clustering is the order of the leaves of
    Ward's tree. Both see the genes by their weights on the first 50 principal components.
    """
    by_divergence = rank_genes(raw.counts, codes, raw.genes).order
    if name == "correlation":
        return correlation_walk(principal_weights(raw), int(by_divergence[0]))
    if name == "clustering":
        return leaves_list(linkage(principal_weights(raw), "ward"))
    return order_genes(name, by_divergence)  # type: ignore[arg-type]


def principal_weights(raw: RawCounts) -> Any:  # noqa: ANN401
    """Return a unit vector a gene whose products approximate correlations, (n_genes, 50)."""
    expression = Normalisation(counts_per_cell=300).apply(align_genes(raw, raw.genes)).toarray()
    expression -= expression.mean(axis=0)
    deviations = expression.std(axis=0)
    expression /= np.where(deviations > 0, deviations, 1)
    _, sizes, weights = randomized_svd(expression, N_COMPONENTS, random_state=SEED)
    weights = (weights * sizes[:, None]).T
    lengths = np.linalg.norm(weights, axis=1, keepdims=True)
    return weights / np.where(lengths > 0, lengths, 1)


def correlation_walk(weights: Any, first: int) -> Any:  # noqa: ANN401
    """Return the columns, each followed by the one left that correlates best with it."""
    left = np.ones(len(weights), dtype=bool)
    walk = [first]
    left[first] = False
    while left.any():
        correlation = np.where(left, weights @ weights[walk[-1]], -np.inf)
        walk.append(int(correlation.argmax()))
        left[walk[-1]] = False
    return np.array(walk)
