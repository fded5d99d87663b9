"""What the members of an ensemble say of cells that they have not seen, and what follows."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cellclassifier.data import sparse_views, stratified_folds
from cellclassifier.data.counts.cells import n_cores
from cellclassifier.data.row_sources import row_blocks, rows_in_blocks
from cellclassifier.data.splitting import Rows
from cellclassifier.training.examples import Examples
from cellclassifier.training.softmax_loss import DenseWeights, one_blas_thread
from cellclassifier.training.stacking.layers import N_FOLDS, NEAR
from cellclassifier.training.stacking.mapping import MAX_LOGITS, LogitMap, fit_map
from cellclassifier.training.stacking.paths import MAX_CELLS
from cellclassifier.training.stacking.rare import lifts_of_rare_types
from cellclassifier.training.stacking.towers import Towers
from cellclassifier.training.stacking.weights import stacking_weights

# Cells times types times members whose logits are held: 256 MB. With hundreds of types, members are
# weighed, and prediction sets and novelty learned, on fewer cells than there are.
MAX_MEMBER_LOGITS = 2**26
# where whole batches are set apart, no chance is in their folds: another number of them makes these
# other folds than the members'
N_MAP_FOLDS_OF_BATCHES = 5

Floats = npt.NDArray[np.float32]
Floats64 = npt.NDArray[np.float64]
Folds = list[tuple[Rows, Rows]]


@dataclass(frozen=True)
class Fit:
    """A linear head at one checkpoint."""

    weights: DenseWeights
    view: int
    is_late: bool


@dataclass(frozen=True, eq=False)
class Opinions:
    """Held-out cells, and what each member that has not seen them says of them.

    Parameters
    ----------
    examples
        All cells.
    folds
        Those kept and set apart for the members of each fold.
    known
        Cells whose type the members that have not seen them have seen elsewhere, ascending: all of
        these, or some where they and the types are too many.
    members
        Shape (n_members, n_known, n_types): logits, the towers last.
    """

    examples: Examples
    folds: Folds
    known: Rows
    members: Floats

    @classmethod
    def of(
        cls,
        examples: Examples,
        folds: Folds,
        by_fold: list[list[Fit]],
        towers: Towers,
        rng: np.random.Generator,
    ) -> "Opinions":
        """Ask the members of each fold, and of the towers the fold's, about the cells set apart."""
        most = _most_cells(len(by_fold[0]) + 1, towers.head_bias.shape[1])
        known = some(_cells_of_known_types(examples.codes, folds), rng, most)
        return cls(examples, folds, known, _out_of_fold(examples, known, folds, by_fold, towers))

    @property
    def codes(self) -> npt.NDArray[np.int32]:
        """The types of the known cells, (n_known,)."""
        return self.examples.codes[self.known]

    @property
    def most(self) -> int:
        """How many cells there may be at most."""
        n_members, _, n_types = self.members.shape
        return _most_cells(n_members, n_types)

    def shares(self, sample: Rows, counted: Sequence[bool] | None = None) -> Floats64:
        """Return how much each member counts by what it says of a sample, (n_members,).

        Parameters
        ----------
        sample
            Places among the known cells.
        counted
            The members that count at all; None for all of them.
        """
        who = np.flatnonzero(np.ones(len(self.members)) if counted is None else counted)
        shares = np.zeros(len(self.members))
        shares[who] = stacking_weights(list(self.members[np.ix_(who, sample)]), self.codes[sample])
        return shares

    def mapped(
        self, shares: Floats64, sample: Rows, rng: np.random.Generator
    ) -> tuple[LogitMap, Floats]:
        """Return the map of the members' weighted sum, and all its logits, (n_known, n_types).

        The map is learned on the sample; the logits of each cell are by one that has not seen it.
        Types of a few cells are lifted in both.
        """
        codes, batch_codes = self.codes, self.examples.batch_codes
        summed = _weighted_sum(shares, self.members)
        sample = some(sample, rng, MAX_LOGITS // summed.shape[1])
        batch_codes = None if batch_codes is None else batch_codes[self.known]
        mapping, mapped = map_of_logits(summed, codes, sample, rng, batch_codes)
        lifts = self._lifts(mapped)
        return mapping.lifted(lifts), mapped + np.float32(lifts)

    def _lifts(self, mapped: Floats) -> Floats64:
        """Return what is added to the logits of types of a few cells, (n_types,)."""
        n_types = mapped.shape[1]
        seen = np.empty(mapped.shape, dtype=bool)
        for kept, apart in self.folds:
            of_kept = np.bincount(self.examples.codes[kept], minlength=n_types)
            seen[np.isin(self.known, apart)] = of_kept > 0
        n_cells = np.bincount(self.examples.codes, minlength=n_types)
        return lifts_of_rare_types(mapped, self.codes, n_cells, seen)


def some(rows: Rows, rng: np.random.Generator, n_cells: int | None = None) -> Rows:
    """Return all rows, or as many as `n_cells`, by default `MAX_CELLS`, ascending."""
    n_cells = MAX_CELLS if n_cells is None else n_cells
    return rows if len(rows) <= n_cells else np.sort(rng.permutation(rows)[:n_cells])


def _most_cells(n_members: int, n_types: int) -> int:
    return MAX_MEMBER_LOGITS // (n_members * n_types)


def _cells_of_known_types(codes: npt.NDArray[np.int32], folds: Folds) -> Rows:
    """Return the cells whose type the members trained without them have seen, ascending."""
    return np.sort(
        np.concatenate([apart[np.isin(codes[apart], codes[kept])] for kept, apart in folds])
    )


def _out_of_fold(
    examples: Examples,
    rows: Rows,
    folds: Folds,
    by_fold: list[list[Fit]],
    towers: Towers,
) -> Floats:
    """Return logits of each member for some cells, (n_members, n_rows, n_types).

    The towers are the last one.
    """
    members = np.empty((len(by_fold[0]) + 1, len(rows), towers.head_bias.shape[1]), np.float32)
    for fold, ((_, apart), fits) in enumerate(zip(folds, by_fold, strict=True)):
        for places in rows_in_blocks(np.flatnonzero(np.isin(rows, apart))):
            inputs = sparse_views(examples[rows[places]].expression)
            for member, fit in enumerate(fits):
                members[member, places] = fit.weights(inputs[fit.view])
            members[-1, places] = towers.logits(inputs[NEAR])[fold]
    return members


def _weighted_sum(shares: Floats64, members: Floats) -> Floats64:
    """Return what members say together, (n_cells, n_types)."""
    summed = np.empty(members.shape[1:])
    for block in row_blocks(len(summed)):
        summed[block] = np.tensordot(shares, members[:, block], 1)
    return summed


def map_of_logits(
    logits: Floats64,
    codes: npt.NDArray[np.int32],
    sample: Rows,
    rng: np.random.Generator,
    batch_codes: npt.NDArray[np.int32] | None = None,
) -> tuple[LogitMap, Floats]:
    """Return the map learned on a sample, and all logits, each by a map that has not seen the cell.

    Nor, where batches are told, the others of its batch.

    The latter are dealt anew. A map without one of the members' folds would be learned only on what
    members say that have seen this fold: what its cells taught them looks wrong on other cells, the
    map mends it, and so errs on these cells more than on new ones.
    """
    # of types of one cell each nobody has seen another cell
    n_folds = N_FOLDS if batch_codes is None else N_MAP_FOLDS_OF_BATCHES
    groups = stratified_folds(codes, n_folds, rng, batch_codes) if len(codes) else []
    parts = [sample] + [np.intersect1d(sample, kept) for kept, _ in groups]
    with one_blas_thread(), ThreadPoolExecutor(n_cores()) as threads:
        whole, *partial = threads.map(lambda part: fit_map(logits[part], codes[part]), parts)
    mapped = np.empty(logits.shape, dtype=np.float32)
    for each, (_, apart) in zip(partial, groups, strict=True):
        mapped[apart] = each(logits[apart])
    return whole, mapped
