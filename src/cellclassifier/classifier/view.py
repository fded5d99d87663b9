"""Cells as a model sees them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.data import (
    AlignedCounts,
    GeneMatch,
    RawCounts,
    match_genes,
    select_genes,
    total_counts,
)
from cellclassifier.modelfile import Manifest

# float64 sums of whole numbers are exact; given library sizes that say the same may be rounded
SUM_TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class ModelView:
    """Cells whose genes were matched to a model's, and what stands in for the missing ones.

    Parameters
    ----------
    manifest
        Of the model.
    raw
        The cells.
    match
        Where their genes go in the model's panel.
    """

    manifest: Manifest
    raw: RawCounts
    match: GeneMatch

    @classmethod
    def of(cls, manifest: Manifest, raw: RawCounts, *, map_orthologs: bool = False) -> "ModelView":
        """Match the genes.

        Raises
        ------
        GeneOverlapError
            Less than a fifth of the model's genes were measured, or those of another species.
        """
        return cls(
            manifest, raw, match_genes(raw.genes, manifest.panel, map_orthologs=map_orthologs)
        )

    @cached_property
    def stand_in(self) -> npt.NDArray[np.float32] | None:
        """What to add to each cell's expression for genes that were not measured, (n_panel,).

        None where all were, or where the model does not know its means.
        """
        means = self.manifest.means
        if means is None or self.match.measured.all():
            return None
        return means.stand_in(self.match.measured)

    @cached_property
    def library_factor(self) -> float:
        """By how much the libraries were larger than their measured genes say.

        One where library sizes were given: they count the missing genes, too.
        """
        means, measured = self.manifest.means, self.match.measured
        if means is None or measured.all() or not self._are_libraries_sums:
            return 1.0
        return means.library_factor(measured)

    @property
    def _are_libraries_sums(self) -> bool:
        off = np.abs(total_counts(self.raw.counts) - self.raw.library_size)
        return bool(np.all(off <= SUM_TOLERANCE * self.raw.library_size))

    def blocks(self) -> Iterator[sparse.csr_matrix]:
        """Yield the expression of measured genes, (n_block, n_panel), block by block."""
        for block in self.raw.blocks():
            yield self._expression(block)

    def expression(self) -> sparse.csr_matrix:
        """Return the expression of all cells, stand-ins included, (n_cells, n_panel)."""
        expression = self._expression(self.raw)
        if self.stand_in is None:
            return expression
        return sparse.csr_matrix(expression.toarray() + self.stand_in)

    def _expression(self, block: RawCounts) -> sparse.csr_matrix:
        aligned = AlignedCounts(
            select_genes(block.counts, self.match),
            block.library_size * self.library_factor,
            self.match.gene_coverage,
        )
        return self.manifest.normalisation.apply(aligned)
