"""Cells of a kind that was not among the training cells."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.trust.neighbours import Neighbours
from cellclassifier.trust.surprises import Surprises, Unusual
from cellclassifier.trust.tails import DepthCurve, of_file
from cellclassifier.trust.unexpected import TypeRates, Unexpected

# training cells that others are compared with, and how many of them count
MAX_PROTOTYPES = 1_000
N_NEIGHBOURS = 3
# of a type, where it has as many
MIN_PER_TYPE = 20
# held-out cells without which nothing can be said
MIN_CELLS = 50
RIDGE = 1e-3
# cells that the covariance within types is taken over
MAX_CELLS = 20_000
# Half of what depth explains is taken off the distance: all of it finds doublets better and unseen
# subsets worse.
DEPTH_SHARE = 0.5
# below, a distance is zero
SMALLEST = 1e-6
MAX_VALUE = 1e6

Floats = npt.NDArray[np.float32]
Floats64 = npt.NDArray[np.float64]


class CellEvidence(NamedTuple):
    """What the novelty of cells is judged by.

    Parameters
    ----------
    embedding
        Shape (n_cells, n_dimensions), float32: expression @ `NoveltyModel.components`.
    probabilities
        Shape (n_cells, n_types).
    far_probabilities
        Shape (n_cells, n_types), were the cells from elsewhere; None where the model does not know.
    counts
        Raw counts, (n_cells, n_measured), CSR.
    target
        The place of each column of the counts in the panel, negative for none, int32.
    library_size
        Shape (n_cells,), over all genes.
    plain_probabilities
        Shape (n_cells, n_types), by a plain head that learned otherwise; None where there is none.
    residual
        Shape (n_cells,): what `Unexpected` says of the counts; None for not yet.
    """

    embedding: Floats
    probabilities: npt.NDArray[np.floating]
    far_probabilities: npt.NDArray[np.floating] | None
    counts: sparse.csr_matrix
    target: npt.NDArray[np.int32]
    library_size: npt.NDArray[np.floating]
    plain_probabilities: npt.NDArray[np.floating] | None = None
    residual: Floats64 | None = None


class HeldOutCells(NamedTuple):
    """What a network said of training cells that it had not seen.

    Parameters
    ----------
    rows
        Of the training cells, ascending, (n_held_out,).
    probabilities
        Shape (n_held_out, n_types).
    plain_probabilities
        Likewise, by a plain head that learned otherwise; None where there is none.
    """

    rows: npt.NDArray[np.intp]
    probabilities: npt.NDArray[np.floating]
    plain_probabilities: npt.NDArray[np.floating] | None = None


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
        """
        rows, probabilities, plain = held_out
        if len(rows) < MIN_CELLS or not len(axes):
            return None
        rng = np.random.default_rng(seed)
        whitening = _whitening(known.embedding, codes, rng)
        whitened = known.embedding @ whitening
        chosen = _choose_prototypes(codes, rng)
        own = np.full(len(codes), -1)
        own[chosen] = np.arange(len(chosen))
        n_types = probabilities.shape[1]
        rates = rates or TypeRates.of(known.counts, known.library_size, codes, n_types)
        library_size = known.library_size[rows]
        apart = CellEvidence(
            whitened[rows], probabilities, None, known.counts[rows], known.target, library_size
        )
        neighbours = Neighbours.of(whitened[chosen])
        distances = _distances(neighbours, apart.embedding, own[rows])
        everything = np.ones(rates.rates.shape[1], dtype=bool)
        unexpected = _unexpected(apart, rates.measured_by(everything))
        depth = (DepthCurve.of(distances, library_size), DepthCurve.of(unexpected, library_size))
        both, far_doubt = np.ones(len(rows), dtype=bool), None
        if far is not None and len(far.rows) >= MIN_CELLS:
            both = np.isin(rows, far.rows)
            far_doubt = _doubt(far.probabilities, far.plain_probabilities)
        found = Unusual(
            distances - DEPTH_SHARE * depth[0].expected(library_size),
            _doubt(probabilities, plain),
            unexpected - depth[1].expected(library_size),
            far_doubt,
        )
        components = np.ascontiguousarray(axes.T @ whitening)
        return cls(components, whitened[chosen], rates, depth, Surprises.of(found, both))

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
        of_distance, of_unexpected = (curve.expected(cells.library_size) for curve in model.depth)
        far, plain = cells.far_probabilities, cells.plain_probabilities
        distances = _distances(self.neighbours, cells.embedding, n_threads=n_threads)
        found = Unusual(
            distances - DEPTH_SHARE * of_distance,
            _doubt(cells.probabilities, plain),
            _unexpected(cells, self.unexpected, n_threads) - of_unexpected,
            None if far is None else _doubt(far, plain),
        )
        novelty: Floats = model.surprises.novelty(found).astype(np.float32)
        return novelty


