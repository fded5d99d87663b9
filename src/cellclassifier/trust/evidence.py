"""What is measured of cells: where they lie, how sure a network is of them, what they count."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from cellclassifier.trust.neighbours import Neighbours
from cellclassifier.trust.unexpected import TypeRates, Unexpected

# training cells that others are compared with, and how many of them count
MAX_PROTOTYPES = 1_000
N_NEIGHBOURS = 3
# of a type, where it has as many
MIN_PER_TYPE = 20
RIDGE = 1e-3
# cells that the covariance within types is taken over
MAX_CELLS = 20_000
# below, a distance is zero
SMALLEST = 1e-6

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

    def some(self, which: npt.NDArray[np.bool_]) -> "HeldOutCells":
        """Return those marked, (n_held_out,)."""
        plain = self.plain_probabilities
        return HeldOutCells(
            self.rows[which], self.probabilities[which], None if plain is None else plain[which]
        )


@dataclass(frozen=True, eq=False)
class Trial:
    """Axes, and all that is learned of cells on them, without some of the cells.

    Axes lie where their own cells vary, by chance too, so that other cells lie nearer to the middle
    and to one another (Lee, Zou & Wright 2010, doi:10.1214/10-AOS821); and a rate has each of its
    cells' counts in it. So training cells look farther away and less unexpected than new ones;
    those apart from the trial do not.

    Parameters
    ----------
    scores
        Of all cells on the trial's axes, (n_cells, n_axes), float32.
    is_in
        Shape (n_cells,): the cells that the trial is made of.
    """

    scores: Floats
    is_in: npt.NDArray[np.bool_]

    def measure(
        self, known: CellEvidence, codes: npt.NDArray[np.integer], apart: HeldOutCells, seed: int
    ) -> tuple[Floats64, Floats64]:
        """Return how far cells apart from the trial lie from its own, and how unexpected they are.

        Parameters
        ----------
        known, codes
            All cells, and their types.
        apart
            Cells of which none is in the trial.
        seed
            Of the prototypes.
        """
        rng, own = np.random.default_rng(seed), np.flatnonzero(self.is_in)
        whitened = self.scores @ whitening_of(self.scores[own], codes[own], rng)
        chosen = own[choose_prototypes(codes[own], rng)]
        n_types = apart.probabilities.shape[1]
        rates = TypeRates.of(known.counts[own], known.library_size[own], codes[own], n_types)
        return measure_apart(known, whitened, chosen, rates, apart)


def measure_apart(
    known: CellEvidence,
    whitened: Floats,
    chosen: npt.NDArray[np.intp],
    rates: TypeRates,
    held_out: HeldOutCells,
) -> tuple[Floats64, Floats64]:
    """Return how far held-out cells lie from chosen ones, and how unexpected their counts are."""
    rows = held_out.rows
    own = np.full(len(whitened), -1)
    own[chosen] = np.arange(len(chosen))
    library_size = known.library_size[rows]
    cells = CellEvidence(
        whitened[rows],
        held_out.probabilities,
        None,
        known.counts[rows],
        known.target,
        library_size,
    )
    distances = log_distances(Neighbours.of(whitened[chosen]), cells.embedding, own[rows])
    everything = np.ones(rates.rates.shape[1], dtype=bool)
    return distances, log_unexpected(cells, rates.measured_by(everything))


def log_distances(
    neighbours: Neighbours,
    embedding: Floats,
    own: npt.NDArray[np.integer] | None = None,
    n_threads: int = 1,
) -> Floats64:
    """Return the logarithm of the mean distance to the nearest prototypes, (n_cells,)."""
    return np.log(neighbours.mean_distance(embedding, N_NEIGHBOURS, own, n_threads) + SMALLEST)


def doubt(
    probabilities: npt.NDArray[np.floating], plain: npt.NDArray[np.floating] | None
) -> Floats64:
    """Return the entropy of the mean of one or two opinions, (n_cells,)."""
    wide = probabilities.astype(np.float64)
    if plain is not None:
        wide = (wide + plain) / 2
    entropy: Floats64 = -(wide * np.log(np.maximum(wide, 1e-12))).sum(axis=1)
    return entropy


def log_unexpected(cells: CellEvidence, unexpected: Unexpected, n_threads: int = 1) -> Floats64:
    """Return the logarithm of how unexpected the counts are in the most probable type."""
    residual = cells.residual
    if residual is None:
        codes = cells.probabilities.argmax(axis=1)
        residual = unexpected(cells.counts, cells.target, cells.library_size, codes, n_threads)
    return np.asarray(np.log(residual + SMALLEST), dtype=np.float64)


def whitening_of(
    scores: Floats, codes: npt.NDArray[np.integer], rng: np.random.Generator
) -> Floats:
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


def choose_prototypes(
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
