"""Published criteria for choosing genes, to compare `cellclassifier.choose_genes` with.

Each takes the counts of some candidates (n_cells, n_candidates), best by divergence first, and the
codes of the types, and returns columns in the order of choice.
"""

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.special import xlogy
from sklearn.feature_selection import f_classif

import cellclassifier as cc

Floats = npt.NDArray[np.float64]
Columns = npt.NDArray[np.intp]
# counts from here on share a bin where information is estimated by histograms
TOP_BIN = 3
# a redundancy below this would let the quotient of mRMR explode
LEAST_REDUNDANCY = 1e-3


def mrmr(expression: sparse.csr_matrix, codes: Columns, n_genes: int, scheme: str) -> Columns:
    """Choose by relevance (F statistic) against redundancy (mean absolute correlation).

    Ding & Peng 2005, doi:10.1142/S0219720005001004: quotient (``"FCQ"``) or difference
    (``"FCD"``, F scaled to at most 1).
    """
    relevance = np.nan_to_num(f_classif(expression, codes)[0])
    relevance /= relevance.max()
    correlation = np.abs(correlations(expression))
    total = np.zeros(len(relevance))
    chosen = [int(np.argmax(relevance))]
    while len(chosen) < n_genes:
        total += correlation[chosen[-1]]
        redundancy = total / len(chosen)
        score = relevance - redundancy
        if scheme == "FCQ":
            score = relevance / np.maximum(redundancy, LEAST_REDUNDANCY)
        score[chosen] = -np.inf
        chosen.append(int(np.argmax(score)))
    return np.array(chosen)


def correlations(expression: sparse.csr_matrix) -> Floats:
    """Return Pearson's correlation of all pairs of genes, shape (n_genes, n_genes)."""
    centred = expression.toarray().astype(np.float32)
    centred -= centred.mean(axis=0)
    centred /= np.maximum(np.linalg.norm(centred, axis=0), 1e-12)
    return np.asarray(centred.T @ centred, dtype=np.float64)


def information(counts: sparse.csr_matrix, codes: Columns, n_genes: int, scheme: str) -> Columns:
    """Choose by conditional mutual information of gene and type, given genes chosen before.

    ``"JMI"``: its mean over the chosen genes (Yang & Moody 1999; Brown et al. 2012,
    jmlr.org/papers/v13/brown12a.html); ``"CMIM"``: its minimum (Fleuret 2004). Counts of three
    or more share a bin; each type weighs the same.
    """
    binned = sparse.csr_matrix(counts, copy=True)
    binned.data = np.minimum(binned.data, TOP_BIN)
    by_cell = binned.tocsc()
    bins = [cells_with(binned, value) for value in range(1, TOP_BIN + 1)]
    alone = joint_information(bins, codes, np.zeros(len(codes), dtype=np.intp))
    total, least = np.zeros(len(alone)), alone.copy()
    chosen = [int(np.argmax(alone))]
    while len(chosen) < n_genes:
        last = by_cell[:, [chosen[-1]]].toarray().ravel().astype(np.intp)
        given = joint_information(bins, codes, last) - alone[chosen[-1]]
        total, least = total + given, np.minimum(least, given)
        score = (total if scheme == "JMI" else least).copy()
        score[chosen] = -np.inf
        chosen.append(int(np.argmax(score)))
    return np.array(chosen)


def cells_with(counts: sparse.csr_matrix, value: int) -> sparse.csr_matrix:
    """Return one where a count is `value`, and zero elsewhere."""
    found = (counts.data == value).astype(np.float64)
    return sparse.csr_matrix((found, counts.indices, counts.indptr), shape=counts.shape)


def joint_information(bins: list[sparse.csr_matrix], codes: Columns, other: Columns) -> Floats:
    """Return the mutual information of (gene, other gene) and type, shape (n_genes,)."""
    n_types, n_cells = int(codes.max()) + 1, np.bincount(codes)
    group = codes * (TOP_BIN + 1) + other
    weights = 1 / (n_types * n_cells[codes])
    shape = (n_types * (TOP_BIN + 1), len(codes))
    by_group = sparse.csr_matrix((weights, (group, np.arange(len(codes)))), shape=shape)
    filled = [(by_group @ cells).toarray() for cells in bins]
    rest = by_group.sum(axis=1).A1[:, None] - sum(filled)
    table = np.stack([np.maximum(rest, 0), *filled])  # (n_bins, n_types * n_other, n_genes)
    table = table.reshape(TOP_BIN + 1, n_types, TOP_BIN + 1, -1)
    of_genes = table.sum(axis=1)
    entropy_of_types = np.log(n_types)
    return np.asarray(
        xlogy(table, table).sum(axis=(0, 1, 2))
        - xlogy(of_genes, of_genes).sum(axis=(0, 1))
        + entropy_of_types
    )


def in_turn(counts: sparse.csr_matrix, codes: Columns, n_genes: int) -> Columns:
    """Take the most divergent gene of each type against all others, in turn."""
    genes = cc.GenePanel.of_names(range(counts.shape[1]))
    orders = [
        cc.rank_genes(counts, (codes == code).astype(np.int32), genes).order
        for code in range(int(codes.max()) + 1)
    ]
    each_once = dict.fromkeys(np.stack(orders, axis=1).ravel().tolist())
    return np.array(list(each_once)[:n_genes])
