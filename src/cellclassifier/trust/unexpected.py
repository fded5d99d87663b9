"""Counts that the cells of a type do not have, compiled."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.data.compiling import compiled
from cellclassifier.data.selection import PanelCounts, order_rows
from cellclassifier.data.threads import for_blocks
from cellclassifier.trust.type_totals import TypeTotals

Floats = npt.NDArray[np.float32]
# added to each type's total of a gene, so that no gene is impossible
PSEUDO_COUNT = 0.5
# totals over fewer cells would give these away, and say little
MIN_TYPE_CELLS = 10
# no single gene says more than ten standard deviations
MAX_SQUARE = np.float32(100.0)
# cells that a thread takes at a time
BLOCK_CELLS = 256
# of a variance, so that none is divided by zero
LEAST = np.float32(1e-12)
# of library sizes, for which the share of genes without counts is worked out beforehand
DEPTHS = np.geomspace(50, 1e6, 64)
# sums of whole numbers do not depend on the order of the genes; a hundred of these units fit in 32
# bits
UNIT = np.float32(2.0**18)


@dataclass(frozen=True, eq=False)
class TypeRates:
    """What share of its counts each type has of each gene, and how much genes vary.

    Parameters
    ----------
    rates
        Shape (n_types, n_panel), float32, in [0, 1]; zero for a type of fewer than ten cells.
    dispersion
        Shape (n_panel,), float32: variance = mean + dispersion x mean^2.
    """

    rates: Floats
    dispersion: Floats

    @classmethod
    def of(
        cls,
        counts: sparse.csr_matrix,
        library_size: npt.NDArray[np.floating],
        codes: npt.NDArray[np.integer],
        n_types: int,
    ) -> "TypeRates":
        """Estimate them by moments from cells of known types.

        Parameters
        ----------
        counts
            Raw counts of the panel's genes, (n_cells, n_panel), CSR.
        library_size, codes
            Of these cells, (n_cells,).
        n_types
            The number of types.
        """
        totals = TypeTotals.empty(n_types, counts.shape[1])
        totals.add(counts, library_size, codes)
        return cls.of_totals(totals)

    @classmethod
    def of_totals(cls, totals: TypeTotals) -> "TypeRates":
        """Estimate them from what the cells add up to."""
        libraries = np.maximum(totals.library, 1.0)
        rates = np.minimum((totals.counts + PSEUDO_COUNT) / libraries[:, None], 1.0)
        mean_squares = (rates**2 * totals.library_squares[:, None]).sum(axis=0)
        residual = (
            totals.squares.sum(axis=0) - 2 * (rates * totals.products).sum(axis=0) + mean_squares
        )
        beyond = residual - totals.counts.sum(axis=0)
        dispersion = np.clip(beyond / np.maximum(mean_squares, 1e-12), 0, 1e6)
        rates[totals.n_cells < MIN_TYPE_CELLS] = 0
        return cls(rates.astype(np.float32), dispersion.astype(np.float32))

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Whether there were cells enough of a type, (n_types,)."""
        return np.asarray(self.rates.any(axis=1), dtype=np.bool_)

    def measured_by(self, measured: npt.NDArray[np.bool_]) -> "Unexpected":
        """Return what compares cells of which only some genes were measured, (n_panel,)."""
        shares = np.zeros((len(self.rates), len(DEPTHS)))
        _without_counts(self.rates, self.dispersion, measured, DEPTHS, shares)
        return Unexpected(self, shares, max(int(measured.sum()), 1), self._pairs())

    def _pairs(self) -> npt.NDArray[np.uint64]:
        spread = np.broadcast_to(self.dispersion, self.rates.shape)
        return np.stack([self.rates, spread], axis=2).view(np.uint64)[:, :, 0]


