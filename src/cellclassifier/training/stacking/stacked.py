"""Training by stacking, as a story.

Logistic regression on three views of the cells, at several points on the way to its optimum, and
perceptrons: each is trained on the cells of two folds out of three, three times over, and what it
says of the third decides how much it counts, and what their sum says, how its logits are mapped.
Then all are trained on all cells. As sums and maps of linear layers are such layers, the ensemble
ends as a single network of the family.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cellclassifier.data import sparse_views, stratified_folds
from cellclassifier.data.counts.cells import n_cores
from cellclassifier.data.row_sources import row_blocks, rows_in_blocks, views_of_source
from cellclassifier.data.splitting import Rows
from cellclassifier.training.config import TrainingConfig
from cellclassifier.training.examples import Examples
from cellclassifier.training.progress import Watcher
from cellclassifier.training.softmax_loss import DenseWeights, one_blas_thread
from cellclassifier.training.stacking.layers import (
    N_FOLDS,
    N_TOWERS,
    StackedLayers,
    Weighted,
    logits_layer,
)
from cellclassifier.training.stacking.mapping import MAX_LOGITS, LogitMap, fit_map
from cellclassifier.training.stacking.paths import MAX_CELLS, Head, fit_heads
from cellclassifier.training.stacking.rare import lifts_of_rare_types
from cellclassifier.training.stacking.towers import Towers, train_towers
from cellclassifier.training.stacking.weights import stacking_weights
from cellclassifier.training.upkeep import NO_UPKEEP, Upkeep
from cellclassifier.trust import calibrate_temperature

NEAREST, NEAR, CONCAVE = range(3)
# what crosses laboratories: a concave view, strong genes held back, a strong penalty, and nothing
# taken from how many cells of each type there were
FAR_HEADS = tuple(
    Head(CONCAVE, penalty, gene_scaled=True, checkpoints=(40,), balanced=True)
    for penalty in (3e-4, 1e-3)
)

# Cells times types times members whose logits are held: 256 MB. With hundreds of types, members are
# weighed, and prediction sets and novelty learned, on fewer cells than there are.
MAX_MEMBER_LOGITS = 2**26
# where whole batches are set apart, no chance is in their folds: another number of them makes these
# other folds than the members'
N_MAP_FOLDS_OF_BATCHES = 5

Floats = npt.NDArray[np.float32]
Floats64 = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Stacked:
    """What training by stacking leaves.

    Parameters
    ----------
    layers
        The network's weights, trained on all cells.
    shifted
        Other weights of its last layer: for cells that differ somewhat from the training's, and
        for cells that differ much.
    known
        Cells whose type the members that have not seen them have seen elsewhere, ascending: all of
        these, or some where they and the types are too many.
    out_of_fold
        Logits for them by members, and by a map of their sum, that have not seen the cell,
        (n_known, n_types).
    apart
        The cells of the first fold.
    far_known
        Those of `apart`, or some of them, whose type heads trained without them have seen.
    far_apart
        Logits for these cells of the layer for cells that differ much, by heads that have not seen
        them, (n_far_known, n_types).
    plain
        The head that is linear in the nearest view alone, trained to its end on all cells, at its
        temperature: an opinion that owes little to the layer for cells that differ much.
    plain_out_of_fold
        Its logits for `known`, by heads that have not seen the cell, (n_known, n_types).
    layers_before
        The network's weights by the members that have not seen the first fold; without a map, as
        any that is learned on the other folds owes something to this one, see `_map_of_logits`.
    shares
        How much each member counts: heads first, checkpoint by checkpoint, then the towers.
    """

    layers: StackedLayers
    shifted: tuple[DenseWeights, DenseWeights]
    known: Rows
    out_of_fold: Floats
    apart: Rows
    far_known: Rows
    far_apart: Floats
    plain: DenseWeights
    plain_out_of_fold: Floats
    layers_before: StackedLayers
    shares: npt.NDArray[np.float64]


def train_by_stacking(
    examples: Examples,
    n_types: int,
    n_hidden: int,
    config: TrainingConfig,
    seed: int,
    watch: Watcher,
    upkeep: Upkeep = NO_UPKEEP,
) -> Stacked:
    """Train an ensemble, and weigh its members by cells that they have not seen.

    Parameters
    ----------
    examples
        All cells: log1p of counts per 10,000.
    n_types
        How many types there are.
    n_hidden
        The hidden units of the network, shared by the towers.
    config
        Of the linear heads its penalty, of the towers epochs, batch size and learning rate.
    seed
        Of folds, samples and towers.
    watch
        Called after each epoch of the towers.
    upkeep
        Where their state is kept after each epoch, and which of how many processes this is. All of
        them train the towers; the first one does all else.
    """
    rng = np.random.default_rng(seed)
    folds = stratified_folds(examples.codes, N_FOLDS, rng, examples.batch_codes)
    views = [replace(examples, stored=view) for view in views_of_source(examples.stored)]
    seen = np.ones((len(examples), N_TOWERS), dtype=bool)
    for fold, (_, apart) in enumerate(folds):
        seen[apart, fold] = False
    n_units = n_hidden // N_TOWERS
    towers = train_towers(views[NEAR], seen, n_types, n_units, config, rng, watch, upkeep)
    upkeep.ranks.leave_to_first()
    *by_fold, final, far_trial, far = _fit_all(views, folds, n_types, config, rng)

    n_members = len(by_fold[0]) + 1
    most = MAX_MEMBER_LOGITS // (n_members * n_types)
    known = _some(_cells_of_known_types(examples.codes, folds), rng, most)
    codes = examples.codes[known]
    members = _out_of_fold(views[CONCAVE], known, folds, by_fold, towers)
    sample = _some(np.arange(len(known)), rng)
    shares = stacking_weights(list(members[:, sample]), codes[sample])
    late = np.flatnonzero([fit.is_late for fit in by_fold[0]] + [True])
    late_shares = np.zeros_like(shares)
    late_shares[late] = stacking_weights(list(members[np.ix_(late, sample)]), codes[sample])
    summed = _weighted_sum(shares, members)
    sample = _some(sample, rng, MAX_LOGITS // n_types)
    batch_codes = None if examples.batch_codes is None else examples.batch_codes[known]
    mapping, out_of_fold = _map_of_logits(summed, codes, sample, rng, batch_codes)
    lifts = _lifts(out_of_fold, known, folds, examples.codes)
    mapping, out_of_fold = mapping.lifted(lifts), out_of_fold + np.float32(lifts)

    shape = examples.n_genes, n_hidden, n_types
    equally = np.full(N_TOWERS, 1 / N_TOWERS)

    def network(fits: list[_Fit], shares: Floats64, of_towers: Floats64) -> StackedLayers:
        weighted = [
            Weighted(fit.weights, fit.view, share)
            for fit, share in zip(fits, shares[:-1], strict=True)
        ]
        logits = logits_layer(weighted, towers, shares[-1] * of_towers, shape)
        return StackedLayers(towers.projection, DenseWeights(towers.kernel, towers.bias), logits)

    layers = network(final, shares, equally)
    apart = folds[0][1]
    tried = _some(apart, rng, most)
    far_layer, far_apart = _far_layer(far, far_trial, views[CONCAVE][tried], shape)
    far_known = np.isin(tried, known)
    plain = len(_heads(config)[0].checkpoints) - 1  # where the first head ends
    temperature = np.float32(calibrate_temperature(members[plain], codes))
    return Stacked(
        replace(layers, logits=mapping.after(layers.logits)),
        (
            _without_composition(network(final, late_shares, equally).logits, examples),
            far_layer,
        ),
        known,
        out_of_fold,
        apart,
        tried[far_known],
        far_apart[far_known],
        DenseWeights(*(weights / temperature for weights in final[plain].weights)),
        members[plain] / temperature,
        network(by_fold[0], shares, np.eye(N_TOWERS)[0]),
        shares,
    )


@dataclass(frozen=True)
class _Fit:
    """A linear head at one checkpoint."""

    weights: DenseWeights
    view: int
    is_late: bool


def _heads(config: TrainingConfig) -> list[Head]:
    return [
        Head(NEAREST, config.penalty, checkpoints=(12, 20, 30, 40)),
        Head(NEAR, config.penalty),
        Head(CONCAVE, config.penalty),
    ]


def _fit_all(
    views: list[Examples],
    folds: list[tuple[Rows, Rows]],
    n_types: int,
    config: TrainingConfig,
    rng: np.random.Generator,
) -> list[list[_Fit]]:
    """Return the heads fitted without each fold and to all cells, then the far ones likewise.

    The far ones are fitted without the first fold, and to all cells.
    """
    everything = np.arange(len(views[0]))
    rows = [_some(kept, rng) for kept, _ in folds] + [_some(everything, rng)]
    fits = [(_heads(config), part) for part in rows]
    fits += [(list(FAR_HEADS), rows[0]), (list(FAR_HEADS), rows[-1])]
    tasks = [(head, part) for heads, part in fits for head in heads]
    paths = iter(fit_heads(views, n_types, tasks))
    return [[fit for head in heads for fit in _checkpoints(head, next(paths))] for heads, _ in fits]


def _some(rows: Rows, rng: np.random.Generator, n_cells: int | None = None) -> Rows:
    """Return all rows, or as many as `n_cells`, by default `MAX_CELLS`, ascending."""
    n_cells = MAX_CELLS if n_cells is None else n_cells
    return rows if len(rows) <= n_cells else np.sort(rng.permutation(rows)[:n_cells])


def _checkpoints(head: Head, path: list[DenseWeights]) -> list[_Fit]:
    # the nearest view is for cells like the training's only: its end does not count as late
    late = [False] * (len(path) - 1) + [head.view != NEAREST]
    return [_Fit(weights, head.view, is_late) for weights, is_late in zip(path, late, strict=True)]


def _out_of_fold(
    examples: Examples,
    rows: Rows,
    folds: list[tuple[Rows, Rows]],
    by_fold: list[list[_Fit]],
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


def _cells_of_known_types(codes: npt.NDArray[np.int32], folds: list[tuple[Rows, Rows]]) -> Rows:
    """Return the cells whose type the members trained without them have seen, ascending."""
    return np.sort(
        np.concatenate([apart[np.isin(codes[apart], codes[kept])] for kept, apart in folds])
    )


def _map_of_logits(
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


def _lifts(
    out_of_fold: Floats,
    known: Rows,
    folds: list[tuple[Rows, Rows]],
    codes: npt.NDArray[np.int32],
) -> Floats64:
    """Return what is added to the logits of types of a few cells, (n_types,)."""
    n_types = out_of_fold.shape[1]
    seen = np.empty(out_of_fold.shape, dtype=bool)
    for kept, apart in folds:
        seen[np.isin(known, apart)] = np.bincount(codes[kept], minlength=n_types) > 0
    n_cells = np.bincount(codes, minlength=n_types)
    return lifts_of_rare_types(out_of_fold, codes[known], n_cells, seen)


def _without_composition(layer: DenseWeights, examples: Examples) -> DenseWeights:
    """Return a layer for cells of which nothing says how many of each type there are.

    Its bias holds the logarithm of each type's share in the loss it was trained by, as any
    classifier's does (Saerens et al. 2002); here each type has the same.
    """
    shares = np.bincount(examples.codes, examples.cell_weights, minlength=len(layer.bias))
    prior = np.log(np.maximum(shares, 1.0))
    return DenseWeights(layer.kernel, (layer.bias - prior + prior.mean()).astype(np.float32))


def _far_layer(
    fits: list[_Fit], trials: list[_Fit], held_out: Examples, shape: tuple[int, int, int]
) -> tuple[DenseWeights, Floats]:
    """Return the layer for cells from elsewhere: the mean of its heads, each at its temperature.

    And what the trials, of cells that they have not seen, say likewise, (n_held_out, n_types).
    """
    weighted, of_trials = [], np.zeros((len(held_out), shape[-1]), dtype=np.float32)
    said = [[trial.weights(block.expression) for trial in trials] for block in held_out.blocks()]
    for fit, of_blocks in zip(fits, zip(*said, strict=True), strict=True):
        logits = np.concatenate(of_blocks)
        temperature = calibrate_temperature(logits, held_out.codes)
        share = 1 / (temperature * len(fits))
        weighted.append(Weighted(fit.weights, fit.view, share))
        of_trials += np.float32(share) * logits
    return logits_layer(weighted, None, np.empty(0), shape), of_trials
