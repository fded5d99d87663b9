"""Which genes tell the types apart: the Jensen-Shannon divergence of their count histograms."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse
from scipy.special import xlogy

from cellclassifier.data.genes import GenePanel
from cellclassifier.errors import InputError
from cellclassifier.files import replacing

Weights = Literal["equal", "class_share"]
Estimator = Literal["smoothed", "plug_in", "miller_madow"]

# Counts from here on share a bin in the smoothed estimate: a few hundred cells of a type cannot
# fill a histogram of hundreds of bins, and its holes look like divergence (MALAT1).
POOLED_FROM = 10
# pseudo-cells by which the smoothed estimate draws each type's histogram towards the mean
PRIOR_CELLS = 5.0
# worked on at a time, with hundreds of types too
BINS_AT_ONCE = 2**15
# a gene seen in fewer cells than this says nothing that could be learned
MIN_CELLS = 3

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GeneRanking:
    """The divergence of each gene, in column order.

    Parameters
    ----------
    genes
        The genes ranked.
    divergence
        Shape (n_genes,), in nats.
    n_cells
        Shape (n_genes,): in how many cells each gene was detected.
    """

    genes: GenePanel
    divergence: Floats
    n_cells: npt.NDArray[np.int64]

    @property
    def order(self) -> npt.NDArray[np.intp]:
        """Columns from the most to the least divergent; ties in column order."""
        return np.argsort(-self.divergence, kind="stable")

    @property
    def detected(self) -> npt.NDArray[np.intp]:
        """Columns of the genes seen in three cells or more, in the same order."""
        return self.order[self.n_cells[self.order] >= MIN_CELLS]

    def to_frame(self) -> pd.DataFrame:
        """Return the table that ``cellclassifier genes`` writes, best gene first."""
        order = self.order
        return pd.DataFrame(
            {
                "rank": np.arange(1, len(order) + 1),
                "ensembl_id": self.genes.ensembl_ids[order],
                "gene_symbol": self.genes.symbols[order],
                "js_divergence_nats": self.divergence[order],
                "n_cells": self.n_cells[order],
            }
        )

    def save(self, path: str | Path) -> None:
        """Write the table as CSV, whole or not at all."""
        with replacing(path) as temporary:
            self.to_frame().to_csv(temporary, index=False, float_format="%.6g")


@dataclass(frozen=True, eq=False)
class _Histograms:
    """The filled bins of all genes' count histograms, zeros included.

    ``n_cells`` has the shape (n_bins, n_types): how many cells of each type fall into the bin;
    ``gene`` (n_bins,) says whose bin it is.
    """

    n_cells: Floats
    gene: npt.NDArray[np.int64]
    n_genes: int

    def per_gene(self, values: Floats) -> Floats:
        totals = np.bincount(self.gene, weights=values, minlength=self.n_genes)
        return totals.astype(np.float64, copy=False)


def rank_genes(
    counts: sparse.csr_matrix,
    codes: npt.NDArray[np.integer],
    genes: GenePanel,
    *,
    weights: Weights = "equal",
    estimator: Estimator = "smoothed",
) -> GeneRanking:
    """Rank genes by the Jensen-Shannon divergence of their count histograms over the types.

    JSD = H(sum_c w_c P_c) - sum_c w_c H(P_c), with P_c the distribution of a gene's counts among
    the cells of type c (Lin 1991, doi:10.1109/18.61115). It is computed from the filled entries of
    the matrix; the zeros are implied.

    Parameters
    ----------
    counts
        Raw counts, shape (n_cells, n_genes); whole and non-negative.
    codes
        The type of each cell, shape (n_cells,), from 0.
    genes
        The genes of the columns.
    weights
        ``"equal"`` gives each type the same weight, as the original study did;
        ``"class_share"`` its share of the cells, which makes the divergence the mutual information
        of count and label.
    estimator
        ``"plug_in"`` takes the observed histograms for the distributions, and is biased upward for
        genes with many distinct counts in small types. ``"miller_madow"`` subtracts that bias to
        first order (Miller 1955). ``"smoothed"`` keeps it from arising: counts of ten or more share
        a bin, and each type's histogram is the posterior mean under a Dirichlet prior of five
        cells spread like all types together (Agresti & Hitchcock 2005).

    Raises
    ------
    InputError
        Fewer than two types, lengths that do not fit, or values that are no counts.

    Examples
    --------
    >>> counts = sparse.csr_matrix(np.array([[5, 1], [4, 1], [0, 1], [0, 1]]))
    >>> ranking = rank_genes(
    ...     counts, np.array([0, 0, 1, 1]), GenePanel.of_names(["CD79A", "ACTB"]),
    ...     estimator="plug_in",
    ... )
    >>> ranking.divergence.round(4).tolist()
    [0.6931, 0.0]
    """
    _check_choice("weights", weights, get_args(Weights))
    _check_choice("estimator", estimator, get_args(Estimator))
    n_types = _check_codes(counts, codes, genes)
    cells_per_type = np.bincount(codes, minlength=n_types).astype(np.float64)
    counts = _without_zeros(counts)
    pooled_from = POOLED_FROM if estimator == "smoothed" else None
    histograms = _count_histograms(counts, codes, cells_per_type, pooled_from)
    divergence = _divergence(
        histograms, cells_per_type, _type_weights(cells_per_type, weights), estimator
    )
    return GeneRanking(genes, divergence, counts.getnnz(axis=0).astype(np.int64))


def rank_tallied(
    n_cells: npt.NDArray[np.integer],
    cells_per_type: npt.NDArray[np.integer],
    genes: GenePanel,
    *,
    weights: Weights = "equal",
) -> GeneRanking:
    """Rank genes as `rank_genes` does, by the smoothed estimate, from how often counts occur.

    Parameters
    ----------
    n_cells
        Shape (n_genes, POOLED_FROM, n_types): cells of each type with a count of 1, 2, …; the last
        place holds those of `POOLED_FROM` and more.
    cells_per_type
        Shape (n_types,).
    genes
        The genes of the first axis.
    weights
        As in `rank_genes`.

    Examples
    --------
    >>> n_cells = np.zeros((2, POOLED_FROM, 2), int)
    >>> n_cells[0, 4, 0], n_cells[1, 0] = 40, (40, 40)
    >>> ranking = rank_tallied(n_cells, np.array([40, 40]), GenePanel.of_names(["CD79A", "ACTB"]))
    >>> ranking.genes.symbols[ranking.order].tolist()
    ['CD79A', 'ACTB']
    """
    sizes = cells_per_type.astype(np.float64)
    n_genes, n_types = len(genes), len(sizes)
    filled = np.flatnonzero(n_cells.any(axis=2))
    nonzero = n_cells.sum(axis=1, dtype=np.float64)
    histograms = _Histograms(
        np.concatenate([n_cells.reshape(-1, n_types)[filled], sizes - nonzero]),
        np.concatenate([filled // n_cells.shape[1], np.arange(n_genes)]),
        n_genes,
    )
    divergence = _divergence(histograms, sizes, _type_weights(sizes, weights), "smoothed")
    return GeneRanking(genes, divergence, nonzero.sum(axis=1).astype(np.int64))


def _type_weights(cells_per_type: Floats, weights: Weights) -> Floats:
    if weights == "equal":
        return np.full(len(cells_per_type), 1 / len(cells_per_type))
    shares: Floats = cells_per_type / cells_per_type.sum()
    return shares


def _check_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InputError(f"{name} is one of {list(allowed)}, not {value!r}")


def _check_codes(
    counts: sparse.csr_matrix, codes: npt.NDArray[np.integer], genes: GenePanel
) -> int:
    if counts.shape != (len(codes), len(genes)):
        raise InputError(
            f"counts have the shape {counts.shape}, but there are {len(codes)} codes and "
            f"{len(genes)} genes"
        )
    if np.any(counts.data < 0) or np.any(counts.data != np.rint(counts.data)):
        raise InputError(
            "genes are ranked by raw counts, whole and non-negative; these have values such as "
            f"{counts.data[(counts.data < 0) | (counts.data != np.rint(counts.data))][0]:.4g}"
        )
    n_types = len(np.unique(codes))
    if n_types < 2 or int(codes.max()) != n_types - 1:
        raise InputError(
            f"ranking genes needs at least two types, coded from 0 without gaps; got {n_types} "
            f"distinct codes up to {int(codes.max()) if len(codes) else 'none'}"
        )
    return n_types


def _without_zeros(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return one entry for each count above zero; a stored zero would get a bin of its own."""
    counts = sparse.csr_matrix(counts)
    if not counts.has_canonical_format or not counts.data.all():
        counts = counts.copy()
        counts.sum_duplicates()
        counts.eliminate_zeros()
    return counts