@dataclass(frozen=True, eq=False)
class Unexpected:
    """Cells against the rates of a type.

    Parameters
    ----------
    of_types
        The rates.
    without_counts
        Shape (n_types, n_depths): what cells with no counts at all would give.
    n_measured
        Of the panel's genes.
    pairs
        Shape (n_types, n_panel): the bits of each rate, and of the gene's dispersion behind it, for
        both of a gene to be fetched at once.
    """

    of_types: TypeRates
    without_counts: npt.NDArray[np.float64]
    n_measured: int
    pairs: npt.NDArray[np.uint64]

    def __call__(
        self,
        counts: sparse.csr_matrix,
        target: npt.NDArray[np.int32],
        library_size: npt.NDArray[np.floating],
        codes: npt.NDArray[np.integer],
        n_threads: int = 1,
    ) -> npt.NDArray[np.float64]:
        """Return the mean squared Pearson residual of each cell's counts, (n_cells,).

        About 1 for cells of the type, and 1 where nothing is known of it; a gene counts for 100 at
        most.

        Parameters
        ----------
        counts
            Raw counts, (n_cells, n_measured), CSR.
        target
            The place of each column in the panel, negative for none.
        library_size
            Over all genes, (n_cells,).
        codes
            The type that each cell is compared with, (n_cells,).
        n_threads
            How many blocks of cells are worked on at once.
        """
        residual = np.empty(len(codes))

        def compare(rows: slice) -> None:
            panel = order_rows(counts, target, self.of_types.rates.shape[1], rows)
            residual[rows] = self.of_panel(panel, library_size[rows], codes[rows])

        for_blocks(compare, len(codes), BLOCK_CELLS, n_threads)
        return residual

    def of_panel(
        self,
        panel: PanelCounts,
        library_size: npt.NDArray[np.floating],
        codes: npt.NDArray[np.integer],
    ) -> npt.NDArray[np.float64]:
        """Return the same of counts that are in the order of the panel."""
        depth = np.clip(library_size, DEPTHS[0], DEPTHS[-1])
        low = np.clip(np.searchsorted(DEPTHS, depth, side="right") - 1, 0, len(DEPTHS) - 2)
        # straight between depths: exact while means are small
        rest = (depth - DEPTHS[low]) / (DEPTHS[low + 1] - DEPTHS[low])
        without = self.without_counts
        total = (1 - rest) * without[codes, low] + rest * without[codes, low + 1]
        sizes, types = library_size.astype(np.float64), codes.astype(np.int64)
        added, of_types = np.empty(len(codes)), self.of_types
        _with_counts(tuple(panel), sizes, types, self.pairs, added)
        residual = np.maximum(total + added, 0) / self.n_measured
        return np.where(of_types.known[codes], residual, 1.0)


@compiled()
def _without_counts(
    rates: Floats,
    dispersion: Floats,
    measured: npt.NDArray[np.bool_],
    depths: npt.NDArray[np.float64],
    out: npt.NDArray[np.float64],
) -> None:
    for code in range(rates.shape[0]):
        for depth in range(len(depths)):
            total = 0.0
            for gene in range(rates.shape[1]):
                if measured[gene]:
                    mean = rates[code, gene] * depths[depth]
                    total += min(mean / (1 + dispersion[gene] * mean), MAX_SQUARE)
            out[code, depth] = total


@compiled()
def _with_counts(
    panel: tuple[Floats, npt.NDArray[np.uint32], npt.NDArray[np.int64]],
    library_size: npt.NDArray[np.float64],
    codes: npt.NDArray[np.int64],
    pairs: npt.NDArray[np.uint64],
    out: npt.NDArray[np.float64],
) -> None:
    """Add what counts change, gene by gene: the square with them less the square without."""
    counts, places, ends = panel
    of_genes = np.empty(pairs.shape[1], np.uint64)
    numbers = of_genes.view(np.float32)
    for row in range(len(codes)):
        of_row = slice(ends[row], ends[row + 1])
        found, genes = counts[of_row], places[of_row]
        of_type, library = pairs[codes[row]], np.float32(library_size[row])
        for entry in range(len(found)):
            of_genes[entry] = of_type[genes[entry]]
        added = np.int64(0)
        for entry in range(len(found)):  # several at a time
            count, mean = found[entry], numbers[2 * entry] * library
            variance = max(mean + numbers[2 * entry + 1] * mean * mean, LEAST)
            most, off = MAX_SQUARE * variance, count - mean
            change = (min(off * off, most) - min(mean * mean, most)) / variance
            added += np.int64(np.int32(change * UNIT))
        out[row] = added / UNIT
