"""Training by stacking, as a story.

Logistic regression on three views of the cells, at several points on the way to its optimum, and
perceptrons: each is trained on the cells of two folds out of three, three times over, and what it
says of the third decides how much it counts, and what their sum says, how its logits are mapped.
Then all are trained on all cells. As sums and maps of linear layers are such layers, the ensemble
ends as a single network of the family.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cellclassifier.data import stratified_folds
from cellclassifier.data.row_sources import views_of_source
from cellclassifier.data.splitting import Rows
from cellclassifier.training.config import TrainingConfig
from cellclassifier.training.examples import Examples
from cellclassifier.training.progress import Watcher
from cellclassifier.training.softmax_loss import DenseWeights
from cellclassifier.training.stacking.layers import (
    CONCAVE,
    N_FOLDS,
    N_TOWERS,
    NEAR,
    NEAREST,
    StackedLayers,
    Weighted,
    logits_layer,
)
from cellclassifier.training.stacking.opinions import Fit, Opinions, some
from cellclassifier.training.stacking.paths import Head, fit_heads
from cellclassifier.training.stacking.towers import train_towers
from cellclassifier.training.upkeep import NO_UPKEEP, Upkeep
from cellclassifier.trust import calibrate_temperature

# what crosses laboratories: a concave view, strong genes held back, a strong penalty, and nothing
# taken from how many cells of each type there were
FAR_HEADS = tuple(
    Head(CONCAVE, penalty, gene_scaled=True, checkpoints=(40,), balanced=True)
    for penalty in (3e-4, 1e-3)
)


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
        any that is learned on the other folds owes something to this one, see `map_of_logits`.
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

    opinions = Opinions.of(views[CONCAVE], folds, by_fold, towers, rng)
    sample = some(np.arange(len(opinions.known)), rng)
    shares = opinions.shares(sample)
    late_shares = opinions.shares(sample, [fit.is_late for fit in final] + [True])
    mapping, out_of_fold = opinions.mapped(shares, sample, rng)

    shape = examples.n_genes, n_hidden, n_types
    equally = np.full(N_TOWERS, 1 / N_TOWERS)

    def network(fits: list[Fit], shares: Floats64, of_towers: Floats64) -> StackedLayers:
        weighted = [
            Weighted(fit.weights, fit.view, share)
            for fit, share in zip(fits, shares[:-1], strict=True)
        ]
        logits = logits_layer(weighted, towers, shares[-1] * of_towers, shape)
        return StackedLayers(towers.projection, DenseWeights(towers.kernel, towers.bias), logits)

    layers = network(final, shares, equally)
    apart = folds[0][1]
    tried = some(apart, rng, opinions.most)
    far_layer, far_apart = _far_layer(far, far_trial, views[CONCAVE][tried], shape)
    far_known = np.isin(tried, opinions.known)
    plain = len(_heads(config)[0].checkpoints) - 1  # where the first head ends
    temperature = np.float32(calibrate_temperature(opinions.members[plain], opinions.codes))
    return Stacked(
        replace(layers, logits=mapping.after(layers.logits)),
        (
            _without_composition(network(final, late_shares, equally).logits, examples),
            far_layer,
        ),
        opinions.known,
        out_of_fold,
        apart,
        tried[far_known],
        far_apart[far_known],
        DenseWeights(*(weights / temperature for weights in final[plain].weights)),
        opinions.members[plain] / temperature,
        network(by_fold[0], shares, np.eye(N_TOWERS)[0]),
        shares,
    )


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
) -> list[list[Fit]]:
    """Return the heads fitted without each fold and to all cells, then the far ones likewise.

    The far ones are fitted without the first fold, and to all cells.
    """
    everything = np.arange(len(views[0]))
    rows = [some(kept, rng) for kept, _ in folds] + [some(everything, rng)]
    fits = [(_heads(config), part) for part in rows]
    fits += [(list(FAR_HEADS), rows[0]), (list(FAR_HEADS), rows[-1])]
    tasks = [(head, part) for heads, part in fits for head in heads]
    paths = iter(fit_heads(views, n_types, tasks))
    return [[fit for head in heads for fit in _checkpoints(head, next(paths))] for heads, _ in fits]


def _checkpoints(head: Head, path: list[DenseWeights]) -> list[Fit]:
    # the nearest view is for cells like the training's only: its end does not count as late
    late = [False] * (len(path) - 1) + [head.view != NEAREST]
    return [Fit(weights, head.view, is_late) for weights, is_late in zip(path, late, strict=True)]


def _without_composition(layer: DenseWeights, examples: Examples) -> DenseWeights:
    """Return a layer for cells of which nothing says how many of each type there are.

    Its bias holds the logarithm of each type's share in the loss it was trained by, as any
    classifier's does (Saerens et al. 2002); here each type has the same.
    """
    shares = np.bincount(examples.codes, examples.cell_weights, minlength=len(layer.bias))
    prior = np.log(np.maximum(shares, 1.0))
    return DenseWeights(layer.kernel, (layer.bias - prior + prior.mean()).astype(np.float32))


def _far_layer(
    fits: list[Fit], trials: list[Fit], held_out: Examples, shape: tuple[int, int, int]
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