def _count_histograms(
    counts: sparse.csr_matrix,
    codes: npt.NDArray[np.integer],
    cells_per_type: Floats,
    pooled_from: int | None,
) -> _Histograms:
    n_genes, n_types = counts.shape[1], len(cells_per_type)
    values = counts.data.astype(np.int64)
    if pooled_from is not None:
        values = np.minimum(values, pooled_from)
    n_values = int(values.max(initial=0)) + 1
    types = np.repeat(codes.astype(np.int64), np.diff(counts.indptr))
    # one number for each (gene, count, type), so that one sort finds all the filled bins
    keys = (counts.indices.astype(np.int64) * n_values + values) * n_types + types
    filled, n_cells = np.unique(keys, return_counts=True)
    bins, bin_of = np.unique(filled // n_types, return_inverse=True)
    table = np.zeros((len(bins), n_types))
    table[bin_of, filled % n_types] = n_cells
    gene = bins // n_values
    nonzero = np.stack(
        [np.bincount(gene, weights=column, minlength=n_genes) for column in table.T], axis=1
    )
    return _Histograms(
        np.concatenate([table, cells_per_type - nonzero]),
        np.concatenate([gene, np.arange(n_genes)]),
        n_genes,
    )


def _divergence(
    histograms: _Histograms, cells_per_type: Floats, type_weights: Floats, estimator: Estimator
) -> Floats:
    values = np.empty(len(histograms.gene))
    for start in range(0, len(values), BINS_AT_ONCE):
        bins = slice(start, start + BINS_AT_ONCE)
        n_cells = histograms.n_cells[bins]
        values[bins] = _bin_divergence(n_cells, cells_per_type, type_weights, estimator)
    return histograms.per_gene(values)


def _bin_divergence(
    n_cells: Floats, cells_per_type: Floats, type_weights: Floats, estimator: Estimator
) -> Floats:
    """Return what bins, (n_bins, n_types), add to the divergence of their gene, (n_bins,)."""
    shares = n_cells / cells_per_type
    if estimator == "smoothed":
        prior = PRIOR_CELLS * (shares @ type_weights)[:, None]
        shares = (n_cells + prior) / (cells_per_type + PRIOR_CELLS)
    mixture = shares @ type_weights
    divergence: Floats = xlogy(shares, shares) @ type_weights - xlogy(mixture, mixture)
    if estimator == "miller_madow":
        divergence -= _miller_madow_bias(n_cells, shares, cells_per_type, type_weights)
    return divergence


def _miller_madow_bias(
    n_cells: Floats, shares: Floats, cells_per_type: Floats, type_weights: Floats
) -> Floats:
    """Return the first-order bias that each bin adds to the plug-in divergence, (n_bins,).

    An entropy estimated from n cells over m filled bins is too small by (m - 1) / 2n. For the
    mixture the same expansion uses the variance of its weighted shares.
    """
    of_types = ((n_cells > 0) - shares) / (2 * cells_per_type) @ type_weights
    mixture = shares @ type_weights
    variance = (shares * (1 - shares) / cells_per_type) @ type_weights**2
    of_mixture = np.divide(variance, 2 * mixture, out=np.zeros_like(variance), where=mixture > 0)
    bias: Floats = of_types - of_mixture
    return bias