def _distances(
    neighbours: Neighbours,
    embedding: Floats,
    own: npt.NDArray[np.integer] | None = None,
    n_threads: int = 1,
) -> Floats64:
    """Return the logarithm of the mean distance to the nearest prototypes, (n_cells,)."""
    return np.log(neighbours.mean_distance(embedding, N_NEIGHBOURS, own, n_threads) + SMALLEST)


def _doubt(
    probabilities: npt.NDArray[np.floating], plain: npt.NDArray[np.floating] | None
) -> Floats64:
    """Return the entropy of the mean of one or two opinions, (n_cells,)."""
    wide = probabilities.astype(np.float64)
    if plain is not None:
        wide = (wide + plain) / 2
    entropy: Floats64 = -(wide * np.log(np.maximum(wide, 1e-12))).sum(axis=1)
    return entropy


def _unexpected(cells: CellEvidence, unexpected: Unexpected, n_threads: int = 1) -> Floats64:
    """Return the logarithm of how unexpected the counts are in the most probable type."""
    residual = cells.residual
    if residual is None:
        codes = cells.probabilities.argmax(axis=1)
        residual = unexpected(cells.counts, cells.target, cells.library_size, codes, n_threads)
    return np.asarray(np.log(residual + SMALLEST), dtype=np.float64)


def _whitening(scores: Floats, codes: npt.NDArray[np.integer], rng: np.random.Generator) -> Floats:
    """Return what makes the covariance within types the identity, (n_axes, n_axes)."""
    rows = np.sort(rng.permutation(len(codes))[:MAX_CELLS])
    scores, codes = scores[rows].astype(np.float64), codes[rows]
    members = sparse.csr_matrix((np.ones(len(codes)), (codes, np.arange(len(codes)))))
    sizes = np.maximum(np.bincount(codes), 1)
    off = scores - ((members @ scores) / sizes[:, None])[codes]
    covariance = off.T @ off / len(codes)
    spread = max(float(np.trace(covariance)) / len(covariance), SMALLEST)
    covariance[np.diag_indices_from(covariance)] += RIDGE * spread
    whitening: Floats = np.linalg.cholesky(np.linalg.inv(covariance)).astype(np.float32)
    return whitening


def _choose_prototypes(
    codes: npt.NDArray[np.integer], rng: np.random.Generator
) -> npt.NDArray[np.intp]:
    """Return rows of at most about 1,000 cells, of each type by the root of its size."""
    if len(codes) <= MAX_PROTOTYPES:
        return np.arange(len(codes))
    roots = np.sqrt(np.bincount(codes))
    least = min(MIN_PER_TYPE, max(1, MAX_PROTOTYPES // len(roots)))
    wanted = np.maximum(least, (MAX_PROTOTYPES * roots / roots.sum()).astype(int))
    chosen = [
        rng.permutation(np.flatnonzero(codes == code))[: wanted[code]] for code in np.unique(codes)
    ]
    return np.sort(np.concatenate(chosen))


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
