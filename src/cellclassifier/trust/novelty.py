"""Cells of a kind that was not among the training cells."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cellclassifier.trust.evidence import (
    CellEvidence,
    HeldOutCells,
    Trial,
    choose_prototypes,
    doubt,
    log_distances,
    log_unexpected,
    measure_apart,
    whitening_of,
)
from cellclassifier.trust.neighbours import Neighbours
from cellclassifier.trust.surprises import Surprises, Unusual
from cellclassifier.trust.tails import DepthCurve, of_file
from cellclassifier.trust.unexpected import TypeRates, Unexpected

# held-out cells without which nothing can be said
MIN_CELLS = 50
# Half of what depth explains is taken off the distance: all of it finds doublets better and unseen
# subsets worse.
DEPTH_SHARE = 0.5
MAX_VALUE = 1e6

Floats = npt.NDArray[np.float32]
Floats64 = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NoveltyModel:
    """What known cells are like, to tell others by.

    Three things are looked at. The distance to the nearest training cells, among principal
    components whitened by their covariance within types, finds unseen lineages. Doubt, the entropy
    of the probabilities, finds unseen subsets of a type that is split up, which lie amid the known;
    a network that is sure of unseen cells often is less so were they from elsewhere, so that both
    are asked where there are two. Where there is a plain head, too, each is averaged with it first:
    of unseen cells, models that learned otherwise say other things, each with confidence, and the
    mean of what they say is undecided (Lakshminarayanan et al. 2017). Counts that cells of the
    predicted type do not have, as the mean squared Pearson residual, find types that resemble a
    known one. Each is turned into the surprise that it would be in a known cell, -log p, see
    `Surprises`.

    Parameters
    ----------
    components
        Shape (n_panel, n_dimensions), float32: from expression to the whitened components.
    prototypes
        Shape (n_prototypes, n_dimensions), float32: training cells there, not centred.
    rates
        Of each type.
    depth
        Of the distance and of the unexpected counts.
    surprises
        Of held-out cells.
    """

    components: Floats
    prototypes: Floats
    rates: TypeRates
    depth: tuple[DepthCurve, DepthCurve]
    surprises: Surprises

    @classmethod
    def of(
        cls,
        axes: Floats,
        known: CellEvidence,
        codes: npt.NDArray[np.integer],
        held_out: HeldOutCells,
        far: HeldOutCells | None,
        seed: int,
        rates: TypeRates | None = None,
        trial: Trial | None = None,
    ) -> "NoveltyModel | None":
        """Learn from the training cells; None where too few of them were held out.

        Parameters
        ----------
        axes
            Shape (n_axes, n_panel), float32, orthonormal.
        known
            The training cells; the embedding is of their scores on the axes, no probabilities are
            looked at.
        codes
            Their types, (n_cells,).
        held_out
            By the network for cells like these.
        far
            By the network for cells that differ much, of some of these cells; None for no such.
        seed
            Of the prototypes.
        rates
            Of all training cells, where `known` are some of them; None takes those of `known`.
        trial
            Where cells lie to which no cell of `far` has contributed; None for no such.
        """
        rows, probabilities, plain = held_out
        if len(rows) < MIN_CELLS or not len(axes):
            return None
        rng = np.random.default_rng(seed)
        whitening = whitening_of(known.embedding, codes, rng)
        whitened = known.embedding @ whitening
        chosen = choose_prototypes(codes, rng)
        n_types = probabilities.shape[1]
        rates = rates or TypeRates.of(known.counts, known.library_size, codes, n_types)
        library_size = known.library_size[rows]
        distances, unexpected = measure_apart(known, whitened, chosen, rates, held_out)
        depth = (DepthCurve.of(distances, library_size), DepthCurve.of(unexpected, library_size))
        both, far_doubt = np.ones(len(rows), dtype=bool), None
        if far is not None and len(far.rows) >= MIN_CELLS:
            both = np.isin(rows, far.rows)
            far_doubt = doubt(far.probabilities, far.plain_probabilities)
        distances, unexpected = _beyond_depth(depth, distances, unexpected, library_size)
        found = Unusual(distances, doubt(probabilities, plain), unexpected, far_doubt)
        unseen = None
        if trial is not None and trial.scores.size and far_doubt is not None:
            measured = trial.measure(known, codes, held_out.some(both), seed)
            unseen = _beyond_depth(depth, *measured, library_size[both])
        components = np.ascontiguousarray(axes.T @ whitening)
        surprises = Surprises.of(found, both, unseen)
        return cls(components, whitened[chosen], rates, depth, surprises)

    @property
    def asks_far(self) -> bool:
        """Whether doubt takes what the network would say were the cells from elsewhere."""
        return self.surprises.doubts.far is not None

    def detector(self, measured: npt.NDArray[np.bool_]) -> "NoveltyDetector":
        """Return what judges cells of which these genes of the panel were measured, (n_panel,)."""
        return NoveltyDetector(
            self, Neighbours.of(self.prototypes), self.rates.measured_by(measured)
        )

    def to_arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return what a file has to hold, by name."""
        return {
            "components": self.components,
            "prototypes": self.prototypes,
            "rates": self.rates.rates,
            "dispersion": self.rates.dispersion,
            "distance_depth": self.depth[0].coefficients,
            "unexpected_depth": self.depth[1].coefficients,
            **self.surprises.to_arrays(),
        }

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, npt.NDArray[np.generic]], n_genes: int, n_types: int
    ) -> "NoveltyModel":
        """Take what `to_arrays` gave, trusting nothing in it.

        Raises
        ------
        ValueError
            An array is missing, or not of the shape, type or range of `to_arrays`.
        """
        components = _checked(arrays, "components", (n_genes, None))
        rates = TypeRates(
            _checked(arrays, "rates", (n_types, n_genes), least=0.0),
            _checked(arrays, "dispersion", (n_genes,), least=0.0),
        )
        return cls(
            components,
            _checked(arrays, "prototypes", (None, components.shape[1])),
            rates,
            (
                DepthCurve.from_array(of_file(arrays, "distance_depth")),
                DepthCurve.from_array(of_file(arrays, "unexpected_depth")),
            ),
            Surprises.from_arrays(arrays),
        )


