"""Cells as a model sees them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.data import (
    AlignedCounts,
    GeneMatch,
    RawCounts,
    StandIn,
    match_genes,
    select_genes,
    sparse_views,
    total_counts,
)
from cellclassifier.modelfile import Manifest
from cellclassifier.trust import NoveltyDetector, TypeProfiles

# float64 sums of whole numbers are exact; given library sizes that say the same may be rounded
SUM_TOLERANCE = 1e-6

Floats = npt.NDArray[np.float32]


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
    def stand_in(self) -> StandIn | None:
        """What genes that were not measured get.

        None where all were, or where the model does not know how its genes go together.
        """
        factors = self.manifest.factors
        return None if factors is None else factors.stand_in(self.match.measured)

    @cached_property
    def library_factor(self) -> float:
        """By how much the libraries were larger than their measured genes say.

        One where library sizes were given: they count the missing genes, too.
        """
        factors, measured = self.manifest.factors, self.match.measured
        if factors is None or measured.all() or not self._are_libraries_sums:
            return 1.0
        return factors.library_factor(measured)

    @property
    def _are_libraries_sums(self) -> bool:
        off = np.abs(total_counts(self.raw.counts) - self.raw.library_size)
        return bool(np.all(off <= SUM_TOLERANCE * self.raw.library_size))

    def expression(self) -> sparse.csr_matrix:
        """Return the expression of all cells, stand-ins included, (n_cells, n_panel)."""
        expression = self.manifest.normalisation.apply(self.aligned(self.raw))
        if self.stand_in is None:
            return expression
        return sparse.csr_matrix(self.stand_in.fill(expression))

    @cached_property
    def detector(self) -> NoveltyDetector | None:
        """What tells the novelty of cells with these genes; None where the model cannot tell."""
        novelty = self.manifest.novelty
        return None if novelty is None else novelty.detector(self.match.measured)

    @cached_property
    def profiles(self) -> TypeProfiles | None:
        """What a shift is measured from; None where the model does not know what its types count.

        A model that does not adapt has the share of each gene in a type's counts, and how many
        cells of what depth they were.
        """
        novelty, adaptation = self.manifest.novelty, self.manifest.adaptation
        if adaptation is not None:
            return adaptation.profiles
        sizes = self.manifest.training.get("n_cells_per_type")
        depth = self.manifest.training.get("median_library_size")
        if novelty is None or not sizes or not depth:
            return None
        n_cells = np.array([sizes.get(label, 0) for label in self.manifest.label_space.labels])
        return TypeProfiles.of_rates(novelty.rates.rates, n_cells * float(depth))

    @property
    def far_layer(self) -> tuple[Floats, Floats] | None:
        """Kernel and bias for cells from elsewhere, where novelty asks for what they would say."""
        novelty, adaptation = self.manifest.novelty, self.manifest.adaptation
        if novelty is None or adaptation is None or not novelty.asks_far:
            return None
        return adaptation.far_layer

    @property
    def plain_head(self) -> tuple[Floats, Floats] | None:
        """Kernel and bias of the plain head, where novelty asks for its opinion."""
        adaptation = self.manifest.adaptation
        if self.manifest.novelty is None or adaptation is None:
            return None
        return adaptation.plain

    @cached_property
    def components(self) -> Floats | None:
        """What the novelty of cells is told by, (n_panel, n_dimensions); None for nothing.

        Behind the dimensions of distance those of the far layer, where there is one.
        """
        novelty = self.manifest.novelty
        if novelty is None:
            return None
        if self.far_layer is None:
            return novelty.components
        return np.hstack([novelty.components, self.far_layer[0]])

    def embed(self, expression: sparse.csr_matrix) -> Floats:
        """Return expression on the components, stand-ins included, (n_cells, n_dimensions).

        What the plain head says comes last.
        """
        if self.components is None:
            return np.empty((expression.shape[0], 0), np.float32)
        embedding = expression @ self.components
        if self.stand_in is not None:
            embedding = embedding + self.stand_in.missing_part(expression) @ self.components
        if self.plain_head is not None:
            filled = expression
            if self.stand_in is not None:
                filled = sparse.csr_matrix(self.stand_in.fill(expression))
            embedding = np.hstack([embedding, sparse_views(filled)[0] @ self.plain_head[0]])
        return np.asarray(embedding, dtype=np.float32)

    def aligned(self, block: RawCounts) -> AlignedCounts:
        """Return the counts of some of the cells in the order of the model's genes."""
        return AlignedCounts(
            select_genes(block.counts, self.match),
            self.library_size(block),
            self.match.gene_coverage,
        )

    def scale(self, block: RawCounts) -> npt.NDArray[np.float64]:
        """Return what the counts of some of the cells are multiplied by, see `Normalisation`."""
        return self.manifest.normalisation.scale(self.library_size(block))

    def library_size(self, block: RawCounts) -> npt.NDArray[np.float64]:
        """Return the library sizes, (n_cells,), as they would be had all genes been measured."""
        return block.library_size * self.library_factor
