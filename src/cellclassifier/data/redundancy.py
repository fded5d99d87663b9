"""Genes that do not repeat one another: a panel chosen by what each gene adds to the others."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.data.alignment import AlignedCounts
from cellclassifier.data.counts import RawCounts
from cellclassifier.data.genes import GenePanel
from cellclassifier.data.normalisation import Normalisation
from cellclassifier.data.ranking import rank_genes
from cellclassifier.errors import InputError

CANDIDATES = 4000
# in squared log1p of counts per 300: docs/decisions/0012-panels.md
NOISE = 0.01
# After this many genes there are about as many as independent directions among a few thousand
# cells, and what is left to gain is chance; the others follow by divergence.
MOST_CONDITIONED = 1000
# a gain below this is rounding, and so is what is left of a variance below this share of it
SMALLEST_GAIN, SMALLEST_SHARE = 1e-9, 1e-9

Floats = npt.NDArray[np.float64]
Columns = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class GeneChoice:
    """A panel, the gene that tells most first.

    Parameters
    ----------
    genes
        The genes chosen, in the order of choice.
    columns
        Shape (n_genes,): where they stand among the genes measured.
    gain
        Shape (n_genes,): what each added to the sum of squared canonical correlations between the
        panel and the types, which is below n_types - 1; not a number for genes that followed by
        divergence.
    """

    genes: GenePanel
    columns: Columns
    gain: Floats

    def __len__(self) -> int:
        return len(self.columns)


def choose_genes(
    raw: RawCounts,
    codes: npt.NDArray[np.integer],
    n_genes: int,
    *,
    candidates: int = CANDIDATES,
    noise: float = NOISE,
) -> GeneChoice:
    """Choose genes one by one, each for what it adds to those chosen before it.

    Forward selection by canonical correlation (orthogonal least squares: Zhang & Lang 2022,
    doi:10.1016/j.patcog.2021.108419; regularised: Chen et al. 1996, Int. J. Control 64, 829): of
    the candidates, each stripped of what the chosen genes say about it, take the one that explains
    most of the types, each type weighted by the root of its cells. For Gaussian expression that is
    the gene of largest conditional mutual information with the types, to first order. The panel of
    n genes is the beginning of every larger one. Why so: docs/decisions/0012-panels.md.

    Parameters
    ----------
    raw
        The reference.
    codes
        The type of each cell, shape (n_cells,), from 0.
    n_genes
        How many genes to choose.
    candidates
        How many of the most divergent genes to choose from; at least `n_genes` are.
    noise
        The variance of the noise that each chosen gene is taken to be measured with, in log1p of
        counts per 300. It keeps genes with hardly any variance of their own left from looking
        informative.

    Raises
    ------
    InputError
        `n_genes` is not positive or more than the genes detected in three cells or more, or the
        codes are not those of two types or more.

    Examples
    --------
    >>> import anndata
    >>> from cellclassifier.data import find_counts
    >>> rng, codes = np.random.default_rng(0), np.repeat([0, 1, 2], 30)
    >>> rates = np.array([[9, 1, 1], [9, 1, 1], [1, 5, 1], [2, 2, 2]])  # the second repeats
    >>> counts = rng.poisson(rates.T[codes]).astype("float32")
    >>> counts[:, 1] = counts[:, 0]
    >>> cells = anndata.AnnData(counts)
    >>> cells.var_names = ["CD79A", "CD79A_AGAIN", "CD3D", "ACTB"]
    >>> sorted(choose_genes(find_counts(cells), codes, 2).genes.names)
    ['CD3D', 'CD79A']
    """
    ranking = rank_genes(raw.whole, codes, raw.genes)
    detected = ranking.detected
    _check_size(n_genes, len(detected))
    if candidates < 1 or not noise >= 0:
        raise InputError(
            "a panel is chosen from one candidate or more, with a noise of zero or more, not from "
            f"{candidates} with {noise:g}"
        )
    pool = detected[: max(candidates, n_genes)]
    expression = Normalisation().apply(AlignedCounts(raw.counts, raw.library_size, 1.0))[:, pool]
    chosen, gain = _forward_selection(expression, codes, n_genes, noise)
    by_divergence = np.setdiff1d(np.arange(len(pool)), chosen)[: n_genes - len(chosen)]
    columns = pool[np.concatenate([chosen, by_divergence])]
    gain = np.concatenate([gain, np.full(len(by_divergence), np.nan)])
    return GeneChoice(raw.genes[columns], columns, gain)


def _check_size(n_genes: int, n_detected: int) -> None:
    """Refuse a panel that has no gene, or more genes than were detected."""
    if n_genes < 1:
        raise InputError(f"a panel has one gene or more, not {n_genes}")
    if n_genes > n_detected:
        raise InputError(
            f"a panel of {n_genes:,} genes cannot be chosen: only {n_detected:,} genes were "
            "detected in three cells or more"
        )


@dataclass(frozen=True, eq=False)
class _Moments:
    """Weighted moments of the candidates' expression, which stays sparse.

    ``mean`` and ``variance`` have the shape (n_candidates,). ``with_types``, (n_types,
    n_candidates), is each candidate's covariance with the whitened indicators of the types: the sum
    of its squares over the variance is the candidate's squared canonical correlation with them.
    """

    by_cell: sparse.csc_matrix
    by_gene: sparse.csr_matrix
    cell_weights: Floats
    mean: Floats
    variance: Floats
    with_types: Floats

    @classmethod
    def of(cls, expression: sparse.csr_matrix, codes: npt.NDArray[np.integer]) -> "_Moments":
        n_cells = np.bincount(codes)
        weights = np.sqrt(1 / n_cells)[codes]
        weights /= weights.sum()
        share = np.bincount(codes, weights=weights)
        by_type = sparse.csr_matrix((weights, (codes, np.arange(len(codes)))))
        expression = expression.astype(np.float64)
        sums = (by_type @ expression).toarray()  # (n_types, n_candidates)
        mean = sums.sum(axis=0)
        variance = expression.power(2).T @ weights - mean**2
        with_types = (sums - share[:, None] * mean) / np.sqrt(share)[:, None]
        by_gene = expression.T.tocsr()
        return cls(expression.tocsc(), by_gene, weights, mean, variance, with_types)

    def covariance(self, candidate: int) -> Floats:
        """Return the covariance of one candidate with all, shape (n_candidates,)."""
        values = self.by_cell[:, [candidate]].toarray().ravel()
        return np.asarray(
            self.by_gene @ (self.cell_weights * values) - self.mean[candidate] * self.mean
        )


def _forward_selection(
    expression: sparse.csr_matrix, codes: npt.NDArray[np.integer], n_genes: int, noise: float
) -> tuple[Columns, Floats]:
    """Return the columns chosen and their gains, up to where nothing is left to gain.

    Each step is one of a Cholesky factorisation of the candidates' covariance, pivoted by gain;
    only the rows of the chosen genes are ever computed.
    """
    moments = _Moments.of(expression, codes)
    n_candidates = expression.shape[1]
    variance, with_types = moments.variance.copy(), moments.with_types.copy()
    factor = np.zeros((min(n_genes, MOST_CONDITIONED), n_candidates))
    left = np.ones(n_candidates, dtype=bool)
    chosen: list[int] = []
    gains: list[float] = []
    for step in range(len(factor)):
        explained = (with_types**2).sum(axis=0)
        left &= variance > SMALLEST_SHARE * moments.variance
        gain = np.divide(explained, variance + noise, out=np.full(n_candidates, -1.0), where=left)
        best = int(np.argmax(gain))
        if gain[best] < SMALLEST_GAIN:
            break
        pivot = np.sqrt(variance[best] + noise)
        row = (moments.covariance(best) - factor[:step].T @ factor[:step, best]) / pivot
        with_types -= np.outer(with_types[:, best] / pivot, row)
        variance = np.maximum(variance - row**2, 0.0)
        factor[step], left[best] = row, False
        chosen.append(best)
        gains.append(float(gain[best]))
    return np.array(chosen, dtype=np.intp), np.array(gains)