@dataclass(frozen=True, eq=False)
class NoveltyDetector:
    """A `NoveltyModel` for cells of which some genes were measured."""

    model: NoveltyModel
    neighbours: Neighbours
    unexpected: Unexpected

    def __call__(self, cells: CellEvidence, n_threads: int = 1) -> Floats:
        """Return the novelty of each cell, (n_cells,), float32, 0 or more.

        It is -log10 of the share of known cells that look at least as novel: 1.3 where that is one
        in twenty. It depends on no other cell, nor on the number of threads.
        """
        model = self.model
        far, plain = cells.far_probabilities, cells.plain_probabilities
        distances, unexpected = _beyond_depth(
            model.depth,
            log_distances(self.neighbours, cells.embedding, n_threads=n_threads),
            log_unexpected(cells, self.unexpected, n_threads),
            cells.library_size,
        )
        found = Unusual(
            distances,
            doubt(cells.probabilities, plain),
            unexpected,
            None if far is None else doubt(far, plain),
        )
        novelty: Floats = model.surprises.novelty(found).astype(np.float32)
        return novelty


def _beyond_depth(
    depth: tuple[DepthCurve, DepthCurve],
    distances: Floats64,
    unexpected: Floats64,
    library_size: npt.NDArray[np.floating],
) -> tuple[Floats64, Floats64]:
    """Return both without what is usual of cells as deep as these, (n_cells,)."""
    of_distance, of_unexpected = (curve.expected(library_size) for curve in depth)
    return distances - DEPTH_SHARE * of_distance, unexpected - of_unexpected


def _checked(
    arrays: Mapping[str, npt.NDArray[np.generic]],
    name: str,
    shape: tuple[int | None, ...],
    least: float = -MAX_VALUE,
) -> Floats:
    values = of_file(arrays, name)
    fits = values.ndim == len(shape) and all(
        wanted in (None, size) for wanted, size in zip(shape, values.shape, strict=True)
    )
    if not fits or values.dtype != np.float32 or not values.size:
        raise ValueError(f"'{name}' is {values.dtype} of shape {values.shape}, not {shape}")
    floats = values.astype(np.float32, copy=False)
    if not np.all((floats >= least) & (floats <= MAX_VALUE)):
        raise ValueError(f"'{name}' holds values that are not within {least:g} and {MAX_VALUE:g}")
    return floats
